/** What the event loop and the thread that loads settings say to each other. Nothing here does anything. */
import type { MessagePort } from 'node:worker_threads';
import type { ErrorCode, LoadReport, Surroundings } from '../../services/index.ts';
import type { SnapshotFrame } from './snapshot-pieces.ts';

/** The files that the thread reads and keeps: the settings with the name that messages call them by, and the state directory. */
export type SettingsFiles = { readonly settings: string; readonly name: string; readonly state: string };

/** One load. `known` are the pieces that need not be sent; the others go through `pieces`, before the report. */
export type LoadRequest = {
  readonly what: 'settings' | 'last-good';
  readonly surroundings: Surroundings;
  readonly known: readonly string[];
  readonly pieces: MessagePort;
};

/** A report whose snapshot lies in pieces. `savedAt` belongs to last good settings; 0 for others. */
export type FramedReport = Omit<LoadReport, 'snapshot'> & {
  readonly snapshot: SnapshotFrame | null;
  readonly pieceCount: number;
  readonly savedAt: number;
};

/** The answers to a request: the first of these that is not `kept`, and after a report of the settings one `kept`. */
export type LoadAnswer =
  | { readonly kind: 'report'; readonly report: FramedReport }
  | { readonly kind: 'nothing-saved' }
  /** `code` is null where the thread itself failed. */
  | { readonly kind: 'failed'; readonly code: ErrorCode | null; readonly message: string }
  | { readonly kind: 'kept'; readonly fault: string | null };
