/** What a look-up costs, counted as reads of the compiled columns: a clock would tell of the machine as well. */
import { describe, expect, it } from 'vitest';
import { decideRecipient } from '../../../src/decide/index.ts';
import { formatIpAddress, type IpAddress, type PackedRanges } from '../../../src/mail/index.ts';
import { compileIpSet, findInIpSet, type IpSegments, type IpSet } from '../../../src/mail/ip-set.ts';
import { aDocument, aDomain, aSnapshot, aTransaction } from '../../support/builders.ts';

const SIZES = [10, 10_000, 1_000_000];
const NOW = Date.UTC(2026, 10, 2);
/** The steps of a binary search. */
const stepsOf = (size: number): number => Math.ceil(Math.log2(size + 1));

/** Every third address from 20.0.0.0 or 2001:db8:: on, so that none of them merge. */
const addressAt = (family: 4 | 6, value: number): IpAddress =>
  family === 4 ? { family, value: 0x14000000 + value } : { family, w0: 0x20010db8, w1: 0, w2: 0, w3: value };

function columns(family: 4 | 6, size: number): PackedRanges {
  const width = family === 4 ? 1 : 4;
  const first = new Uint32Array(size * width);
  for (let index = 0; index < size; index += 1) {
    const address = addressAt(family, 3 * index);
    first.set(address.family === 4 ? [address.value] : [address.w0, address.w1, address.w2, address.w3], index * width);
  }
  return { first, last: first.slice(), line: Uint32Array.from({ length: size }, (_, index) => index + 1) };
}

/** A set of one list file, and how many numbers of it were read. */
function countedSet(family: 4 | 6, size: number): { set: IpSet; reads: () => number } {
  let count = 0;
  const counted = <Column extends Uint32Array | Float64Array>(column: Column): Column =>
    new Proxy(column, {
      get: (target, key) => {
        if (typeof key === 'string' && /^\d+$/.test(key)) count += 1;
        return Reflect.get(target, key) as unknown;
      },
    });
  const countedSegments = ({ first, last, line, entry }: IpSegments): IpSegments => ({
    first: counted(first),
    last: counted(last),
    line: counted(line),
    entry: counted(entry),
  });
  const none = columns(4, 0);
  const list = { count: size, v4: family === 4 ? columns(4, size) : none, v6: family === 6 ? columns(6, size) : none };
  const { v4, v6, expiresAt, ...set } = compileIpSet([{ list }]);
  return {
    set: { ...set, v4: countedSegments(v4), v6: countedSegments(v6), expiresAt: counted(expiresAt) },
    reads: () => {
      const before = count;
      count = 0;
      return before;
    },
  };
}

/** Numbers over the whole set and around its ends, a third of them in it. */
const samples = (size: number): number[] => [
  ...[0, 1, 2, 3 * size - 3, 3 * size - 2, 3 * size + 5],
  ...Array.from({ length: 998 }, (_, at) => Math.floor((3 * size * at) / 998)),
];

describe.each(SIZES)('of %i entries', (size) => {
  it.each([
    ['IPv4', 4, stepsOf(size) + 3],
    // Each of the four words may have to be looked at.
    ['IPv6', 6, 4 * (stepsOf(size) + 1) + 2],
  ] as const)('a look-up of an %s address reads no more than a binary search must', (_, family, most) => {
    const { set, reads } = countedSet(family, size);
    let found = 0;
    let highest = 0;
    for (const value of samples(size)) {
      const isListed = value % 3 === 0 && value < 3 * size;
      expect(findInIpSet(set, addressAt(family, value), NOW), String(value)).toBe(isListed ? 0 : -1);
      found += Number(isListed);
      highest = Math.max(highest, reads());
    }
    expect(found).toBeGreaterThan(100);
    expect(highest).toBeLessThanOrEqual(most);
    expect(highest).toBeGreaterThanOrEqual(stepsOf(size));
  });

  it('a decision about a recipient looks at most twice: whether, and at which line', () => {
    const { set, reads } = countedSet(4, size);
    const document = aDocument({ 'example.com': { blockedIps: [{ file: 'drop.txt' }] } });
    const small = aSnapshot(document, { lists: { 'drop.txt': '20.0.0.0\n' } });
    const [domain, policy] = [aDomain('example.com'), small.domains.get(aDomain('example.com'))];
    if (policy === undefined) throw new Error('no such own domain');
    const domains = new Map([[domain, { ...policy, blocked: { ...policy.blocked, set } }]]);
    let highest = 0;
    for (const value of samples(size)) {
      const client = formatIpAddress(addressAt(4, value));
      const { verdict } = decideRecipient({ ...small, domains }, aTransaction({ client }));
      expect(verdict.kind, client).toBe(value % 3 === 0 && value < 3 * size ? 'reject' : 'pass');
      highest = Math.max(highest, reads());
    }
    expect(highest).toBeLessThanOrEqual(2 * (stepsOf(size) + 3));
  });
});
