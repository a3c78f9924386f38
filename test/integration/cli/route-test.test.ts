/** `postern route test`: what is found of real servers on loopback, looked up in a real DNS, and what follows for Postfix. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { issuedBy, selfSigned, type Credentials } from '../../support/certificates.ts';
import { DnsServer } from '../../support/dns-server.ts';
import { ScriptedSmtp, type Script } from '../../support/scripted-smtp.ts';
import { UdpDns } from '../../support/udp-dns.ts';
import { freePorts } from '../../support/waiting.ts';
import { postfixConfiguration } from '../postfix-control/configuration.ts';
import { cliWorkspace, type CliWorkspace } from './workspace.ts';

let dns: DnsServer;
let authority: Credentials;
let server: Credentials;
beforeAll(async () => {
  dns = await DnsServer.start({ failing: ['failing.test'] });
  authority = await selfSigned({ commonName: 'Test CA' });
  server = await issuedBy(authority, { commonName: 'mx', names: ['mx.dest.test'] });
});
afterAll(() => dns.stop());

async function scripted(script: Script = {}): Promise<ScriptedSmtp> {
  const smtp = await ScriptedSmtp.start(script);
  onTestFinished(() => smtp.stop());
  return smtp;
}

/** One route `r`, as YAML. With `main`, a main.cf that no Postfix runs on; port 2500 is then its own. */
async function workspaceFor(route: string, main?: string, address = dns.address): Promise<CliWorkspace> {
  const settings = `version: 1
organizations:
  acme:
    primaryDomain: example.com
    routes: { r: ${route} }
    domains: { example.com: {} }
`;
  const postfix =
    main === undefined
      ? './no-postfix'
      : await postfixConfiguration(`myhostname = mx.example.com\n${main}`, '127.0.0.9:2500 inet n - y - - smtpd\n');
  const operator = `settings: settings.yaml\npostfix: { configDirectory: ${postfix} }\ndns: { servers: ['${address}'] }\n`;
  return cliWorkspace(settings, operator);
}

type Tried = { host: string | null; address: string; delivers: boolean; isOurselves: boolean; reason: string };
type Answer = {
  delivers: boolean;
  reason: string;
  offers: { dsn: boolean; smtputf8: boolean; eightBitMime: boolean; size: number | null } | null;
  servers: (Tried & Record<string, unknown>)[];
  notes: string[];
};

async function answerTo(route: string, main?: string, address?: string): Promise<Answer & { code: number | null }> {
  const { run } = await workspaceFor(route, main, address);
  const { code, stdout, stderr } = await run(['route', 'test', 'r', '--json']);
  if (stdout === '') throw new Error(stderr);
  return { code, ...(JSON.parse(stdout) as Answer) };
}

const TLS: Script = {
  ehlo: '250-mx.dest.test\r\n250-SIZE 1000000\r\n250 STARTTLS\r\n',
  ehloInTls: '250-mx.dest.test\r\n250-SIZE 2000000\r\n250-DSN\r\n250-SMTPUTF8\r\n250 8BITMIME\r\n',
};

