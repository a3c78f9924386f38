import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { postfixConfiguration } from '../postfix-control/configuration.ts';
import { cliWorkspace, lines, SETTINGS, type CliWorkspace } from './workspace.ts';

const LISTEN = 'listen: { policy: 127.0.0.1:9998, socketmap: 127.0.0.1:9999 }\n';
const ASKED =
  'check_policy_service { inet:127.0.0.1:9998, timeout=10s, { default_action = 451 4.3.5 policy service unavailable } }';
const TLS = SETTINGS.replace('{} # nothing yet', '{ enforcement: observe }').replace(
  '        # the block list',
  '        tls: [{ title: Bank, applyTo: [outgoing], domains: [bank.example], trustedCa: true }]',
);

type Given = { readonly main: string; readonly settings?: string; readonly listen?: string };

async function besidePostfix({
  main,
  settings = SETTINGS,
  listen = LISTEN,
}: Given): Promise<CliWorkspace & { configDirectory: string }> {
  const configDirectory = await postfixConfiguration(`mydestination = example.com, example.net\n${main}`);
  const workspace = await cliWorkspace(
    settings,
    `settings: settings.yaml\npostfix: { configDirectory: ${configDirectory} }\n${listen}`,
  );
  return { ...workspace, configDirectory };
}

describe('postfix print', () => {
  it('puts Postern before the restrictions that are there, and says what DUNNO while down gives up', async () => {
    const { run, configDirectory } = await besidePostfix({
      main: 'smtpd_recipient_restrictions = permit_mynetworks, reject_unauth_destination',
    });
    const before = await readFile(join(configDirectory, 'main.cf'), 'utf8');
    const { code, stdout } = await run(['postfix', 'print']);
    expect(code).toBe(0);
    expect(stdout).toContain(`smtpd_recipient_restrictions = ${ASKED}, permit_mynetworks, reject_unauth_destination\n`);
    expect(stdout).toContain('default_action = DUNNO');
    expect(stdout).toContain('gives up block lists');
    expect(stdout).not.toContain('smtp_tls_policy_maps');
    expect(await readFile(join(configDirectory, 'main.cf'), 'utf8')).toBe(before);
  });

  it('names the TLS policy map where there are policies, and --json has the same lines', async () => {
    const { run } = await besidePostfix({
      main: 'smtp_tls_policy_maps = hash:/etc/postfix/tls',
      settings: TLS.replace('      example.net: { enforcement: observe }\n', ''),
    });
    const { code, stdout } = await run(['postfix', 'print', '--json']);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      main: [
        { name: 'smtpd_recipient_restrictions', value: ASKED },
        { name: 'smtp_tls_policy_maps', value: 'socketmap:inet:127.0.0.1:9999:tls_policy, hash:/etc/postfix/tls' },
      ],
      master: [],
    });
  });

  it('a socket inside the queue directory is named relative to it, for chrooted daemons', async () => {
    const { run } = await besidePostfix({
      main: 'queue_directory = /var/spool/elsewhere',
      listen: 'listen: { policy: "unix:/var/spool/elsewhere/postern/policy.sock" }\n',
    });
    expect((await run(['postfix', 'print'])).stdout).toContain('check_policy_service { unix:postern/policy.sock, ');
  });

  it('without Postfix the lines are general, and that is said', async () => {
    const { run } = await cliWorkspace(SETTINGS);
    const { code, stdout } = await run(['postfix', 'print']);
    expect(code).toBe(0);
    expect(stdout).toContain('smtpd_recipient_restrictions = check_policy_service { inet:127.0.0.1:10040, ');
    expect(stdout).toContain('# No Postfix was found under ');
  });

  it('the table of milters is an optional line, until it is set', async () => {
    const listen = 'listen: { policy: 127.0.0.1:9998, milter: 127.0.0.1:9997, socketmap: 127.0.0.1:9999 }\n';
    const table = 'socketmap:inet:127.0.0.1:9999:milters';
    const { run } = await besidePostfix({ main: 'smtpd_milters = inet:127.0.0.1:11332', listen });
    const { stdout } = await run(['postfix', 'print']);
    expect(stdout).toMatch(/^# Optional, and not set by apply\..*signing milters too\.\n# {3}smtpd_milter_maps = /m);
    const printed = JSON.parse((await run(['postfix', 'print', '--json'])).stdout) as {
      main: { name: string }[];
      optional: { name: string }[];
    };
    expect(printed.optional).toMatchObject([{ name: 'smtpd_milter_maps', value: table }]);
    expect(printed.main.map(({ name }) => name)).not.toContain('smtpd_milter_maps');
    const set = await besidePostfix({ main: `smtpd_milter_maps = ${table}`, listen });
    expect((await set.run(['postfix', 'print'])).stdout).not.toContain('smtpd_milter_maps');
  });

  it('broken settings: which lines are needed is not known', async () => {
    const { run } = await besidePostfix({ main: '', settings: `${SETTINGS}foo: 1\n` });
    const { code, stdout, stderr } = await run(['postfix', 'print']);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(lines(stderr)[0]).toMatch(/^settings\.yaml:13:1: foo is an unknown key/);
  });
});

