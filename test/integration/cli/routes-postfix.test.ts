/** How Postfix is told of routes: `print`, `apply`, `undo` and `doctor` beside a serving Postern. No Postfix runs. */
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Explanation } from '../../../src/services/index.ts';
import { PosternProcess } from '../../support/postern-process.ts';
import { freePorts } from '../../support/waiting.ts';
import { fixture, type Configuration } from '../postfix-control/fixture.ts';
import { beside } from './postfix-workspace.ts';

const ROUTES = `      archive: { host: archive.example.net }
      dlp: { host: 192.0.2.30, port: 2525 }
`;
const SETTINGS = `version: 1
organizations:
  acme:
    primaryDomain: example.com
    routes:
${ROUTES}    domains:
      example.com:
        inboundRouting: [{ mail: [external], route: archive }]
        outboundRouting: [{ mail: [external], action: change, route: dlp }]
`;

type Beside = { readonly postern: PosternProcess; readonly maps: string; readonly recipients: string };

/** A Postern that serves beside a copied configuration. */
async function posternBeside({ configDirectory }: Configuration, settings = SETTINGS): Promise<Beside> {
  const ports = await freePorts('policy', 'milter', 'socketmap');
  const listen = Object.fromEntries(Object.entries(ports).map(([door, port]) => [door, `127.0.0.1:${port}`]));
  const postern = await PosternProcess.start({ listen, settings, operator: { postfix: { configDirectory } } });
  onTestFinished(() => postern.destroy());
  const recipients = `socketmap:inet:127.0.0.1:${ports.socketmap}:recipients`;
  return { postern, maps: join(postern.directory, 'maps'), recipients };
}

/** `postern postfix COMMAND…`, which must be content; its standard output. */
async function told({ postern }: Beside, ...command: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await postern.run('postfix', ...command);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return stdout;
}

type Printed = Record<'main' | 'master', readonly { service?: string; name: string | null; value: string }[]>;

/** The lines that `print` prints, by their place. */
async function printed(ground: Beside): Promise<Map<string, string>> {
  const { main, master } = JSON.parse(await told(ground, 'print', '--json')) as Printed;
  return new Map([...main, ...master].map(({ service, name, value }) => [service ?? name ?? '', value]));
}

const service = (
  name: string,
  maps: string,
  number: number,
  chroot = 'y',
): string => `${name} unix - - ${chroot} - - smtp
  -o { syslog_name = postfix/${name} }
  -o { smtp_generic_maps = regexp:${maps}/decode-r${number} }
  -o { smtp_header_checks = regexp:${maps}/mark-r${number} }
  -o { smtp_tls_policy_maps = hash:${maps}/route-tls }
  -o { smtp_fallback_relay = }
`;

describe('before a serving Postern has numbered the routes', () => {
  it('print and doctor say what to do, and apply changes nothing', async () => {
    const configuration = await fixture('debian-default');
    const { run } = await beside(configuration, { settings: SETTINGS });
    const before = await configuration.read();
    const first =
      'a serving Postern gives routes their numbers, and acme/archive, acme/dlp have none yet; start it, and try again when it is ready:';
    const print = await run(['postfix', 'print']);
    expect(print).toMatchObject({ code: 0, stderr: '' });
    expect(print.stdout).toContain(`# ${first}\n#   postern serve\n`);
    expect(print.stdout).not.toMatch(/transport_maps|postern-r|recipient_maps/);
    const apply = await run(['postfix', 'apply']);
    expect(apply).toEqual({
      code: 1,
      stdout: '',
      stderr: `error: ${first}\n  postern serve\nnothing was changed\n`,
    });
    expect(await configuration.read()).toEqual(before);
    const doctor = await run(['postfix', 'doctor']);
    expect(doctor.code).toBe(1);
    expect(doctor.stdout).toContain(`error: ${first}\n  postern serve\n`);
  });
});

