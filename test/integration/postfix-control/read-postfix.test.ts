import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readPostfix, type PostfixFacts } from '../../../src/adapters/postfix-control/index.ts';
import { formatIpAddress } from '../../../src/mail/index.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { postfixConfiguration } from './configuration.ts';

async function read(main: string, master?: string | null): Promise<PostfixFacts> {
  const facts = await readPostfix(await postfixConfiguration(main, master));
  if (facts === null) throw new Error('no Postfix was found');
  return facts;
}

const networksOf = ({
  networks,
  unreadableNetworks,
}: PostfixFacts): { networks: string[]; unreadable: readonly string[] } => ({
  networks: networks.map((range) => range.text),
  unreadable: unreadableNetworks,
});
const listenersOf = ({ smtpdListeners }: PostfixFacts): string[] =>
  smtpdListeners.map(({ address, port }) => `${address === null ? '*' : formatIpAddress(address)} ${port}`);

describe('what Postfix says of itself', () => {
  it('version, queue directory, host name, map type, and every parameter that main.cf sets', async () => {
    const facts = await read(
      'queue_directory = /var/spool/elsewhere\nmyhostname = mx.example.com\nmydestination =\nmynetworks = 127.0.0.0/8\nsmtpd_recipient_restrictions =\n  permit_mynetworks,\n  reject',
    );
    expect(facts).toMatchObject({ queueDirectory: '/var/spool/elsewhere', hostname: 'mx.example.com' });
    expect(facts.version).toMatch(/^\d+\.\d+/);
    expect(facts.defaultDatabaseType).toMatch(/^[a-z]+$/);
    expect(facts.main.get('mydestination')).toBe('');
    expect(facts.main.get('smtpd_recipient_restrictions')).toBe('permit_mynetworks, reject');
    expect(facts.main.has('relayhost')).toBe(false);
  });

  it('this host has loopback among its addresses', async () => {
    expect((await read('')).localAddresses.map(formatIpAddress)).toContain('127.0.0.1');
  });

  it('what its SMTP client does, defaults included', async () => {
    expect((await read('myhostname = mx.example.com')).smtpClient).toEqual({
      heloName: 'mx.example.com',
      tlsLevel: 'none',
      caFile: '',
      caPath: '',
      appendsDefaultCa: false,
      matchesManyLabels: true,
      hasDnssec: false,
      protocols: ['all'],
      addressLimit: 5,
      sessionLimit: 2,
    });
    const told = [
      ...['smtp_helo_name = out.example.com', 'smtp_tls_security_level = encrypt', 'smtp_tls_CAfile = /ca.pem'],
      ...['smtp_tls_CApath = /ca', 'tls_append_default_CA = yes', 'tls_wildcard_matches_multiple_labels = no'],
      ...['smtp_dns_support_level = dnssec', 'inet_protocols = ipv4', 'smtp_mx_address_limit = 0'],
    ];
    expect((await read(told.join('\n'))).smtpClient).toEqual({
      heloName: 'out.example.com',
      tlsLevel: 'encrypt',
      caFile: '/ca.pem',
      caPath: '/ca',
      appendsDefaultCa: true,
      matchesManyLabels: false,
      hasDnssec: true,
      protocols: ['ipv4'],
      addressLimit: 0,
      sessionLimit: 2,
    });
  });

  it.each([
    ['smtp_use_tls = yes', 'may'],
    ['smtp_enforce_tls = yes', 'verify'],
    ['smtp_enforce_tls = yes\nsmtp_tls_enforce_peername = no', 'encrypt'],
    ['smtp_use_tls = yes\nsmtp_tls_security_level = none', 'none'],
  ])('the level of TLS by "%s" is %s', async (main, level) => {
    expect((await read(main)).smtpClient.tlsLevel).toBe(level);
  });

  it('its parent domain, and the addresses of what stands in front of it', async () => {
    const { domain, proxyAddresses } = await read(
      'myhostname = mx.example.com\nproxy_interfaces = 192.0.2.1, [2001:db8::1]',
    );
    expect(domain).toBe('example.com');
    expect(proxyAddresses.map(formatIpAddress)).toEqual(['192.0.2.1', '2001:db8::1']);
  });

  it('mynetworks in terms of other parameters is expanded', async () => {
    expect(networksOf(await read('inside = 10.0.0.0/8\nmynetworks = $inside 127.0.0.1'))).toEqual({
      networks: ['10.0.0.0/8', '127.0.0.1'],
      unreadable: [],
    });
  });
});

