import { describe, expect, it } from 'vitest';
import { compileIpSet, parseIpAddress, type IpSet } from '../../../src/mail/index.ts';
import {
  domainsWithGateway,
  explainGatewaysMx,
  judgeGatewayMx,
  type MailHost,
  type MailHosts,
} from '../../../src/services/index.ts';
import { aDomain, aDocument, aRange, aSnapshot } from '../../support/builders.ts';

const DOMAIN = aDomain('example.com');
const PROVIDER = "publish the MX names that the gateway's provider gives you";
const ips = (...texts: string[]): IpSet => compileIpSet(texts.map((text) => ({ range: aRange(text) })));
const GATEWAY = ips('192.0.2.0/28', '2001:db8:6a7e::/64');

/** `mx1` alone has no address, `mx1?` is not known in full. */
function host(text: string): MailHost {
  const [name = '', ...addresses] = text.split(' ');
  return {
    name: `${name.replace('?', '')}.example.net`,
    addresses: addresses.map((each) => parseIpAddress(each)!),
    isComplete: !name.endsWith('?'),
  };
}
const mx = (...texts: string[]): MailHosts => ({ kind: 'mx', hosts: texts.map(host) });
const judge = (found: MailHosts, set = GATEWAY, at = 0) => judgeGatewayMx(DOMAIN, found, set, at);

describe('judgeGatewayMx', () => {
  it('points: every address of every mail exchanger is the gateway’s', () => {
    expect(judge(mx('mx1 192.0.2.1 2001:db8:6a7e::1', 'mx2 192.0.2.2'))).toEqual({
      domain: 'example.com',
      verdict: 'points',
      hosts: [
        { name: 'mx1.example.net', addresses: ['192.0.2.1', '2001:db8:6a7e::1'], isGateway: true },
        { name: 'mx2.example.net', addresses: ['192.0.2.2'], isGateway: true },
      ],
      text: 'its MX points to the gateway: mx1.example.net (192.0.2.1, 2001:db8:6a7e::1), mx2.example.net (192.0.2.2)',
    });
  });

  it('elsewhere: no address is; the text says when that is right and what to do when not', () => {
    const { verdict, hosts, text } = judge(mx('mx1 198.51.100.1', 'mx2 2001:db8::1'));
    expect(verdict).toBe('elsewhere');
    expect(hosts.map(({ isGateway }) => isGateway)).toEqual([false, false]);
    expect(text).toBe(
      'its MX names no address of the gateway: mx1.example.net (198.51.100.1), mx2.example.net (2001:db8::1); ' +
        'nothing is wrong where the gateway takes mail in at other addresses than it sends from (ips needs those it sends from); ' +
        `otherwise mail does not pass it: ${PROVIDER}`,
    );
  });

  it.each([
    ['two hosts', mx('mx1 192.0.2.1', 'mx2 198.51.100.1'), 'mx2.example.net (198.51.100.1)'],
    ['one host', mx('mx1 192.0.2.1 198.51.100.1'), 'mx1.example.net (192.0.2.1, 198.51.100.1)'],
    ['only IPv6 beside', mx('mx1 192.0.2.1 2001:db8::1'), 'mx1.example.net (192.0.2.1, 2001:db8::1)'],
    ['a host that is not known', mx('mx1 192.0.2.1', 'mx2 198.51.100.1', 'mx3?'), 'mx2.example.net (198.51.100.1)'],
  ])('mixed, %s: names the hosts that are not the gateway', (_, found, named) => {
    const { verdict, text } = judge(found);
    expect(verdict).toBe('mixed');
    expect(text).toMatch(/^its MX points only in part to the gateway: .* not its addresses: /);
    expect(text.split('not its addresses: ')[1]).toBe(named);
  });

  it.each<[string, MailHosts, RegExp]>([
    ['a null MX', { kind: 'null-mx' }, /takes no mail \(null MX\)/],
    ['neither record', { kind: 'none' }, /neither an MX nor an address record/],
    [
      'hosts without an address',
      mx('mx1', 'mx2'),
      /no host of its MX has an address: mx1\.example\.net, mx2\.example\.net/,
    ],
  ])('no-mx: %s', (_, found, text) => {
    expect(judge(found)).toMatchObject({ verdict: 'no-mx', text: expect.stringMatching(text) as string });
    expect(judge(found).text.endsWith(PROVIDER)).toBe(true);
  });

  it.each<[string, MailHosts, string]>([
    [
      'no answer',
      { kind: 'unknown', code: 'ETIMEOUT' },
      'where mail for it goes is not known: DNS did not tell (ETIMEOUT)',
    ],
    [
      'a host that may have more',
      mx('mx1? 192.0.2.1'),
      'DNS did not tell all addresses of mx1.example.net (192.0.2.1)',
    ],
    ['a host beside', mx('mx1 192.0.2.1', 'mx2?'), 'DNS did not tell all addresses of mx2.example.net'],
    ['hosts', mx('mx1?', 'mx2'), 'DNS did not tell all addresses of mx1.example.net'],
  ])('unknown: %s', (_, found, text) => {
    expect(judge(found)).toMatchObject({ verdict: 'unknown', text });
  });

  it('one address elsewhere is enough to know, whatever else DNS did not tell', () => {
    expect(judge(mx('mx1? 198.51.100.1')).verdict).toBe('elsewhere');
    expect(judge(mx('mx1 198.51.100.1', 'mx2?')).hosts.map(({ isGateway }) => isGateway)).toEqual([false, null]);
  });

  it('a host without an address takes no mail: it is named and changes nothing else', () => {
    const { verdict, text, hosts } = judge(mx('mx1 192.0.2.1', 'mx2'));
    expect([verdict, hosts.map(({ isGateway }) => isGateway)]).toEqual(['points', [true, false]]);
    expect(text).toBe('its MX points to the gateway: mx1.example.net (192.0.2.1); without an address: mx2.example.net');
  });

  it('no MX but an address: that counts in its place (RFC 5321 §5.1)', () => {
    const found: MailHosts = { kind: 'implicit', hosts: [host('a 192.0.2.1')] };
    expect(judge(found)).toMatchObject({
      verdict: 'points',
      text: 'it has no MX record, and its own address, which then counts, points to the gateway: a.example.net (192.0.2.1)',
    });
    expect(judge({ kind: 'implicit', hosts: [host('a 198.51.100.1')] }).verdict).toBe('elsewhere');
  });

  it('a gateway of private addresses only: a public MX elsewhere says nothing, one of them does', () => {
    const inside = ips('10.9.0.0/20', 'fd00::/64');
    expect(judge(mx('mx1 198.51.100.1'), inside)).toMatchObject({
      verdict: 'unknown',
      text:
        'whether its MX leads to the gateway, DNS cannot tell: all addresses of the gateway are private ones, so that no ' +
        'public MX can be among them; it names mx1.example.net (198.51.100.1)',
    });
    expect(judge(mx('mx1 10.9.1.1'), inside).verdict).toBe('points');
    expect(judge(mx('mx1 10.9.1.1', 'mx2 198.51.100.1'), inside).verdict).toBe('mixed');
    expect(judge(mx('mx1 198.51.100.1'), ips('10.9.0.0/20', '192.0.2.1')).verdict).toBe('elsewhere');
  });

  it('an entry that has expired is no gateway', () => {
    const set = compileIpSet([{ range: aRange('192.0.2.1'), expiresAt: 1000 }]);
    expect([999, 1000].map((at) => judge(mx('mx1 192.0.2.1'), set, at).verdict)).toEqual(['points', 'elsewhere']);
  });

  it('many hosts and odd names make no long or dangerous text', () => {
    const hosts = Array.from({ length: 40 }, (_, n) => ({
      ...host('x 198.51.100.1'),
      name: `\x1b[2J${n}${'y'.repeat(300)}`,
    }));
    const { text } = judge({ kind: 'mx', hosts });
    expect(text).toMatch(/^[\x20-\x7e]+ and 35 more; /);
    expect(text.length).toBeLessThan(2000);
  });
});

