/**
 * Removing from a list in a YAML text. The comment on the line of a removed entry goes with it; every other comment
 * stays.
 */
import { isMap, isNode, isSeq, type Document, type YAMLMap, type YAMLSeq } from 'yaml';
import { cut, dashOf, endOfContent, insertAt, lineStart, nextLine, nodeAt, startOf } from './splice-text.ts';
import { findPair } from './yaml-text.ts';

type Span = readonly [from: number, to: number];

/** The text without the entries at `indexes` of the list at `path`; null where the text is too odd for that. */
export function spliceRemove(
  text: string,
  document: Document.Parsed,
  path: readonly string[],
  indexes: ReadonlySet<number>,
): string | null {
  const parent = nodeAt(document, path.slice(0, -1));
  const pair = isMap(parent) ? findPair(parent, path.at(-1) ?? '') : undefined;
  const list = pair?.value;
  if (!isSeq(list)) return null;
  const gone = [...indexes].filter((index) => index in list.items);
  const isFlow = list.flow === true;
  const spans = gone.map((index) => (isFlow ? spanInFlow(text, list, index, indexes) : spanOfItem(text, list, index)));
  if (!spans.every((span) => span !== null)) return null;
  if (isFlow || gone.length < list.items.length) return cut(text, spans);
  // Nothing is left below the key: it says so itself, and comments below it stay where they are.
  if (!isNode(pair?.key) || !pair.key.range) return null;
  const colon = /^[ \t]*:/.exec(text.slice(pair.key.range[1]))?.[0];
  return colon === undefined ? null : insertAt(cut(text, spans), pair.key.range[1] + colon.length, ' []');
}

/** The lines of a block list's item, from its dash to the end of its content. */
function spanOfItem(text: string, list: YAMLSeq, index: number): Span | null {
  const dash = dashOf(text, list, index);
  const end = endOfContent(text, list.items[index]);
  return dash === null || end === null ? null : [lineStart(text, dash), nextLine(text, Math.max(end, dash + 1))];
}

/** A member of brackets with one comma; its whole line where nothing else stands on it. */
export function spanInFlow(
  text: string,
  { items }: YAMLSeq | YAMLMap,
  index: number,
  gone: ReadonlySet<number>,
): Span | null {
  const item = items[index];
  const end = endOfContent(text, item);
  const start = startOf(item);
  if (start === null || end === null) return null;
  const behind = /^[ \t]*(?:,[ \t]*)?(?:#[^\n]*)?\r?\n/.exec(text.slice(end))?.[0];
  const from = lineStart(text, start);
  if (behind !== undefined && text.slice(from, start).trim() === '') return [from, end + behind.length];
  const isLastLeft = items.every((_, other) => other <= index || gone.has(other));
  if (!isLastLeft) return [start, end + (/^[ \t]*,[ \t]*/.exec(text.slice(end))?.[0].length ?? 0)];
  const comma = /,[ \t]*$/.exec(text.slice(0, start))?.[0];
  return [start - (comma?.length ?? 0), end];
}
