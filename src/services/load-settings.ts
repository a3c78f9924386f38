/**
 * From a settings text to a snapshot, or to every fault with its file, line and column. Changes nothing.
 */
import { createHash } from 'node:crypto';
import {
  parseIpListFile,
  parseRecipientFile,
  recipientListSize,
  type IpList,
  type RecipientList,
  type Result,
} from '../mail/index.ts';
import { LIMITS, nameOfPlace, validate, type Settings, type SettingsIssue, type Severity } from '../settings/index.ts';
import {
  checkPattern,
  compile,
  listFilesOf,
  recipientFilesOf,
  type HostSettings,
  type Materials,
  type RevisionId,
  type Snapshot,
} from '../snapshot/index.ts';
import { settingsNotActing } from './not-yet.ts';
import type { Place, SettingsStore, SettingsText } from './ports.ts';

/** A fault or warning with its place in a file. `pointer` is absent for faults of syntax and of list files. */
export type LocatedIssue = Place & {
  readonly file: string;
  readonly severity: Severity;
  readonly pointer?: string;
  readonly message: string;
};

/**
 * What loading gave. `snapshot` and `settings` are null when at least one issue is an error, save for list files that
 * the caller had a last good text of: their faults are issues too, and the last good text stands in.
 */
export type Loaded = {
  readonly text: SettingsText;
  /** The texts that were compiled, by the names that the settings give the files. */
  readonly lists: ReadonlyMap<string, string>;
  /** Every list file that the settings name; null where they are too broken to say. */
  readonly listFiles: readonly string[] | null;
  readonly settings: Settings | null;
  readonly snapshot: Snapshot | null;
  readonly issues: readonly LocatedIssue[];
};

/** What a compile needs beside the settings and their list files. */
export type Surroundings = {
  readonly host: HostSettings;
  readonly postfix: Omit<Materials, 'lists' | 'recipientLists'>;
};

/** One line for a person: `file:line:column: sentence`. */
export const formatIssue = (issue: LocatedIssue): string =>
  `${issue.file}:${issue.line}:${issue.column}: ${issue.severity === 'warning' ? 'warning: ' : ''}${issue.message}`;

/** Issues as JSON pointers turned into issues with places. */
export function locateIssues(text: SettingsText, issues: readonly SettingsIssue[]): LocatedIssue[] {
  return issues.map(({ severity, pointer, message, atKey }) => ({
    ...text.locate(pointer, atKey === true),
    file: text.name,
    severity,
    pointer,
    message: `${nameOfPlace(pointer)} ${message}`,
  }));
}

/** The faults of a text's syntax. */
export const syntaxIssues = (text: SettingsText): LocatedIssue[] =>
  text.syntaxIssues.map(({ line, column, message }) => ({ line, column, file: text.name, severity: 'error', message }));

/** The last good text of a list file; null where there is none. */
export type LastLists = (file: string) => Promise<string | null>;

/** Settings that were read and checked, and nothing beside them: no list file, no compile. Null: an issue is an error. */
export type CheckedSettings = Pick<Loaded, 'text' | 'settings' | 'issues'>;

/**
 * Reads and checks the settings alone: what an edit rests on, as the edited settings are loaded whole before they are
 * saved. Errors: PosternError where they cannot be read.
 */
export async function readSettings(store: SettingsStore): Promise<CheckedSettings> {
  const text = await store.read();
  if (text.syntaxIssues.length > 0) return { text, settings: null, issues: syntaxIssues(text) };
  const { settings, issues } = validate(text.raw, checkPattern);
  return { text, settings, issues: locateIssues(text, issues) };
}

/**
 * Reads, checks and compiles. `lastLists` stands in for list files that are broken or cannot be read.
 * Errors: PosternError where the settings cannot be read at all.
 */
export async function loadSettings(
  store: SettingsStore,
  surroundings: Surroundings,
  lastLists: LastLists = () => Promise.resolve(null),
): Promise<Loaded> {
  const { text, settings, issues: found } = await readSettings(store);
  const issues = [...found];
  const refused = { text, lists: new Map<string, string>(), listFiles: null, settings: null, snapshot: null };
  if (settings === null) return { ...refused, issues };

  const gathering = { store, text, lastLists, issues, texts: new Map<string, string>() };
  const lists = await readLists(gathering, listFilesOf(settings), IP_LIST);
  const recipientLists = await readLists(gathering, recipientFilesOf(settings), RECIPIENTS);
  const { texts } = gathering;
  const files = new Set([...listFilesOf(settings).keys(), ...recipientFilesOf(settings).keys()]);
  const named = { ...refused, lists: texts, listFiles: [...files] };
  if (lists === null || recipientLists === null) return { ...named, issues };

  const materials = { ...surroundings.postfix, lists, recipientLists };
  const compiled = compile(settings, materials, surroundings.host, revisionOf(text.text, texts));
  issues.push(...locateIssues(text, settingsNotActing(compiled.ok ? compiled.value : null)));
  if (compiled.ok) return { ...named, settings, snapshot: compiled.value, issues };
  return { ...named, issues: [...issues, ...locateIssues(text, compiled.error)] };
}

