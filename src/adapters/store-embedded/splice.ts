/**
 * Edits of a YAML text that touch only the lines they must: everything else keeps its octets, comments and spelling.
 * Knows appending to and removing from lists, and setting and deleting keys of maps. What is meant is worked out on the plain value; a text that does not
 * mean that is never given back. Where the text is too odd for a splice, the whole document is written anew, with
 * its comments.
 */
import { isDeepStrictEqual } from 'node:util';
import { isMap, isScalar, isSeq, Lexer, type Document, type YAMLMap, type YAMLSeq } from 'yaml';
import { PosternError } from '../../services/index.ts';
import { fromPointer } from '../../settings/index.ts';
import { foldOf, unfoldLines, type Fold } from './fold-lines.ts';
import { spliceAppend } from './splice-append.ts';
import { spliceDelete, spliceSet } from './splice-map.ts';
import { spliceRemove } from './splice-remove.ts';
import { nodeAt } from './splice-text.ts';
import { findPair, parseUnfolded, parseYamlText, type YamlText } from './yaml-text.ts';

/** One change of the list at `pointer`; a list that is not there yet is made. */
export type ListEdit =
  | { readonly kind: 'append'; readonly pointer: string; readonly entries: readonly unknown[] }
  | { readonly kind: 'remove'; readonly pointer: string; readonly indexes: ReadonlySet<number> };

/** One change of a key: `set` makes it or gives it another value, `delete` takes it out. Its map is there already. */
export type KeyEdit =
  | { readonly kind: 'set'; readonly pointer: string; readonly value: unknown }
  | { readonly kind: 'delete'; readonly pointer: string };

/** What can be done to a settings text. */
export type SettingsEdit = ListEdit | KeyEdit;

/**
 * The text after the edit. Errors: PosternError where the place does not exist, or where no edit of the text would
 * change that place alone (a list shared through a YAML alias).
 */
export function editYamlText(before: YamlText, edit: SettingsEdit): YamlText {
  const path = fromPointer(edit.pointer);
  const wanted = changeAt(before.raw, path, (value) => changeValue(value, edit), edit.pointer);
  const isRight = (after: YamlText | null): after is YamlText =>
    after !== null && (edit.kind === 'append' || keepsComments(before.text, after.text, edit));
  const spliced = parseMeaning(before.name, splice(before, path, edit), wanted);
  if (isRight(spliced)) return spliced;
  const whole = before.folded.folds.length === 0 ? before : parseUnfolded(before.name, before.text);
  const plainly = whole === before ? null : parseMeaning(before.name, splice(whole, path, edit), wanted);
  if (isRight(plainly)) return plainly;
  const rewritten = parseMeaning(before.name, rewrite(whole.text, whole.document, path, edit), wanted);
  if (rewritten !== null && keepsComments(before.text, rewritten.text, edit)) return rewritten;
  const message = `${edit.pointer} cannot be edited without touching something else (a YAML alias?); edit the file by hand`;
  throw new PosternError('POSTERN_FILE_UNWRITABLE', message);
}

/** The edit done on the folded text; null where the text is too odd for that. */
function splice({ document, folded }: YamlText, path: readonly string[], edit: SettingsEdit): string | null {
  const { text, folds } = folded;
  if (edit.kind === 'set' || edit.kind === 'delete') {
    const done = edit.kind === 'set' ? spliceSet(text, document, path, edit.value) : spliceDelete(text, document, path);
    return done === null ? null : unfoldLines(done, folds);
  }
  if (edit.kind === 'append') {
    const appended = spliceAppend(text, document, path, edit.entries);
    return appended === null ? null : unfoldLines(appended, folds);
  }
  const list = nodeAt(document, path);
  if (!isSeq(list)) return null;
  const left = foldsWithout(list, folds, edit.indexes);
  const removed = spliceRemove(text, document, path, left.indexes);
  return removed === null ? null : unfoldLines(removed, left.folds);
}

/** What a removal leaves of folded lines, and which parsed items go: a fold that loses all its lines goes with them. */
function foldsWithout(
  list: YAMLSeq,
  folds: readonly Fold[],
  gone: ReadonlySet<number>,
): { readonly indexes: ReadonlySet<number>; readonly folds: readonly Fold[] } {
  const indexes = new Set<number>();
  const left = new Map<Fold, readonly string[]>();
  let position = 0;
  for (const [index, item] of list.items.entries()) {
    const fold = foldOf(item, folds);
    const first = position;
    position += fold?.lines.length ?? 1;
    const lines = fold?.lines.filter((_, line) => !gone.has(first + line));
    if (fold !== undefined && lines !== undefined) left.set(fold, lines);
    if (lines === undefined ? gone.has(first) : lines.length === 0) indexes.add(index);
  }
  return { indexes, folds: folds.map((fold) => ({ ...fold, lines: left.get(fold) ?? fold.lines })) };
}