describe('a server that is there', () => {
  it('in clear: what it says, what it offers, and that Postfix would deliver', async () => {
    const { port, commands } = await scripted({ ehlo: '250-mx.dest.test\r\n250-SIZE\r\n250 8BITMIME\r\n' });
    const { run } = await workspaceFor(`{ host: 127.0.0.1, port: ${port} }`);
    const { code, stdout } = await run(['route', 'test', 'r']);
    expect(stdout.split('\n')).toEqual([
      `route r of acme: 127.0.0.1 port ${port}, tls may`,
      `127.0.0.1:${port}`,
      '  greeting     220 scripted.test ESMTP',
      '  EHLO         mx.dest.test: SIZE, 8BITMIME',
      '  STARTTLS     not offered',
      'offers DSN no, SMTPUTF8 no, 8BITMIME yes, SIZE without limit',
      'without DSN, that server may send bounces itself although a rule says suppressBounces',
      'Postfix would deliver: in clear, because the server does not offer STARTTLS',
      '',
    ]);
    expect(code).toBe(0);
    expect(commands.map((command) => command.split(' ')[0])).toEqual(['EHLO', 'QUIT']);
  });

  it('in TLS, with a certificate by the CAs of Postfix and the name of the route', async () => {
    const { port, commands } = await scripted({ ...TLS, credentials: server });
    await dns.setRecords('mx.dest.test', 'A 127.0.0.1');
    const { run, directory } = await workspaceFor(`{ host: mx.dest.test, port: ${port}, tls: secure }`);
    const main = `myhostname = mx.example.com\nsmtp_helo_name = out.example.com\nsmtp_tls_CAfile = ${directory}/ca.pem\n`;
    await writeFile(join(directory, 'ca.pem'), authority.certificate);
    const configured = await postfixConfiguration(main);
    await writeFile(
      join(directory, 'postern.yaml'),
      `settings: settings.yaml\npostfix: { configDirectory: ${configured} }\ndns: { servers: ['${dns.address}'] }\n`,
    );
    const { code, stdout } = await run(['route', 'test', 'r']);
    const [, , , , , tls, certificate, until, verifies, name, offers, verdict] = stdout.split('\n');
    expect(tls).toMatch(/^ {2}TLS {10}TLSv1\.3, TLS_/);
    expect(certificate).toBe('  certificate  CN=mx; names mx.dest.test; issuer CN=Test CA');
    expect(until).toMatch(/^ {2}valid until {2}\d{4}-\d\d-\d\dT/);
    expect(verifies).toBe(`  verifies     yes, by smtp_tls_CAfile ${directory}/ca.pem`);
    expect(name).toBe('  name         compared with mx.dest.test, .mx.dest.test: mx.dest.test fits');
    expect(offers).toBe('offers DSN yes, SMTPUTF8 yes, 8BITMIME yes, SIZE 2000000 octets');
    expect(verdict).toBe('Postfix would deliver: in TLS, to a server that proves to be mx.dest.test');
    expect(code).toBe(0);
    expect(commands).toEqual(['EHLO out.example.com', 'STARTTLS', 'TLS EHLO out.example.com', 'TLS QUIT']);
  });

  it('the same where Postfix trusts no CA: it would not deliver, and the answer says what to set', async () => {
    const { port } = await scripted({ ...TLS, credentials: server });
    const answer = await answerTo(`{ host: 127.0.0.1, port: ${port}, tls: verify, certificateName: mx.dest.test }`, '');
    expect(answer).toMatchObject({ code: 1, delivers: false });
    expect(answer.reason).toMatch(/Postfix trusts no CA; set smtp_tls_CAfile/);
    expect(answer.servers[0]).toMatchObject({
      comparedWith: ['mx.dest.test'],
      matching: ['mx.dest.test'],
      certificate: { names: ['mx.dest.test'], isTrusted: false },
    });
  });

  it('a file of CAs that cannot be read is noted', async () => {
    const { port } = await scripted({ ...TLS, credentials: server });
    const answer = await answerTo(`{ host: 127.0.0.1, port: ${port}, tls: encrypt }`, 'smtp_tls_CAfile = /no/such.pem');
    expect(answer).toMatchObject({ code: 0, delivers: true });
    expect(answer.notes).toEqual(['smtp_tls_CAfile /no/such.pem cannot be read: there is no such file']);
  });

  it.each([
    ['encrypt', '', 1, /does not offer STARTTLS/],
    ['none', '', 0, /in clear, as the level is none/],
    ['may', 'smtp_tls_security_level = encrypt', 1, /does not offer STARTTLS/],
    ['may', 'smtp_tls_security_level = may', 0, /in clear/],
  ])('without STARTTLS, tls: %s beside "%s" ends with %d', async (tls, main, code, reason) => {
    const { port } = await scripted();
    const answer = await answerTo(`{ host: 127.0.0.1, port: ${port}, tls: ${tls} }`, main);
    expect(answer.code).toBe(code);
    expect(answer.reason).toMatch(reason);
  });

  it('what a server says cannot move the cursor, and stays on its line', async () => {
    const { port } = await scripted({ greeting: '220 \x1b[31mred\x07 \u009b2J ESMTP\r\n' });
    const { run } = await workspaceFor(`{ host: 127.0.0.1, port: ${port} }`);
    const { stdout } = await run(['route', 'test', 'r']);
    expect(stdout.replaceAll('\n', '')).not.toMatch(/\p{Cc}/u);
    expect(stdout).toContain('  greeting     220 ?[31mred?');
  });
});

