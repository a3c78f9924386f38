/**
 * The running snapshot: loaded at start, swapped by one assignment when the settings change, kept when they break.
 * A start with broken or unreadable settings goes on from the last good ones, and says so.
 */
import type { Snapshot } from '../snapshot/index.ts';
import { PosternError } from './errors.ts';
import { formatIssue, loadSettings, type Loaded, type LocatedIssue, type Surroundings } from './load-settings.ts';
import type { Clock, LastGood, Log, Meters, SettingsStore } from './ports.ts';

/** Why the settings as they stand are not the ones that act. */
export type Problem = { readonly code: string; readonly text: string };

/** The running snapshot and its state. */
export type Snapshots = {
  /** The snapshot that acts. Errors: throws before `start` has succeeded. */
  current(): Snapshot;
  /** Loads for the first time. Errors: PosternError where there is nothing good to run with. */
  start(): Promise<void>;
  /** Looks at the settings again; the running snapshot stays where they are not good. Never throws. */
  reload(surroundings?: Surroundings): Promise<void>;
  problems(): readonly Problem[];
  /** The files to watch beside the settings: list files by the names that the settings give them. */
  listFiles(): readonly string[];
};

/** Ports and what surrounds the settings. */
export type SnapshotsOptions = {
  readonly store: SettingsStore;
  readonly lastGood: LastGood;
  readonly surroundings: Surroundings;
  readonly clock: Clock;
  readonly log: Log;
  readonly meters: Meters;
};

/** How many faults of one load are named, in the log and in a problem. */
const MAX_NAMED_ISSUES = 20;

const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** The errors as lines of text, the first of them. */
function describeErrors(issues: readonly LocatedIssue[]): string {
  const errors = issues.filter((issue) => issue.severity === 'error').map(formatIssue);
  const more = errors.length - MAX_NAMED_ISSUES;
  return [...errors.slice(0, MAX_NAMED_ISSUES), ...(more > 0 ? [`and ${more} more`] : [])].join('\n');
}

/** Makes the holder of the running snapshot. */
export function createSnapshots(options: SnapshotsOptions): Snapshots {
  return new SnapshotHolder(options);
}

class SnapshotHolder implements Snapshots {
  readonly #options: SnapshotsOptions;
  #surroundings: Surroundings;
  #current: Snapshot | null = null;
  #liveSince = 0;
  #watched: readonly string[] = [];
  /** What is wrong with the settings as they stand, and with keeping the last good ones: apart, they heal apart. */
  #settingsProblem: Problem | null = null;
  #stateProblem: Problem | null = null;
  #reloading: Promise<void> = Promise.resolve();

  constructor(options: SnapshotsOptions) {
    this.#options = options;
    this.#surroundings = options.surroundings;
  }

