/** `postern route list`, `add`, `edit` and `remove`: what they answer, and what becomes of the settings file. */
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'yaml';
import { describe, expect, it } from 'vitest';
import { createRouteRegistry } from '../../../src/adapters/route-registry/index.ts';
import { knownRoutesOf } from '../../../src/services/index.ts';
import type { Route, RouteId, Snapshot } from '../../../src/snapshot/index.ts';
import { runCli } from '../../support/run-cli.ts';
import { fixture, type Configuration } from '../postfix-control/fixture.ts';
import { cliWorkspace, lines, OPERATOR } from './workspace.ts';

const SETTINGS = `# Ours.
version: 1
organizations:
  acme:
    primaryDomain: example.com
    routes:
      # where everything is kept
      archive: { host: Archive.Example.net, description: "Journal" } # do not touch
      dlp:
        host: 192.0.2.30 # rack 4
        port: 2525
    domains:
      example.com:
        inboundRouting:
          - { mail: [external], route: archive }
        outboundRouting:
          - { mail: [external], action: change, route: dlp }
          - { mail: [external], action: additionally, route: archive }
      b.example:
        inboundGateway: { enabled: true, ips: [198.51.100.1] }
`;
const TWO = `version: 1
organizations:
  acme:
    primaryDomain: example.com
    domains: { example.com: {} }
  other:
    primaryDomain: other.example
    routes: { archive: { host: "2001:db8::1", tls: encrypt } }
    domains: { other.example: {} }
`;

type Listed = { name: string; users: string[]; isInstalled: boolean | null; service: string | null };

describe('route list', () => {
  it('shows the server, the level, and how often the route is used', async () => {
    const { run } = await cliWorkspace(SETTINGS);
    const { code, stdout } = await run(['route', 'list']);
    expect(code).toBe(0);
    expect(stdout).toBe(
      'archive  archive.example.net:25    may  2 uses    Journal\n' + 'dlp      192.0.2.30:2525           may  1 use\n',
    );
  });

  it('--json has every value, with defaults, and the place of every user', async () => {
    const { run } = await cliWorkspace(SETTINGS);
    const { stdout } = await run(['route', 'list', 'acme', '--json']);
    expect(JSON.parse(stdout)).toEqual([
      {
        ...{ organization: 'acme', name: 'archive', host: 'archive.example.net', port: 25, mx: false, tls: 'may' },
        description: 'Journal',
        users: [
          '/organizations/acme/domains/example.com/inboundRouting/0/route',
          '/organizations/acme/domains/example.com/outboundRouting/1/route',
        ],
        ...{ service: null, isInstalled: null },
      },
      {
        ...{ organization: 'acme', name: 'dlp', host: '192.0.2.30', port: 2525, mx: false, tls: 'may' },
        users: ['/organizations/acme/domains/example.com/outboundRouting/0/route'],
        ...{ service: null, isInstalled: null },
      },
    ]);
  });

  it('of several organizations each is named, or one is asked for', async () => {
    const { run } = await cliWorkspace(TWO);
    expect((await run(['route', 'list'])).stdout).toBe('other  archive  [2001:db8::1]:25    encrypt  not used\n');
    expect(await run(['route', 'list', 'acme'])).toMatchObject({ code: 0, stdout: '' });
    expect(await run(['route', 'list', 'nobody'])).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/nobody is no organization of these settings; they have acme, other/) as unknown,
    });
  });

  it('beside a Postfix it says whether master.cf has the service', async () => {
    const configuration = await fixture('debian-default');
    const { master } = await configuration.read();
    await configuration.write('master', `${master}postern-r2 unix - - y - - smtp\npostern-r3 inet n - y - - smtpd\n`);
    const operator = `settings: settings.yaml\npostfix: { configDirectory: ${configuration.configDirectory} }\n`;
    const { run, directory } = await cliWorkspace(SETTINGS, operator);
    const listed = async (): Promise<Listed[]> =>
      JSON.parse((await run(['route', 'list', '--json'])).stdout) as Listed[];
    expect((await listed()).map(({ isInstalled }) => isInstalled)).toEqual([false, false]);
    await createRouteRegistry(join(directory, 'state')).assign(['acme/archive', 'acme/dlp']);
    expect((await listed()).map(({ name, service, isInstalled }) => [name, service, isInstalled])).toEqual([
      ['archive', 'postern-r1', false],
      ['dlp', 'postern-r2', true],
    ]);
    expect((await run(['route', 'list'])).stdout).toMatch(/archive .* not installed {2}Journal\ndlp .* {2}installed\n/);
    await writeFile(join(directory, 'state/routes.json'), 'broken');
    const unknown = await run(['route', 'list', '--json']);
    expect((JSON.parse(unknown.stdout) as Listed[]).map(({ isInstalled }) => isInstalled)).toEqual([null, null]);
    expect(unknown.stderr).toMatch(/^note: whether Postfix knows the routes cannot be told: /m);
  });
});