describe('a server that is not there', () => {
  it('exit code 1, and why', async () => {
    const { closed } = await freePorts('closed');
    const { run } = await workspaceFor(`{ host: 127.0.0.1, port: ${closed} }`);
    const { code, stdout } = await run(['route', 'test', 'r']);
    expect(code).toBe(1);
    expect(stdout).toContain('  but          the server cannot be reached: the connection was refused\n');
    expect(stdout).toContain('Postfix would not deliver: the server cannot be reached: the connection was refused\n');
  });

  it.each([
    ['no such name', '{ host: nowhere.test }', /DNS gives no address of nowhere\.test/],
    ['DNS in trouble', '{ host: failing.test, mx: true }', /DNS did not tell the MX of failing\.test \(ESERVFAIL\)/],
    [
      'no such name, by MX',
      '{ host: nowhere.test, mx: true }',
      /DNS has neither an MX nor an address of nowhere\.test/,
    ],
    ['no mail taken', '{ host: nomail.test, mx: true }', /nomail\.test takes no mail: its MX record says so/],
    [
      'mail exchangers without address',
      '{ host: lost.test, mx: true }',
      /no address of lost\.test to connect to: its mail exchangers have no address/,
    ],
  ])('%s', async (_, route, reason) => {
    await dns.setRecords('nomail.test', 'MX 0 .');
    await dns.setRecords('lost.test', 'MX 10 gone.test.');
    const answer = await answerTo(route);
    expect(answer).toMatchObject({ code: 1, delivers: false, offers: null, servers: [] });
    expect(answer.reason).toMatch(reason);
  });

  it('a DNS server that is silent is not waited for longer than its time', async () => {
    const silent = await UdpDns.start();
    onTestFinished(() => silent.stop());
    silent.set('quiet.test', 'silence');
    const startedAt = performance.now();
    expect((await answerTo('{ host: quiet.test }', undefined, silent.address)).reason).toMatch(/no answer/);
    expect(performance.now() - startedAt).toBeLessThan(10_000);
  });
});