  current(): Snapshot {
    if (this.#current === null) throw new Error('no snapshot yet: start() has not succeeded');
    return this.#current;
  }

  problems(): readonly Problem[] {
    return [this.#settingsProblem, this.#stateProblem].filter((problem) => problem !== null);
  }

  listFiles(): readonly string[] {
    return this.#watched;
  }

  async start(): Promise<void> {
    await this.#load();
    if (this.#current !== null) return;
    const problem = this.#settingsProblem;
    const code = problem?.code === 'POSTERN_SETTINGS_UNREADABLE' ? problem.code : 'POSTERN_SETTINGS_INVALID';
    const refuse = (why: string, cause?: unknown): PosternError =>
      new PosternError(code, `${problem?.text ?? ''}\n${why}`, { cause });
    const good = await this.#loadLastGood().catch((error: unknown) => {
      throw refuse(`The last good settings cannot be used: ${textOf(error)}`, error);
    });
    if (good === null) throw refuse('There are no last good settings to start from.');
    const { snapshot, issues, savedAt } = good;
    if (snapshot === null) throw refuse(`The last good settings cannot be used:\n${describeErrors(issues)}`);
    this.#swap(snapshot);
    const saved_at = new Date(savedAt).toISOString();
    this.#options.log.error('started from the last good settings', { saved_at, revision: snapshot.revision });
    this.#publishState();
  }

  async #loadLastGood(): Promise<(Loaded & { readonly savedAt: number }) | null> {
    const good = await this.#options.lastGood.load();
    return good && { ...(await loadSettings(good.store, this.#surroundings)), savedAt: good.savedAt };
  }

  reload(surroundings?: Surroundings): Promise<void> {
    // One after the other: two loads at once could end in the wrong order.
    this.#reloading = this.#reloading.then(async () => {
      if (surroundings !== undefined) this.#surroundings = surroundings;
      await this.#load();
    });
    return this.#reloading;
  }

  /** Loads and swaps; on any fault remembers it as the problem and leaves alone what runs. */
  async #load(): Promise<void> {
    const { log, store } = this.#options;
    let isAccepted = false;
    try {
      const loaded = await loadSettings(store, this.#surroundings, (file) => this.#lastList(file));
      // A list file that is broken now is watched all the same: it must be noticed when it is mended.
      this.#watched = loaded.listFiles ?? this.#watched;
      this.#logIssues(loaded.issues);
      const errors = describeErrors(loaded.issues);
      this.#settingsProblem = errors === '' ? null : { code: 'POSTERN_SETTINGS_INVALID', text: errors };
      isAccepted = loaded.snapshot !== null;
      if (loaded.snapshot !== null) await this.#accept(loaded, loaded.snapshot);
    } catch (error) {
      const code = error instanceof PosternError ? error.code : 'POSTERN_SETTINGS_UNREADABLE';
      log.error('the settings cannot be loaded', { code, err: error });
      this.#settingsProblem = { code, text: textOf(error) };
    }
    if (this.#settingsProblem !== null && this.#current !== null) {
      const what = isAccepted
        ? 'a list file is not good, its last good content stays'
        : 'the settings are not good, the running ones stay';
      log.error(what, { code: this.#settingsProblem.code, revision: this.#current.revision });
    }
    this.#publishState();
  }

  /** Kept on disk, not in memory: such a list may hold a million entries. */
  async #lastList(file: string): Promise<string | null> {
    try {
      return (await (await this.#options.lastGood.load())?.store.readList(file)) ?? null;
    } catch (error) {
      this.#options.log.warn(`there is no last good content of ${file}`, { err: error });
      return null;
    }
  }

  async #accept(loaded: Loaded, snapshot: Snapshot): Promise<void> {
    const previous = this.#current;
    this.#swap(snapshot);
    if (previous?.revision !== snapshot.revision) {
      this.#options.log.info('change', {
        revision: snapshot.revision,
        ...(previous !== null && { previous: previous.revision }),
        own_domains: snapshot.domains.size,
      });
    }
    try {
      await this.#options.lastGood.save({ settings: loaded.text.text, lists: loaded.lists });
      this.#stateProblem = null;
    } catch (error) {
      // The answers do not need it; only the next start with broken settings would.
      const text = `the last good settings cannot be saved: ${textOf(error)}`;
      this.#options.log.error(text, { code: 'POSTERN_STATE_UNWRITABLE', err: error });
      this.#stateProblem = { code: 'POSTERN_STATE_UNWRITABLE', text };
    }
  }

  #swap(snapshot: Snapshot): void {
    if (this.#current?.revision !== snapshot.revision) this.#liveSince = this.#options.clock.now();
    this.#current = snapshot;
  }

  /** Errors first: warnings must not push them out. */
  #logIssues(issues: readonly LocatedIssue[]): void {
    const { log } = this.#options;
    const errors = issues.filter(({ severity }) => severity === 'error');
    const warnings = issues.filter(({ severity }) => severity === 'warning');
    for (const issue of [...errors, ...warnings].slice(0, MAX_NAMED_ISSUES)) {
      const level = issue.severity === 'error' ? 'error' : 'warn';
      log[level](formatIssue(issue), { ...(issue.pointer !== undefined && { setting: issue.pointer }) });
    }
    const more = issues.length - MAX_NAMED_ISSUES;
    if (more > 0) log.warn(`and ${more} more; "postern check" names them all`);
  }

  #publishState(): void {
    if (this.#current === null) return;
    this.#options.meters.setSnapshot({
      revisionNumber: Number.parseInt(this.#current.revision, 16),
      liveSince: this.#liveSince,
      ownDomains: this.#current.domains.size,
      settingsValid: this.#settingsProblem === null,
      storeUp: this.#settingsProblem?.code !== 'POSTERN_SETTINGS_UNREADABLE',
    });
  }
}
