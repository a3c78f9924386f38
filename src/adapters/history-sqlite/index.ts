/** The face of history in SQLite: written by `serve`, read by commands. */
export { openHistory } from './history-reader.ts';
export { createHistoryStore, HISTORY_KEPT } from './history-store.ts';
