import { describe, expect, it } from 'vitest';
import type { HeaderField } from '../../../src/decide/index.ts';
import { explainHop, findTrueClient, walkToTrueClient, type TrueClientWalk } from '../../../src/decide/true-client.ts';
import { formatIpAddress } from '../../../src/mail/index.ts';
import type { GatewayPolicy } from '../../../src/snapshot/index.ts';
import { aDomain, aSnapshot, aTransaction, inDomain, withDomain } from '../../support/builders.ts';

const GATEWAY_IPS = ['198.51.100.0/24', '10.9.0.0/20', '2001:db8:6a7e::/64'];

function aGateway(ips: readonly unknown[] = GATEWAY_IPS): GatewayPolicy {
  const { gateway } = aSnapshot(withDomain({ inboundGateway: { enabled: true, ips } })).domains.get(
    aDomain('example.com'),
  )!;
  if (gateway === null) throw new Error('no gateway');
  return gateway;
}

/** A field of Postfix with a peer; a whole value where there is a space in the text. */
const field = (text: string): HeaderField => ({
  name: 'Received',
  value: text.includes(' ')
    ? ` ${text}`
    : ` from x (unknown [${text}])\n\tby gw.example.net (Postfix) with ESMTP id 4W; Mon`,
});
const fields = (...texts: string[]): HeaderField[] => texts.map(field);

function walk(headers: readonly HeaderField[], client = '198.51.100.7', gateway = aGateway()): TrueClientWalk {
  const transaction = aTransaction({ client });
  return walkToTrueClient(gateway, transaction.client, headers, transaction.at);
}
const clientOf = (headers: readonly HeaderField[], client?: string): string | null => {
  const { address } = walk(headers, client);
  return address === null ? null : formatIpAddress(address);
};

/** Top to bottom: two hops within the provider, its border, and what the sender says of before. */
const GW_01 = fields(
  'from gw2.provider.example (gw2 [10.9.1.2]) by gw3.provider.example (Postfix) with ESMTP id 3; Mon',
  'from gw1.provider.example ([198.51.100.3] helo=gw1) by gw2.provider.example with esmtp (Exim 4.98) id 2; Mon',
  'from mail.sender.example (203.0.113.50) by gw1.provider.example (10.9.1.1) with Microsoft SMTP Server id 1; Mon',
  'from pc (pc [192.0.2.66]) by mail.sender.example (Postfix) with ESMTP id 0; Mon',
);

