/** What the map writer is asked, and what it says of itself. Nothing here does anything. */
import type { Clock, Log } from '../../services/index.ts';

/** The table types that hold an indexed map. */
export type TableType = 'lmdb' | 'cdb' | 'hash' | 'texthash';

/** `maps.type` of the operator's file. */
export type MapTypeSetting = 'auto' | TableType;

/** One line of a map. */
export type MapEntry = { readonly key: string; readonly value: string };

/** A whole map as it shall be. No entries: a valid empty table. */
export type MapFile = {
  /** The name of the file without suffix: small letters, digits and hyphens, at most 64. */
  readonly name: string;
  readonly kind: 'indexed' | 'regexp';
  /** Indexed: key and value. Regexp: pattern without delimiters, and result, in the order in which they are tried. */
  readonly entries: readonly MapEntry[];
  /** Regexp only: a text to look up, and what the table must answer; one a line proves every line. */
  readonly samples?: readonly MapEntry[];
};

/** How a map stands after a publication. */
export type MapOutcome = {
  readonly name: string;
  /** As main.cf names it: `lmdb:/var/lib/postern/maps/transport`. */
  readonly table: string;
  /** `unchanged`: nothing was written and Postfix answers with it. `failed`: the old table stays. */
  readonly status: 'unchanged' | 'live' | 'saved-not-yet-live' | 'failed';
  /** Why it is not live, or failed; null where it is live. */
  readonly reason: string | null;
};

/** The outcome of every map of a publication, in the order given. */
export type PublishResult = { readonly maps: readonly MapOutcome[] };

/** How a map stands now. */
export type MapState = {
  readonly name: string;
  readonly table: string;
  readonly state: 'live' | 'saved-not-yet-live' | 'failed';
  /** Milliseconds since 1970. */
  readonly since: number;
  readonly reason: string | null;
};

/** How all maps stand, for metrics and the readiness answer. */
export type MapsState = {
  readonly directory: string;
  readonly type: TableType;
  readonly maps: readonly MapState[];
  /** Whether Postfix answers with every map as it was last published. False before the first publication. */
  readonly isLive: boolean;
};

/** Writes maps. A port of the services: nothing in it names Postfix's commands. */
export type MapWriter = {
  readonly type: TableType;
  /**
   * Makes the maps as given. A call during another one waits, and of several waiting ones only the last is written: they
   * all get its result. A map that is not named stays as it is. Never throws: what fails is said per map.
   */
  publish(maps: readonly MapFile[]): Promise<PublishResult>;
  state(): MapsState;
  /** How main.cf names a map, whether or not it is there yet. */
  table(name: string, kind: MapFile['kind']): string;
  /** Writes what is waiting, then ends: no look-up and no reload of Postfix after it. */
  stop(): Promise<void>;
};

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
