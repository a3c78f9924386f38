/**
 * How overlapping IP ranges become sorted segments that share no address, so that one binary search answers.
 * Never drops a range without cause: each address keeps the best of the ranges that covered it.
 * Source: none outside; radix sort and sweep with a heap are textbook methods.
 */
import type { PackedRanges } from './ip-list-input.ts';

/**
 * Ranges of one family in columns: one word an address for IPv4, four for IPv6. `entry` is the index of the source
 * that a range comes from, `line` (from 1) its line in a list file, or 0.
 */
export type IpSegments = PackedRanges & { readonly entry: Uint32Array };

/** Columns of zeros for `count` ranges of `width` words an address. */
export function allocateSegments(count: number, width: number): IpSegments {
  const column = (): Uint32Array => new Uint32Array(count);
  const words = (): Uint32Array => new Uint32Array(count * width);
  return { first: words(), last: words(), line: column(), entry: column() };
}

/** Compares the address at `indexA` of one column with that at `indexB` of another: negative, zero or positive. */
export function compareWords(
  a: ArrayLike<number>,
  indexA: number,
  b: ArrayLike<number>,
  indexB: number,
  width: number,
): number {
  for (let word = 0; word < width; word += 1) {
    const difference = (a[indexA * width + word] as number) - (b[indexB * width + word] as number);
    if (difference !== 0) return difference;
  }
  return 0;
}

function copyWords(to: Uint32Array, toIndex: number, from: Uint32Array, fromIndex: number, width: number): void {
  for (let word = 0; word < width; word += 1) to[toIndex * width + word] = from[fromIndex * width + word] as number;
}

/**
 * Ranges in any order to sorted segments that share no address. An address that several ranges cover goes to the
 * one whose entry expires last (`expiresAt` by entry index), then the narrowest, then the first. What is sorted and
 * disjoint already is given back as it is.
 */
export function disjointSegments(given: IpSegments, width: number, expiresAt: Float64Array): IpSegments {
  if (isDisjoint(given, width)) return given;
  const sorted = pick(given, orderByFirst(given, width), width);
  return isDisjoint(sorted, width) ? sorted : resolveOverlaps(sorted, width, expiresAt);
}

function isDisjoint(ranges: IpSegments, width: number): boolean {
  for (let index = 1; index < ranges.entry.length; index += 1) {
    if (compareWords(ranges.last, index - 1, ranges.first, index, width) >= 0) return false;
  }
  return true;
}

/** The ranges at `order`, in that order. */
function pick(from: IpSegments, order: Uint32Array, width: number): IpSegments {
  const to = allocateSegments(order.length, width);
  for (let index = 0; index < order.length; index += 1) {
    const source = order[index] as number;
    copyWords(to.first, index, from.first, source, width);
    copyWords(to.last, index, from.last, source, width);
    to.line[index] = from.line[source] as number;
    to.entry[index] = from.entry[source] as number;
  }
  return to;
}

/** More ascending runs than this are sorted faster than merged. */
const MOST_RUNS = 8;

/** Indexes in the order of `first`, equal ones as they come. */
function orderByFirst(ranges: IpSegments, width: number): Uint32Array {
  const count = ranges.entry.length;
  const runs = [0];
  for (let index = 1; index < count && runs.length <= MOST_RUNS; index += 1) {
    if (compareWords(ranges.first, index - 1, ranges.first, index, width) > 0) runs.push(index);
  }
  return runs.length <= MOST_RUNS ? mergeRuns(ranges, width, runs) : radixSort(ranges, width);
}

/** Lists are mostly sorted, one behind the other: then merging neighbours is the least work. */
function mergeRuns({ first, entry }: IpSegments, width: number, starts: readonly number[]): Uint32Array {
  let order = inGivenOrder(entry.length);
  let spare = new Uint32Array(order.length);
  for (let runs = starts; runs.length > 1; runs = runs.filter((_, index) => index % 2 === 0)) {
    for (let run = 0; run < runs.length; run += 2) {
      let left = runs[run] as number;
      const middle = runs[run + 1] ?? order.length;
      const end = runs[run + 2] ?? order.length;
      let right = middle;
      let to = left;
      while (left < middle && right < end) {
        const isLeft = compareWords(first, order[left] as number, first, order[right] as number, width) <= 0;
        spare[to++] = order[isLeft ? left++ : right++] as number;
      }
      spare.set(order.subarray(left, middle), to);
      spare.set(order.subarray(right, end), to + middle - left);
    }
    [order, spare] = [spare, order];
  }
  return order;
}

function inGivenOrder(count: number): Uint32Array<ArrayBuffer> {
  const order = new Uint32Array(count);
  for (let index = 0; index < count; index += 1) order[index] = index;
  return order;
}

/** A stable radix sort, as comparing a million ranges in no order would take several times as long. */
function radixSort(ranges: IpSegments, width: number): Uint32Array {
  const count = ranges.entry.length;
  let order = inGivenOrder(count);
  let spare = new Uint32Array(count);
  const starts = new Uint32Array(257);
  for (let word = width - 1; word >= 0; word -= 1) {
    for (let shift = 0; shift < 32; shift += 8) {
      const digit = (index: number): number => ((ranges.first[index * width + word] as number) >>> shift) & 255;
      starts.fill(0);
      for (let index = 0; index < count; index += 1) {
        const after = digit(index) + 1;
        starts[after] = (starts[after] as number) + 1;
      }
      if (starts[digit(0) + 1] === count) continue;
      for (let value = 1; value < 257; value += 1)
        starts[value] = (starts[value] as number) + (starts[value - 1] as number);
      for (let from = 0; from < count; from += 1) {
        const index = order[from] as number;
        const to = starts[digit(index)] as number;
        starts[digit(index)] = to + 1;
        spare[to] = index;
      }
      [order, spare] = [spare, order];
    }
  }
  return order;
}

