/** History in a directory of a test, written and read as `serve` and the commands do. */
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { onTestFinished } from 'vitest';
import { createHistoryStore, HISTORY_KEPT, openHistory } from '../../../src/adapters/history-sqlite/index.ts';
import type { HistoryQuery, HistoryRecord, HistoryStore } from '../../../src/services/index.ts';
import { FakeLog } from '../../support/fake-log.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

export type HistoryGround = {
  readonly state: string;
  readonly path: string;
  readonly log: FakeLog;
  readonly store: HistoryStore;
  /** Searches as a command does, with a connection of its own. */
  readonly search: (query?: Partial<HistoryQuery>) => Promise<readonly HistoryRecord[]>;
  /** A second connection that may write; closed when the test ends. */
  readonly open: () => DatabaseSync;
};

/** `state` is a directory below a temporary one unless given; decisions are kept for ever unless `kept` says otherwise. */
export async function historyGround(kept: Partial<typeof HISTORY_KEPT> = {}, given?: string): Promise<HistoryGround> {
  const state = given ?? join(await temporaryDirectory(), 'state');
  const path = join(state, 'history.db');
  const log = new FakeLog();
  const store = createHistoryStore(state, log, { retentionMs: Number.MAX_SAFE_INTEGER, ...kept });
  onTestFinished(() => store.stop());
  return {
    state,
    path,
    log,
    store,
    async search(query = {}) {
      const reader = openHistory(state);
      try {
        return await reader.search({ limit: 1_000_000, ...query });
      } finally {
        reader.close();
      }
    },
    open() {
      const db = new DatabaseSync(path);
      onTestFinished(() => {
        if (db.isOpen) db.close();
      });
      return db;
    },
  };
}

/** The value that `share` of the values do not exceed; 1 gives the greatest. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN;
}

/** How late the event loop of this thread was, each time, in milliseconds. */
export function watchLoop(): readonly number[] {
  const late: number[] = [];
  let last = performance.now();
  const timer = setInterval(() => {
    const now = performance.now();
    late.push(now - last - 5);
    last = now;
  }, 5);
  onTestFinished(() => {
    clearInterval(timer);
  });
  return late;
}
