/**
 * A YAML text as a value that still knows where everything stands, for errors as `file:line:column`.
 * Never guesses: unknown tags, several documents and octets that are no UTF-8 are faults.
 * Source: YAML 1.2.2, core schema.
 */
import { isUtf8 } from 'node:buffer';
import {
  isAlias,
  isCollection,
  isMap,
  isScalar,
  LineCounter,
  parseDocument,
  visit,
  type Document,
  type Node,
  type Pair,
  type YAMLMap,
} from 'yaml';
import { fromPointer, toPointer } from '../../settings/index.ts';
import type { Place, SettingsText } from '../../services/index.ts';
import {
  foldLines,
  itemPlace,
  unfoldedLine,
  unfoldValue,
  type Fold,
  type Folded,
  type ItemPlace,
} from './fold-lines.ts';

/** How often anchors may be used, multiplied through nesting: enough for a list that every own domain shares. */
const MAX_ALIASES = 10_000;

const BYTE_ORDER_MARK = '\uFEFF';

type Fault = Place & { readonly message: string };

/**
 * A parsed text with what edits need: parsing a long list costs more than all the rest of an edit. `document` is that
 * of the folded text.
 */
export type YamlText = SettingsText & { readonly document: Document.Parsed; readonly folded: Folded };

/** Parses a YAML text; faults of syntax are in the result, not thrown. `name` is how messages call the file. */
export function parseYamlText(name: string, text: string): YamlText {
  const folded = foldLines(text);
  const parsed = folded.folds.length === 0 ? null : parse(name, text, folded);
  // Where a fold stands for no list, or something is wrong, the whole text says what.
  return parsed?.syntaxIssues.length === 0 && unfoldValue(parsed.raw, folded.folds)
    ? parsed
    : parseUnfolded(name, text);
}

/** {@link parseYamlText} without folds. */
export const parseUnfolded = (name: string, text: string): YamlText => parse(name, text, { text, folds: [] });

function parse(name: string, text: string, folded: Folded): YamlText {
  const { folds } = folded;
  const lines = new LineCounter();
  const options = { version: '1.2', schema: 'core', prettyErrors: false, logLevel: 'error' } as const;
  const document = parseDocument(folded.text, { ...options, lineCounter: lines });
  const markLength = text.startsWith(BYTE_ORDER_MARK) ? 1 : 0;
  const placeAt = (offset: number): Place => {
    const { line, col } = lines.linePos(offset);
    const column = line === 1 ? col - markLength : col;
    return { line: unfoldedLine(Math.max(line, 1) - 1, folds) + 1, column: Math.max(column, 1) };
  };
  const faults: Fault[] = [...document.errors, ...document.warnings].map(({ pos, code, message }) => ({
    ...placeAt(pos[0]),
    message: describeSyntax(code, message),
  }));
  let raw: unknown = null;
  if (faults.length === 0) {
    try {
      raw = valueOf(document);
    } catch (error) {
      faults.push({ ...placeAt(offsetOfLooseAlias(document)), message: describeAliasFault(error) });
    }
  }
  const locate = (pointer: string, atKey: boolean): Place => {
    const found = offsetOf(document, fromPointer(pointer), atKey, folds);
    return typeof found === 'number' ? placeAt(found) : found;
  };
  return { name, text, raw, syntaxIssues: faults, document, folded, locate };
}

/** Parses what a file holds. Octets that are no UTF-8 are a fault: an edit would destroy them. */
export function parseYamlBytes(name: string, bytes: Buffer): YamlText {
  if (isUtf8(bytes)) return parseYamlText(name, bytes.toString('utf8'));
  const place = placeOfBadOctet(bytes);
  const message = 'no valid YAML: an octet here is no UTF-8; save the file as UTF-8';
  return { ...parseYamlText(name, ''), syntaxIssues: [{ ...place, message }], locate: () => place };
}

/** The plain value of a document. Errors: throws where anchors are missing or used beyond all measure. */
const valueOf = (document: Document.Parsed): unknown => document.toJS({ maxAliasCount: MAX_ALIASES });

/** The member of a map whose key reads as `segment`, whatever its type in YAML (`123:` is a name too). */
export const findPair = (map: YAMLMap, segment: string): Pair | undefined =>
  map.items.find((item) => isScalar(item.key) && String(item.key.value) === segment);

function describeSyntax(code: string, message: string): string {
  if (code === 'DUPLICATE_KEY') return 'this key stands twice in the same group; keep one of them';
  if (code === 'TAB_AS_INDENT') return 'a tab cannot indent in YAML; use spaces';
  if (code === 'MULTIPLE_DOCS') return 'the file holds a second document after "---"; keep one';
  if (code === 'TAG_RESOLVE_FAILED') return `a tag ("!…") means nothing here: ${message}; put the text in quotes`;
  return `no valid YAML: ${message}`;
}

function describeAliasFault(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  if (/alias count/i.test(message)) return 'aliases ("*name") repeat one another too often; write the values out';
  return `no valid YAML: ${message}`;
}

/** Where an alias without an anchor stands; 0 where there is none. */
function offsetOfLooseAlias(document: Document.Parsed): number {
  let offset = 0;
  visit(document, (_, node) => {
    if (!isAlias(node) || node.resolve(document) !== undefined) return undefined;
    offset = node.range?.[0] ?? 0;
    return visit.BREAK;
  });
  return offset;
}

function placeOfBadOctet(bytes: Buffer): Place {
  let line = 1;
  for (let start = 0; ; line++) {
    const newline = bytes.indexOf(0x0a, start);
    const end = newline < 0 ? bytes.length : newline;
    const octets = bytes.subarray(start, end);
    if (!isUtf8(octets)) return { line, column: octets.toString('utf8').indexOf('\uFFFD') + 1 };
    if (newline < 0) return { line, column: 1 };
    start = newline + 1;
  }
}

/** The offset of what a path names; of the nearest parent where it does not exist. A place where it is in a fold. */
function offsetOf(
  document: Document.Parsed,
  path: readonly string[],
  atKey: boolean,
  folds: readonly Fold[],
): number | Place {
  let node: unknown = document.contents;
  let offset = startOf(node) ?? 0;
  for (const [depth, segment] of path.entries()) {
    if (!isCollection(node)) return offset;
    const isLast = depth === path.length - 1;
    if (isMap(node)) {
      const pair = findPair(node, segment);
      if (pair === undefined) return offset;
      const keyOffset = startOf(pair.key) ?? offset;
      const valueOffset = startOf(pair.value);
      offset = isLast && atKey ? keyOffset : (valueOffset ?? keyOffset);
      node = pair.value;
    } else {
      const place = itemPlace(node.items, Number(segment), folds);
      if (place?.inFold) return placeInFold(place.inFold, path.slice(depth + 1), atKey, folds);
      const item: unknown = place === null ? undefined : node.items[place.index];
      if (item === undefined) return offset;
      offset = startOf(item) ?? offset;
      node = item;
    }
  }
  return offset;
}

/** A line in a fold is a list of one entry. */
function placeInFold(
  { fold, line }: NonNullable<ItemPlace['inFold']>,
  path: readonly string[],
  atKey: boolean,
  folds: readonly Fold[],
): Place {
  const alone = parseUnfolded('', fold.lines[line] as string);
  return {
    line: unfoldedLine(fold.line, folds) + line + 1,
    column: alone.locate(toPointer(['0', ...path]), atKey).column,
  };
}

const startOf = (node: unknown): number | undefined => (node as Node | null | undefined)?.range?.[0];
