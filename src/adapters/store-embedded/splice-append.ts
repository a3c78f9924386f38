/** Appending to a list in a YAML text; a list that is not there yet is made, and an empty `[]` or `{}` opened up. */
import { Document, isMap, isNode, isScalar, isSeq, type Pair, type YAMLMap, type YAMLSeq } from 'yaml';
import {
  columnOf,
  cut,
  dashOf,
  endOfContent,
  insertAt,
  insertLines,
  lineStart,
  nextLine,
  nodeAt,
} from './splice-text.ts';
import { findPair } from './yaml-text.ts';

/** The text with the entries at the end of the list at `path`; null where the text is too odd for that. */
export function spliceAppend(
  text: string,
  document: Document.Parsed,
  path: readonly string[],
  values: readonly unknown[],
): string | null {
  const key = path.at(-1) ?? '';
  const parent = nodeAt(document, path.slice(0, -1));
  if (!isMap(parent)) return null;
  const entries = values.map(entryText);
  const pair = findPair(parent, key);
  if (pair === undefined) return addKey(text, document, path, parent, entries);
  if (isScalar(pair.value) && pair.value.source === '') return fillIn(text, pair, entries);
  if (!isSeq(pair.value)) return null;
  if (pair.value.flow !== true) return appendItems(text, pair.value, entries);
  if (pair.value.items.length > 0 || parent.flow === true) return appendInFlow(text, pair.value, entries);
  return openUp(text, pair, (indent) => itemLines(indent, entries)) ?? appendInFlow(text, pair.value, entries);
}

const itemLines = (indent: string, entries: readonly string[]): string[] =>
  entries.map((entry) => `${indent}- ${entry}`);

function appendItems(text: string, list: YAMLSeq, entries: readonly string[]): string | null {
  const dash = dashOf(text, list, 0);
  const end = endOfContent(text, list);
  if (dash === null || end === null) return null;
  return insertLines(text, nextLine(text, end), itemLines(text.slice(lineStart(text, dash), dash), entries));
}

/** `key:` without a value. */
function fillIn(text: string, { key }: Pair, entries: readonly string[]): string | null {
  if (!isNode(key) || !key.range) return null;
  const indent = `${' '.repeat(columnOf(text, key.range[0]))}  `;
  return insertLines(text, nextLine(text, key.range[1]), itemLines(indent, entries));
}

/** A new key at the end of its parent. */
function addKey(
  text: string,
  document: Document.Parsed,
  path: readonly string[],
  parent: YAMLMap,
  entries: readonly string[],
): string | null {
  const key = path.at(-1) ?? '';
  const block = (indent: string): string[] => [`${indent}${key}:`, ...itemLines(`${indent}  `, entries)];
  if (parent.flow !== true) {
    const [first] = parent.items;
    const end = endOfContent(text, parent);
    if (!isNode(first?.key) || !first.key.range || end === null) return null;
    const column = columnOf(text, first.key.range[0]);
    return insertLines(text, behindComments(text, nextLine(text, end), column), block(' '.repeat(column)));
  }
  const grandparent = nodeAt(document, path.slice(0, -2));
  const owner = isMap(grandparent) ? findPair(grandparent, path.at(-2) ?? '') : undefined;
  const opened =
    parent.items.length === 0 && isMap(grandparent) && grandparent.flow !== true && owner !== undefined
      ? openUp(text, owner, block)
      : null;
  return opened ?? appendInFlow(text, parent, [`${key}: [${entries.join(', ')}]`]);
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
function openUp(text: string, owner: Pair, lines: (indent: string) => string[]): string | null {
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
function appendInFlow(text: string, collection: YAMLSeq | YAMLMap, members: readonly string[]): string | null {
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

const startOf = (item: unknown): number | null => {
  const node = isNode(item) ? item : (item as Pair).key;
  return isNode(node) && node.range ? node.range[0] : null;
};

/** An entry on one line, right in a block and in brackets: `192.0.2.1`, `{ ip: …, note: … }` as people write it. */
function entryText(entry: unknown): string {
  const document = new Document([entry], { version: '1.2', schema: 'core' });
  const { contents } = document;
  if (isSeq(contents)) contents.flow = true;
  return document.toString({ lineWidth: 0 }).replace(/^\[ | \]\n$/g, '');
}
