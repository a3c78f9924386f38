import { describe, expect, it } from 'vitest';
import { compileIpSet, sameIpSet, type IpSet } from '../../../src/mail/index.ts';
import { aRange } from '../../support/builders.ts';

type Entry = string | readonly [string, number];
const setOf = (...entries: readonly Entry[]): IpSet =>
  compileIpSet(
    entries.map((entry) =>
      typeof entry === 'string' ? { range: aRange(entry) } : { range: aRange(entry[0]), expiresAt: entry[1] },
    ),
  );

describe('sameIpSet', () => {
  const both: readonly Entry[] = ['192.0.2.0/24', '2001:db8::/64', ['203.0.113.7', 5]];

  it('a set is the same as itself and as one of the same entries', () => {
    const one = setOf(...both);
    expect([sameIpSet(one, one), sameIpSet(one, setOf(...both)), sameIpSet(setOf(), setOf())]).toEqual([
      true,
      true,
      true,
    ]);
  });

  it.each<[string, readonly Entry[]]>([
    ['fewer entries', ['192.0.2.0/24']],
    ['another IPv4 entry', ['192.0.3.0/24', '2001:db8::/64', ['203.0.113.7', 5]]],
    ['another end', ['192.0.2.0/25', '2001:db8::/64', ['203.0.113.7', 5]]],
    ['another IPv6 entry', ['192.0.2.0/24', '2001:db8::/65', ['203.0.113.7', 5]]],
    ['another expiry', ['192.0.2.0/24', '2001:db8::/64', ['203.0.113.7', 6]]],
    ['an expiry of another entry', [['203.0.113.7', 5], '2001:db8::/64', '192.0.2.0/24']],
  ])('%s makes a difference', (_, other) => {
    expect(sameIpSet(setOf(...both), setOf(...other))).toBe(false);
  });
});
