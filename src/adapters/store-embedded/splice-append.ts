/** Appending to a list in a YAML text; a list that is not there yet is made, and an empty `[]` or `{}` opened up. */
import { isMap, isScalar, isSeq, type Document, type YAMLSeq } from 'yaml';
import { addKey, appendInFlow, entryText, fillIn, openUp } from './splice-grow.ts';
import { dashOf, endOfContent, insertLines, lineStart, nextLine, nodeAt } from './splice-text.ts';
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
  const items = (indent: string): string[] => itemLines(indent, entries);
  const pair = findPair(parent, key);
  if (pair === undefined) {
    return addKey(text, document, path, parent, {
      lines: (indent) => [`${indent}${key}:`, ...items(`${indent}  `)],
      inBrackets: `${key}: [${entries.join(', ')}]`,
    });
  }
  if (isScalar(pair.value) && pair.value.source === '') return fillIn(text, pair, items);
  if (!isSeq(pair.value)) return null;
  if (pair.value.flow !== true) return appendItems(text, pair.value, entries);
  if (pair.value.items.length > 0 || parent.flow === true) return appendInFlow(text, pair.value, entries);
  return openUp(text, pair, items) ?? appendInFlow(text, pair.value, entries);
}

const itemLines = (indent: string, entries: readonly string[]): string[] =>
  entries.map((entry) => `${indent}- ${entry}`);

function appendItems(text: string, list: YAMLSeq, entries: readonly string[]): string | null {
  const dash = dashOf(text, list, 0);
  const end = endOfContent(text, list);
  if (dash === null || end === null) return null;
  return insertLines(text, nextLine(text, end), itemLines(text.slice(lineStart(text, dash), dash), entries));
}
