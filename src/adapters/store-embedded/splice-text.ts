/** What splices need to know of a text and its nodes: where content ends, where lines begin, where a dash stands. */
import { isAlias, isCollection, isMap, isNode, isPair, isScalar, type Document, type YAMLSeq } from 'yaml';
import { findPair } from './yaml-text.ts';

/** The line ending of a text: of its first line. */
const lineEndingOf = (text: string): string => (/\r?\n/.exec(text)?.[0] === '\r\n' ? '\r\n' : '\n');

/** Where the line that holds `offset` begins. */
export const lineStart = (text: string, offset: number): number => text.lastIndexOf('\n', offset - 1) + 1;

/** Where the line after the one that holds `offset` begins; the end of the text where there is none. */
export function nextLine(text: string, offset: number): number {
  const newline = text.indexOf('\n', offset);
  return newline < 0 ? text.length : newline + 1;
}

/** The column of an offset, from 0. */
export const columnOf = (text: string, offset: number): number => offset - lineStart(text, offset);

/** The node that a path of keys names; undefined where there is none. */
export function nodeAt(document: Document.Parsed, path: readonly string[]): unknown {
  let node: unknown = document.contents;
  for (const segment of path) {
    if (!isMap(node)) return undefined;
    node = findPair(node, segment)?.value;
  }
  return node;
}

/** Where the last character of a node or pair ends, comments and blank lines behind it not counted. */
export function endOfContent(text: string, item: unknown): number | null {
  if (isPair(item)) return endOfContent(text, isNode(item.value) ? item.value : item.key);
  if (isCollection(item) && item.flow !== true && item.items.length > 0) return endOfContent(text, item.items.at(-1));
  if (!isScalar(item) && !isAlias(item) && !isCollection(item)) return null;
  return item.range ? text.slice(0, item.range[1]).trimEnd().length : null;
}

/** Where a node, or the key of a pair, begins. */
export function startOf(item: unknown): number | null {
  const node: unknown = isPair(item) ? item.key : item;
  return isNode(node) && node.range ? node.range[0] : null;
}

/** Where the dash of a block list's item stands; null where it does not begin its line. */
export function dashOf(text: string, list: YAMLSeq, index: number): number | null {
  const item = list.items[index];
  if (!isNode(item) || !item.range || !list.range) return null;
  const from = index === 0 ? lineStart(text, list.range[0]) : endOfContent(text, list.items[index - 1]);
  if (from === null) return null;
  const dash = [...text.slice(from, item.range[0]).matchAll(/^[ \t]*-(?=\s|$)/gm)].at(-1);
  return dash === undefined ? null : from + dash.index + dash[0].length - 1;
}

/** The text without some spans of it; spans may touch and overlap. */
export function cut(text: string, spans: readonly (readonly [from: number, to: number])[]): string {
  let result = '';
  let at = 0;
  for (const [from, to] of [...spans].sort(([a], [b]) => a - b)) {
    if (from > at) result += text.slice(at, from);
    at = Math.max(at, to);
  }
  return result + text.slice(at);
}

/** The text with something put in at a place. */
export const insertAt = (text: string, offset: number, addition: string): string =>
  text.slice(0, offset) + addition + text.slice(offset);

/** Whole lines put in where a line begins; at the end of a text without a final line break, one is made first. */
export function insertLines(text: string, offset: number, lines: readonly string[]): string {
  const eol = lineEndingOf(text);
  const isCutOff = offset === text.length && text !== '' && !text.endsWith('\n');
  return insertAt(text, offset, `${isCutOff ? eol : ''}${lines.join(eol)}${eol}`);
}
