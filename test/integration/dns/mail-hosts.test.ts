/** Where mail for a domain goes, asked of a real DNS server on loopback, and what that means beside a gateway. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createResolver } from '../../../src/adapters/dns/index.ts';
import { formatIpAddress } from '../../../src/mail/index.ts';
import { domainsWithGateway, explainGatewayMx, type MailHosts } from '../../../src/services/index.ts';
import { aSnapshot, withDomain } from '../../support/builders.ts';
import { DnsServer } from '../../support/dns-server.ts';
import { UdpDns } from '../../support/udp-dns.ts';

let dns: DnsServer;
beforeAll(async () => {
  dns = await DnsServer.start({ failing: ['failing.example'] });
  await dns.setRecords('mx1.example.net', 'A 192.0.2.1', 'AAAA 2001:db8:6a7e::1');
  await dns.setRecords('mx2.example.net', 'A 192.0.2.2');
  await dns.setRecords('mx6.example.net', 'AAAA 2001:db8:6a7e::6');
  await dns.setRecords('other.example.net', 'A 198.51.100.1');
  await dns.setRecords('alias.example.net', 'CNAME mx2.example.net.');
  await dns.setRecords('bare.example.net', 'TXT "no address"');
});
afterEach(() => dns.remove('example.com'));
afterAll(() => dns.stop());

const [gateway] = domainsWithGateway(
  aSnapshot(withDomain({ inboundGateway: { enabled: true, ips: ['192.0.2.0/28', '2001:db8:6a7e::/64'] } })),
);
const explain = (servers = [dns.address], timeoutMs = 8000) =>
  explainGatewayMx(gateway!, createResolver(servers), 0, { timeoutMs });

const texts = (found: MailHosts): unknown =>
  'hosts' in found
    ? [
        found.kind,
        ...found.hosts.map(({ name, addresses, isComplete }) => [name, isComplete, ...addresses.map(formatIpAddress)]),
      ]
    : Object.values(found);

describe('mailHosts', () => {
  it.each<[string, string[], unknown]>([
    [
      'mail exchangers, the preferred first, in lower case',
      ['MX 20 mx2.example.net.', 'MX 10 MX1.Example.NET.'],
      ['mx', ['mx1.example.net', true, '192.0.2.1', '2001:db8:6a7e::1'], ['mx2.example.net', true, '192.0.2.2']],
    ],
    ['IPv6 only', ['MX 10 mx6.example.net.'], ['mx', ['mx6.example.net', true, '2001:db8:6a7e::6']]],
    ['an alias', ['MX 10 alias.example.net.'], ['mx', ['alias.example.net', true, '192.0.2.2']]],
    [
      'a host twice',
      ['MX 10 mx2.example.net.', 'MX 20 mx2.example.net.'],
      ['mx', ['mx2.example.net', true, '192.0.2.2']],
    ],
    ['a host without an address', ['MX 10 bare.example.net.'], ['mx', ['bare.example.net', true]]],
    ['a host that does not exist', ['MX 10 nobody.example.net.'], ['mx', ['nobody.example.net', true]]],
    ['an address in the place of the name', ['MX 10 192.0.2.1.'], ['mx', ['192.0.2.1', true]]],
    ['a host that cannot be looked up', ['MX 10 mx.failing.example.'], ['mx', ['mx.failing.example', false]]],
    ['a null MX (RFC 7505)', ['MX 0 .'], ['null-mx']],
    [
      'a null MX beside a host is no null MX',
      ['MX 0 .', 'MX 10 mx2.example.net.'],
      ['mx', ['.', true], ['mx2.example.net', true, '192.0.2.2']],
    ],
    ['no MX but an address (RFC 5321 §5.1)', ['A 192.0.2.9'], ['implicit', ['example.com', true, '192.0.2.9']]],
    ['no MX but an IPv6 address', ['AAAA 2001:db8::9'], ['implicit', ['example.com', true, '2001:db8::9']]],
    ['an alias of a domain with MX', ['CNAME mxed.example.net.'], ['mx', ['mx2.example.net', true, '192.0.2.2']]],
    ['neither', ['TXT "x"'], ['none']],
  ])('%s', async (_, records, expected) => {
    await dns.setRecords('mxed.example.net', 'MX 10 mx2.example.net.');
    await dns.setRecords('example.com', ...records);
    expect(texts(await createResolver([dns.address]).mailHosts('example.com', 8000))).toEqual(expected);
  });

  it('no such name, and a server in trouble', async () => {
    const resolver = createResolver([dns.address]);
    expect(await resolver.mailHosts('nowhere.example', 8000)).toEqual({ kind: 'none' });
    expect(await resolver.mailHosts('failing.example', 8000)).toEqual({ kind: 'unknown', code: 'ESERVFAIL' });
  });

  it('twenty hosts are looked up, further ones are named and not known', async () => {
    await dns.setRecords('example.com', ...Array.from({ length: 25 }, (_, n) => `MX ${n} h${n}.example.net.`));
    const found = await createResolver([dns.address]).mailHosts('example.com', 8000);
    if (found.kind !== 'mx') throw new Error(found.kind);
    expect(found.hosts.map(({ isComplete }) => isComplete)).toEqual(Array.from({ length: 25 }, (_, n) => n < 20));
  });

  it('a name that cannot be asked is not known, and nothing throws', async () => {
    for (const name of ['', `${'x'.repeat(64)}.example`, 'a..b']) {
      expect((await createResolver([dns.address]).mailHosts(name, 8000)).kind).not.toBe('mx');
    }
    expect((await createResolver(['no address']).mailHosts('example.com', 8000)).kind).toBe('unknown');
  });
});

describe('a DNS server that hangs', () => {
  afterEach(() => {
    dns.resume();
  });

  it('is given up when the time is over', async () => {
    dns.pause();
    const startedAt = performance.now();
    expect(await explain([dns.address], 300)).toMatchObject({
      verdict: 'unknown',
      text: 'where mail for it goes is not known: DNS did not tell (ETIMEOUT)',
    });
    expect(performance.now() - startedAt).toBeLessThan(2000);
  });

  it('is given up at once when told to end', async () => {
    dns.pause();
    const end = new AbortController();
    const found = createResolver([dns.address]).mailHosts('example.com', 8000, end.signal);
    const startedAt = performance.now();
    end.abort();
    expect((await found).kind).toBe('unknown');
    expect(performance.now() - startedAt).toBeLessThan(1000);
  });

  it('three of them take ten seconds at most, however long one may wait', async () => {
    const silent = await Promise.all([UdpDns.start(), UdpDns.start(), UdpDns.start()]);
    for (const server of silent) server.set('example.com', 'silence');
    const startedAt = performance.now();
    expect(
      (
        await explain(
          silent.map(({ address }) => address),
          60_000,
        )
      ).verdict,
    ).toBe('unknown');
    expect(performance.now() - startedAt).toBeLessThan(10_000);
    await Promise.all(silent.map((server) => server.stop()));
  }, 20_000);

  it('one that is not there is not waited for', async () => {
    const gone = await UdpDns.start();
    await gone.stop();
    const startedAt = performance.now();
    expect((await explain([gone.address])).verdict).toBe('unknown');
    expect(performance.now() - startedAt).toBeLessThan(10_000);
  }, 20_000);
});

describe('explainGatewayMx', () => {
  it.each<[string, string[], string, RegExp]>([
    [
      'points',
      ['MX 10 mx1.example.net.', 'MX 20 alias.example.net.'],
      'points',
      /: mx1\.example\.net \(192\.0\.2\.1, 2001:db8:6a7e::1\), alias/,
    ],
    ['points, IPv6 only', ['MX 10 mx6.example.net.'], 'points', /mx6\.example\.net \(2001:db8:6a7e::6\)$/],
    ['points, implicit MX', ['A 192.0.2.9'], 'points', /^it has no MX record, and its own address/],
    [
      'elsewhere',
      ['MX 10 other.example.net.'],
      'elsewhere',
      /names no address of the gateway: other\.example\.net \(198\.51\.100\.1\)/,
    ],
    [
      'mixed',
      ['MX 10 mx1.example.net.', 'MX 20 other.example.net.'],
      'mixed',
      /not its addresses: other\.example\.net \(198\.51\.100\.1\)$/,
    ],
    ['null MX', ['MX 0 .'], 'no-mx', /null MX/],
    ['neither record', ['TXT "x"'], 'no-mx', /neither an MX nor an address record/],
    ['no host has an address', ['MX 10 nobody.example.net.'], 'no-mx', /nobody\.example\.net/],
    ['a host in trouble', ['MX 10 mx1.example.net.', 'MX 20 mx.failing.example.'], 'unknown', /mx\.failing\.example$/],
  ])('%s', async (_, records, verdict, text) => {
    await dns.setRecords('example.com', ...records);
    expect(await explain()).toMatchObject({ verdict, text: expect.stringMatching(text) as string });
  });
});
