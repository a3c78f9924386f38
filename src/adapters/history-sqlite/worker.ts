/**
 * The thread that writes history: SQLite answers only when the disk has, and no decision may wait for that.
 * Source: node:worker_threads, node:sqlite.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { HistoryDatabase, isBusy } from './database.ts';
import { decodeRows, type DatabaseOptions, type Report, type Request } from './protocol.ts';

const PRUNE_EVERY_MS = 60_000;
/** Between two steps of pruning: what is to be kept comes first. */
const PRUNE_PAUSE_MS = 50;

const tell = (report: Report): void => parentPort?.postMessage(report);
const remark = (message: string, reason: string): void => {
  tell({ kind: 'remark', message, reason });
};
const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

const database = new HistoryDatabase(workerData as DatabaseOptions, remark);
let timer = setTimeout(prune, PRUNE_PAUSE_MS);

function prune(): void {
  let isMore = false;
  try {
    isMore = database.prune();
  } catch (error) {
    // A lock passes.
    if (!isBusy(error)) remark('history could not be pruned, it is tried again', textOf(error));
  }
  timer = setTimeout(prune, isMore ? PRUNE_PAUSE_MS : PRUNE_EVERY_MS);
}

function append(id: number, rows: string): void {
  let fault: string | null = null;
  try {
    database.append(decodeRows(rows));
  } catch (error) {
    fault = textOf(error);
  }
  tell({ kind: 'appended', id, fault });
}

function stop(): void {
  clearTimeout(timer);
  try {
    database.close();
  } catch (error) {
    remark('history could not be closed', textOf(error));
  }
  tell({ kind: 'stopped' });
  parentPort?.close();
}

parentPort?.on('message', (request: Request) => {
  if (request.kind === 'append') append(request.id, request.rows);
  else stop();
});
