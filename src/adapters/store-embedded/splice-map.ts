/**
 * Setting and deleting a key of a map in a YAML text. A new key comes last and in the layout of its neighbours; what a
 * deleted key held goes with its lines, and every comment outside them stays.
 */
import { isAlias, isMap, isNode, isScalar, type Document, type Pair, type YAMLMap } from 'yaml';
import { addKey, entryText, fillIn, type Addition } from './splice-grow.ts';
import { spanInFlow } from './splice-remove.ts';
import { cut, endOfContent, insertAt, lineStart, nextLine, nodeAt, startOf } from './splice-text.ts';
import { findPair } from './yaml-text.ts';

/** The text with `value` under the key at `path`; null where the text is too odd for that. */
export function spliceSet(
  text: string,
  document: Document.Parsed,
  path: readonly string[],
  value: unknown,
): string | null {
  const parent = nodeAt(document, path.slice(0, -1));
  if (!isMap(parent)) return null;
  const key = path.at(-1) ?? '';
  const pair = findPair(parent, key);
  if (pair === undefined) return addKey(text, document, path, parent, memberOf(key, value, isBlock(parent)));
  if (isEmpty(pair)) {
    if (isRecord(value) && parent.flow !== true) {
      return fillIn(text, pair, (indent) => memberLines(indent, Object.entries(value), false));
    }
    const at = behindColon(text, pair);
    return at === null ? null : insertAt(text, at, ` ${entryText(value)}`);
  }
  const old = pair.value;
  if (isRecord(value) || !(isScalar(old) || isAlias(old)) || !old.range) return null;
  const end = endOfContent(text, old);
  return end === null ? null : text.slice(0, old.range[0]) + entryText(value) + text.slice(end);
}

/** The text without the key at `path`; null where the text is too odd for that. */
export function spliceDelete(text: string, document: Document.Parsed, path: readonly string[]): string | null {
  const parent = nodeAt(document, path.slice(0, -1));
  const pair = isMap(parent) ? findPair(parent, path.at(-1) ?? '') : undefined;
  if (!isMap(parent) || pair === undefined) return null;
  const isOnly = parent.items.length === 1;
  if (parent.flow === true) {
    const [start, end] = parent.range ?? [0, 0];
    if (isOnly && !/[\n#]/.test(text.slice(start, end))) return cut(text, [[start + 1, end - 1]]);
    const index = parent.items.indexOf(pair);
    const span = spanInFlow(text, parent, index, new Set([index]));
    return span === null ? null : cut(text, [span]);
  }
  const start = startOf(pair);
  const end = endOfContent(text, pair);
  if (start === null || end === null || text.slice(lineStart(text, start), start).trim() !== '') return null;
  const without = cut(text, [[lineStart(text, start), nextLine(text, end)]]);
  if (!isOnly) return without;
  // Nothing is left below the key: it says so itself, and comments below it stay where they are.
  const grandparent = nodeAt(document, path.slice(0, -2));
  const owner = isMap(grandparent) ? findPair(grandparent, path.at(-2) ?? '') : undefined;
  const colon = owner === undefined ? null : behindColon(text, owner);
  return colon === null ? null : insertAt(without, colon, ' {}');
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const holdsMaps = (value: unknown): boolean => isRecord(value) && Object.values(value).some(isRecord);

/** `key:` without a value. */
const isEmpty = ({ value }: Pair): boolean => isScalar(value) && value.value === null && value.source === '';

/** Whether the last of the maps in a map stands on lines below its key: then a new one does so too. */
function isBlock(map: YAMLMap): boolean {
  const last = map.items.findLast(({ value }) => isMap(value))?.value;
  return isMap(last) && last.flow !== true;
}

const memberOf = (key: string, value: unknown, inBlock: boolean): Addition => ({
  // The neighbours of a map of maps do not say how those inside are to look.
  lines: (indent) => memberLines(indent, [[key, value]], inBlock && !holdsMaps(value)),
  inBrackets: `${entryText(key)}: ${entryText(value)}`,
});

/** Maps that hold maps, and with `inBlock` all maps, stand on lines below their keys. */
function memberLines(indent: string, members: readonly (readonly [string, unknown])[], inBlock: boolean): string[] {
  return members.flatMap(([key, value]) => {
    const start = `${indent}${entryText(key)}:`;
    const inner = isRecord(value) ? Object.entries(value) : [];
    const isTall = inner.length > 0 && (inBlock || holdsMaps(value));
    return isTall ? [start, ...memberLines(`${indent}  `, inner, inBlock)] : [`${start} ${entryText(value)}`];
  });
}

/** The place behind a key's colon; null where the colon does not follow the key. */
function behindColon(text: string, { key }: Pair): number | null {
  if (!isNode(key) || !key.range) return null;
  const colon = /^[ \t]*:/.exec(text.slice(key.range[1]))?.[0];
  return colon === undefined ? null : key.range[1] + colon.length;
}
