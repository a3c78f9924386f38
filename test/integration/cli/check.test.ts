import { mkdir, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { cliWorkspace, lines, OPERATOR, SETTINGS } from './workspace.ts';

/** What `check` says about an own domain with these settings; the domain's settings begin in line 7, column 9. */
async function checkDomain(own: string): Promise<{ code: number | null; said: string[] }> {
  const { run } = await cliWorkspace(`version: 1
organizations:
  acme:
    primaryDomain: example.com
    domains:
      example.com:
        ${own.replaceAll('\n', '\n        ')}
`);
  const { code, stderr } = await run(['check']);
  return { code, said: lines(stderr) };
}

describe('good files', () => {
  it('are said to be good, with the revision', async () => {
    const { run } = await cliWorkspace();
    const { code, stdout, stderr } = await run(['check']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^good: postern\.yaml and settings\.yaml \(2 own domains, revision [0-9a-f]{12}\)\n$/);
    expect(stderr).toBe('note: no Postfix at hand: trustedNetworks is loopback\n');
  });

  it('--json says the same to a script', async () => {
    const { run } = await cliWorkspace();
    const { code, stdout } = await run(['check', '--json']);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toEqual({
      ok: true,
      revision: expect.stringMatching(/^[0-9a-f]{12}$/) as string,
      ownDomains: 2,
      issues: [],
    });
  });

  it('warnings are said and refuse nothing', async () => {
    const { code, said } = await checkDomain('allowedIps: [10.0.0.0/8, 198.51.100.7, 198.51.100.7]');
    expect(code).toBe(0);
    expect(said).toEqual([
      expect.stringMatching(/^settings\.yaml:7:22: warning: allowedIps entry 1 .*wider than a \/16/),
      expect.stringMatching(/^settings\.yaml:7:48: warning: allowedIps entry 3 is the same as entry 2/),
    ]);
  });

  it('--effective prints every value that holds, absolute paths and defaults included', async () => {
    const { run, directory } = await cliWorkspace(SETTINGS, `${OPERATOR}listen: { policy: 'unix:run/policy.sock' }\n`);
    const { code, stdout } = await run(['check', '--effective']);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      listen: { policy: [`unix:${join(directory, 'run/policy.sock')}`], socketmap: [] },
      settings: join(directory, 'settings.yaml'),
      state: join(directory, 'state'),
      maps: { directory: join(directory, 'maps'), type: 'auto' },
      postfix: { configDirectory: join(directory, 'no-postfix'), found: false },
      trustedNetworks: ['127.0.0.0/8', '::1'],
      internalDomain: 'route.postern.internal',
      socket: { mode: '0660' },
    });
  });

  it('--schema prints a JSON Schema and reads no file', async () => {
    const { run, directory } = await cliWorkspace();
    await rm(join(directory, 'postern.yaml'));
    const { code, stdout } = await run(['check', '--schema']);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      title: 'Postern settings',
      type: 'object',
      required: ['version', 'organizations'],
    });
  });
});

