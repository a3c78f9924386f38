/**
 * Edits of a YAML text that touch only the lines they must: everything else keeps its octets, comments and spelling.
 * Knows appending to and removing from lists. What is meant is worked out on the plain value; a text that does not
 * mean that is never given back. Where the text is too odd for a splice, the whole document is written anew, with
 * its comments.
 */
import { isDeepStrictEqual } from 'node:util';
import { isMap, isScalar, isSeq, Lexer, type Document } from 'yaml';
import { PosternError } from '../../services/index.ts';
import { fromPointer } from '../../settings/index.ts';
import { spliceAppend } from './splice-append.ts';
import { spliceRemove } from './splice-remove.ts';
import { nodeAt } from './splice-text.ts';
import { findPair, parseYamlDocument, valueOf } from './yaml-text.ts';

/** One change of the list at `pointer`; a list that is not there yet is made. */
export type ListEdit =
  | { readonly kind: 'append'; readonly pointer: string; readonly entries: readonly unknown[] }
  | { readonly kind: 'remove'; readonly pointer: string; readonly indexes: ReadonlySet<number> };

/**
 * The text after the edit. Errors: PosternError where the place does not exist, or where no edit of the text would
 * change that place alone (a list shared through a YAML alias).
 */
export function editYamlText(text: string, edit: ListEdit): string {
  const document = parseYamlDocument(text);
  const path = fromPointer(edit.pointer);
  const wanted = changeAt(valueOf(document), path, (list) => changeList(list, edit), edit.pointer);
  const spliced =
    edit.kind === 'append'
      ? spliceAppend(text, document, path, edit.entries)
      : spliceRemove(text, document, path, edit.indexes);
  if (spliced !== null && means(spliced, wanted)) return spliced;
  const rewritten = rewrite(text, document, path, edit);
  if (rewritten !== null && means(rewritten, wanted) && keepsComments(text, rewritten, edit)) return rewritten;
  const message = `${edit.pointer} cannot be edited without touching something else (a YAML alias?); edit the file by hand`;
  throw new PosternError('POSTERN_FILE_UNWRITABLE', message);
}

function means(text: string, wanted: unknown): boolean {
  const document = parseYamlDocument(text);
  return document.errors.length === 0 && isDeepStrictEqual(valueOf(document), wanted);
}

/** Whether every comment is still there. Those of removed entries may go, so that after a removal it is not asked. */
function keepsComments(before: string, after: string, { kind }: ListEdit): boolean {
  const comments = (text: string): string[] => [...new Lexer().lex(text)].filter((token) => token.startsWith('#'));
  const left = new Set(comments(after));
  return kind === 'remove' || comments(before).every((comment) => left.has(comment));
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
  return { ...value, [key]: changeAt(present, rest, change, pointer) };
}

function changeList(list: unknown, edit: ListEdit): unknown[] {
  const present: readonly unknown[] = Array.isArray(list) ? list : [];
  if (edit.kind === 'append') return [...present, ...edit.entries];
  return present.filter((_, index) => !edit.indexes.has(index));
}

/** The edit done on the document tree: the same meaning in whatever layout. Null where the list is no list. */
function rewrite(text: string, document: Document.Parsed, path: readonly string[], edit: ListEdit): string | null {
  const key = path.at(-1) ?? '';
  const parent = nodeAt(document, path.slice(0, -1));
  if (!isMap(parent)) return null;
  const pair = findPair(parent, key);
  const list = pair?.value;
  const isEmpty = list === undefined || list === null || (isScalar(list) && list.value === null);
  if (isSeq(list)) {
    if (edit.kind === 'append') list.items.push(...edit.entries.map((entry) => document.createNode(entry)));
    else list.items = list.items.filter((_, index) => !edit.indexes.has(index));
  } else if (isEmpty && edit.kind === 'append') {
    if (pair !== undefined) pair.value = document.createNode(edit.entries);
    else parent.set(document.createNode(key), document.createNode(edit.entries));
  } else {
    return null;
  }
  const written = document.toString({ lineWidth: 0 });
  return text.includes('\r\n') ? written.replaceAll('\n', '\r\n') : written;
}