describe('walkToTrueClient', () => {
  it('GW-01 the first address that is not in the list is the client; what is below is never looked at', () => {
    const { hops, ...found } = walk(GW_01);
    expect(found).toEqual({
      address: { family: 4, value: 0xcb007132 },
      throughGateway: true,
      setting: inDomain('inboundGateway'),
      text: '203.0.113.50 is behind the gateway: the Received field written by gw1.provider.example, header field 3, names it',
    });
    expect(hops.map(({ position, isGateway, text }) => [position, isGateway, text])).toEqual([
      [0, true, '10.9.1.2 is an address of the inbound gateway, written by gw3.provider.example'],
      [1, true, '198.51.100.3 is an address of the inbound gateway, written by gw2.provider.example'],
      [2, false, '203.0.113.50 is the first that is no gateway, written by gw1.provider.example'],
    ]);
  });

  it('GW-02 a gateway is never the client: it is the sender behind it or nobody', () => {
    expect(clientOf(GW_01)).toBe('203.0.113.50');
    expect(clientOf(GW_01.slice(0, 2))).toBeNull();
    expect(clientOf(GW_01.slice(0, 1))).toBeNull();
    expect(clientOf([])).toBeNull();
  });

  it('GW-04 lines below the border are the sender’s own and change nothing', () => {
    const forged = fields(
      'from gw (gw [198.51.100.9]) by gw.provider.example (Postfix) with ESMTP id 1; Mon',
      'from friend (friend [192.0.2.1]) by gw.provider.example (Postfix) with ESMTP id 0; Mon',
    );
    const border = field('from gw (unknown [203.0.113.66]) by gw1.provider.example (Postfix) with ESMTP id 2; Mon');
    expect(clientOf([border, ...forged])).toBe('203.0.113.66');
    expect(walk([border, ...forged]).hops).toHaveLength(1);
    const literal = field('from [198.51.100.9] (unknown [203.0.113.66]) by gw1.provider.example with SMTP; Mon');
    expect(clientOf([literal, ...forged])).toBe('203.0.113.66');
  });

  it('an SMTP client that is no gateway is the client, whatever the headers say', () => {
    for (const client of ['203.0.113.9', '2001:db8::1', 'local', 'unknown']) {
      const transaction = aTransaction({ client });
      const direct = findTrueClient(aGateway(), transaction.client, transaction.at);
      expect(walk(GW_01, client)).toEqual({ ...direct, hops: [] });
      expect(direct.throughGateway).toBe(false);
    }
  });

  it('IPv6, IPv4-mapped and mixed hops', () => {
    const headers = fields('IPv6:2001:db8:6a7e::25', '::ffff:198.51.100.3', 'IPv6:2001:db8:66::1', '192.0.2.1');
    expect(clientOf(headers, '2001:db8:6a7e::1')).toBe('2001:db8:66::1');
    expect(clientOf(fields('::ffff:203.0.113.66'))).toBe('203.0.113.66');
  });

  it('our own field on top, as in a stored message, is one hop more', () => {
    expect(clientOf([...fields('198.51.100.7'), ...GW_01])).toBe('203.0.113.50');
  });

  it('positions count all fields; only Received is looked at, in any case', () => {
    const other = { name: 'X-Received', value: ' from x (x [192.0.2.1]) by y' };
    const headers = [other, { ...GW_01[0]!, name: 'RECEIVED' }, other, other, { ...GW_01[2]!, name: 'received' }];
    const { hops, address } = walk(headers);
    expect(hops.map(({ position }) => position)).toEqual([1, 4]);
    expect(address).toEqual({ family: 4, value: 0xcb007132 });
    expect(walk([other]).text).toBe('unknown: no Received field');
  });

  it.each([
    ['a content filter', ['127.0.0.1', 'from gw ([127.0.0.1]) by localhost (gw [127.0.0.1]) (amavis) with ESMTP; Mon']],
    ['a content filter over IPv6', ['IPv6:::1']],
    ['sendmail(1)', ['by gw (Postfix, from userid 1002) id 4W; Mon']],
    ['qmail-queue', ['(qmail 10681 invoked from network); 2 Nov 2026']],
    ['LMTP', ['from gw by gw with LMTP id 1; Mon']],
    [
      'hosts that Google does not name',
      ['by 2002:a05:640c:2348:b0:22a with SMTP id x; Mon', 'by mx.google.com with SMTP; Mon'],
    ],
  ])('a handover inside a gateway (%s) is stepped over', (_, inner) => {
    const headers = fields('198.51.100.3', ...inner, '203.0.113.66', '192.0.2.1');
    expect(clientOf(headers)).toBe('203.0.113.66');
    expect(walk(headers).hops.map(({ isGateway }) => isGateway)).toEqual([true, ...inner.map(() => true), false]);
    expect(clientOf(fields('198.51.100.3', ...inner))).toBeNull();
  });

  it('behind the first that is no gateway, nothing is stepped over: loopback there is anybody’s', () => {
    expect(clientOf(fields('203.0.113.66', '127.0.0.1', '192.0.2.1'))).toBe('203.0.113.66');
  });

  it.each([
    ['the HELO name only', 'from [192.0.2.1] by gw with Novell_GroupWise; Mon'],
    ['a login', 'by gw (Postfix) with ESMTPSA id 4W; Mon'],
    ['web mail', 'by gw with HTTP; Mon'],
    ['an unknown peer', 'from x (unknown [unknown]) by gw (Postfix) with SMTP; Mon'],
    ['two peers', 'from x ([203.0.113.66] [192.0.2.1]) by gw; Mon'],
    ['garbage', 'no such thing'],
  ])('a field that does not name its peer (%s) ends the walk: the client is unknown', (_, bad) => {
    const { address, throughGateway, text, hops } = walk(fields('198.51.100.3', bad, '192.0.2.1'));
    expect([address, throughGateway, hops.length]).toEqual([null, true, 2]);
    expect(hops[1]).toMatchObject({ address: null, isGateway: false });
    expect(text).toMatch(/^unknown: the Received field written by .*, header field 2, does not clearly name its peer$/);
  });

  it.each(['10.10.0.1', '172.16.5.4', '192.168.1.1', '169.254.0.9', '100.64.0.1', 'IPv6:fd00::1', 'IPv6:fe80::1'])(
    'a private address that is not in the list is the client: %s, and the reason says what to do',
    (address) => {
      const { text, address: found } = walk(fields('198.51.100.3', address, '203.0.113.66'));
      expect(found).not.toBeNull();
      expect(text).toMatch(/names it; it is not public: if it is of the gateway, add it to its ips$/);
    },
  );

  it.each([
    '11.0.0.1',
    '172.32.0.1',
    '172.15.0.1',
    '192.169.0.1',
    '169.253.0.1',
    '100.128.0.1',
    'IPv6:fec0::1',
    'IPv6:2001::',
  ])('%s is public: no such advice', (address) => {
    expect(walk(fields(address)).text).toMatch(/names it$/);
  });

  it('an entry that has expired is no gateway any more', () => {
    const gateway = { ...aGateway() };
    const ips = { ...gateway.ips, expiresAt: gateway.ips.expiresAt.map((_, at) => (at === 1 ? 1000 : Infinity)) };
    const { client } = aTransaction({ client: '198.51.100.7' });
    const at = (now: number) => walkToTrueClient({ ...gateway, ips }, client, GW_01, now).hops.length;
    expect([at(999), at(1000)]).toEqual([3, 1]);
  });

  it('a hundred fields are looked at and no more', () => {
    const hundred = Array.from({ length: 100 }, () => '198.51.100.3');
    expect(clientOf(fields(...hundred.slice(1), '203.0.113.66'))).toBe('203.0.113.66');
    expect(clientOf(fields(...hundred))).toBeNull();
    const { text, address, hops } = walk(fields(...hundred, '203.0.113.66'));
    expect([text, address, hops.length]).toEqual(['unknown: more than 100 Received fields', null, 100]);
  });
});