describe('explainGatewaysMx', () => {
  const withGateways = (count: number) => {
    const own = Object.fromEntries(
      Array.from({ length: count }, (_, n) => [
        `d${n}.example`,
        { inboundGateway: { enabled: true, ips: ['192.0.2.1'] } },
      ]),
    );
    return domainsWithGateway(aSnapshot(aDocument({ 'example.com': {}, ...own, 'e.example': { inboundGateway: {} } })));
  };

  it('asks about the own domains with a gateway that is on, in their order, each once', async () => {
    const asked: string[] = [];
    const resolver = {
      mailHosts: (domain: string) => {
        asked.push(domain);
        return Promise.resolve(mx(domain === 'd1.example' ? 'mx1 192.0.2.1' : 'mx1 198.51.100.1'));
      },
    };
    const found = await explainGatewaysMx(withGateways(40), resolver, { now: () => 0 });
    expect(asked.toSorted()).toEqual(Array.from({ length: 40 }, (_, n) => `d${n}.example`).toSorted());
    expect(found.map(({ domain }) => domain)).toEqual(Array.from({ length: 40 }, (_, n) => `d${n}.example`));
    expect(found.filter(({ verdict }) => verdict === 'points').map(({ domain }) => domain)).toEqual(['d1.example']);
  });

  it('a dead DNS is given up after nine seconds in all: who is left is not known, and not asked about', async () => {
    let now = 0;
    const timeouts: number[] = [];
    const resolver = {
      mailHosts: async (_: string, timeoutMs: number): Promise<MailHosts> => {
        timeouts.push(timeoutMs);
        // Those that are asked about at once wait at the same time.
        const startedAt = now;
        await Promise.resolve();
        now = Math.max(now, startedAt + timeoutMs);
        return { kind: 'unknown', code: 'ETIMEOUT' };
      },
    };
    const found = await explainGatewaysMx(withGateways(100), resolver, { now: () => now });
    expect(now).toBeLessThanOrEqual(9000);
    expect(timeouts.length).toBeLessThan(100);
    expect(found).toHaveLength(100);
    expect(found.at(-1)).toMatchObject({ domain: 'd99.example', verdict: 'unknown' });
    expect(found.at(-1)?.text).toMatch(/no time was left/);
  });
});
