/**
 * History as commands read it, beside a Postern that writes it. Never writes, and waits at most two seconds for a lock.
 * Reads synchronously, so it is not for a process that answers mail.
 * Source: SQLite, "Write-Ahead Logging", "Read-Only Databases".
 */
import { existsSync } from 'node:fs';
import { DatabaseSync, type SQLInputValue, type SQLOutputValue } from 'node:sqlite';
import {
  PosternError,
  type EntryHit,
  type EntryHits,
  type HistoryQuery,
  type HistoryReader,
  type HistoryRecord,
} from '../../services/index.ts';
import { addressKey, historyFileOf, STEPS } from './schema.ts';

const BUSY_TIMEOUT_MS = 2_000;

type Found = Readonly<Record<string, SQLOutputValue>>;

/** Opens history below `stateDirectory` for reading. Errors: PosternError where it is there but of no use. */
export function openHistory(stateDirectory: string): HistoryReader {
  const path = historyFileOf(stateDirectory);
  return new SqliteReader(path, existsSync(path) ? openDatabase(path) : null);
}

class SqliteReader implements HistoryReader {
  readonly #path: string;
  /** Null where nothing was kept yet. */
  readonly #db: DatabaseSync | null;

  constructor(path: string, db: DatabaseSync | null) {
    this.#path = path;
    this.#db = db;
  }

  search(query: HistoryQuery): Promise<readonly HistoryRecord[]> {
    const { where, values } = conditionsOf(query);
    const sql = `SELECT * FROM decisions ${where} ORDER BY id DESC LIMIT ?`;
    return this.#read((db) =>
      db
        .prepare(sql)
        .all(...values, query.limit)
        .map(recordOf),
    );
  }

  async hits(domain: string, list: EntryHit['list']): Promise<ReadonlyMap<string, EntryHits>> {
    const sql = 'SELECT entry, count, last_at, last_address FROM hits WHERE domain = ? AND list = ?';
    const rows = await this.#read((db) => db.prepare(sql).all(domain, list));
    return new Map(
      rows.map((row) => [
        textAt(row, 'entry'),
        { count: numberAt(row, 'count'), lastAt: numberAt(row, 'last_at'), lastAddress: textAt(row, 'last_address') },
      ]),
    );
  }

  close(): void {
    this.#db?.close();
  }

  #read<T>(work: (db: DatabaseSync) => T[]): Promise<T[]> {
    try {
      return Promise.resolve(this.#db === null ? [] : work(this.#db));
    } catch (error) {
      return Promise.reject(unreadable(this.#path, error));
    }
  }
}

function openDatabase(path: string): DatabaseSync | null {
  let db: DatabaseSync | null = null;
  try {
    db = new DatabaseSync(path, { readOnly: true, timeout: BUSY_TIMEOUT_MS });
    const { user_version: version } = db.prepare('PRAGMA user_version').get() as { readonly user_version: number };
    if (version === STEPS.length) return db;
    // Made a moment ago, and empty.
    if (version === 0) {
      db.close();
      return null;
    }
    throw new Error(`it is of ${version > STEPS.length ? 'a later' : 'an earlier'} version of Postern`);
  } catch (error) {
    db?.close();
    throw unreadable(path, error);
  }
}

function unreadable(path: string, error: unknown): PosternError {
  const reason = error instanceof Error ? error.message : String(error);
  const way = 'read it as root or as the user that serves; a damaged one is put aside by the next "postern serve"';
  return new PosternError('POSTERN_STATE_UNREADABLE', `${path} cannot be read: ${reason}; ${way}`, { cause: error });
}

function conditionsOf(query: HistoryQuery): { readonly where: string; readonly values: readonly SQLInputValue[] } {
  const conditions: string[] = [];
  const values: SQLInputValue[] = [];
  const add = (condition: string, ...given: readonly (SQLInputValue | undefined)[]): void => {
    const present = given.filter((value) => value !== undefined);
    if (present.length < given.length) return;
    conditions.push(condition);
    values.push(...present);
  };
  const { client, recipient, sender, domain, queueId, verdict, since, until } = query;
  if (client !== undefined) {
    const [first, last] = [addressKey(client.first), addressKey(client.last)];
    const either = '(client_key BETWEEN ? AND ? OR true_client_key BETWEEN ? AND ?)';
    add(either, first, last, first, last);
  }
  add('id IN (SELECT id FROM decision_recipients WHERE address = ?)', recipient);
  add('sender = ?', sender);
  add('id IN (SELECT id FROM decision_domains WHERE domain = ?)', domain);
  add('queue_id = ?', queueId);
  add('verdict = ?', verdict);
  add('at >= ?', since);
  add('at < ?', until);
  return { where: conditions.length === 0 ? '' : `WHERE ${conditions.join(' AND ')}`, values };
}

function recordOf(row: Found): HistoryRecord {
  return {
    at: numberAt(row, 'at'),
    stage: textAt(row, 'stage'),
    queueId: textOrNull(row, 'queue_id'),
    instance: textOrNull(row, 'instance'),
    clientAddress: textAt(row, 'client_address'),
    trueClient: textOrNull(row, 'true_client'),
    saslUsername: textOrNull(row, 'sasl_username'),
    sender: textAt(row, 'sender'),
    recipients: JSON.parse(textAt(row, 'recipients')) as string[],
    domains: JSON.parse(textAt(row, 'domains')) as string[],
    verdict: textAt(row, 'verdict'),
    observed: textOrNull(row, 'observed'),
    reply: textOrNull(row, 'reply'),
    rule: textAt(row, 'rule'),
    setting: textOrNull(row, 'setting'),
    text: textAt(row, 'text'),
    revision: textAt(row, 'revision'),
  };
}

const textOrNull = (row: Found, name: string): string | null => {
  const value = row[name];
  return typeof value === 'string' ? value : null;
};
const textAt = (row: Found, name: string): string => textOrNull(row, name) ?? '';
const numberAt = (row: Found, name: string): number => Number(row[name]);