describe('each kind of fault has its file, line and column', () => {
  it.each([
    ['an unknown key', 'blokedIps: []', 'settings.yaml:7:9: blokedIps is an unknown key; did you mean "blockedIps"?'],
    [
      'a wrong type',
      'blockedIps: 5',
      /^settings\.yaml:7:21: blockedIps must be a list of IP addresses and ranges, not the number 5/,
    ],
    [
      'a broken address',
      'blockedIps:\n  - 192.0.2.1\n  - 010.1.1.1',
      /^settings\.yaml:9:13: blockedIps entry 2 .*leading zero/,
    ],
    [
      'a broken pattern',
      "inboundGateway: { spamPattern: '([' }",
      /^settings\.yaml:7:40: spamPattern is no valid pattern/,
    ],
    [
      'a rule about two settings',
      'outboundRouting: [{ mail: [external], action: change, route: dlp }]',
      /^settings\.yaml:7:70: route is "dlp", which is no route of organization acme/,
    ],
    [
      'a key twice',
      'dkim: {}\ndkim: {}',
      'settings.yaml:8:9: this key stands twice in the same group; keep one of them',
    ],
    ['a tab', 'tls:\n\t- {}', 'settings.yaml:8:9: a tab cannot indent in YAML; use spaces'],
    [
      'a list file that is missing',
      'blockedIps: [{ file: lists/no.txt }]',
      'settings.yaml:7:22: blockedIps entry 1 names the list file lists/no.txt, which cannot be read: there is no such file',
    ],
    ['a key of the prototype', '__proto__: {}', /^settings\.yaml:7:9: __proto__ is an unknown key/],
  ])('%s', async (_, own, expected) => {
    const { code, said } = await checkDomain(own);
    expect(code).toBe(1);
    expect(said[0]).toMatch(expected);
  });

  it('ADM-06 an unknown key is named with its line, beside every other fault', async () => {
    const { code, said } = await checkDomain(
      'gatewayOnyl: true\ninboundGateway: { enabled: yes please, ips: [999.1.1.1] }\nenforcement: maybe',
    );
    expect(code).toBe(1);
    expect(said.map((line) => line.split(': ')[0]).sort()).toEqual([
      'settings.yaml:7:9',
      'settings.yaml:8:36',
      'settings.yaml:8:54',
      'settings.yaml:9:22',
    ]);
  });

  it('ADM-04 a note of 500 characters is fine, one of 501 is refused with its place', async () => {
    expect((await checkDomain(`blockedIps: [{ ip: 192.0.2.1, note: ${'n'.repeat(500)} }]`)).code).toBe(0);
    const { code, said } = await checkDomain(`blockedIps: [{ ip: 192.0.2.1, note: ${'n'.repeat(501)} }]`);
    expect(code).toBe(1);
    expect(said[0]).toMatch(/^settings\.yaml:7:45: note .*500/);
  });

  it('a broken line of a list file is named with its number', async () => {
    const settings = SETTINGS.replace('{} # nothing yet', '{ blockedIps: [{ file: drop.txt }] }');
    const { run } = await cliWorkspace(settings, OPERATOR, { 'drop.txt': '# list\n192.0.2.1\n192.0.2.300\n' });
    const { code, stderr } = await run(['check']);
    expect(code).toBe(1);
    expect(lines(stderr)).toEqual([expect.stringMatching(/^drop\.txt:3:1: /)]);
  });

  it('an empty file', async () => {
    const { run } = await cliWorkspace('');
    const { code, stderr } = await run(['check']);
    expect(code).toBe(1);
    expect(lines(stderr)).toEqual([
      'settings.yaml:1:1: the document must begin with "version: 1" and "organizations:"',
    ]);
  });

  it('octets that are no UTF-8', async () => {
    const { run } = await cliWorkspace(Buffer.concat([Buffer.from('version: 1\n# caf'), Buffer.from([0xe9])]));
    const { code, stderr } = await run(['check']);
    expect(code).toBe(1);
    expect(lines(stderr)).toEqual([
      'settings.yaml:2:6: no valid YAML: an octet here is no UTF-8; save the file as UTF-8',
    ]);
  });

  it('ADM-02 a provider-shared primary domain has five settings refused, allow, block and TLS not', async () => {
    const { run } = await cliWorkspace(`version: 1
provider: { sharedDomains: [shared.example] }
organizations:
  tenant:
    primaryDomain: tenant.shared.example
    routes: { r: { host: 192.0.2.1 } }
    domains:
      tenant.shared.example:
        inboundGateway: { enabled: true, ips: [192.0.2.1] }
        inboundRouting: [{ mail: [external], recipients: [existing], route: r }]
        allowedIps: [192.0.2.9]
      second.example:
        outboundRouting: [{ mail: [external], action: change, route: r }]
        dkim: {}
        blockedIps: [192.0.2.9]
        tls: [{ title: x, applyTo: [incoming], domains: [a.example] }]
`);
    const { code, stderr } = await run(['check']);
    expect(code).toBe(1);
    const reason =
      'is not available: the primary domain tenant.shared.example of organization tenant is under shared.example';
    expect(lines(stderr).map((line) => line.split(', which belongs')[0])).toEqual([
      `settings.yaml:6:5: routes ${reason}`,
      `settings.yaml:9:9: inboundGateway ${reason}`,
      `settings.yaml:10:9: inboundRouting ${reason}`,
      `settings.yaml:13:9: outboundRouting ${reason}`,
      `settings.yaml:14:9: dkim ${reason}`,
    ]);
  });
});