/**
 * Walks sorted ranges from the lowest address up, with a heap of the ranges that may cover the current one, the best
 * on top. Gives at most two segments for each range.
 */
function resolveOverlaps(ranges: IpSegments, width: number, expiresAt: Float64Array): IpSegments {
  const { first, last, line, entry } = ranges;
  const count = entry.length;
  const heap = new RangeHeap(ranges, width, expiresAt);
  const out = allocateSegments(2 * count, width);
  const position = new Uint32Array(width);
  let made = 0;
  let owner = -1;
  let next = 0;
  while (next < count || heap.size > 0) {
    if (heap.size === 0) copyWords(position, 0, first, next, width);
    for (; next < count && compareWords(first, next, position, 0, width) === 0; next += 1) heap.push(next);
    const top = heap.top();
    if (compareWords(last, top, position, 0, width) < 0) {
      heap.pop();
      continue;
    }
    // A range that goes on where a lesser one starts is still one segment.
    if (top !== owner) {
      copyWords(out.first, made, position, 0, width);
      out.line[made] = line[top] as number;
      out.entry[made] = entry[top] as number;
      owner = top;
      made += 1;
    }
    if (next < count && compareWords(first, next, last, top, width) <= 0) {
      copyWords(position, 0, first, next, width);
      stepDown(position);
      copyWords(out.last, made - 1, position, 0, width);
      copyWords(position, 0, first, next, width);
    } else {
      copyWords(position, 0, last, top, width);
      copyWords(out.last, made - 1, position, 0, width);
      heap.pop();
      // Beyond the highest address of all no range can go on.
      if (!stepUp(position)) break;
    }
  }
  return {
    first: out.first.slice(0, made * width),
    last: out.last.slice(0, made * width),
    line: out.line.slice(0, made),
    entry: out.entry.slice(0, made),
  };
}

/** One address up; false when that wraps around to zero. */
function stepUp(words: Uint32Array): boolean {
  for (let word = words.length - 1; word >= 0; word -= 1) {
    words[word] = (words[word] as number) + 1;
    if (words[word] !== 0) return true;
  }
  return false;
}

/** One address down; the address must not be zero. */
function stepDown(words: Uint32Array): void {
  let word = words.length - 1;
  for (; words[word] === 0; word -= 1) words[word] = 0xffffffff;
  words[word] = (words[word] as number) - 1;
}

/** A binary heap of range indexes, the best range on top. */
class RangeHeap {
  size = 0;
  readonly #items: Uint32Array;
  readonly #isBetter: (a: number, b: number) => boolean;

  constructor(ranges: IpSegments, width: number, expiresAt: Float64Array) {
    this.#items = new Uint32Array(ranges.entry.length);
    this.#isBetter = (a, b) => isBetter(ranges, width, expiresAt, a, b);
  }

  top(): number {
    return this.#items[0] as number;
  }

  push(range: number): void {
    const items = this.#items;
    let at = this.size;
    this.size += 1;
    while (at > 0) {
      const parent = (at - 1) >>> 1;
      if (!this.#isBetter(range, items[parent] as number)) break;
      items[at] = items[parent] as number;
      at = parent;
    }
    items[at] = range;
  }

  pop(): void {
    const items = this.#items;
    this.size -= 1;
    const moved = items[this.size] as number;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= this.size) break;
      if (child + 1 < this.size && this.#isBetter(items[child + 1] as number, items[child] as number)) child += 1;
      if (!this.#isBetter(items[child] as number, moved)) break;
      items[at] = items[child] as number;
      at = child;
    }
    items[at] = moved;
  }
}

/** True when range `a` answers before range `b`: expires later, else is narrower, else comes first. */
function isBetter(ranges: IpSegments, width: number, expiresAt: Float64Array, a: number, b: number): boolean {
  const entryA = ranges.entry[a] as number;
  const entryB = ranges.entry[b] as number;
  const expiresA = expiresAt[entryA] as number;
  const expiresB = expiresAt[entryB] as number;
  if (expiresA !== expiresB) return expiresA > expiresB;
  const difference = compareSizes(ranges, width, a, b);
  if (difference !== 0) return difference < 0;
  return entryA !== entryB ? entryA < entryB : (ranges.line[a] as number) < (ranges.line[b] as number);
}

function compareSizes({ first, last }: IpSegments, width: number, a: number, b: number): number {
  let result = 0;
  let borrowA = 0;
  let borrowB = 0;
  // From the lowest word up: a higher word that differs outweighs the lower ones.
  for (let word = width - 1; word >= 0; word -= 1) {
    const sizeA = (last[a * width + word] as number) - (first[a * width + word] as number) - borrowA;
    const sizeB = (last[b * width + word] as number) - (first[b * width + word] as number) - borrowB;
    borrowA = sizeA < 0 ? 1 : 0;
    borrowB = sizeB < 0 ? 1 : 0;
    result = (sizeA >>> 0) - (sizeB >>> 0) || result;
  }
  return result;
}
