/**
 * Long IP lists in a YAML text, folded: of many plain entries on lines of their own, the parser of YAML need see only
 * a few, which is what makes a list of 10,000 cheap to read and to edit.
 * Never guesses: a line is plain only where it has one reading, and whoever parses the folded text must see that each
 * stand-in became an item of a block list; then the lines that it stands for would have become such items too.
 * Source: YAML 1.2.2 §7.3.3 (plain style), §8.2.1 (block sequences), §10.3 (core schema).
 */

import { isScalar } from 'yaml';

/** Lines that one stand-in stands for. `line` is that of the stand-in in the folded text, from 0. */
export type Fold = {
  readonly standIn: string;
  readonly line: number;
  /** The lines as they are, line breaks included. */
  readonly lines: readonly string[];
  readonly values: readonly PlainEntry[];
};

/** What a plain line holds. */
export type PlainEntry = string | { readonly [key in 'ip' | 'note' | 'expires']?: string };

/** A text with its folds, in order. Without folds it is the text itself. */
export type Folded = { readonly text: string; readonly folds: readonly Fold[] };

const STEM = 'folded-';
/** Shorter runs are not worth it. */
const LEAST_LINES = 8;

const IPV4 = '[0-9]{1,3}(?:\\.[0-9]{1,3}){3}';
const IPV6 = '[0-9A-Fa-f]{1,4}(?::[0-9A-Fa-f]{0,4}){1,6}:[0-9A-Fa-f]{1,4}';
/** Nothing that the core schema reads as a number, and nothing that ends in a colon. */
const IP = `${IPV4}(?:/[0-9]{1,2}|-${IPV4})?|${IPV6}(?:/[0-9]{1,3})?|[0-9A-Fa-f]{1,4}(?::[0-9A-Fa-f]{1,4})*::/[0-9]{1,3}`;
const NOTE = `"([^"\\\\\\p{Cc}]*)"|'([^'\\p{Cc}]*)'|([A-Za-z](?:[A-Za-z0-9 ._/-]*[A-Za-z0-9._/-])?)`;
const EXPIRES = '[0-9]{4}-[0-9]{2}-[0-9]{2}(?:T[0-9:.]+Z)?';
const LINE = new RegExp(
  `^( *)- (?:(${IP})|\\{ ip: (${IP})(?:, note: (?:${NOTE}))?(?:, expires: (${EXPIRES}))? \\})(?: +#[^\\p{Cc}]*)?\\r?\\n$`,
  'u',
);
/** Words that are no text in the core schema. */
const WORDS = /^(?:null|true|false)$/i;

/** Folds the plain entries of long block lists. */
export function foldLines(text: string): Folded {
  const folds: Fold[] = [];
  const kept: string[] = [];
  const stem = freshStem(text);
  let run = new Run('');
  const close = (): void => {
    if (run.lines.length < LEAST_LINES) kept.push(...run.lines);
    else {
      // The first and the last line stay: what stands before and behind them may reach into them.
      const standIn = `${stem}${folds.length}`;
      const lines = run.lines.slice(1, -1);
      const end = (lines.at(-1) as string).endsWith('\r\n') ? '\r\n' : '\n';
      kept.push(run.lines[0] as string, `${run.indent}- ${standIn}${end}`, run.lines.at(-1) as string);
      folds.push({ standIn, line: kept.length - 2, lines, values: run.values.slice(1, -1) });
    }
    run = new Run('');
  };
  for (let start = 0; start < text.length;) {
    const newline = text.indexOf('\n', start);
    const end = newline < 0 ? text.length : newline + 1;
    const line = text.slice(start, end);
    start = end;
    const plain = readPlain(line);
    if (plain === null) {
      close();
      kept.push(line);
    } else {
      if (run.lines.length > 0 && run.indent !== plain.indent) close();
      if (run.lines.length === 0) run = new Run(plain.indent);
      run.lines.push(line);
      run.values.push(plain.value);
    }
  }
  close();
  return folds.length === 0 ? { text, folds } : { text: kept.join(''), folds };
}

