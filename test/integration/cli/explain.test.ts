import { describe, expect, it } from 'vitest';
import type { Explanation } from '../../../src/services/index.ts';
import { cliWorkspace, lines, OPERATOR } from './workspace.ts';

const SETTINGS = `version: 1
organizations:
  acme:
    primaryDomain: example.com
    domains:
      example.com:
        blockedIps: [{ ip: 192.0.2.66, note: "abuse 4711" }]
        allowedIps: [198.51.100.7]
        tls:
          - { title: Bank, applyTo: [incoming, outgoing], domains: [bank.example], trustedCa: true, hostnameMatch: true }
      example.net:
        inboundGateway: { enabled: true, ips: [192.0.2.10], onlyFromGateway: true }
        tls:
          - { title: Bank, applyTo: [outgoing], domains: [bank.example], trustedCa: true, hostnameMatch: true }
`;
const OWN = '/organizations/acme/domains/example.com';

async function explain(args: readonly string[]): Promise<Explanation> {
  const { run } = await cliWorkspace(SETTINGS);
  const { code, stdout, stderr } = await run(['explain', '--json', ...args]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return JSON.parse(stdout) as Explanation;
}

const from = (client: string, sender = 'a@remote.example'): string[] => ['--client', client, '--sender', sender];

describe('explain --json', () => {
  it('has the public form, whole', async () => {
    const answer = await explain([...from('192.0.2.66'), '--recipient', 'Anna@Example.COM']);
    expect(answer).toEqual({
      trusted: false,
      trueClient: '192.0.2.66',
      revision: expect.stringMatching(/^[0-9a-f]{12}$/) as string,
      recipients: [
        {
          address: 'Anna@Example.COM',
          mail: 'external',
          verdict: 'reject',
          reply: '550 5.7.1 Client address blocked by receiving domain policy',
          deliveries: [],
          trueClient: '192.0.2.66',
        },
      ],
      message: {
        verdict: 'pass',
        reply: null,
        spam: false,
        bypassSpamFilter: false,
        signatures: [],
        added: [],
        removed: [],
      },
      tls: [],
      reasons: expect.any(Array) as unknown[],
    });
    expect(answer.reasons).toContainEqual({
      rule: 'ip-block',
      setting: `${OWN}/blockedIps/0`,
      text: '192.0.2.66 is blocked by 192.0.2.66 (abuse 4711)',
      considered: true,
      recipient: 'Anna@Example.COM',
    });
    expect(answer.reasons).toContainEqual({
      rule: 'gateway-only',
      setting: null,
      text: 'not reached',
      considered: false,
      recipient: 'Anna@Example.COM',
    });
  });

  it('takes recipients by repeated options and behind them', async () => {
    const answer = await explain([
      ...from('192.0.2.66'),
      '--recipient',
      'a@example.com',
      '--recipient',
      'b@example.net',
      'c@elsewhere.example',
    ]);
    expect(answer.recipients.map(({ address, verdict }) => `${address} ${verdict}`)).toEqual([
      'a@example.com reject',
      'b@example.net reject',
      'c@elsewhere.example pass',
    ]);
    expect(answer.recipients[2]?.deliveries).toEqual([{ to: 'here', recipient: 'c@elsewhere.example', bounces: true }]);
    expect(answer.recipients[1]?.reply).toMatch(/^550 5\.7\.1 .*only through its inbound gateway/);
  });

  it('POL-11 each domain decides for its own recipients', async () => {
    const answer = await explain([...from('192.0.2.66'), '--recipient', 'a@example.com', 'x@elsewhere.example']);
    expect(answer.recipients.map(({ verdict }) => verdict)).toEqual(['reject', 'pass']);
  });

  it('an allowed client passes by later spam filters', async () => {
    const answer = await explain([...from('198.51.100.7'), '--recipient', 'a@example.com']);
    expect(answer.recipients[0]).toMatchObject({ verdict: 'pass' });
    expect(answer.message.bypassSpamFilter).toBe(true);
  });

  it('the null sender', async () => {
    const answer = await explain([...from('192.0.2.1', '<>'), '--recipient', 'a@example.com']);
    expect(answer.recipients[0]).toMatchObject({ mail: 'external', verdict: 'pass' });
  });

  it.each([
    ['a stranger', [], false, 'external', 'reject'],
    ['--user of an own domain', ['--user', 'anna@example.com'], true, 'internal', 'pass'],
    ['--user of no own domain', ['--user', 'anna'], true, 'internal', 'pass'],
  ])('trust and kind of mail: %s', async (_, user, trusted, mail, verdict) => {
    const answer = await explain([...from('203.0.113.9', 'anna@example.net'), '--recipient', 'b@example.net', ...user]);
    expect(answer).toMatchObject({ trusted, recipients: [{ mail, verdict }] });
  });

  it('local submission has no client and is trusted', async () => {
    const answer = await explain([...from('local', 'anna@example.com'), '--recipient', 'b@example.com']);
    expect(answer).toMatchObject({
      trusted: true,
      trueClient: null,
      recipients: [{ mail: 'internal', verdict: 'pass' }],
    });
  });

  it('the client behind a gateway is not known from the envelope', async () => {
    const answer = await explain([...from('192.0.2.10'), '--recipient', 'b@example.net']);
    expect(answer).toMatchObject({ trusted: false, trueClient: null, recipients: [{ verdict: 'pass' }] });
  });

  it('IP-04 an IPv4-mapped client is that IPv4 address', async () => {
    const answer = await explain([...from('::FFFF:192.0.2.66'), '--recipient', 'a@example.com']);
    expect(answer).toMatchObject({ trueClient: '192.0.2.66', recipients: [{ verdict: 'reject' }] });
  });

  it('TLS-12 --tls makes the difference for a listed sender domain', async () => {
    const mail = [...from('203.0.113.9', 'a@bank.example'), '--recipient', 'b@example.com'];
    expect((await explain(mail)).recipients[0]).toMatchObject({
      verdict: 'reject',
      reply: '550 5.7.1 Session encryption is required for this sender domain',
    });
    expect((await explain([...mail, '--tls', '--helo', 'x'])).recipients[0]).toMatchObject({ verdict: 'pass' });
  });

  it('the TLS policy of a destination', async () => {
    const answer = await explain([
      ...from('local', 'anna@example.com'),
      '--recipient',
      'x@bank.example',
      'y@elsewhere.example',
    ]);
    expect(answer.tls).toEqual([
      { nexthop: 'bank.example', policy: 'secure match=nexthop:dot-nexthop' },
      { nexthop: 'elsewhere.example', policy: null },
    ]);
  });
});

describe('explain for a person', () => {
  it('says verdict, reply, each rule and its setting', async () => {
    const { run } = await cliWorkspace(SETTINGS);
    const { code, stdout } = await run(['explain', ...from('192.0.2.66'), '--recipient', 'a@example.com']);
    expect(code).toBe(0);
    expect(stdout).toContain('client   192.0.2.66, not trusted');
    expect(stdout).toContain(
      'a@example.com: reject with "550 5.7.1 Client address blocked by receiving domain policy" (external mail)',
    );
    expect(stdout).toMatch(
      / - ip-block +192\.0\.2\.66 is blocked by 192\.0\.2\.66 \(abuse 4711\) {2}\[\/organizations\/acme\/domains\/example\.com\/blockedIps\/0\]/,
    );
    expect(stdout).toMatch(/ \. gateway-only +not reached/);
  });

  it('says what is only observed', async () => {
    const { run } = await cliWorkspace(
      SETTINGS.replace('        blockedIps', '        enforcement: observe\n        blockedIps'),
    );
    const { stdout } = await run(['explain', ...from('192.0.2.66'), '--recipient', 'a@example.com']);
    expect(stdout).toContain('a@example.com: pass (external mail)\n  only observed: would be reject with "550 5.7.1 ');
  });
});

describe('what cannot be explained', () => {
  it.each([
    [
      'no client',
      ['--sender', 'a@b.example', '--recipient', 'c@example.com'],
      "required option '--client <ip>' not specified",
    ],
    [
      'no sender',
      ['--client', '192.0.2.1', '--recipient', 'c@example.com'],
      "required option '--sender <address>' not specified",
    ],
    ['no recipient', from('192.0.2.1'), "required option '--recipient <address>' not specified"],
    ['an empty recipient', [...from('192.0.2.1'), '--recipient', ''], '--recipient is empty'],
    [
      'no IP address',
      [...from('192.0.2.300'), '--recipient', 'c@example.com'],
      '--client "192.0.2.300" is no IP address',
    ],
    [
      'an unknown option',
      [...from('192.0.2.1'), '--recipient', 'c@example.com', '--port', '25'],
      "unknown option '--port'",
    ],
  ])('%s is wrong usage: exit code 2', async (_, args, message) => {
    const { run } = await cliWorkspace(SETTINGS);
    const { code, stdout, stderr } = await run(['explain', ...args]);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain(message);
  });

  it('broken settings: their faults, exit code 1', async () => {
    const { run } = await cliWorkspace('version: 1\nfoo: 1\n', OPERATOR);
    const { code, stdout, stderr } = await run([
      'explain',
      '--json',
      ...from('192.0.2.1'),
      '--recipient',
      'c@example.com',
    ]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(lines(stderr)[0]).toMatch(/^settings\.yaml:\d+:\d+: /);
  });
});