describe('postfix doctor', () => {
  const WRONG =
    'smtpd_recipient_restrictions = permit_mynetworks, reject_unauth_destination, check_policy_service inet:127.0.0.1:9998';

  it('POL-08 a permit before us is found, the right order shown, nothing edited', async () => {
    const { run, configDirectory } = await besidePostfix({ main: WRONG });
    const before = await readFile(join(configDirectory, 'main.cf'), 'utf8');
    const { code, stdout } = await run(['postfix', 'doctor']);
    expect(code).toBe(1);
    expect(stdout).toContain('gateway-only and block list are skipped for mynetworks clients');
    expect(stdout).toContain(
      `postconf -e 'smtpd_recipient_restrictions = ${ASKED}, permit_mynetworks, reject_unauth_destination'`,
    );
    expect(await readFile(join(configDirectory, 'main.cf'), 'utf8')).toBe(before);
  });

  it('POL-08 the same as JSON', async () => {
    const { run } = await besidePostfix({ main: WRONG });
    const { code, stdout } = await run(['postfix', 'doctor', '--json']);
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({
      ok: false,
      advice: [{ severity: 'error', text: expect.stringContaining('mynetworks clients') as string }],
    });
  });

  it('we are not asked at all', async () => {
    const { run } = await besidePostfix({ main: '' });
    const { code, stdout } = await run(['postfix', 'doctor']);
    expect(code).toBe(1);
    expect(stdout).toContain('error: smtpd_recipient_restrictions does not ask inet:127.0.0.1:9998');
  });

  it('what print says is found good', async () => {
    const { run } = await besidePostfix({
      main: `smtpd_recipient_restrictions = ${ASKED}, permit_mynetworks, reject_unauth_destination`,
    });
    expect(await run(['postfix', 'doctor'])).toMatchObject({ code: 0, stdout: 'nothing found wrong\n' });
  });

  it('another table of milters before ours: the order to type', async () => {
    const { run } = await besidePostfix({
      main: 'smtpd_milter_maps = cidr:/etc/postfix/milters, socketmap:inet:127.0.0.1:9999:milters',
      listen: 'listen: { milter: 127.0.0.1:9997, socketmap: 127.0.0.1:9999 }\n',
    });
    const line = "smtpd_milter_maps = socketmap:inet:127.0.0.1:9999:milters, cidr:/etc/postfix/milters'";
    expect((await run(['postfix', 'doctor'])).stdout).toContain(`  postconf -e '${line}\n`);
  });

  it('no Postfix there: exit code 1 and the way out', async () => {
    const { run } = await cliWorkspace();
    const { code, stderr } = await run(['postfix', 'doctor']);
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /there is no Postfix under .*no-postfix; set postfix: \{ configDirectory: … \} \(POSTERN_NO_POSTFIX\)/,
    );
  });

  it('a broken main.cf: what postconf says, for every command, and no stack trace', async () => {
    const { run } = await besidePostfix({ main: 'garbage here' });
    for (const args of [
      ['postfix', 'doctor'],
      ['postfix', 'print'],
      ['ip', 'list', 'block', 'example.com'],
      ['check'],
    ]) {
      const { code, stdout, stderr } = await run(args);
      expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
      expect(stderr).toContain('missing \'=\' after attribute name: "garbage here"');
      expect(stderr).not.toContain('    at ');
    }
  });
});

describe('the Postfix beside us', () => {
  it('its mynetworks is trusted; what cannot be read of it is said', async () => {
    const { run } = await besidePostfix({ main: 'mynetworks = 10.0.0.0/8, hash:/etc/postfix/networks' });
    const { stdout, stderr } = await run(['check', '--effective']);
    expect(JSON.parse(stdout)).toMatchObject({ trustedNetworks: ['10.0.0.0/8'], postfix: { found: true } });
    expect(stderr).toContain(
      'note: mynetworks of Postfix holds hash:/etc/postfix/networks, which Postern cannot read: the rest of it is trusted; set trustedNetworks',
    );
  });

  it('an exclusion: nothing is trusted, and that is said', async () => {
    const { run } = await besidePostfix({ main: 'mynetworks = !10.1.0.0/16, 10.0.0.0/8' });
    const { stdout, stderr } = await run(['check', '--effective']);
    expect(JSON.parse(stdout)).toMatchObject({ trustedNetworks: [] });
    expect(stderr).toContain('no network is trusted');
  });

  it('a route to its own smtpd is refused', async () => {
    const settings = SETTINGS.replace(
      '    domains:',
      '    routes: { self: { host: 127.0.0.1 }, other: { host: 127.0.0.1, port: 2525 } }\n    domains:',
    );
    const { run } = await besidePostfix({ main: 'inet_interfaces = loopback-only', settings });
    const { code, stderr } = await run(['check']);
    expect(code).toBe(1);
    expect(lines(stderr)).toEqual([
      expect.stringMatching(/^settings\.yaml:6:29: host is 127\.0\.0\.1 port 25, where this Postfix itself listens/),
    ]);
  });
});
