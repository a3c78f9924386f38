/**
 * What a person or a file says in an IP list: many entries in one text, each taken or refused with its place.
 * Never takes part of a text silently: one answer names every refusal, and the caller refuses the whole.
 * Source: RFC 4632 §3.1, RFC 4291 §2.2 (through ip-range.ts).
 */
import { addressWords } from './ip-address.ts';
import { parseIpRange, type IpRange } from './ip-range.ts';
import { quoteEntry, type IpRangeReason, type IpRangeRefusal } from './ip-range-refusal.ts';
import { isMapped, scanIpv4, scanIpv6, wordMask } from './ip-scan.ts';
import { fail, ok, type Result } from './result.ts';

/** Where an entry stands: `index` counts entries from 0, `line` and `column` (in UTF-16 units) from 1. */
export type IpEntryPosition = { readonly index: number; readonly line: number; readonly column: number };

/** An entry that was taken; `text` is as typed. */
export type IpListEntry = { readonly range: IpRange; readonly text: string; readonly position: IpEntryPosition };

/** An entry that was refused, and why. */
export type IpListRefusal = IpRangeRefusal & { readonly entry: string; readonly position: IpEntryPosition };

/** All of a text. Where `refusals` is not empty, nothing of it may be kept. `duplicates` counts entries folded away. */
export type IpListInput = {
  readonly ranges: readonly IpListEntry[];
  readonly refusals: readonly IpListRefusal[];
  readonly duplicates: number;
};

type Token = { text: string; readonly offset: number; readonly line: number; readonly column: number };

/**
 * Reads entries separated by commas, line breaks, spaces or tabs (no-break spaces too), in any mixture. Entries that
 * cover the same addresses are folded into the first. A dash with spaces around it is refused together with what
 * stands on either side, because two single addresses are not what was meant.
 */
export function parseIpListInput(text: string): IpListInput {
  const ranges: IpListEntry[] = [];
  const refusals: IpListRefusal[] = [];
  const seen = new Set<string>();
  const tokens = tokensOf(text);
  for (const [index, token] of tokens.entries()) {
    const position = { index, line: token.line, column: token.column };
    const parsed = parseIpRange(token.text);
    if (!parsed.ok) refusals.push({ ...parsed.error, entry: token.text, position });
    else if (!seen.has(parsed.value.text)) ranges.push({ range: parsed.value, text: token.text, position });
    if (parsed.ok) seen.add(parsed.value.text);
  }
  return { ranges, refusals, duplicates: tokens.length - ranges.length - refusals.length };
}

const DASH_FIRST = /^[-\u2010-\u2015\u2212]/;
const DASH_LAST = /[-\u2010-\u2015\u2212]$/;

function tokensOf(text: string): readonly Token[] {
  const tokens: Token[] = [];
  let line = 1;
  let lineStart = 0;
  let previous: Token | undefined;
  for (const match of text.matchAll(/([^\s,]+)|(\r\n|[\n\r\u2028\u2029])|,/gu)) {
    const offset = match.index;
    const [found, word] = match;
    if (word === undefined) {
      if (found !== ',') {
        line += 1;
        lineStart = offset + found.length;
      }
      previous = undefined;
    } else if (previous !== undefined && (DASH_LAST.test(previous.text) || DASH_FIRST.test(word))) {
      previous.text = text.slice(previous.offset, offset + word.length);
    } else {
      previous = { text: word, offset, line, column: offset - lineStart + 1 };
      tokens.push(previous);
    }
  }
  return tokens;
}

/** Ranges of one family, packed: one word an address for IPv4, four for IPv6, and the line (from 1) of each range. */
export type PackedRanges = { readonly first: Uint32Array; readonly last: Uint32Array; readonly line: Uint32Array };

/** The entries of a list file, packed so that a million cost some 12 bytes each (36 for IPv6). */
export type IpList = { readonly count: number; readonly v4: PackedRanges; readonly v6: PackedRanges };

/** A line of a list file that was refused; `line` counts from 1. */
export type IpListFileRefusal = {
  readonly line: number;
  readonly entry: string;
  readonly reason: IpRangeReason;
  readonly message: string;
};

/** What is wrong with a list file: the first refusals, and how many more there are. */
export type IpListFileFault = { readonly refusals: readonly IpListFileRefusal[]; readonly more: number };

/** How many refused lines of a list file are named. */
export const MAX_FILE_REFUSALS = 100;

const HASH = 0x23;
const SLASH = 0x2f;
const SEMICOLON = 0x3b;
const ZERO = 0x30;
const NINE = 0x39;
const BYTE_ORDER_MARK = 0xfeff;

/**
 * Reads a list file: one entry a line, empty lines, comments from `#` or `;` to the end of the line, LF or CRLF, a
 * byte order mark at the start. Duplicates are kept; they cost nothing once compiled.
 * Errors: the refused lines, at most {@link MAX_FILE_REFUSALS} of them, and how many more. Nothing may be kept then.
 */