describe('route add', () => {
  it('adds to the file in the layout of its neighbours, keeps every other line, and says what comes next', async () => {
    const { run, settings } = await cliWorkspace(SETTINGS);
    const args = [
      '--host',
      'mx.example.org',
      '--port',
      '26',
      '--mx',
      '--tls',
      'verify',
      '--certificate-name',
      'MX.example.org',
    ];
    const { code, stdout } = await run(['route', 'add', 'new', ...args, '--description', 'said "x": {y}']);
    expect({ code, stdout }).toEqual({
      code: 0,
      stdout:
        'added route new of acme\n' +
        'Postfix needs a service for it before mail can go there: "postern postfix apply", while "postern serve" runs\n',
    });
    const added = `      new:
        host: mx.example.org
        port: 26
        mx: true
        tls: verify
        certificateName: MX.example.org
        description: 'said "x": {y}'
`;
    expect(await settings()).toBe(SETTINGS.replace('        port: 2525\n', `        port: 2525\n${added}`));
    expect((await run(['check'])).code).toBe(0);
  });

  it('makes routes: where there are none', async () => {
    const { run, settings } = await cliWorkspace(TWO);
    const { code, stdout } = await run([
      'route',
      'add',
      '12',
      '--host',
      '192.0.2.1',
      '--organization',
      'acme',
      '--json',
    ]);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toEqual({ organization: 'acme', name: '12', added: true, needsApply: true });
    expect(await settings()).toBe(
      TWO.replace('{ example.com: {} }\n', '{ example.com: {} }\n    routes:\n      "12": { host: 192.0.2.1 }\n'),
    );
    await run(['route', 'add', 'two', '--host', '192.0.2.2', '--organization', 'other', '--description', '']);
    expect(await settings()).toContain(
      'routes: { archive: { host: "2001:db8::1", tls: encrypt }, two: { host: 192.0.2.2 } }',
    );
  });

  it.each<[string, string[], number, RegExp]>([
    [
      'a name that is taken',
      ['archive', '--host', 'x.example'],
      1,
      /has a route archive already; "postern route edit archive" changes it \(POSTERN_ROUTE_EXISTS\)/,
    ],
    ['no server', ['new'], 2, /a route needs a server; name it with --host/],
    [
      'a server that is none',
      ['new', '--host', '0.0.0.0'],
      1,
      /^settings\.yaml:\d+:\d+: host "0\.0\.0\.0" is no server.*\n(?:.*\n)*.*nothing was saved/,
    ],
    ['an empty server', ['new', '--host', ''], 1, /is no host/],
    ['a port that is none', ['new', '--host', 'x.example', '--port', '2x'], 2, /--port "2x" is no port number/],
    [
      'a port beyond all ports',
      ['new', '--host', 'x.example', '--port', '65536'],
      1,
      /port must be a whole number from 1 to 65535/,
    ],
    [
      'a level that is none',
      ['new', '--host', 'x.example', '--tls', 'strong'],
      1,
      /tls must be none, may, encrypt, verify, secure or dane/,
    ],
    [
      'an address by MX',
      ['new', '--host', '192.0.2.1', '--mx'],
      1,
      /mx looks up MX records, and 192\.0\.2\.1 is an address/,
    ],
    [
      'a name that would be another line in a table',
      ['x\n* discard:', '--host', 'x.example'],
      1,
      /must be 1 to 63 letters|edit the file by hand/,
    ],
    ['a host that would be another line in a table', ['new', '--host', 'relay.example.net]:25 #'], 1, /is no host/],
    ['a name with a blank first', [' leading', '--host', 'x.example'], 1, /must be 1 to 63 letters/],
    ['a name that begins a comment', ['#c', '--host', 'x.example'], 1, /must be 1 to 63 letters/],
    ['a name with a slash', ['a/b', '--host', 'x.example'], 1, /must be 1 to 63 letters/],
    [
      'a name of the prototype',
      ['__proto__', '--host', 'x.example'],
      1,
      /must be 1 to 63 letters|edit the file by hand/,
    ],
    [
      'a description of 501 characters',
      ['new', '--host', 'x.example', '--description', 'd'.repeat(501)],
      1,
      /has 501 characters, and the limit is 500/,
    ],
    [
      'an organization that is none',
      ['new', '--host', 'x.example', '--organization', 'x'],
      1,
      /x is no organization of these settings; they have acme/,
    ],
  ])('%s is refused, and the file stays', async (_, args, exitCode, message) => {
    const { run, settings } = await cliWorkspace(SETTINGS);
    const { code, stderr, stdout } = await run(['route', 'add', ...args]);
    expect(stderr).toMatch(message);
    expect({ code, stdout }).toEqual({ code: exitCode, stdout: '' });
    expect(await settings()).toBe(SETTINGS);
  });

  it('of several organizations one must be named', async () => {
    const { run, settings } = await cliWorkspace(TWO);
    const { code, stderr } = await run(['route', 'add', 'new', '--host', 'x.example']);
    expect(code).toBe(2);
    expect(stderr).toContain('there are several organizations (acme, other); name one with --organization');
    expect(await settings()).toBe(TWO);
  });

  it('ADM-02 an organization under a shared primary domain gets no route', async () => {
    const shared = `version: 1
provider: { sharedDomains: [shared.example] }
organizations:
  tenant:
    primaryDomain: tenant.shared.example
    domains: { tenant.shared.example: {}, second.example: {} }
`;
    const { run, settings } = await cliWorkspace(shared);
    const { code, stderr } = await run(['route', 'add', 'new', '--host', 'x.example']);
    expect(code).toBe(1);
    expect(stderr).toMatch(/routes is not available: the primary domain tenant\.shared\.example/);
    expect(await settings()).toBe(shared);
  });

  it('to this Postfix itself, by address or by its name, is refused', async () => {
    const { run } = await besidePostfix('myhostname = mx.example.com\ninet_interfaces = all\n');
    for (const host of ['127.0.0.1', 'localhost', 'mx.example.com']) {
      const { code, stderr } = await run(['route', 'add', 'new', '--host', host]);
      expect(stderr).toMatch(/host is \S+ port 25, where this Postfix itself listens/);
      expect(code).toBe(1);
    }
    expect((await run(['route', 'add', 'new', '--host', 'mx.example.com', '--port', '2626'])).code).toBe(0);
  });
});

