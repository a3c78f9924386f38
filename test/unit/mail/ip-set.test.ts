import { describe, expect, it } from 'vitest';
import { parseIpAddress, type IpAddress } from '../../../src/mail/ip-address.ts';
import { parseIpListFile, type IpList } from '../../../src/mail/ip-list-input.ts';
import { parseIpRange, type IpRange } from '../../../src/mail/ip-range.ts';
import {
  compileIpSet,
  findInIpSet,
  ipSetHas,
  ipSetOverlaps,
  ipSetSize,
  lineInIpSet,
  type IpSet,
  type IpSetSource,
} from '../../../src/mail/ip-set.ts';

const NOW = 1_800_000_000_000;
const address = (text: string): IpAddress => parseIpAddress(text)!;
const range = (text: string): IpRange => {
  const parsed = parseIpRange(text);
  if (!parsed.ok) throw new Error(parsed.error.message);
  return parsed.value;
};
const file = (text: string): IpList => {
  const parsed = parseIpListFile(text);
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.error));
  return parsed.value;
};
const setOf = (...texts: string[]): IpSet => compileIpSet(texts.map((text) => ({ range: range(text) })));
const has = (set: IpSet, text: string): boolean => ipSetHas(set, address(text), NOW);
const find = (set: IpSet, text: string, now = NOW): number => findInIpSet(set, address(text), now);