describe('mynetworks', () => {
  it.each([
    ['blanks and commas', '127.0.0.0/8 [::1]/128, 10.0.0.0/8', ['127.0.0.0/8', '::1', '10.0.0.0/8'], []],
    ['lines', '127.0.0.0/8\n  192.0.2.1', ['127.0.0.0/8', '192.0.2.1'], []],
    ['IPv6 networks', '[2001:db8::]/32 [fe80::]/10', ['2001:db8::/32', 'fe80::/10'], []],
    [
      'tables and files are not guessed at',
      '127.0.0.1, cidr:/etc/postfix/networks, /etc/postfix/more',
      ['127.0.0.1'],
      ['cidr:/etc/postfix/networks', '/etc/postfix/more'],
    ],
    ['an exclusion takes all of it away', '!10.1.0.0/16, 10.0.0.0/8', [], ['!10.1.0.0/16']],
    ['static:all trusts nobody here', 'static:all', [], ['static:all']],
    ['host bits', '127.0.0.1/8', [], ['127.0.0.1/8']],
    ['nothing', '', [], []],
  ])('%s', async (_, value, networks, unreadable) => {
    expect(networksOf(await read(`mynetworks = ${value}`))).toEqual({ networks, unreadable });
  });
});

describe('where smtpd listens', () => {
  const SERVICES = 'smtp inet n - y - - smtpd\n587 inet n - y - - smtpd\n';

  // postconf itself refuses addresses that no interface of this host has, and names that it cannot resolve.
  it.each([
    ['all', 'all', ['* 25', '* 587']],
    ['loopback only', 'loopback-only', ['127.0.0.1 25', '::1 25', '127.0.0.1 587', '::1 587']],
    ['an address', '127.0.0.1', ['127.0.0.1 25', '127.0.0.1 587']],
    ['a list', 'localhost, 127.0.0.1', ['127.0.0.1 25', '127.0.0.1 25', '127.0.0.1 587', '127.0.0.1 587']],
  ])('inet_interfaces: %s', async (_, value, listeners) => {
    expect(listenersOf(await read(`inet_interfaces = ${value}`, SERVICES))).toEqual(listeners);
  });

  it('an address that this host has not is an error with what postconf says', async () => {
    await expect(read('inet_interfaces = 192.0.2.1')).rejects.toThrow(/no local interface found for 192\.0\.2\.1/);
  });

  it('services with addresses, names of ports, postscreen; not lmtp, not unix sockets, not relay(8)', async () => {
    const master = `smtp inet n - y - 1 postscreen
smtpd pass - - y - - smtpd
submissions inet n - y - - smtpd
127.0.0.2:10025 inet n - y - - smtpd
[::1]:10026 inet n - y - - smtpd
localhost:10027 inet n - y - - smtpd
mx.example.com:2525 inet n - y - - smtpd
10028 inet n - y - - spawn
relay unix - - y - - smtp
`;
    expect(listenersOf(await read('inet_interfaces = 127.0.0.1', master))).toEqual([
      '127.0.0.1 25',
      '127.0.0.1 465',
      '127.0.0.2 10025',
      '::1 10026',
      '127.0.0.1 10027',
      '* 2525',
    ]);
  });
});

describe('services', () => {
  it('have their -o options', async () => {
    const master = `submission inet n - y - - smtpd
  -o syslog_name=postfix/submission
  -o { smtpd_recipient_restrictions = permit_sasl_authenticated, reject }
127.0.0.1:10025 inet n - y - - smtpd
  -o content_filter=
`;
    const { services } = await read('', master);
    expect(services.map(({ name, type, command }) => [name, type, command])).toEqual([
      ['submission', 'inet', 'smtpd'],
      ['127.0.0.1:10025', 'inet', 'smtpd'],
    ]);
    expect([...(services[0]?.options ?? [])].sort()).toEqual([
      ['smtpd_recipient_restrictions', 'permit_sasl_authenticated, reject'],
      ['syslog_name', 'postfix/submission'],
    ]);
    expect([...(services[1]?.options ?? [])]).toEqual([['content_filter', '']]);
  });

  it('are none where there is no master.cf', async () => {
    const facts = await read('mynetworks = 10.0.0.0/8', null);
    expect(facts.services).toEqual([]);
    expect(networksOf(facts).networks).toEqual(['10.0.0.0/8']);
  });
});

describe('no Postfix, or a broken one', () => {
  it('no main.cf and no directory are null', async () => {
    const directory = await temporaryDirectory();
    expect(await readPostfix(directory)).toBeNull();
    expect(await readPostfix(join(directory, 'no'))).toBeNull();
  });

  it.each([
    [
      'main.cf without "="',
      'garbage here',
      undefined,
      /main\.cf, line 2: missing '=' after attribute name: "garbage here"/,
    ],
    ['master.cf with too few fields', '', 'smtp inet n\n', /master\.cf: line 1: bad field count/],
  ])('%s is an error with what postconf says', async (_, main, master, message) => {
    const directory = await postfixConfiguration(main, master);
    const error: unknown = await readPostfix(directory).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'POSTERN_POSTFIX_UNREADABLE' });
    expect((error as Error).message).toMatch(message);
    expect((error as Error).message).toContain(`the Postfix configuration in ${directory} cannot be read`);
  });

  it('main.cf that is a directory is an error, not "no Postfix"', async () => {
    const directory = await temporaryDirectory();
    await mkdir(join(directory, 'main.cf'));
    await expect(readPostfix(directory)).rejects.toMatchObject({ code: 'POSTERN_POSTFIX_UNREADABLE' });
  });
});
