/**
 * History in a SQLite database, written by a thread of its own. Whatever the disk does, nothing here takes long: an
 * append that cannot be done yet is a promise that waits, and only a few may.
 * Source: node:worker_threads.
 */
import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { HistoryAddition, HistoryStore, Log } from '../../services/index.ts';
import { encodeRows, type DatabaseOptions, type Report, type Request } from './protocol.ts';
import { historyFileOf } from './schema.ts';

/** How history is kept. Thirty days, and 1 GiB: about two million decisions. */
export const HISTORY_KEPT: Omit<DatabaseOptions, 'path'> = {
  retentionMs: 30 * 86_400_000,
  maxBytes: 1024 * 1024 * 1024,
  busyTimeoutMs: 250,
};

/** How many appends may wait for the thread. */
const MOST_WAITING = 4;
const STOP_MS = 2_000;

/** The program of the thread, beside this file both in the sources and in the package. */
const PROGRAM = new URL(`./worker${extname(import.meta.url)}`, import.meta.url);

/** Opens history below `stateDirectory`; the thread and the file begin with the first append. */
export function createHistoryStore(
  stateDirectory: string,
  log: Log,
  kept: Partial<typeof HISTORY_KEPT> = {},
): HistoryStore {
  return new HistoryThread({ path: historyFileOf(stateDirectory), ...HISTORY_KEPT, ...kept }, log);
}

type Waiting = { readonly resolve: () => void; readonly reject: (error: Error) => void };

class HistoryThread implements HistoryStore {
  readonly #options: DatabaseOptions;
  readonly #log: Log;
  readonly #waiting = new Map<number, Waiting>();
  #worker: Worker | null = null;
  #lastId = 0;
  #isStopped = false;

  constructor(options: DatabaseOptions, log: Log) {
    this.#options = options;
    this.#log = log;
  }

  append(additions: readonly HistoryAddition[]): Promise<void> {
    if (this.#isStopped) return Promise.reject(new Error('history has ended'));
    if (this.#waiting.size >= MOST_WAITING) return Promise.reject(new Error('the disk does not keep up'));
    const id = (this.#lastId += 1);
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#worker ??= this.#start();
      // A process must not end before what it wants to keep is kept, nor stay for a thread with nothing to do.
      this.#worker.ref();
      this.#send({ kind: 'append', id, rows: encodeRows(additions) });
    });
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    const worker = this.#worker;
    if (worker === null) return;
    worker.ref();
    const isDone = await new Promise<boolean>((resolve) => {
      const timer = setTimeout(resolve, STOP_MS, false);
      worker.once('exit', () => {
        clearTimeout(timer);
        resolve(true);
      });
      this.#send({ kind: 'stop' });
    });
    if (isDone) return;
    this.#log.warn('history did not end in time; the write-ahead log keeps what was written', { ms: STOP_MS });
    this.#worker = null;
    this.#rejectAll('history has ended');
    // Not waited for: a thread inside a dead disk ends only with the process.
    worker.unref();
    void worker.terminate();
  }

  #send(request: Request): void {
    this.#worker?.postMessage(request);
  }

  #start(): Worker {
    const worker = new Worker(PROGRAM, { workerData: this.#options, execArgv: [] });
    worker.on('message', (report: Report) => {
      if (report.kind === 'appended') this.#settle(report.id, report.fault);
      else if (report.kind === 'remark') this.#log.error(report.message, { reason: report.reason });
    });
    worker.on('error', (error: Error) => {
      this.#log.error('the thread that writes history failed, and begins anew', { reason: error.message });
    });
    worker.on('exit', () => {
      if (this.#worker !== worker) return;
      this.#worker = null;
      this.#rejectAll('the thread that writes history has ended');
    });
    return worker;
  }

  #settle(id: number, fault: string | null): void {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (this.#waiting.size === 0 && !this.#isStopped) this.#worker?.unref();
    if (fault === null) waiting?.resolve();
    else waiting?.reject(new Error(fault));
  }

  #rejectAll(reason: string): void {
    for (const { reject } of this.#waiting.values()) reject(new Error(reason));
    this.#waiting.clear();
  }
}
