/**
 * The running snapshot: loaded at start, swapped by one assignment when the settings change, kept when they break.
 * A start with broken or unreadable settings goes on from the last good ones, and says so.
 */
import type { Snapshot } from '../snapshot/index.ts';
import { PosternError } from './errors.ts';
import { formatIssue, type Surroundings } from './load-settings.ts';
import type { Clock, Log, Meters } from './ports.ts';
import { describeErrors, MAX_NAMED_ISSUES, type LoadReport, type SettingsLoader } from './settings-loader.ts';

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
  /** Says that the settings seem to be changing, so that a reload may follow. */
  expectChange(): void;
  problems(): readonly Problem[];
  /** The files to watch beside the settings: list files by the names that the settings give them. */
  listFiles(): readonly string[];
};

/** Ports and what surrounds the settings. */
export type SnapshotsOptions = {
  readonly loader: SettingsLoader;
  readonly surroundings: Surroundings;
  readonly clock: Clock;
  readonly log: Log;
  readonly meters: Meters;
};

const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

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
    const good = await this.#options.loader.loadLastGood(this.#surroundings).catch((error: unknown) => {
      throw refuse(`The last good settings cannot be used: ${textOf(error)}`, error);
    });
    if (good === null) throw refuse('There are no last good settings to start from.');
    const { snapshot, savedAt } = good;
    if (snapshot === null) throw refuse(`The last good settings cannot be used:\n${describeErrors(good)}`);
    this.#swap(snapshot);
    const saved_at = new Date(savedAt).toISOString();
    this.#options.log.error('started from the last good settings', { saved_at, revision: snapshot.revision });
    this.#publishState();
  }

  reload(surroundings?: Surroundings): Promise<void> {
    // One after the other: two loads at once could end in the wrong order.
    this.#reloading = this.#reloading.then(async () => {
      if (surroundings !== undefined) this.#surroundings = surroundings;
      await this.#load();
    });
    return this.#reloading;
  }

  expectChange(): void {
    this.#options.loader.prepare();
  }

  /** Loads and swaps; on any fault remembers it as the problem and leaves alone what runs. */
  async #load(): Promise<void> {
    const { log, loader } = this.#options;
    let isAccepted = false;
    try {
      const { report, kept } = await loader.load(this.#surroundings);
      // A list file that is broken now is watched all the same: it must be noticed when it is mended.
      this.#watched = report.listFiles ?? this.#watched;
      this.#logIssues(report);
      const errors = describeErrors(report);
      this.#settingsProblem = errors === '' ? null : { code: 'POSTERN_SETTINGS_INVALID', text: errors };
      isAccepted = report.snapshot !== null;
      if (report.snapshot !== null) await this.#accept(report.snapshot, kept);
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

  async #accept(snapshot: Snapshot, kept: Promise<string | null>): Promise<void> {
    const previous = this.#current;
    this.#swap(snapshot);
    if (previous?.revision !== snapshot.revision) {
      this.#options.log.info('change', {
        revision: snapshot.revision,
        ...(previous !== null && { previous: previous.revision }),
        own_domains: snapshot.domains.size,
      });
    }
    const fault = await kept;
    this.#stateProblem = null;
    if (fault === null) return;
    const text = `the last good settings cannot be saved: ${fault}`;
    this.#options.log.error(text, { code: 'POSTERN_STATE_UNWRITABLE' });
    this.#stateProblem = { code: 'POSTERN_STATE_UNWRITABLE', text };
  }

  #swap(snapshot: Snapshot): void {
    if (this.#current?.revision !== snapshot.revision) this.#liveSince = this.#options.clock.now();
    this.#current = snapshot;
  }

  /** Errors first: warnings must not push them out. */
  #logIssues({ errors, warnings, remarks }: LoadReport): void {
    const { log } = this.#options;
    const named = [...errors.named, ...warnings.named].slice(0, MAX_NAMED_ISSUES);
    for (const issue of named) {
      const level = issue.severity === 'error' ? 'error' : 'warn';
      log[level](formatIssue(issue), { ...(issue.pointer !== undefined && { setting: issue.pointer }) });
    }
    const more = errors.count + warnings.count - named.length;
    if (more > 0) log.warn(`and ${more} more; "postern check" names them all`);
    for (const remark of remarks) log.warn(remark);
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