type Refused = {
  readonly refusals: readonly { readonly line: number; readonly message: string }[];
  readonly more: number;
};

/** A kind of file that settings name. */
type FileKind<T> = {
  readonly called: string;
  readonly parse: (text: string) => Result<T, Refused>;
  readonly count: (parsed: T) => number;
  /** What an empty one does that nobody may expect; null where there is nothing to say. */
  readonly ifEmpty: string | null;
};

const IP_LIST: FileKind<IpList> = {
  called: 'list file',
  parse: parseIpListFile,
  count: ({ count }) => count,
  ifEmpty: null,
};

const RECIPIENTS: FileKind<RecipientList> = {
  called: 'file of recipients',
  parse: parseRecipientFile,
  count: recipientListSize,
  ifEmpty: 'which names nobody: mail for recipients that no other source names is refused',
};

/** What reading goes with: texts and faults are added. */
type Gathering = {
  readonly store: SettingsStore;
  readonly text: SettingsText;
  readonly lastLists: LastLists;
  readonly issues: LocatedIssue[];
  readonly texts: Map<string, string>;
};

/** Reads files; null where one has no text that can be used, also none from before. */
async function readLists<T>(
  { store, text: settings, lastLists, issues, texts }: Gathering,
  files: ReadonlyMap<string, string>,
  kind: FileKind<T>,
): Promise<Map<string, T> | null> {
  const lists = new Map<string, T>();
  for (const [file, pointer] of files) {
    const now = await readList(store, file, kind);
    if ('fault' in now) issues.push(...locateIssues(settings, [{ severity: 'error', pointer, message: now.fault }]));
    if ('issues' in now) issues.push(...now.issues);
    const used = 'list' in now ? now : await readLastList(file, lastLists, kind);
    if (used === null) continue;
    if (kind.ifEmpty !== null && kind.count(used.list) === 0) {
      const message = `names the ${kind.called} ${file}, ${kind.ifEmpty}`;
      issues.push(...locateIssues(settings, [{ severity: 'warning', pointer, message }]));
    }
    texts.set(file, used.text);
    lists.set(file, used.list);
  }
  return lists.size === files.size ? lists : null;
}

type ReadList<T> = { readonly text: string; readonly list: T };

async function readLastList<T>(file: string, lastLists: LastLists, kind: FileKind<T>): Promise<ReadList<T> | null> {
  const text = await lastLists(file);
  const parsed = text === null ? null : kind.parse(text);
  return text !== null && parsed?.ok === true ? { text, list: parsed.value } : null;
}

async function readList<T>(
  store: SettingsStore,
  file: string,
  kind: FileKind<T>,
): Promise<ReadList<T> | { readonly fault: string } | { readonly issues: readonly LocatedIssue[] }> {
  let text: string;
  try {
    text = await store.readList(file);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return { fault: `names the ${kind.called} ${file}, which cannot be read: ${why}` };
  }
  const parsed = kind.parse(text);
  if (!parsed.ok) {
    const { refusals, more } = parsed.error;
    const at = (line: number, message: string): LocatedIssue => ({ file, line, column: 1, severity: 'error', message });
    const issues = refusals.map(({ line, message }) => at(line, message));
    if (more > 0) issues.push(at(1, `and ${more} more lines are refused`));
    return { issues };
  }
  const count = kind.count(parsed.value);
  if (count > LIMITS.listFileEntries) {
    const limit = `the limit is ${LIMITS.listFileEntries}`;
    return { fault: `names the ${kind.called} ${file}, which holds ${count} entries; ${limit}` };
  }
  return { text, list: parsed.value };
}

/** Twelve hexadecimal digits over the settings text and the texts of its list files. */
function revisionOf(text: string, lists: ReadonlyMap<string, string>): RevisionId {
  const hash = createHash('sha256').update(text);
  for (const [file, content] of [...lists].sort(([a], [b]) => (a < b ? -1 : 1))) {
    hash.update('\0').update(file).update('\0').update(content);
  }
  return hash.digest('hex').slice(0, 12) as RevisionId;
}