describe("the operator's file", () => {
  it.each([
    [
      'an unknown key',
      `${OPERATOR}setings: x\n`,
      'postern.yaml:3:1: setings is an unknown key; did you mean "settings"?',
    ],
    ['a missing key', 'state: ./state\n', /^postern\.yaml:1:1: settings is missing/],
    [
      'a broken listener',
      `${OPERATOR}listen: { policy: nowhere }\n`,
      /^postern\.yaml:3:19: policy "nowhere" is no place to listen/,
    ],
    ['a fault of syntax', 'settings: [\n', /^postern\.yaml:2:1: no valid YAML/],
  ])('%s', async (_, operator, expected) => {
    const { run } = await cliWorkspace(SETTINGS, operator);
    const { code, stderr } = await run(['check']);
    expect(code).toBe(1);
    expect(lines(stderr)[0]).toMatch(expected);
  });

  it('the faults of both files are in one answer, also as JSON', async () => {
    const { run } = await cliWorkspace(`${SETTINGS}foo: 1\n`, `${OPERATOR}bar: 1\n`);
    const plain = await run(['check']);
    expect(plain.code).toBe(1);
    expect(lines(plain.stderr).map((line) => line.split(' is')[0])).toEqual([
      'postern.yaml:3:1: bar',
      'settings.yaml:13:1: foo',
    ]);
    const json = await run(['check', '--json']);
    expect(json.code).toBe(1);
    expect(JSON.parse(json.stdout)).toMatchObject({
      ok: false,
      revision: null,
      issues: [
        { file: 'postern.yaml', line: 3, column: 1, severity: 'error', pointer: '/bar' },
        { file: 'settings.yaml', line: 13, column: 1, severity: 'error', pointer: '/foo' },
      ],
    });
  });

  it('no file at all: the places looked at, and the way out', async () => {
    const { run, directory } = await cliWorkspace();
    await rm(join(directory, 'postern.yaml'));
    const { code, stderr } = await run(['check']);
    expect(code).toBe(1);
    expect(stderr).toContain('there is no postern.yaml and /etc/postern/postern.yaml');
    expect(stderr).toContain('-c FILE');
  });

  it.each([
    ['a named file that is missing', ['-c', 'no.yaml'], 'no.yaml:1:1: no.yaml cannot be read: there is no such file'],
    ['a directory', ['-c', '.'], '.:1:1: . cannot be read: it is a directory'],
  ])('%s', async (_, args, expected) => {
    const { run } = await cliWorkspace();
    const { code, stderr } = await run(['check', ...args]);
    expect(code).toBe(1);
    expect(lines(stderr)).toEqual([expected]);
  });

  it('a settings file that is missing', async () => {
    const { run, directory } = await cliWorkspace();
    await rm(join(directory, 'settings.yaml'));
    const { code, stderr } = await run(['check']);
    expect(code).toBe(1);
    expect(lines(stderr)).toEqual(['settings.yaml:1:1: settings.yaml cannot be read: there is no such file']);
  });

  it('-c before and after the command; paths are relative to the file', async () => {
    const { run, directory } = await cliWorkspace();
    await mkdir(join(directory, 'elsewhere'));
    await symlink('../settings.yaml', join(directory, 'elsewhere/settings.yaml'));
    await symlink('../postern.yaml', join(directory, 'elsewhere/other.yaml'));
    for (const args of [
      ['-c', 'elsewhere/other.yaml', 'check'],
      ['check', '-c', 'elsewhere/other.yaml'],
      ['--config=elsewhere/other.yaml', 'check'],
    ]) {
      const { code, stdout } = await run(args);
      expect(code).toBe(0);
      expect(stdout).toContain('good: elsewhere/other.yaml and elsewhere/settings.yaml');
    }
  });
});