class Run {
  readonly indent: string;
  readonly lines: string[] = [];
  readonly values: PlainEntry[] = [];
  constructor(indent: string) {
    this.indent = indent;
  }
}

function readPlain(line: string): { readonly indent: string; readonly value: PlainEntry } | null {
  const [, indent, short, ip, double, single, bare, expires] = LINE.exec(line) ?? [];
  if (indent === undefined || (bare !== undefined && WORDS.test(bare))) return null;
  if (short !== undefined) return { indent, value: short };
  const note = double ?? single ?? bare;
  const value = { ...(ip !== undefined && { ip }), ...(note !== undefined && { note }) };
  return { indent, value: { ...value, ...(expires !== undefined && { expires }) } };
}

/** What stand-ins begin with: a word that is not in the text. */
function freshStem(text: string): string {
  let stem = STEM;
  while (text.includes(stem)) stem = `x${stem}`;
  return stem;
}

/** The text with every line that was folded; a fold whose stand-in is gone is left out. */
export function unfoldLines(text: string, folds: readonly Fold[]): string {
  const parts: string[] = [];
  let at = 0;
  for (const { standIn, lines } of folds) {
    const found = new RegExp(`^ *- ${standIn}(?:\\r?\\n|$)`, 'm').exec(text.slice(at));
    if (found === null) continue;
    parts.push(text.slice(at, at + found.index), ...lines);
    at += found.index + found[0].length;
  }
  parts.push(text.slice(at));
  return parts.join('');
}

/** The line in the whole text, from 0, of a line in the folded one that is no stand-in's own. */
export const unfoldedLine = (line: number, folds: readonly Fold[]): number =>
  folds.reduce((sum, fold) => (fold.line < line ? sum + fold.lines.length - 1 : sum), line);

/**
 * Puts what was folded into a value, in place. False where a stand-in is not an item of a list: what was folded was no
 * list then, and the value is of no use.
 */
export function unfoldValue(value: unknown, folds: readonly Fold[]): boolean {
  const missing = new Map<unknown, Fold>(folds.map((fold) => [fold.standIn, fold]));
  const seen = new Set<object>();
  const visit = (at: unknown): void => {
    // An alias is the very object that it repeats.
    if (typeof at !== 'object' || at === null || seen.has(at)) return;
    seen.add(at);
    if (!Array.isArray(at)) {
      Object.values(at).forEach(visit);
      return;
    }
    const items = at as unknown[];
    items.forEach(visit);
    if (!items.some((item) => missing.has(item))) return;
    const folded = items.splice(0, items.length);
    for (const item of folded) {
      const fold = missing.get(item);
      missing.delete(item);
      if (fold === undefined) items.push(item);
      // Not spread: there may be more than a call takes arguments.
      else for (const entry of fold.values) items.push(entry);
    }
  };
  visit(value);
  return missing.size === 0;
}

/** Where an item of a list stands that may have folds: the index of what was parsed, and the line in its fold or null. */
export type ItemPlace = {
  readonly index: number;
  readonly inFold: { readonly fold: Fold; readonly line: number } | null;
};

/** The place of an item; null where there is none. `parsed` are the list's items as the folded text has them. */
export function itemPlace(parsed: readonly unknown[], item: number, folds: readonly Fold[]): ItemPlace | null {
  if (folds.length === 0) return { index: item, inFold: null };
  let before = 0;
  for (const [index, node] of parsed.entries()) {
    const fold = foldOf(node, folds);
    const count = fold?.lines.length ?? 1;
    if (item < before + count) return { index, inFold: fold === undefined ? null : { fold, line: item - before } };
    before += count;
  }
  return null;
}

/** The fold that a parsed item stands for. */
export const foldOf = (node: unknown, folds: readonly Fold[]): Fold | undefined =>
  isScalar(node) && typeof node.value === 'string' && node.value.includes(STEM)
    ? folds.find(({ standIn }) => standIn === node.value)
    : undefined;