describe('then', () => {
  it.each([
    ['debian-default', ['local_recipient_maps'], ''],
    ['virtual-mailbox', ['local_recipient_maps', 'virtual_mailbox_maps'], ''],
    ['relay-gateway', [], 'inline:{ { example.com = smtp:[192.0.2.25] }, { example.net = smtp:[192.0.2.26]:2525 } }'],
  ] as const)(
    '%s: apply sets what print prints, again nothing; undo gives back every byte',
    async (name, lists, own) => {
      const configuration = await fixture(name);
      const ground = await posternBeside(configuration);
      const before = await configuration.read();
      const asked = await configuration.postconf(...lists, 'smtp_tls_policy_maps');
      const lines = await printed(ground);
      const { maps, recipients } = ground;
      expect(lines.get('transport_maps')).toBe([`hash:${maps}/transport`, ...(own === '' ? [] : [own])].join(', '));
      // Only a list that is set gets ours: an empty one takes every recipient.
      expect([...lines.keys()].filter((each) => each.endsWith('_maps') && each !== 'transport_maps').sort()).toEqual(
        lists,
      );
      for (const list of lists) expect(lines.get(list)).toBe(`${asked.get(list) ?? ''}, ${recipients}`);
      const tls = asked.get('smtp_tls_policy_maps') ?? '';
      for (const number of [1, 2]) {
        const line = service(`postern-r${number}`, maps, number);
        const withTls = line.replace('/route-tls }', `/route-tls${tls === '' ? '' : `, ${tls}`} }`);
        expect(lines.get(`postern-r${number}/unix`)).toBe(withTls);
      }

      await told(ground, 'apply');
      await configuration.settle();
      const applied = await configuration.read();
      expect(await printed(ground)).toEqual(lines);
      for (const list of ['transport_maps', ...lists]) {
        expect((await configuration.postconf(list)).get(list)).toBe(lines.get(list));
      }
      expect(await told(ground, 'apply')).toMatch(/^nothing to change\n/);
      expect(await configuration.read()).toEqual(applied);
      await told(ground, 'undo');
      expect(await configuration.read()).toEqual(before);
    },
  );

  it('a new rule and a changed host need no apply; a new route does, and one that is gone loses its service', async () => {
    const configuration = await fixture('debian-default');
    const ground = await posternBeside(configuration);
    const before = await configuration.read();
    await told(ground, 'apply');
    await configuration.settle();
    const { postern } = ground;

    const elsewhere = SETTINGS.replace('192.0.2.30', '192.0.2.31').replace('route: archive }]', 'route: dlp }]');
    await postern.changeSettings(elsewhere);
    expect(await told(ground, 'apply')).toMatch(/^nothing to change\n/);

    const saved = postern.lines.length;
    const without = ROUTES.replace(/^ +dlp.*\n/m, '      vault: { host: 192.0.2.40 }\n');
    await postern.changeSettings(SETTINGS.replace(ROUTES, without).replace('route: dlp', 'route: vault'));
    // The mark is the last table of a route; apply looks at each of them.
    const isMark = (line: object): boolean => JSON.stringify(line).includes('mark-r3"');
    await postern.waitForLine('the tables of the new route', (line) => line.msg === 'map saved' && isMark(line), saved);
    const missing = await postern.waitForLine('the missing service', ({ text, msg }) =>
      /vault/.test(text ?? msg ?? ''),
    );
    expect(missing.msg).toBe('Postfix has no service for acme/vault, so that mail waits; run "postern postfix apply"');
    const { code, stdout } = await postern.run('postfix', 'apply');
    expect(code).toBe(0);
    expect(stdout.split('\n').filter((line) => line.includes('/unix'))).toEqual([
      'removed postern-r2/unix',
      'set postern-r3/unix',
    ]);
    expect((await configuration.read()).master).not.toContain('postern-r2');
    await configuration.settle();
    await told(ground, 'undo');
    expect(await configuration.read()).toEqual(before);
  });
});

