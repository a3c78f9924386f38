import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatIpAddress, parseIpAddress, type IpAddress } from '../../../src/mail/ip-address.ts';
import { parseIpListFile } from '../../../src/mail/ip-list-input.ts';
import { compareIpAddresses } from '../../../src/mail/ip-address.ts';
import { ipRangeOf, ipRangeSize, ipRangesOverlap, type IpRange } from '../../../src/mail/ip-range.ts';
import { compileIpSet, findInIpSet, ipSetOverlaps, lineInIpSet } from '../../../src/mail/ip-set.ts';

/** Few distinct addresses, the ends of the address space among them, so that ranges touch, cross and coincide. */
const near = fc.oneof(
  fc.nat(24),
  fc.nat(8).map((n) => 0xffffffff - n),
);
const v4: fc.Arbitrary<IpAddress> = near.map((value) => ({ family: 4, value }));
const v6: fc.Arbitrary<IpAddress> = fc
  .tuple(fc.constantFrom(0, 0xffffffff), fc.constantFrom(0, 1, 0xffffffff), fc.constantFrom(0, 0xffffffff), near)
  .map(([w0, w1, w2, w3]) => ({ family: 6, w0, w1, w2, w3 }));

const ordered = (a: IpAddress, b: IpAddress): IpRange =>
  compareIpAddresses(a, b) <= 0 ? ipRangeOf(a, b) : ipRangeOf(b, a);
const range = (address: fc.Arbitrary<IpAddress>): fc.Arbitrary<IpRange> =>
  fc.tuple(address, address).map(([a, b]) => ordered(a, b));
const source = fc.record({ range: fc.oneof(range(v4), range(v6)), expiresAt: fc.nat(6) }, { requiredKeys: ['range'] });
const covers = (whole: IpRange, address: IpAddress): boolean => ipRangesOverlap(whole, ipRangeOf(address, address));

describe('IP-06 a compiled set', () => {
  it('answers as a scan of the list would', () => {
    fc.assert(
      fc.property(
        fc.array(source, { maxLength: 14 }),
        fc.array(fc.oneof(v4, v6), { minLength: 8, maxLength: 30 }),
        fc.nat(7),
        (sources, addresses, now) => {
          const set = compileIpSet(sources);
          const expiry = (index: number): number => sources[index]!.expiresAt ?? Infinity;
          for (const address of addresses) {
            const best = sources
              .map((_, index) => index)
              .filter((index) => now < expiry(index) && covers(sources[index]!.range, address))
              .sort((a, b) => {
                if (expiry(a) !== expiry(b)) return expiry(b) - expiry(a);
                const widths = ipRangeSize(sources[a]!.range) - ipRangeSize(sources[b]!.range);
                return widths === 0n ? a - b : Number(widths > 0n) - 0.5;
              })[0];
            expect(findInIpSet(set, address, now)).toBe(best ?? -1);
          }
        },
      ),
      { numRuns: 3000 },
    );
  });

  it('has sorted segments that share no address', () => {
    fc.assert(
      fc.property(fc.array(source, { maxLength: 20 }), (sources) => {
        const { v4: segments } = compileIpSet(sources);
        for (let index = 0; index < segments.entry.length; index += 1) {
          expect(segments.first[index]).toBeLessThanOrEqual(segments.last[index]!);
          if (index > 0) expect(segments.last[index - 1]).toBeLessThan(segments.first[index]!);
        }
      }),
    );
  });

  it('overlaps a range exactly when an entry does', () => {
    fc.assert(
      fc.property(fc.array(source, { maxLength: 6 }), fc.oneof(range(v4), range(v6)), (sources, asked) => {
        const expected = sources.some((entry) => ipRangesOverlap(entry.range, asked));
        expect(ipSetOverlaps(compileIpSet(sources), asked)).toBe(expected);
      }),
    );
  });

  it('of a file names the line of the narrowest range', () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(range(v4), range(v6)), { minLength: 1, maxLength: 12 }),
        fc.oneof(v4, v6),
        (ranges, asked) => {
          // An IPv6 range of mapped addresses would be read as IPv4, so those are left out.
          const lines = ranges.map((entry) => entry.text).filter((text) => !text.includes('::ffff:'));
          const list = parseIpListFile(lines.join('\r\n'));
          if (!list.ok) throw new Error(JSON.stringify(list.error));
          const set = compileIpSet([{ list: list.value }]);
          const best = ranges
            .filter((entry) => !entry.text.includes('::ffff:'))
            .map((entry, index) => ({ entry, line: index + 1 }))
            .filter(({ entry }) => covers(entry, asked))
            .sort((a, b) => {
              const widths = ipRangeSize(a.entry) - ipRangeSize(b.entry);
              return widths === 0n ? a.line - b.line : Number(widths > 0n) - 0.5;
            })[0];
          expect(lineInIpSet(set, asked)).toBe(best?.line ?? 0);
        },
      ),
    );
  });

  it('finds what its text says after a round through text', () => {
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (text) => {
        const address = parseIpAddress(text)!;
        const set = compileIpSet([{ range: ipRangeOf(address, address) }]);
        expect(findInIpSet(set, parseIpAddress(formatIpAddress(address))!, 0)).toBe(0);
      }),
    );
  });
});