describe('membership', () => {
  it('IP-06 a dash range, and a /32', () => {
    const dash = setOf('10.0.0.1-10.0.0.10');
    expect(['10.0.0.3', '192.168.0.3', '10.0.0.11', '9.255.255.255'].map((text) => has(dash, text))).toEqual([
      true,
      false,
      false,
      false,
    ]);
    expect(has(setOf('1.1.1.1/32'), '4.3.2.4')).toBe(false);
  });

  it('IP-06 10,000 random ranges and addresses agree with a plain comparison of integers', () => {
    let state = 20_261_101;
    // A small generator (Park and Miller) keeps the run repeatable.
    const random = (): number => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
    const number = (): number => Math.floor(random() * 2 ** 32);
    const answers = { true: 0, false: 0 };
    for (let pair = 0; pair < 10_000; pair += 1) {
      const [first, last] = [number(), number()].sort((a, b) => a - b) as [number, number];
      // Half of the addresses lie at an edge, where off-by-one faults are.
      const value =
        pair % 2 === 0
          ? number()
          : Math.min(2 ** 32 - 1, Math.max(0, [first, last][(pair % 4) >> 1]! + (pair % 3) - 1));
      const set = compileIpSet([
        { range: { first: { family: 4, value: first }, last: { family: 4, value: last }, text: '' } },
      ]);
      const expected = first <= value && value <= last;
      expect(ipSetHas(set, { family: 4, value }, NOW)).toBe(expected);
      answers[`${expected}`] += 1;
    }
    expect(Math.min(answers.true, answers.false)).toBeGreaterThan(2000);
  });

  it.each(['::ffff:192.0.2.9', '0:0:0:0:0:ffff:c000:209', '::FFFF:192.0.2.9', '192.0.2.9'])(
    'IP-04 %s is in 192.0.2.0/24',
    (text) => {
      expect(has(setOf('192.0.2.0/24'), text)).toBe(true);
      expect(has(setOf('::/0'), text)).toBe(false);
    },
  );

  it('IP-12 an allow set and a block set answer apart, whatever the widths', () => {
    const wide = setOf('203.0.113.0/24');
    const single = setOf('203.0.113.7');
    expect([has(wide, '203.0.113.7'), has(single, '203.0.113.7')]).toEqual([true, true]);
    expect([has(wide, '203.0.113.8'), has(single, '203.0.113.8')]).toEqual([true, false]);
  });

  it('covers the whole of each family', () => {
    const all = setOf('0.0.0.0/0', '::/0');
    expect(
      ['0.0.0.0', '255.255.255.255', '::', 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'].map((t) => find(all, t)),
    ).toEqual([0, 0, 1, 1]);
  });

  it('finds IPv6 by each of its words', () => {
    const set = setOf(
      '2001:db8::/32',
      '2001:db9:0:1::/64',
      '2001:db9:0:3::5:0:0/96',
      '2001:db9:0:3::7:0:1',
      '1::1-1::3',
    );
    expect(find(set, '2001:db8:ffff:ffff:ffff:ffff:ffff:ffff')).toBe(0);
    expect(find(set, '2001:db9:0:1::9')).toBe(1);
    expect(find(set, '2001:db9:0:2::')).toBe(-1);
    expect(find(set, '2001:db9:0:3:0:5:1:1')).toBe(2);
    expect(find(set, '2001:db9:0:3:0:6::')).toBe(-1);
    expect(find(set, '2001:db9:0:3:0:7:0:1')).toBe(3);
    expect(find(set, '2001:db9:0:3:0:7:0:2')).toBe(-1);
    expect(['1::', '1::1', '1::3', '1::4'].map((text) => find(set, text))).toEqual([-1, 4, 4, -1]);
    expect(find(set, '::')).toBe(-1);
  });

  it('an empty set holds nothing', () => {
    const set = compileIpSet([]);
    expect([ipSetSize(set), has(set, '192.0.2.1'), has(set, '::1')]).toEqual([0, false, false]);
    expect(ipSetOverlaps(set, range('0.0.0.0/0'))).toBe(false);
  });

  it('is plain data that a structured clone keeps whole', () => {
    const set = structuredClone(setOf('192.0.2.0/24', '2001:db8::/32'));
    expect(find(set, '192.0.2.1')).toBe(0);
    expect(find(set, '2001:db8::1')).toBe(1);
    expect(ipSetSize(set)).toBe(2);
  });
});

describe('overlapping entries', () => {
  it('the narrowest answers, around it the wider', () => {
    const set = setOf('192.0.2.0/24', '192.0.2.64/26', '192.0.2.70', '192.0.0.0/16');
    expect(
      ['192.0.2.63', '192.0.2.64', '192.0.2.70', '192.0.2.71', '192.0.2.128', '192.0.3.0'].map((t) => find(set, t)),
    ).toEqual([0, 1, 2, 1, 0, 3]);
  });

  it('of the same range the first answers', () => {
    expect(find(setOf('192.0.2.1', '192.0.2.1'), '192.0.2.1')).toBe(0);
    expect(find(setOf('2001:db8::/32', '2001:db8::/32'), '2001:db8::1')).toBe(0);
  });

  it('an expired entry is void from its moment on', () => {
    const set = compileIpSet([{ range: range('192.0.2.1'), expiresAt: NOW }]);
    expect([find(set, '192.0.2.1', NOW - 1), find(set, '192.0.2.1', NOW)]).toEqual([0, -1]);
  });

  it('an expired entry never hides one that has not expired', () => {
    const sources: IpSetSource[] = [
      { range: range('192.0.2.7'), expiresAt: NOW },
      { range: range('192.0.2.0/24'), expiresAt: NOW + 10 },
      { range: range('192.0.0.0/16') },
    ];
    for (const order of [sources, sources.toReversed()]) {
      const set = compileIpSet(order);
      expect(order[find(set, '192.0.2.7')]).toBe(sources[2]);
      expect(order[find(set, '192.0.3.1', NOW + 20)]).toBe(sources[2]);
    }
    const short = compileIpSet(sources.slice(0, 2));
    expect([find(short, '192.0.2.7'), find(short, '192.0.2.7', NOW + 10)]).toEqual([1, -1]);
  });

  it('IPv6 widths are compared over all words', () => {
    const set = setOf('2001:db8::ffff:ffff-2001:db8::1:0:0', '2001:db8::ffff:fffe-2001:db8::1:0:0', '2001:db8::/64');
    expect(find(set, '2001:db8::1:0:0')).toBe(0);
    expect(find(set, '2001:db8::ffff:fffe')).toBe(1);
    expect(find(set, '2001:db8::2:0:0')).toBe(2);
    const edges = setOf('::/0', 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:fff0/124', '::1:0:0:0/80');
    expect(find(edges, 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff')).toBe(1);
    expect(find(edges, '::fffe:ffff:ffff')).toBe(0);
    expect(find(edges, '::1:0:0:5')).toBe(2);
  });

  it('ranges that cross answer by width, and one left over answers again', () => {
    const set = setOf(
      '192.0.2.0-192.0.2.20',
      '192.0.2.10-192.0.2.25',
      '192.0.2.15',
      '192.0.2.30-192.0.2.40',
      '192.0.2.5-192.0.2.250',
    );
    const expected = {
      '0': 0,
      '5': 0,
      '10': 1,
      '15': 2,
      '16': 1,
      '25': 1,
      '26': 4,
      '30': 3,
      '40': 3,
      '41': 4,
      '250': 4,
      '251': -1,
    };
    for (const [octet, entry] of Object.entries(expected))
      expect([octet, find(set, `192.0.2.${octet}`)]).toEqual([octet, entry]);
  });
});

describe('list files as entries', () => {
  const list = file('203.0.113.0/24 ; wide\n\n203.0.113.7\n2001:db8::/32\n203.0.113.7\n');
  it('a file is one entry, and tells its line', () => {
    const set = compileIpSet([{ range: range('192.0.2.1') }, { list }, { range: range('2001:db8::5') }]);
    expect(ipSetSize(set)).toBe(3);
    const found = ['192.0.2.1', '203.0.113.1', '203.0.113.7', '2001:db8::1', '2001:db8::5', '198.51.100.1', '::1'];
    expect(found.map((text) => [find(set, text), lineInIpSet(set, address(text))])).toEqual([
      [0, 0],
      [1, 1],
      [1, 3],
      [1, 4],
      [2, 0],
      [-1, 0],
      [-1, 0],
    ]);
  });

  it('a file expires as a whole', () => {
    const set = compileIpSet([{ list, expiresAt: NOW }, { range: range('203.0.0.0/16') }]);
    expect([find(set, '203.0.113.7'), find(set, '2001:db8::1'), find(set, '2001:db8::1', NOW - 1)]).toEqual([1, -1, 0]);
  });

  it('200,000 unsorted ranges compile to segments in order, overlapping ones too', () => {
    const text = Array.from({ length: 200_000 }, (_, i) => {
      const value = Math.imul(i, 2_654_435_761) >>> 0;
      return `${(value >>> 24) % 223}.${(value >>> 16) & 255}.${(value >>> 8) & 255}.${value & 0xf0}/${28 + (i % 5)}`;
    });
    const set = compileIpSet([{ list: file(text.join('\n')) }, { range: range('0.0.0.0/0') }]);
    expect(find(set, text[777]!.split('/')[0]!)).toBe(0);
    for (let index = 1; index < set.v4.entry.length; index += 1) {
      if (set.v4.first[index]! <= set.v4.last[index - 1]!)
        throw new Error(`segments ${index - 1} and ${index} overlap`);
    }
  });
});

it('tells whether a range shares an address with the set', () => {
  const set = compileIpSet([
    { range: range('192.0.2.10-192.0.2.20'), expiresAt: 1 },
    { range: range('2001:db8::/64') },
  ]);
  const overlaps = (text: string): boolean => ipSetOverlaps(set, range(text));
  expect(['192.0.2.20', '192.0.0.0/16', '192.0.2.0-192.0.2.10', '2001:db8::/32', '::/0'].map(overlaps)).toEqual(
    Array(5).fill(true),
  );
  expect(['192.0.2.21', '192.0.2.0-192.0.2.9', '2001:db8:0:1::/64', '2001:db7::/32'].map(overlaps)).toEqual(
    Array(4).fill(false),
  );
});