describe("the operator's own smtp service", () => {
  it('lends its -o lines: maps and checks stay behind ours, and no relay of last resort takes mail past a route', async () => {
    const configuration = await fixture('debian-default');
    const { main, master } = await configuration.read();
    const lines = 'smtp_generic_maps = inline:{ { a@b.example = c@d.example } }\nsmtp_fallback_relay = [192.0.2.99]\n';
    await configuration.write('main', `${main}\n${lines}`);
    const own = [
      'smtp_header_checks=regexp:/etc/postfix/mine',
      'smtp_helo_timeout=20s',
      'smtp_fallback_relay=192.0.2.9',
    ];
    const options = own.map((each) => `\n  -o ${each}`).join('');
    await configuration.write('master', master.replace(/^smtp +unix .*$/m, `$&${options}`));
    const before = await configuration.read();
    const ground = await posternBeside(configuration);
    await told(ground, 'apply');
    await configuration.settle();
    const set = await configuration.postconf('-P');
    const { maps } = ground;
    for (const [parameter, value] of [
      ['smtp_generic_maps', `regexp:${maps}/decode-r1, inline:{ { a@b.example = c@d.example } }`],
      ['smtp_header_checks', `regexp:${maps}/mark-r1, regexp:/etc/postfix/mine`],
      ['smtp_helo_timeout', '20s'],
      ['smtp_fallback_relay', ''],
    ] as const) {
      expect([parameter, set.get(`postern-r1/unix/${parameter}`)]).toEqual([parameter, value]);
    }
    expect(set.get('smtp/unix/smtp_fallback_relay')).toBe('192.0.2.9');
    await told(ground, 'undo');
    expect(await configuration.read()).toEqual(before);
  });
});

describe('doctor', () => {
  it('names services and lists that are missing, and a table that cannot be read, with the line to type', async () => {
    const configuration = await fixture('debian-default');
    const ground = await posternBeside(configuration);
    await told(ground, 'apply');
    await configuration.settle();
    expect(await told(ground, 'doctor')).not.toMatch(/^error/m);
    const { main, master } = await configuration.read();
    await configuration.write('main', main.replace(/^(?:transport_maps|local_recipient_maps).*\n/gm, ''));
    await configuration.write('master', master.replace(/^postern-r2 .*\n(?: .*\n)*/m, ''));
    const { code, stdout } = await ground.postern.run('postfix', 'doctor');
    expect(code).toBe(1);
    const found = ['transport_maps', 'local_recipient_maps', 'postern-r2/unix'];
    expect(stdout.split('\n').filter((line) => line.startsWith('error'))).toEqual(
      found.map((place) => `error: ${place} is not as routes need it: mail for them waits, or is refused as unknown`),
    );
    expect(stdout.match(/^ {2}postern postfix apply$/gm)).toHaveLength(found.length);
    await told(ground, 'apply');
    expect(await configuration.read()).toEqual({ main, master });
    await configuration.settle();

    // smtp(8) sends nothing by a service whose table it cannot open. A serving Postern would write it again.
    await ground.postern.stop();
    await rm(join(ground.maps, 'decode-r2'));
    const apply = await ground.postern.run('postfix', 'apply');
    expect(apply).toMatchObject({ code: 1, stdout: '' });
    expect(apply.stderr).toContain(`error: regexp:${ground.maps}/decode-r2 cannot be used (`);
    expect((await ground.postern.run('postfix', 'doctor')).stdout).toContain(
      `${ground.maps}/decode-r2 cannot be used (`,
    );
  });
});

describe('explain', () => {
  it('RT-02 a message with the mark of a route is refused as a loop, and a forged mark counts for nothing', async () => {
    const configuration = await fixture('debian-default');
    const { postern, maps } = await posternBeside(configuration);
    const [mark = ''] = /X-Postern-Route: \S+/.exec(await readFile(join(maps, 'mark-r1'), 'utf8')) ?? [];
    const explained = async (field: string): Promise<Explanation> => {
      const file = join(postern.directory, 'message.eml');
      await writeFile(file, `${field}\nFrom: s@remote.example\nSubject: x\n\nhi\n`);
      const mail = ['--client', '192.0.2.1', '--sender', 's@remote.example', '--recipient', 'bob@example.com'];
      return JSON.parse((await postern.run('explain', '--json', ...mail, file)).stdout) as Explanation;
    };
    const looped = await explained(mark);
    expect(looped.recipients[0]?.deliveries).toEqual([]);
    expect(looped.message).toMatchObject({
      verdict: 'reject',
      reply: expect.stringMatching(/^550 5\.4\.6 /) as string,
    });
    const forged = await explained(mark.replace(/.$/, (last) => (last === '0' ? '1' : '0')));
    expect(forged.recipients[0]?.deliveries).toEqual([{ to: 'archive', recipient: 'bob@example.com', bounces: true }]);
    expect(forged.message.removed).toEqual([expect.stringMatching(/^X-Postern-Route: r1-/)]);
  });
});