describe('which servers are tried', () => {
  const places = ({ servers }: Answer): string[] => servers.map(({ host, address }) => `${host ?? '-'} ${address}`);

  it('by MX: the preferred first, until one takes mail; IPv4 before IPv6', async () => {
    const { port } = await scripted({ host: '127.0.0.3' });
    await scripted({ host: '127.0.0.2', port, greeting: '554 no\r\n' });
    await dns.setRecords('dest.test', 'MX 20 b.dest.test.', 'MX 10 a.dest.test.', 'MX 30 c.dest.test.');
    await dns.setRecords('a.dest.test', 'A 127.0.0.2');
    await dns.setRecords('b.dest.test', 'A 127.0.0.3', 'AAAA ::1');
    await dns.setRecords('c.dest.test', 'A 127.0.0.4');
    const answer = await answerTo(`{ host: dest.test, port: ${port}, mx: true }`);
    expect(places(answer)).toEqual(['a.dest.test 127.0.0.2', 'b.dest.test 127.0.0.3']);
    expect(answer.servers.map(({ delivers }) => delivers)).toEqual([false, true]);
    expect(answer.code).toBe(0);
  });

  it('a name without MX is tried itself; verify then asks for its name', async () => {
    const { port } = await scripted({ ...TLS, credentials: server });
    await dns.setRecords('plain.test', 'A 127.0.0.1');
    const answer = await answerTo(`{ host: plain.test, port: ${port}, mx: true, tls: verify }`);
    expect(places(answer)).toEqual(['plain.test 127.0.0.1']);
    expect(answer.servers[0]).toMatchObject({ comparedWith: ['plain.test', '.plain.test'], matching: [] });
    expect(answer.code).toBe(1);
  });

  it('no more than Postfix tries: addresses, and servers that answer', async () => {
    const { closed } = await freePorts('closed');
    const addresses = Array.from({ length: 7 }, (_, n) => `A 127.0.1.${n + 1}`);
    await dns.setRecords('many.test', ...addresses);
    const dead = `{ host: many.test, port: ${closed} }`;
    expect((await answerTo(dead)).servers).toHaveLength(5);
    expect((await answerTo(dead, 'smtp_mx_address_limit = 3')).servers).toHaveLength(3);
    expect((await answerTo(dead, 'smtp_mx_address_limit = 0')).servers).toHaveLength(7);
    const { port } = await scripted({ host: '0.0.0.0', greeting: '554 no\r\n' });
    expect((await answerTo(`{ host: many.test, port: ${port} }`)).servers).toHaveLength(2);
  });

  it('inet_protocols rules addresses out', async () => {
    await dns.setRecords('six.test', 'AAAA ::1');
    const answer = await answerTo('{ host: six.test }', 'inet_protocols = ipv4');
    expect(answer).toMatchObject({ code: 1, servers: [] });
    expect(answer.reason).toMatch(/inet_protocols of Postfix rules them all out/);
  });
});

describe('a route that leads back', () => {
  it('by DNS: nobody is asked, and the answer says so', async () => {
    const own = await scripted({ host: '127.0.0.9', port: 2500 });
    await dns.setRecords('alias.test', 'A 127.0.0.9');
    const { run } = await workspaceFor('{ host: alias.test, port: 2500 }', '');
    const { code, stdout } = await run(['route', 'test', 'r']);
    expect(code).toBe(1);
    expect(stdout).toContain('127.0.0.9:2500 (alias.test)\n');
    expect(stdout).toMatch(
      /Postfix would not deliver: this Postfix itself listens there, so mail would go round in a circle/,
    );
    expect(own.connections).toBe(0);
  });

  it('by MX: what DNS prefers less is not tried, as Postfix does it', async () => {
    await dns.setRecords('ring.test', 'MX 10 alias.test.', 'MX 20 b.dest.test.');
    await dns.setRecords('alias.test', 'A 127.0.0.9');
    const answer = await answerTo('{ host: ring.test, port: 2500, mx: true }', '');
    expect(answer.servers).toMatchObject([{ host: 'alias.test', isOurselves: true, delivers: false }]);
  });
});

it('a route that is none, and settings that are not good', async () => {
  const { run } = await workspaceFor('{ host: 127.0.0.1 }');
  expect(await run(['route', 'test', 'x'])).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/x is no route of organization acme; its routes are r/) as unknown,
  });
  const broken = await workspaceFor('{ host: 127.0.0.1, port: 0 }');
  const { code, stderr } = await broken.run(['route', 'test', 'r']);
  expect(code).toBe(1);
  expect(stderr).toMatch(/^settings\.yaml:5:\d+: port must be/);
});

it('as a process of its own it ends at once with its answer', async () => {
  const { port } = await scripted({ ...TLS, credentials: server });
  const { spawn } = await workspaceFor(`{ host: 127.0.0.1, port: ${port}, tls: encrypt }`);
  const startedAt = performance.now();
  const { code, stdout } = await spawn(['route', 'test', 'r']);
  expect({ code, last: stdout.trimEnd().split('\n').at(-1) }).toEqual({
    code: 0,
    last: 'Postfix would deliver: in TLS; the certificate does not count',
  });
  expect(performance.now() - startedAt).toBeLessThan(5000);
});
