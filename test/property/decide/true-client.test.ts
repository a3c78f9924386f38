/** The walk to the true client: decided by what gateways wrote, and by nothing that stands below. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { walkToTrueClient } from '../../../src/decide/true-client.ts';
import { formatIpAddress } from '../../../src/mail/index.ts';
import { aDomain, aRange, aSnapshot, aTransaction, withDomain } from '../../support/builders.ts';

const IPS = ['198.51.100.0/24', '10.9.0.0/20', '2001:db8:6a7e::/64'];
const SNAPSHOT = aSnapshot(withDomain({ inboundGateway: { enabled: true, ips: IPS } }));
const GATEWAY = SNAPSHOT.domains.get(aDomain('example.com'))!.gateway!;
const { client, at } = aTransaction({ client: '198.51.100.7' });

const received = (value: string) => ({ name: 'Received', value });
const from = (address: string) => received(` from x (unknown [${address}])\n\tby gw (Postfix) with ESMTP id 4W; Mon`);

const other = fc.record({ name: fc.constantFrom('Subject', 'X-Received', 'Received-SPF'), value: fc.string() });
const inner = fc.constantFrom(
  ...['198.51.100.3', '10.9.15.255', '2001:db8:6a7e::9', '::ffff:198.51.100.3', '127.0.0.1', '::1'].map(from),
  ...['by gw (Postfix, from userid 2) id 4', '(qmail 1 invoked from network)', 'from a by b with LMTP id 1'].map(
    received,
  ),
);
const numbers = (count: number, max: number) => fc.array(fc.nat(max), { minLength: count, maxLength: count });
const stranger = fc.oneof(
  fc
    .tuple(fc.constantFrom(1, 9, 10, 11, 126, 128, 192, 198, 203, 223), numbers(3, 255))
    .map(([first, rest]) => [first, ...rest].join('.'))
    .filter((text) => !/^(?:198\.51\.100|10\.9)\./.test(text)),
  fc
    .tuple(fc.constantFrom('2001', '2a00', '3fff', 'fd00', 'fe80', '64'), numbers(7, 0xffff))
    .map(([first, rest]) => [first, ...rest.map((word) => word.toString(16))].join(':'))
    .filter((text) => !text.startsWith('2001:db8:6a7e:')),
);
const anything = fc.oneof(stranger.map(from), inner, other, fc.string({ unit: 'binary' }).map(received));
const below = fc.array(anything, { maxLength: 6 });
const path = fc.array(fc.oneof(inner, other), { maxLength: 20 });

const walk = (headers: readonly { name: string; value: string }[]) => walkToTrueClient(GATEWAY, client, headers, at);
const canonical = (text: string) => formatIpAddress(aRange(text).first);

describe('walkToTrueClient', () => {
  it('GW-04 the client is who handed the message to the gateway, whatever the message claims of before', () => {
    fc.assert(
      fc.property(path, stranger, below, below, (headers, peer, forged, alsoForged) => {
        const border = [...headers, from(peer)];
        const found = walk([...border, ...forged]);
        expect(formatIpAddress(found.address!)).toBe(canonical(peer));
        expect(found).toEqual(walk([...border, ...alsoForged]));
        expect(found.hops.at(-1)).toMatchObject({ position: headers.length, isGateway: false });
        expect(found.hops.slice(0, -1).every(({ isGateway }) => isGateway)).toBe(true);
      }),
      { numRuns: 3_000 },
    );
  });

  it('a path of gateways only, or one that breaks off, has no client', () => {
    const broken = fc.constantFrom('from x by gw with SMTP; Mon', 'by gw with ESMTPSA; Mon', 'x', '').map(received);
    fc.assert(
      fc.property(path, broken, below, (headers, end, forged) => {
        expect(walk(headers).address).toBeNull();
        expect(walk([...headers, end, ...forged]).address).toBeNull();
      }),
      { numRuns: 3_000 },
    );
  });

  it('never throws, never names an address of the gateway or its loopback, and believes no field below an unlisted one', () => {
    fc.assert(
      fc.property(fc.array(anything, { maxLength: 30 }), (headers) => {
        const { address, hops, text } = walk(headers);
        if (address !== null)
          expect(formatIpAddress(address)).not.toMatch(/^(?:198\.51\.100\.|10\.9\.(?:\d|1[0-5])\.|127\.|::1$)/);
        expect(hops.slice(0, -1).every(({ isGateway }) => isGateway)).toBe(true);
        expect(hops.every(({ position }) => /^received$/i.test(headers[position]!.name))).toBe(true);
        expect(text).toMatch(/^[\x20-\x7e]+$/);
      }),
      { numRuns: 3_000 },
    );
  });
});
