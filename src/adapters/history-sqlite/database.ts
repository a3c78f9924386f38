/**
 * The history database as its writer has it open: decisions in, old ones out. Synchronous, so only the thread of
 * `worker.ts` may use it. A damaged file is put aside and a new one begun.
 * Source: SQLite, "Write-Ahead Logging", "PRAGMA auto_vacuum", "Result and Error Codes".
 */
import { chownSync, closeSync, mkdirSync, openSync, renameSync, rmSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { parseIpAddress } from '../../mail/index.ts';
import { COLUMNS, type DatabaseOptions, type Row } from './protocol.ts';
import { addressKey, STEPS } from './schema.ts';

/** Decisions taken out at a time: below 20 ms, so that what is to be kept does not wait long. */
const PRUNE_STEP = 1_000;
/** Hits of an entry are forgotten later than decisions: "not met for a year" is what an admin wants to see. */
const HITS_KEPT_MS = 400 * 86_400_000;
/** What SQLite leaves of the write-ahead log after it was emptied. */
const LOG_BYTES = 16 * 1024 * 1024;
const SQLITE_BUSY = 5;
const SQLITE_CORRUPT = 11;
const SQLITE_NOTADB = 26;

const INSERT = `INSERT INTO decisions (${COLUMNS.join(', ')}, recipients, domains, client_key, true_client_key)
  VALUES (${[...COLUMNS, 0, 0, 0, 0].map(() => '?').join(', ')})`;
const MEET = `INSERT INTO hits (domain, list, entry, count, last_at, last_address) VALUES (?, ?, ?, 1, ?, ?)
  ON CONFLICT DO UPDATE SET count = count + 1, last_at = max(last_at, excluded.last_at), last_address = excluded.last_address`;

const STATEMENTS = {
  insert: INSERT,
  recipient: 'INSERT OR IGNORE INTO decision_recipients (address, id) VALUES (?, ?)',
  domain: 'INSERT OR IGNORE INTO decision_domains (domain, id) VALUES (?, ?)',
  meet: MEET,
  old: `SELECT id, recipients, domains FROM decisions WHERE at < ? ORDER BY at LIMIT ${PRUNE_STEP}`,
  oldest: `SELECT id, recipients, domains FROM decisions ORDER BY id LIMIT ${PRUNE_STEP}`,
  forget: 'DELETE FROM decisions WHERE id = ?',
  forgetRecipient: 'DELETE FROM decision_recipients WHERE address = ? AND id = ?',
  forgetDomain: 'DELETE FROM decision_domains WHERE domain = ? AND id = ?',
  forgetHits: 'DELETE FROM hits WHERE last_at < ?',
  pages: 'SELECT page_count AS pages, freelist_count AS free FROM pragma_page_count, pragma_freelist_count',
} as const;

type Open = {
  readonly db: DatabaseSync;
  readonly inode: number;
  readonly run: Readonly<Record<keyof typeof STATEMENTS, StatementSync>>;
};

/** The database; opened, and made where there is none, when it is first needed. */
export class HistoryDatabase {
  readonly #options: DatabaseOptions;
  readonly #remark: (message: string, reason: string) => void;
  readonly #now: () => number;
  #opened: Open | null = null;

  constructor(
    options: DatabaseOptions,
    remark: (message: string, reason: string) => void,
    now: () => number = () => Date.now(),
  ) {
    this.#options = options;
    this.#remark = remark;
    this.#now = now;
  }

  /** Keeps all rows or none. Errors: those of SQLite and of the file system. */
  append(rows: readonly Row[]): void {
    this.#mending((open) => {
      inOneGo(open, () => {
        for (const row of rows) insert(open, row);
      });
    });
    // What was kept is kept: making room must not make it be given again.
    try {
      this.#mending((open) => {
        if (this.#isTooBig(open)) forget(open, open.run.oldest.all() as Doomed[]);
      });
    } catch (error) {
      if (!isBusy(error)) this.#remark('no room could be made in history', textOf(error));
    }
  }

  /** Takes out some of what is too old or too much, and gives room back. Whether more is to be done. Errors: as for `append`. */
  prune(): boolean {
    let isMore = false;
    this.#mending((open) => {
      const old = open.run.old.all(this.#now() - this.#options.retentionMs) as Doomed[];
      if (old.length > 0) forget(open, old);
      else open.run.forgetHits.run(this.#now() - HITS_KEPT_MS);
      if (this.#isTooBig(open)) forget(open, open.run.oldest.all() as Doomed[]);
      const { pages, free } = pagesOf(open);
      // A quarter is kept for what comes next: to give pages back and to take them again costs twice.
      const isRoomy = free > pages / 4;
      if (isRoomy) open.db.exec(`PRAGMA incremental_vacuum(${PRUNE_STEP})`);
      isMore = old.length === PRUNE_STEP || isRoomy || this.#isTooBig(open);
    });
    return isMore;
  }

  /** Ends; the write-ahead log goes into the database. */
  close(): void {
    this.#opened?.db.close();
    this.#opened = null;
  }

  #isTooBig(open: Open): boolean {
    const { pages, free, size } = pagesOf(open);
    return (pages - free) * size > this.#options.maxBytes;
  }

  /** Does `work`, once more with a new database where the file turns out to be damaged. */
  #mending(work: (open: Open) => void): void {
    try {
      work(this.#open());
    } catch (error) {
      if (isBusy(error)) throw error;
      if (!isDamage(error)) {
        this.#settle();
        throw error;
      }
      this.#putAside(textOf(error));
      work(this.#open());
    }
  }

  #open(): Open {
    const { path, busyTimeoutMs } = this.#options;
    // A file that somebody removed or replaced would take decisions that nobody ever sees.
    if (this.#opened !== null && this.#opened.inode !== inodeOf(path)) this.close();
    if (this.#opened !== null) return this.#opened;
    makePrivateFile(path);
    const db = new DatabaseSync(path, { timeout: busyTimeoutMs });
    try {
      // In this order: the kind of vacuum can be chosen only before there is anything.
      db.exec('PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL');
      db.exec(`PRAGMA synchronous = NORMAL; PRAGMA journal_size_limit = ${LOG_BYTES}; PRAGMA temp_store = MEMORY`);
      bringUpToDate(db, path);
      const entries = Object.entries(STATEMENTS).map(([name, sql]) => [name, db.prepare(sql)]);
      this.#opened = { db, inode: inodeOf(path), run: Object.fromEntries(entries) as Open['run'] };
      return this.#opened;
    } catch (error) {
      db.close();
      throw error;
    }
  }

  /**
   * After a fault, such as a full disk: the write-ahead log goes into the database, since it may be what fills the disk,
   * and the next attempt opens afresh.
   */
  #settle(): void {
    const db = this.#opened?.db;
    this.#opened = null;
    if (db === undefined) return;
    try {
      db.exec('PRAGMA wal_checkpoint(TRUNCATE)');
    } catch (error) {
      // On a disk that is still full this is the same fault again, which is told already.
      if (isDamage(error)) this.#remark('history is damaged', textOf(error));
    }
    db.close();
  }

  /** One damaged database is kept, the last: several could fill the disk. */
  #putAside(reason: string): void {
    const { path } = this.#options;
    try {
      this.close();
    } catch (error) {
      this.#remark('the damaged history could not be closed', textOf(error));
      this.#opened = null;
    }
    for (const end of ['', '-wal']) {
      rmSync(`${path}.damaged${end}`, { force: true });
      if (inodeOf(`${path}${end}`) !== 0) renameSync(`${path}${end}`, `${path}.damaged${end}`);
    }
    rmSync(`${path}-shm`, { force: true });
    this.#remark(`history was damaged; it is now ${path}.damaged, and a new one is begun`, reason);
  }
}