export function parseIpListFile(text: string): Result<IpList, IpListFileFault> {
  const v4 = new RangeColumns(1);
  const v6 = new RangeColumns(4);
  const refusals: IpListFileRefusal[] = [];
  let refused = 0;
  let line = 0;
  let next = text.charCodeAt(0) === BYTE_ORDER_MARK ? 1 : 0;
  while (next < text.length) {
    const newline = text.indexOf('\n', next);
    const stop = newline < 0 ? text.length : newline;
    line += 1;
    const start = skipBlanks(text, next, stop);
    const end = endOfEntry(text, start, stop);
    next = stop + 1;
    if (start === end || takeQuickly(text, start, end, line, v4, v6)) continue;
    const entry = text.slice(start, end).trim();
    if (entry === '') continue;
    const parsed = parseIpRange(entry);
    if (parsed.ok) {
      const { first, last } = parsed.value;
      (first.family === 4 ? v4 : v6).push(addressWords(first), addressWords(last), line);
    } else {
      refused += 1;
      if (refused <= MAX_FILE_REFUSALS) refusals.push({ line, entry, ...refusalInFile(entry, parsed.error) });
    }
  }
  if (refused > 0) return fail({ refusals, more: refused - refusals.length });
  return ok({ count: v4.count + v6.count, v4: v4.pack(), v6: v6.pack() });
}

/** In a file several entries on a line are a fault of the line, and a comma is no way out. */
function refusalInFile(entry: string, refusal: IpRangeRefusal): IpRangeRefusal {
  if (refusal.reason !== 'separator') return refusal;
  const message = `${quoteEntry(entry)} is not one entry; a list file has one entry a line and comments after "#" or ";".`;
  return { reason: refusal.reason, message };
}

function skipBlanks(text: string, start: number, stop: number): number {
  let at = start;
  while (at < stop && text.charCodeAt(at) <= 0x20) at += 1;
  return at;
}

function endOfEntry(text: string, start: number, stop: number): number {
  let end = start;
  for (let at = start; at < stop; at += 1) {
    const code = text.charCodeAt(at);
    if (code === HASH || code === SEMICOLON) break;
    if (code > 0x20) end = at + 1;
  }
  return end;
}

const firstWords = new Uint32Array(4);
const lastWords = new Uint32Array(4);

/** Takes the plain forms, an address or a network, without an object for each; false leaves the line to the slow way. */
function takeQuickly(
  text: string,
  start: number,
  end: number,
  line: number,
  v4: RangeColumns,
  v6: RangeColumns,
): boolean {
  let slash = start;
  while (slash < end && text.charCodeAt(slash) !== SLASH) slash += 1;
  const value = scanIpv4(text, start, slash);
  firstWords[0] = value;
  if (value < 0 && (!scanIpv6(text, start, slash, firstWords) || isMapped(firstWords))) return false;
  const columns = value < 0 ? v6 : v4;
  const bits = 32 * columns.width;
  const prefix = slash === end ? bits : scanPrefix(text, slash + 1, end);
  if (prefix < 0 || prefix > bits) return false;
  for (let index = 0; index < columns.width; index += 1) {
    const word = firstWords[index] as number;
    const hostMask = ~wordMask(prefix - 32 * index);
    if ((word & hostMask) !== 0) return false;
    lastWords[index] = word | hostMask;
  }
  columns.push(firstWords, lastWords, line);
  return true;
}

/** The prefix length that fills the text between, or -1. */
function scanPrefix(text: string, start: number, end: number): number {
  if (end - start > 3 || start === end || (end - start > 1 && text.charCodeAt(start) === ZERO)) return -1;
  let prefix = 0;
  for (let at = start; at < end; at += 1) {
    const code = text.charCodeAt(at);
    if (code < ZERO || code > NINE) return -1;
    prefix = prefix * 10 + code - ZERO;
  }
  return prefix;
}

/** Growing columns of packed ranges. */
class RangeColumns {
  readonly width: number;
  count = 0;
  #first: Uint32Array;
  #last: Uint32Array;
  #line: Uint32Array;

  constructor(width: number) {
    this.width = width;
    this.#first = new Uint32Array(16 * width);
    this.#last = new Uint32Array(16 * width);
    this.#line = new Uint32Array(16);
  }

  push(first: ArrayLike<number>, last: ArrayLike<number>, line: number): void {
    const { width, count } = this;
    if (count === this.#line.length) {
      this.#first = enlarged(this.#first);
      this.#last = enlarged(this.#last);
      this.#line = enlarged(this.#line);
    }
    for (let index = 0; index < width; index += 1) {
      this.#first[count * width + index] = first[index] as number;
      this.#last[count * width + index] = last[index] as number;
    }
    this.#line[count] = line;
    this.count = count + 1;
  }

  pack(): PackedRanges {
    const words = this.count * this.width;
    return {
      first: this.#first.slice(0, words),
      last: this.#last.slice(0, words),
      line: this.#line.slice(0, this.count),
    };
  }
}

function enlarged(column: Uint32Array): Uint32Array {
  const larger = new Uint32Array(column.length * 2);
  larger.set(column);
  return larger;
}