async function besidePostfix(
  main: string,
): Promise<{ run: Awaited<ReturnType<typeof cliWorkspace>>['run']; configuration: Configuration }> {
  const configuration = await fixture('debian-default');
  const before = (await configuration.read()).main.replace(/^(?:myhostname|inet_interfaces).*\n/gm, '');
  await configuration.write('main', `${before}${main}`);
  const operator = `settings: settings.yaml\npostfix: { configDirectory: ${configuration.configDirectory} }\n`;
  return { run: (await cliWorkspace(SETTINGS, operator)).run, configuration };
}

describe('route edit', () => {
  it.each<[string, string[], string, string, string]>([
    [
      'a value in brackets',
      ['archive', '--host', 'new.example.net'],
      'host: Archive.Example.net',
      'host: new.example.net',
      'host',
    ],
    ['a value on its line', ['dlp', '--host', '192.0.2.31'], '192.0.2.30 # rack 4', '192.0.2.31 # rack 4', 'host'],
    ['a new key in brackets', ['archive', '--port', '26'], '"Journal" }', '"Journal", port: 26 }', 'port'],
    ['a new key on a line', ['dlp', '--tls', 'encrypt'], 'port: 2525\n', 'port: 2525\n        tls: encrypt\n', 'tls'],
    ['the switch for MX', ['archive', '--mx'], '"Journal" }', '"Journal", mx: true }', 'mx'],
    ['an empty text takes a key out', ['archive', '--description', ''], ', description: "Journal"', '', 'description'],
    [
      'several at once',
      ['dlp', '--port', '25', '--description', 'x'],
      'port: 2525\n',
      'port: 25\n        description: x\n',
      'port, description',
    ],
  ])('%s: the rest of the file keeps every octet', async (_, args, from, to, said) => {
    const { run, settings } = await cliWorkspace(SETTINGS);
    const { code, stdout } = await run(['route', 'edit', ...args]);
    expect({ code, stdout }).toEqual({ code: 0, stdout: `changed ${said} of route ${args[0] ?? ''} of acme\n` });
    expect(await settings()).toBe(SETTINGS.replace(from, to));
  });

  it('what is there already is not written again, nor is a default that acts anyway', async () => {
    const { run, settings } = await cliWorkspace(SETTINGS);
    const args = ['--description', 'Journal', '--port', '25', '--no-mx', '--tls', 'may', '--certificate-name', ''];
    expect(await run(['route', 'edit', 'archive', ...args])).toMatchObject({ code: 0, stdout: 'nothing to change\n' });
    const json = await run(['route', 'edit', 'archive', '--json', '--port', '25']);
    expect(JSON.parse(json.stdout)).toEqual({ organization: 'acme', name: 'archive', changed: [] });
    expect(await settings()).toBe(SETTINGS);
  });

  it.each<[string, string[], number, RegExp]>([
    [
      'a route that is none',
      ['nope', '--port', '26'],
      1,
      /nope is no route of organization acme; its routes are archive, dlp \(POSTERN_NOT_FOUND\)/,
    ],
    ['nothing to change', ['archive'], 2, /nothing to change was given/],
    ['what an address cannot be', ['dlp', '--mx'], 1, /mx looks up MX records.*\n(?:.*\n)*.*nothing was saved/],
    ['an empty server', ['dlp', '--host', ''], 1, /is no host/],
    ['an empty level', ['dlp', '--tls', ''], 1, /tls must be none/],
  ])('%s is refused, and the file stays', async (_, args, exitCode, message) => {
    const { run, settings } = await cliWorkspace(SETTINGS);
    const { code, stderr } = await run(['route', 'edit', ...args]);
    expect(stderr).toMatch(message);
    expect(code).toBe(exitCode);
    expect(await settings()).toBe(SETTINGS);
  });

  it('settings that are broken elsewhere are not edited', async () => {
    const broken = SETTINGS.replace('mail: [external]', 'mail: [outside]');
    const { run, settings } = await cliWorkspace(broken);
    for (const args of [
      ['edit', 'dlp', '--port', '26'],
      ['add', 'x', '--host', 'x.example'],
      ['remove', 'dlp'],
    ]) {
      const { code, stderr } = await run(['route', ...args]);
      expect(code).toBe(1);
      expect(stderr).toMatch(/^settings\.yaml:15:\d+: mail/m);
    }
    expect(await settings()).toBe(broken);
  });

  it('a route that is shared by a YAML alias is refused rather than two changed', async () => {
    const shared = SETTINGS.replace('archive: {', 'archive: &a {').replace(
      '      dlp:\n',
      '      copy: *a\n      dlp:\n',
    );
    const { run, settings } = await cliWorkspace(shared);
    const { code, stderr } = await run(['route', 'edit', 'archive', '--host', 'x.example']);
    expect(code).toBe(1);
    expect(stderr).toMatch(/cannot be edited without touching something else.*POSTERN_FILE_UNWRITABLE/);
    expect(await settings()).toBe(shared);
  });

  it('20 commands at once: every edit survives', async () => {
    const { directory, settings } = await cliWorkspace(SETTINGS);
    const results = await Promise.all(
      Array.from({ length: 20 }, (_, n) =>
        runCli(['route', 'add', `r${n}`, '--host', 'x.example'], { cwd: directory }),
      ),
    );
    expect(results.map(({ code }) => code)).toEqual(Array(20).fill(0));
    const { organizations } = parse(await settings()) as { organizations: { acme: { routes: object } } };
    expect(Object.keys(organizations.acme.routes)).toHaveLength(22);
  });
});