describe('explainHop', () => {
  it('tells the hop with its field, on one line', () => {
    expect(walk(GW_01).hops.map((hop) => explainHop(hop, GW_01))[2]).toBe(
      'header field 3: 203.0.113.50 is the first that is no gateway, written by gw1.provider.example -- Received: from ' +
        'mail.sender.example (203.0.113.50) by gw1.provider.example (10.9.1.1) with Microsoft SMTP Server id 1; Mon',
    );
    const inner = fields('127.0.0.1', '(qmail 10681 invoked from network); 2 Nov', 'from x by y; Mon');
    expect(walk(inner).hops.map((hop) => explainHop(hop, inner))).toEqual([
      'header field 1: 127.0.0.1 is the gateway host itself, written by gw.example.net -- Received: from x (unknown ' +
        '[127.0.0.1]) by gw.example.net (Postfix) with ESMTP id 4W; Mon',
      'header field 2: within the gateway, written by a server that does not name itself -- Received: (qmail 10681 invoked from network); 2 Nov',
      'header field 3: no peer that can be believed, written by y -- Received: from x by y; Mon',
    ]);
  });

  it('says nothing that a terminal would act on, and not much', () => {
    const headers = fields(`from x ([203.0.113.66]) by g\x1bw\xe9${'y'.repeat(200)} \x1b[2J${'z'.repeat(10_000)}`);
    const { text, hops } = walk(headers);
    const line = explainHop(hops[0]!, headers);
    expect(line).toMatch(/^[\x20-\x7e]{100,800}$/);
    expect(text).toMatch(/^[\x20-\x7e]{100,400}$/);
    expect(line).toContain('by g?w?y');
  });

  it('a hop of another message has no field', () => {
    const hop = { position: 7, address: null, isGateway: false, text: 'x' };
    expect(explainHop(hop, [])).toBe('header field 8: x -- ');
  });
});
