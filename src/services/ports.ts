/** What the services need of the outside world. Adapters implement these; nothing here does anything. */
import type { RuleId, Stage } from '../decide/index.ts';

/** The doors that Postern listens at. */
export type Door = 'policy' | 'milter' | 'socketmap' | 'admin' | 'metrics';

/** Milliseconds since 1970. */
export type Clock = { now(): number };

/** Structured log. `fields` use the spelling of Postfix attributes (`queue_id`, `client_address`). */
export type Log = {
  debug(message: string, fields?: Readonly<Record<string, unknown>>): void;
  info(message: string, fields?: Readonly<Record<string, unknown>>): void;
  warn(message: string, fields?: Readonly<Record<string, unknown>>): void;
  error(message: string, fields?: Readonly<Record<string, unknown>>): void;
};

/** The labels of one counted decision. `domain` is an own domain or null; the adapter bounds how many it keeps. */
export type DecisionLabels = {
  readonly stage: Stage;
  readonly verdict: 'pass' | 'reject' | 'defer';
  readonly rule: RuleId;
  readonly enforcement: 'enforce' | 'observe';
  readonly domain: string | null;
};

/** What the running snapshot looks like from outside. */
export type SnapshotState = {
  /** The revision as a number: its hexadecimal digits. */
  readonly revisionNumber: number;
  /** When the snapshot became live, in milliseconds since 1970. */
  readonly liveSince: number;
  readonly ownDomains: number;
  /** Whether the settings as they stand now are the ones that act. */
  readonly settingsValid: boolean;
  /** Whether the settings could be read at all. */
  readonly storeUp: boolean;
};

/** Counters, histograms and gauges. */
export type Meters = {
  countDecision(labels: DecisionLabels): void;
  /** One answered request, with the time from its last octet to the answer, in seconds. */
  observeAnswer(door: Door, seconds: number): void;
  connectionOpened(door: Door): void;
  connectionClosed(door: Door): void;
  countConnectionRefused(door: Door): void;
  countProtocolFault(door: Door): void;
  countSocketmapAnswer(map: string, status: string): void;
  setSnapshot(state: SnapshotState): void;
};

/** A place in a text file, both from 1. */
export type Place = { readonly line: number; readonly column: number };

/** A parsed settings text that still knows where everything stands. */
export type SettingsText = {
  /** How messages name it, such as `settings.yaml`. */
  readonly name: string;
  readonly text: string;
  readonly raw: unknown;
  readonly syntaxIssues: readonly (Place & { readonly message: string })[];
  /** The place of a JSON pointer: of its value, or of its key; of the nearest parent where there is no such value. */
  locate(pointer: string, atKey: boolean): Place;
};

/** Where settings come from. Errors: PosternError with POSTERN_SETTINGS_UNREADABLE. */
export type SettingsStore = {
  read(): Promise<SettingsText>;
  /** The text of a list file that the settings name. */
  readList(file: string): Promise<string>;
};

/** Settings with everything they name, as they were when they last were good. */
export type GoodSettings = { readonly settings: string; readonly lists: ReadonlyMap<string, string> };

/** Keeps the last good settings for a start with broken ones. */
export type LastGood = {
  save(good: GoodSettings): Promise<void>;
  /** Null where nothing was saved yet. Errors: PosternError where what was saved cannot be used. */
  load(): Promise<{ readonly store: SettingsStore; readonly savedAt: number } | null>;
};
