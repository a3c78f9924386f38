/** What the map writer is told at its making. Nothing here does anything. */
import type { Clock, Log, MapsState, TableType } from '../../services/index.ts';

/** `maps.type` of the operator's file. */
export type MapTypeSetting = 'auto' | TableType;

/** All in milliseconds. */
export type MapWriterTiming = {
  /** From the start of one writing to the start of the next, at least. */
  readonly gatherMs: number;
  /** From one reload of Postfix to the next, at least. */
  readonly reloadEveryMs: number;
  /** How long a running Postfix may go on with an indexed table that was replaced. */
  readonly noticeMs: number;
  /** How long it may go on with any table after a reload. */
  readonly afterReloadMs: number;
  /** When a failed writing is tried again, and how often a stopped Postfix is looked at. */
  readonly retryMs: number;
};

/** What a map writer needs. */
export type MapWriterOptions = {
  /** Absolute. Made where there is none; an empty one is taken. */
  readonly directory: string;
  readonly type: MapTypeSetting;
  readonly postfix: {
    readonly configDirectory: string;
    readonly queueDirectory: string;
    readonly defaultDatabaseType: string;
    /** What `postconf -m` prints; see readMapTypes(). */
    readonly mapTypes: readonly string[];
  };
  readonly log: Log;
  readonly clock: Clock;
  /** Told of every change of state. */
  readonly onState?: (state: MapsState) => void;
  readonly timing?: Partial<MapWriterTiming>;
};
