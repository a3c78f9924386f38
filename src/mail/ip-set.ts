/**
 * Whether an address is in a compiled list, and which entry of the list says so.
 * Never changes: a set is plain data in typed arrays, and can be handed to a worker by structured clone.
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
  const expiresAt = Float64Array.from(sources, (source) => source.expiresAt ?? Infinity);
  return {
    size: sources.length,
    expiresAt,
    v4: disjointSegments(gather(sources, 'v4'), 1, expiresAt),
    v6: disjointSegments(gather(sources, 'v6'), 4, expiresAt),
  };
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
    const isList = 'list' in source;
    all.first.set(isList ? source.list[family].first : addressWords(source.range.first), at * width);
    all.last.set(isList ? source.list[family].last : addressWords(source.range.last), at * width);
    if (isList) all.line.set(source.list[family].line, at);
    all.entry.fill(entry, at, at + count);
    at += count;
  }
  return all;
}
