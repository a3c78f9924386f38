/**
 * Whether an address is in a compiled list, and which entry of the list says so.
 * Never changes: a set is plain data in typed arrays, over one buffer, and can be handed to another thread.
 * Source: RFC 4632 §3.1 (networks as address ranges). No outside source for the search.
 */
import { addressWords, type IpAddress, type Ipv6Address } from './ip-address.ts';
import type { IpList } from './ip-list-input.ts';
import type { IpRange } from './ip-range.ts';
import { allocateSegments, compareWords, disjointSegments, type IpSegments } from './ip-segments.ts';

export type { IpSegments } from './ip-segments.ts';

/**
 * One entry of a list: a range, or a whole list file that counts as one entry. `expiresAt` is in milliseconds since
 * 1970; from then on the entry is void. Absent: it never expires.
 */
export type IpSetSource =
  | { readonly range: IpRange; readonly expiresAt?: number | undefined }
  | { readonly list: IpList; readonly expiresAt?: number | undefined };

/** A compiled list. `expiresAt` goes by entry index, Infinity where the entry never expires. */
export type IpSet = {
  readonly size: number;
  readonly expiresAt: Float64Array;
  readonly v4: IpSegments;
  readonly v6: IpSegments;
};

/**
 * Compiles entries for look-up. Where entries overlap, an address is answered by the one that expires last, then the
 * narrowest range, then the first: an entry that has expired so never hides one that has not.
 */
export function compileIpSet(sources: readonly IpSetSource[]): IpSet {
  if (sources.length === 0) return EMPTY;
  const expiresAt = Float64Array.from(sources, (source) => source.expiresAt ?? Infinity);
  return pack({
    size: sources.length,
    expiresAt,
    v4: disjointSegments(gather(sources, 'v4'), 1, expiresAt),
    v6: disjointSegments(gather(sources, 'v6'), 4, expiresAt),
  });
}

const EMPTY: IpSet = pack({
  size: 0,
  expiresAt: new Float64Array(),
  v4: allocateSegments(0, 1),
  v6: allocateSegments(0, 4),
});

/** The same set in one piece of memory: thousands of small ones cost the garbage collector tens of milliseconds. */
function pack({ size, expiresAt, v4, v6 }: IpSet): IpSet {
  const columns = [v4, v6].flatMap(({ first, last, line, entry }) => [first, last, line, entry]);
  const bytes = columns.reduce((sum, column) => sum + column.byteLength, expiresAt.byteLength);
  const buffer = new ArrayBuffer(bytes);
  const expiry = new Float64Array(buffer, 0, expiresAt.length);
  expiry.set(expiresAt);
  let at = expiresAt.byteLength;
  const move = (column: Uint32Array): Uint32Array => {
    const moved = new Uint32Array(buffer, at, column.length);
    moved.set(column);
    at += column.byteLength;
    return moved;
  };
  const moveAll = ({ first, last, line, entry }: IpSegments): IpSegments => ({
    first: move(first),
    last: move(last),
    line: move(line),
    entry: move(entry),
  });
  return { size, expiresAt: expiry, v4: moveAll(v4), v6: moveAll(v6) };
}

/**
 * The index of the entry that answers for the address at `nowMs`, or -1. An IPv6 entry never answers for an IPv4
 * address. The cost hardly grows with the size of the set; nothing is allocated.
 */
export function findInIpSet(set: IpSet, address: IpAddress, nowMs: number): number {
  const segments = address.family === 4 ? set.v4 : set.v6;
  const at = locate(segments, address);
  if (at < 0) return -1;
  const entry = segments.entry[at] as number;
  return nowMs < (set.expiresAt[entry] as number) ? entry : -1;
}

/** The line (from 1) in the list file where {@link findInIpSet} found the address; 0 where the entry is no file. */
export function lineInIpSet(set: IpSet, address: IpAddress): number {
  const segments = address.family === 4 ? set.v4 : set.v6;
  const at = locate(segments, address);
  return at < 0 ? 0 : (segments.line[at] as number);
}