type Doomed = { readonly id: number; readonly recipients: string; readonly domains: string };

function insert({ run }: Open, [columns, recipients, domains, hits]: Row): void {
  const at = columns[0] as number;
  const { lastInsertRowid: id } = run.insert.run(
    ...columns,
    JSON.stringify(recipients),
    JSON.stringify(domains),
    keyOf(columns[COLUMNS.indexOf('client_address')]),
    keyOf(columns[COLUMNS.indexOf('true_client')]),
  );
  for (const address of recipients) run.recipient.run(address, id);
  for (const domain of domains) run.domain.run(domain, id);
  for (const [domain, list, entry, address] of hits) run.meet.run(domain, list, entry, at, address);
}

function keyOf(text: string | number | null | undefined): Uint8Array | null {
  const address = typeof text === 'string' ? parseIpAddress(text) : null;
  return address === null ? null : addressKey(address);
}

function forget(open: Open, doomed: readonly Doomed[]): void {
  inOneGo(open, () => {
    for (const { id, recipients, domains } of doomed) {
      for (const address of JSON.parse(recipients) as string[]) open.run.forgetRecipient.run(address, id);
      for (const domain of JSON.parse(domains) as string[]) open.run.forgetDomain.run(domain, id);
      open.run.forget.run(id);
    }
  });
}

function inOneGo({ db }: Open, work: () => void): void {
  db.exec('BEGIN IMMEDIATE');
  try {
    work();
    db.exec('COMMIT');
  } catch (error) {
    // A full disk makes SQLite roll back by itself.
    if (db.isTransaction) db.exec('ROLLBACK');
    throw error;
  }
}

function pagesOf({ db, run }: Open): { readonly pages: number; readonly free: number; readonly size: number } {
  const { pages, free } = run.pages.get() as { readonly pages: number; readonly free: number };
  const { page_size: size } = db.prepare('PRAGMA page_size').get() as { readonly page_size: number };
  return { pages, free, size };
}

function bringUpToDate(db: DatabaseSync, path: string): void {
  const { user_version: version } = db.prepare('PRAGMA user_version').get() as { readonly user_version: number };
  if (version > STEPS.length) {
    throw new Error(`${path} is of a later version of Postern; start that one, or move the file away`);
  }
  STEPS.slice(version).forEach((step, index) => {
    db.exec(`BEGIN IMMEDIATE; ${step}; PRAGMA user_version = ${version + index + 1}; COMMIT`);
  });
}

/** SQLite gives the mode and, to root, the owner of this file to what it puts beside it. */
function makePrivateFile(path: string): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  if (inodeOf(path) !== 0) return;
  closeSync(openSync(path, 'a', 0o600));
  if (process.getuid?.() !== 0) return;
  const { uid, gid } = statSync(dirname(path));
  chownSync(path, uid, gid);
}

/** The number of the file; 0 where there is none. */
const inodeOf = (path: string): number => statSync(path, { throwIfNoEntry: false })?.ino ?? 0;

/** Whether somebody else holds the lock. */
export const isBusy = (error: unknown): boolean => codeOf(error) === SQLITE_BUSY;

const isDamage = (error: unknown): boolean => [SQLITE_CORRUPT, SQLITE_NOTADB].includes(codeOf(error));

/** The primary result code; -1 where the error is not of SQLite. */
function codeOf(error: unknown): number {
  const { errcode } = error as { readonly errcode?: number };
  return errcode === undefined ? -1 : errcode & 0xff;
}

const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