describe('route remove', () => {
  const USED = `version: 1
organizations:
  acme:
    primaryDomain: example.com
    routes:
      archive: { host: archive.example.net }
    domains:
      example.com:
        inboundRouting:
          - { mail: [external], route: archive }
      b.example:
        outboundRouting:
          - { mail: [external], action: change, route: archive }
`;

  it('ADM-01 a route used by 2 rules in 2 domains is refused with both named; its host can be edited; without the rules it goes', async () => {
    const { run, settings, directory } = await cliWorkspace(USED);
    const { code, stdout, stderr } = await run(['route', 'remove', 'archive']);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(lines(stderr)).toEqual([
      'settings.yaml:10:40: inbound rule 1 of example.com uses the route',
      'settings.yaml:13:56: outbound rule 1 of b.example uses the route',
      'postern: the route archive of acme is used 2 times, and was not removed; take it out there first (POSTERN_ROUTE_IN_USE)',
    ]);
    expect(await settings()).toBe(USED);

    expect((await run(['route', 'edit', 'archive', '--host', 'other.example.net'])).code).toBe(0);
    const edited = USED.replace('archive.example.net', 'other.example.net');
    expect(await settings()).toBe(edited);

    const unused = edited.replace(/ {8}(?:in|out)boundRouting:\n.*\n/g, '        {}\n');
    await writeFile(join(directory, 'settings.yaml'), unused);
    expect(await run(['route', 'remove', 'archive'])).toMatchObject({
      code: 0,
      stdout: 'removed route archive of acme\n',
    });
    expect(await settings()).toBe(
      unused.replace('    routes:\n      archive: { host: other.example.net }\n', '    routes: {}\n'),
    );
    expect((await run(['check'])).code).toBe(0);
  });

  it('ADM-01 --json names the users with pointers and places', async () => {
    const { run } = await cliWorkspace(USED);
    const { code, stdout } = await run(['route', 'remove', 'archive', '--json']);
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toEqual({
      organization: 'acme',
      name: 'archive',
      removed: false,
      users: [
        {
          pointer: '/organizations/acme/domains/example.com/inboundRouting/0/route',
          text: 'inbound rule 1 of example.com',
          ...{ file: 'settings.yaml', line: 10, column: 40 },
        },
        {
          pointer: '/organizations/acme/domains/b.example/outboundRouting/0/route',
          text: 'outbound rule 1 of b.example',
          ...{ file: 'settings.yaml', line: 13, column: 56 },
        },
      ],
    });
  });

  it('the gateway that internal mail goes through is a user too', async () => {
    const text = SETTINGS.replace('ips: [198.51.100.1]', 'ips: [198.51.100.1], internalThroughGateway: spare').replace(
      '      dlp:\n',
      '      spare: { host: spare.example.net }\n      dlp:\n',
    );
    const { run, settings } = await cliWorkspace(text);
    const { code, stderr } = await run(['route', 'remove', 'spare']);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^settings\.yaml:\d+:\d+: internalThroughGateway of b\.example uses the route$/m);
    expect(stderr).toContain('is used once, and was not removed');
    expect(await settings()).toBe(text);
  });

  it('a route of the same name in another organization is not a user, and stays', async () => {
    const both = TWO.replace(
      'domains: { example.com: {} }',
      'routes: { archive: { host: x.example } }\n    domains: { example.com: {} }',
    );
    const { run, settings } = await cliWorkspace(
      both.replace('other.example: {}', 'other.example: { inboundRouting: [{ mail: [external], route: archive }] }'),
    );
    expect((await run(['route', 'remove', 'archive', '--organization', 'other'])).code).toBe(1);
    expect((await run(['route', 'remove', 'archive', '--organization', 'acme', '--json'])).stdout).toContain(
      '"removed": true',
    );
    expect(await settings()).toContain('    routes: {}\n');
    expect(await settings()).toContain('routes: { archive: { host: "2001:db8::1", tls: encrypt } }');
  });

  it('a route that is none is refused', async () => {
    const { run } = await cliWorkspace(TWO);
    const { code, stderr } = await run(['route', 'remove', 'x', '--organization', 'acme']);
    expect(code).toBe(1);
    expect(stderr).toMatch(/x is no route of organization acme; it has none/);
  });

  it('says when mail for it is queued, and what becomes of that', async () => {
    const configuration = await fixture('debian-default');
    const operator = `settings: settings.yaml\npostfix: { configDirectory: ${configuration.configDirectory} }\n`;
    const text = SETTINGS.replace('      dlp:\n', '      spare: { host: spare.example.net }\n      dlp:\n');
    const { directory, run } = await cliWorkspace(text, operator);
    const book = await createRouteRegistry(join(directory, 'state')).assign(['acme/dlp', 'acme/spare']);
    const id = 'acme/spare' as RouteId;
    const routes = new Map([[id, {} as Route]]);
    const label = knownRoutesOf({ routes } as unknown as Snapshot, book, () => true).get(id)?.label ?? '';
    const message = (queueId: string, domain: string): string =>
      JSON.stringify({ queue_id: queueId, recipients: [{ address: `bob=example.com@${domain}` }] });
    const bin = join(directory, 'bin');
    await mkdir(bin);
    const queue = [
      message('ONE', `${label}.route.postern.internal`),
      message('TWO', 'r1-00000000.route.postern.internal'),
    ];
    await writeFile(join(bin, 'postqueue'), `#!/bin/sh\ncat <<'X'\n${queue.join('\n')}\nX\n`);
    await chmod(join(bin, 'postqueue'), 0o755);
    const env = { PATH: `${bin}:${process.env['PATH'] ?? ''}` };
    const { code, stdout, stderr } = await runCli(['route', 'remove', 'spare', '--json'], { cwd: directory, env });
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toEqual({ organization: 'acme', name: 'spare', removed: true, queued: ['ONE'] });
    expect(stderr).toContain(
      'warning: 1 queued message is for the route (ONE): kept, and delivered when a route named spare is added again',
    );
    // Where the queue cannot be listed, the route is gone all the same, and that is said.
    await writeFile(join(bin, 'postqueue'), '#!/bin/sh\necho no queue >&2\nexit 69\n');
    expect((await run(['route', 'add', 'spare', '--host', 'x.example'])).code).toBe(0);
    const blind = await runCli(['route', 'remove', 'spare'], { cwd: directory, env });
    expect(blind).toMatchObject({ code: 0, stdout: 'removed route spare of acme\n' });
    expect(blind.stderr).toMatch(/note: whether mail for the route is queued cannot be told: .*no queue/);
  });
});

it('help names the five commands', async () => {
  const { run } = await cliWorkspace(SETTINGS, OPERATOR);
  const { stdout } = await run(['route', '--help']);
  for (const command of ['list', 'add', 'edit', 'remove', 'test']) expect(stdout).toContain(`  ${command}`);
});
