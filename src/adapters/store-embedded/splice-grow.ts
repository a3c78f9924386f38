/**
 * New members of a list or a map in a YAML text: in brackets, on lines below a key, or as a key of their own. What
 * stands there already keeps its octets.
 */
import { Document, isMap, isNode, isSeq, visit, type Pair, type YAMLMap, type YAMLSeq } from 'yaml';
import {
  columnOf,
  cut,
  endOfContent,
  insertAt,
  insertLines,
  lineStart,
  nextLine,
  nodeAt,
  startOf,
} from './splice-text.ts';
import { findPair } from './yaml-text.ts';

/** What is put in: on lines of its own at an indent, or in brackets. */
export type Addition = { readonly lines: (indent: string) => string[]; readonly inBrackets: string };

/** A value on one line, right in a block and in brackets: `192.0.2.1`, `{ ip: …, note: … }` as people write it. */
export function entryText(entry: unknown): string {
  const document = new Document([entry], { version: '1.2', schema: 'core' });
  const { contents } = document;
  if (isSeq(contents)) contents.flow = true;
  visit(document, {
    Scalar: (_, node) => {
      if (typeof node.value === 'string' && /[\r\n]/.test(node.value)) node.type = 'QUOTE_DOUBLE';
    },
  });
  const options = { lineWidth: 0, doubleQuotedMinMultiLineLength: Number.MAX_SAFE_INTEGER };
  return document.toString(options).replace(/^\[ | \]\n$/g, '');
}

/** Lines below `key:` that has no value. */
export function fillIn(text: string, { key }: Pair, lines: Addition['lines']): string | null {
  if (!isNode(key) || !key.range) return null;
  return insertLines(text, nextLine(text, key.range[1]), lines(`${' '.repeat(columnOf(text, key.range[0]))}  `));
}

/** A new key at the end of its parent, which is the map at `path` without its last segment. */
export function addKey(
  text: string,
  document: Document.Parsed,
  path: readonly string[],
  parent: YAMLMap,
  { lines, inBrackets }: Addition,
): string | null {
  if (parent.flow !== true) {
    const [first] = parent.items;
    const end = endOfContent(text, parent);
    if (!isNode(first?.key) || !first.key.range || end === null) return null;
    const column = columnOf(text, first.key.range[0]);
    return insertLines(text, behindComments(text, nextLine(text, end), column), lines(' '.repeat(column)));
  }
  const grandparent = nodeAt(document, path.slice(0, -2));
  const owner = isMap(grandparent) ? findPair(grandparent, path.at(-2) ?? '') : undefined;
  const opened =
    parent.items.length === 0 && isMap(grandparent) && grandparent.flow !== true && owner !== undefined
      ? openUp(text, owner, lines)
      : null;
  return opened ?? appendInFlow(text, parent, [inBrackets]);
}

/** Behind comment lines that are indented deeper than `column`: they belong to what stands before them. */
function behindComments(text: string, offset: number, column: number): number {
  let at = offset;
  for (;;) {
    const indent = /^( *)#/.exec(text.slice(at, nextLine(text, at)))?.[1];
    if (indent === undefined || indent.length <= column) return at;
    at = nextLine(text, at);
  }
}

/** `key: {}` or `key: []` in a block, with lines below the key in place of the empty brackets. */
export function openUp(text: string, owner: Pair, lines: Addition['lines']): string | null {
  const { key, value } = owner;
  if (!isNode(key) || !key.range || !(isMap(value) || isSeq(value)) || !value.range) return null;
  const [start, end] = value.range;
  if (!/^[[{]\s*[\]}]$/.test(text.slice(start, end))) return null;
  const gap = / *$/.exec(text.slice(0, start))?.[0].length ?? 0;
  const behind = /^[ \t]*/.exec(text.slice(end))?.[0].length ?? 0;
  const isLineDone = end + behind === text.length || /[\r\n]/.test(text[end + behind] ?? '');
  const opened = cut(text, [[start - gap, isLineDone ? end + behind : end]]);
  return insertLines(opened, nextLine(opened, start - gap), lines(`${' '.repeat(columnOf(text, key.range[0]))}  `));
}

/** Members at the end of `[ … ]` or `{ … }`, on lines of their own where the last one has a line of its own. */
export function appendInFlow(text: string, collection: YAMLSeq | YAMLMap, members: readonly string[]): string | null {
  if (!collection.range) return null;
  const last: unknown = collection.items.at(-1);
  if (last === undefined) {
    return insertAt(text, collection.range[0] + 1, isMap(collection) ? ` ${members.join(', ')} ` : members.join(', '));
  }
  const end = endOfContent(text, last);
  const start = startOf(last);
  if (end === null || start === null) return null;
  const behind = /^([ \t]*,)?[ \t]*(?:#[^\n]*)?\r?\n/.exec(text.slice(end, collection.range[1]));
  const indent = text.slice(lineStart(text, start), start);
  if (behind === null || indent.trim() !== '') return insertAt(text, end, `, ${members.join(', ')}`);
  const hasComma = behind[1] !== undefined;
  const lines = members.map(
    (member, index) => `${indent}${member}${hasComma || index < members.length - 1 ? ',' : ''}`,
  );
  const added = insertLines(text, end + behind[0].length, lines);
  return hasComma ? added : insertAt(added, end, ',');
}