/** True when an entry that has not expired at `nowMs` covers the address. */
export function ipSetHas(set: IpSet, address: IpAddress, nowMs: number): boolean {
  return findInIpSet(set, address, nowMs) >= 0;
}

/** How many entries the set was compiled from, expired ones included; a list file counts as one. */
export function ipSetSize(set: IpSet): number {
  return set.size;
}

/** True when an entry, expired or not, shares an address with the range. */
export function ipSetOverlaps(set: IpSet, range: IpRange): boolean {
  const segments = range.first.family === 4 ? set.v4 : set.v6;
  const at = startingBefore(segments.first, range.last);
  const first = addressWords(range.first);
  return at >= 0 && compareWords(segments.last, at, first, 0, first.length) >= 0;
}

/** True when both answer the same about every address at every time; false also where only the entries' order differs. */
export function sameIpSet(one: IpSet, other: IpSet): boolean {
  return (
    one === other ||
    (sameNumbers(one.expiresAt, other.expiresAt) &&
      (['v4', 'v6'] as const).every((family) =>
        (['first', 'last', 'entry'] as const).every((column) =>
          sameNumbers(one[family][column], other[family][column]),
        ),
      ))
  );
}

function sameNumbers(one: ArrayLike<number>, other: ArrayLike<number>): boolean {
  if (one.length !== other.length) return false;
  for (let at = 0; at < one.length; at += 1) if (one[at] !== other[at]) return false;
  return true;
}

function locate(segments: IpSegments, address: IpAddress): number {
  const at = startingBefore(segments.first, address);
  if (at < 0) return -1;
  const beyond =
    address.family === 4 ? address.value - (segments.last[at] as number) : compareIpv6(address, segments.last, at);
  return beyond <= 0 ? at : -1;
}

/** The index of the last segment that starts at or before the address, or -1. */
function startingBefore(first: Uint32Array, address: IpAddress): number {
  let low = 0;
  if (address.family === 4) {
    const { value } = address;
    for (let high = first.length; low < high;) {
      const middle = (low + high) >>> 1;
      if ((first[middle] as number) <= value) low = middle + 1;
      else high = middle;
    }
  } else {
    for (let high = first.length >>> 2; low < high;) {
      const middle = (low + high) >>> 1;
      if (compareIpv6(address, first, middle) >= 0) low = middle + 1;
      else high = middle;
    }
  }
  return low - 1;
}

/** Negative, zero or positive as the address comes before, at, or after the one at `index`. */
function compareIpv6(address: Ipv6Address, column: Uint32Array, index: number): number {
  const at = index * 4;
  return (
    address.w0 - (column[at] as number) ||
    address.w1 - (column[at + 1] as number) ||
    address.w2 - (column[at + 2] as number) ||
    address.w3 - (column[at + 3] as number)
  );
}

/** All ranges of one family, as they come. */
function gather(sources: readonly IpSetSource[], family: 'v4' | 'v6'): IpSegments {
  const width = family === 'v4' ? 1 : 4;
  const isHere = (range: IpRange): boolean => (range.first.family === 4) === (family === 'v4');
  const counts = sources.map((source) =>
    'list' in source ? source.list[family].line.length : Number(isHere(source.range)),
  );
  const all = allocateSegments(
    counts.reduce((sum, count) => sum + count, 0),
    width,
  );
  let at = 0;
  for (const [entry, source] of sources.entries()) {
    const count = counts[entry] as number;
    if (count === 0) continue;
    if ('list' in source) {
      const { first, last, line } = source.list[family];
      all.first.set(first, at * width);
      all.last.set(last, at * width);
      all.line.set(line, at);
    } else {
      putWords(all.first, at * width, source.range.first);
      putWords(all.last, at * width, source.range.last);
    }
    all.entry.fill(entry, at, at + count);
    at += count;
  }
  return all;
}

/** Not `set`, which takes several times as long for one address. */
function putWords(column: Uint32Array, at: number, address: IpAddress): void {
  if (address.family === 4) column[at] = address.value;
  else for (const [index, word] of addressWords(address).entries()) column[at + index] = word;
}