/** The text, parsed; null where it does not mean what is wanted. */
function parseMeaning(name: string, text: string | null, wanted: unknown): YamlText | null {
  if (text === null) return null;
  const parsed = parseYamlText(name, text);
  return parsed.syntaxIssues.length === 0 && isDeepStrictEqual(parsed.raw, wanted) ? parsed : null;
}

/** Whether every comment is still there. Those of what is removed may go, so that after a removal it is not asked. */
function keepsComments(before: string, after: string, { kind }: SettingsEdit): boolean {
  const comments = (text: string): string[] => [...new Lexer().lex(text)].filter((token) => token.startsWith('#'));
  const left = new Set(comments(after));
  return kind === 'remove' || kind === 'delete' || comments(before).every((comment) => left.has(comment));
}

/** A copy of the value with the change at one place; what an alias shares elsewhere stays as it is. */
function changeAt(value: unknown, path: readonly string[], change: (at: unknown) => unknown, pointer: string): unknown {
  const [key, ...rest] = path;
  if (key === undefined) return change(value);
  const isContainer = typeof value === 'object' && value !== null && !Array.isArray(value);
  if (!isContainer || (rest.length > 0 && !Object.hasOwn(value, key))) {
    throw new PosternError('POSTERN_NOT_FOUND', `${pointer}: there is no such place in the settings`);
  }
  const present = Object.hasOwn(value, key) ? (value as Record<string, unknown>)[key] : undefined;
  const changed = changeAt(present, rest, change, pointer);
  const { [key]: _, ...others } = value as Record<string, unknown>;
  return changed === undefined ? others : { ...value, [key]: changed };
}

/** Undefined where the value is taken out with its key. */
function changeValue(value: unknown, edit: SettingsEdit): unknown {
  if (edit.kind === 'set') return edit.value;
  return edit.kind === 'delete' ? undefined : changeList(value, edit);
}

function changeList(list: unknown, edit: ListEdit): unknown[] {
  const present: readonly unknown[] = Array.isArray(list) ? list : [];
  if (edit.kind === 'append') return [...present, ...edit.entries];
  return present.filter((_, index) => !edit.indexes.has(index));
}

/** The edit done on the document tree: the same meaning in whatever layout. Null where the list is no list. */
function rewrite(text: string, document: Document.Parsed, path: readonly string[], edit: SettingsEdit): string | null {
  const key = path.at(-1) ?? '';
  const parent = nodeAt(document, path.slice(0, -1));
  if (!isMap(parent)) return null;
  if (!changeNode(document, parent, key, edit)) return null;
  const written = writeWhole(document);
  if (written === null) return null;
  return text.includes('\r\n') ? written.replaceAll('\n', '\r\n') : written;
}

/** Null where the document cannot be written: an alias has lost its anchor. */
function writeWhole(document: Document.Parsed): string | null {
  try {
    return document.toString({ lineWidth: 0 });
  } catch {
    return null;
  }
}

/** The edit done in the map that holds `key`. False where it cannot be done. */
function changeNode(document: Document.Parsed, parent: YAMLMap, key: string, edit: SettingsEdit): boolean {
  const pair = findPair(parent, key);
  const put = (value: unknown): boolean => {
    if (pair !== undefined) pair.value = document.createNode(value);
    else parent.set(document.createNode(key), document.createNode(value));
    return true;
  };
  if (edit.kind === 'set') return put(edit.value);
  if (edit.kind === 'delete') {
    parent.items = parent.items.filter((item) => item !== pair);
    return true;
  }
  const list = pair?.value;
  const isEmpty = list === undefined || list === null || (isScalar(list) && list.value === null);
  if (isSeq(list)) {
    if (edit.kind === 'append') list.items.push(...edit.entries.map((entry) => document.createNode(entry)));
    else list.items = list.items.filter((_, index) => !edit.indexes.has(index));
    return true;
  }
  return isEmpty && edit.kind === 'append' && put(edit.entries);
}
