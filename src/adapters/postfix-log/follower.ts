/**
 * Follows Postfix's log: tells every line that is written from now on, or since the last run, once. Heeds that the file
 * is renamed, cut, replaced, not there for a while, or not readable. A line may be told again after a run that was
 * killed: the place is kept every ten seconds and at the end.
 * Looks four times a second, for there may be no events: they are lost on some file systems and in containers.
 * Source: logrotate(8) create and copytruncate; Postfix postlogd(8), `postfix logrotate`.
 */
import { readdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Log } from '../../services/index.ts';
import { reasonOf } from '../files/index.ts';
import type { FoundLog } from './find-log.ts';
import { lookAt, OpenLog } from './open-log.ts';
import { loadPosition, savePosition, type Position } from './position.ts';

/** What it works with. */
export type FollowerOptions = {
  /** Asked until there is a file, once a minute. */
  readonly find: () => Promise<FoundLog>;
  /** Where the place is kept. */
  readonly positionFile: string;
  /** Whether anybody wants the lines; the file is opened when it is true first. */
  readonly isWanted: () => boolean;
  /** One line without its end. Must not throw. */
  readonly onLine: (line: string) => void;
  readonly onState: (isRead: boolean) => void;
  readonly log: Log;
  readonly limits?: Partial<typeof LIMITS>;
};

/** A log that is followed. */
export type FollowedLog = {
  /** Reads what is there by now, keeps the place, and ends. Never rejects. */
  stop(): Promise<void>;
};

const LIMITS = {
  lookMs: 250,
  findMs: 60_000,
  saveMs: 10_000,
  /** For so long a file may be away before it is said. */
  absentMs: 60_000,
  /** Readings of 64 KiB in a row, before others have their turn. */
  readings: 16,
};
/** Files beside the log that are looked at for the one that was read before. */
const MOST_SIBLINGS = 200;

/** Begins to follow. */
export function followLog(options: FollowerOptions): FollowedLog {
  return new Follower(options);
}

class Follower implements FollowedLog {
  readonly #options: FollowerOptions;
  readonly #limits: typeof LIMITS;
  #path: string | null = null;
  #log: OpenLog | null = null;
  /** Whether there was no file at a look: one that comes then is new. */
  #isKnownNew = false;
  #isFirst = true;
  #saved: Position | null = null;
  #savedAt = performance.now();
  #findAt = 0;
  #absentSince: number | null = null;
  /** Whether the log's last word is that it is read; null before any word. */
  #isRead: boolean | null = null;
  #isSaidUnsaved = false;
  #timer: NodeJS.Timeout | null = null;
  #looking: Promise<void> = Promise.resolve();
  #isStopped = false;

  constructor(options: FollowerOptions) {
    this.#options = options;
    this.#limits = { ...LIMITS, ...options.limits };
    this.#schedule(0);
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    await this.#looking;
    if (this.#log === null) return;
    await this.#guard(async () => {
      await this.#drain();
    });
    await this.#save();
    await this.#log.close().catch(() => undefined);
  }

  #schedule(ms: number): void {
    if (this.#isStopped) return;
    this.#timer = setTimeout(() => {
      this.#looking = this.#look().then((isMore) => {
        this.#schedule(isMore ? 0 : this.#limits.lookMs);
      });
    }, ms).unref();
  }

  /** Whether there is more to read. Never rejects. */
  async #look(): Promise<boolean> {
    if (!this.#options.isWanted()) return false;
    let isMore = false;
    await this.#guard(async () => {
      if (this.#log === null) await this.#begin();
      if (this.#log === null) return;
      isMore = await this.#drain();
      if (!isMore) await this.#turn();
    });
    if (performance.now() - this.#savedAt >= this.#limits.saveMs) await this.#save();
    return isMore;
  }

  async #guard(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#say(false, reasonOf(error));
    }
  }

  /** Opens the log where it was left, or at its end; at its beginning where it was not there before. */
  async #begin(): Promise<void> {
    const path = this.#path ?? (await this.#find());
    if (path === null) return;
    try {
      if (this.#isFirst) this.#saved = await this.#load();
      this.#log = await this.#openAt(path);
    } catch (error) {
      // It comes to be later: then all of it is new. One that may not be read now may hold old lines.
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') this.#isKnownNew = true;
      throw error;
    } finally {
      this.#isFirst = false;
    }
    this.#say(true, null);
  }

  async #find(): Promise<string | null> {
    if (performance.now() < this.#findAt) return null;
    this.#findAt = performance.now() + this.#limits.findMs;
    const { path, reason } = await this.#options.find();
    if (path === null) this.#say(false, reason);
    this.#path = path;
    return path;
  }

  async #openAt(path: string): Promise<OpenLog> {
    const saved = this.#saved?.path === path ? this.#saved : null;
    if (saved === null) return OpenLog.open(path, this.#isKnownNew ? 0 : 'end');
    const { file } = await lookAt(path);
    if (file === saved.file) return OpenLog.open(path, saved.offset, saved.before);
    // Renamed while nobody looked: its rest is read first.
    const old = await findSibling(path, saved.file);
    return old === null ? OpenLog.open(path, 0) : OpenLog.open(old, saved.offset, saved.before);
  }

  async #load(): Promise<Position | null> {
    try {
      return await loadPosition(this.#options.positionFile);
    } catch (error) {
      const { positionFile, log } = this.#options;
      const text = 'how far the log of Postfix was read is not known, so it is read from its end';
      log.warn(text, { file: positionFile, reason: reasonOf(error) });
      return null;
    }
  }

  /** Reads to the end, or as much as one may at a time; whether there is more. */
  async #drain(): Promise<boolean> {
    for (let n = 0; n < this.#limits.readings; n += 1) {
      const lines = (await this.#log?.read()) ?? null;
      if (lines === null) return false;
      for (const line of lines) this.#options.onLine(line);
    }
    return true;
  }

  /** At the end of the file: goes over to a new one, once its writer has. */
  async #turn(): Promise<void> {
    if (this.#path === null || this.#log === null) return;
    let there: Awaited<ReturnType<typeof lookAt>>;
    try {
      there = await lookAt(this.#path);
    } catch (error) {
      this.#absentSince ??= performance.now();
      if (performance.now() - this.#absentSince >= this.#limits.absentMs) throw error;
      return;
    }
    this.#absentSince = null;
    if (there.file !== this.#log.file) {
      if (there.size === 0) return;
      const next = await OpenLog.open(this.#path, 0);
      // What the writer put into the old one before it turned to the new one.
      while (await this.#drain());
      await this.#log.close();
      this.#log = next;
    }
    this.#say(true, null);
  }

  async #save(): Promise<void> {
    this.#savedAt = performance.now();
    if (this.#log === null || this.#path === null) return;
    const position = { path: this.#path, file: this.#log.file, ...this.#log.place };
    if (JSON.stringify(position) === JSON.stringify(this.#saved)) return;
    try {
      await savePosition(this.#options.positionFile, position);
      this.#saved = position;
      this.#isSaidUnsaved = false;
    } catch (error) {
      if (this.#isSaidUnsaved) return;
      this.#isSaidUnsaved = true;
      const { positionFile, log } = this.#options;
      const text = 'how far the log of Postfix was read cannot be kept; after a restart it is read from its end';
      log.warn(text, { file: positionFile, reason: reasonOf(error) });
    }
  }

  #say(isRead: boolean, reason: string | null): void {
    if (this.#isRead === isRead) return;
    this.#isRead = isRead;
    const { log, onState } = this.#options;
    onState(isRead);
    if (isRead) log.info('the log of Postfix is read', { file: this.#path });
    else
      log.warn('the log of Postfix cannot be read, so failures at routes are not seen', { file: this.#path, reason });
  }
}

/** The file with this device and inode among those whose names begin with that of the log; null where none is. */
async function findSibling(path: string, file: string): Promise<string | null> {
  const directory = dirname(path);
  const names = await readdir(directory);
  const siblings = names.filter((name) => name.startsWith(basename(path))).slice(0, MOST_SIBLINGS);
  for (const name of siblings) {
    const sibling = join(directory, name);
    const isIt = await lookAt(sibling).then(
      (there) => there.file === file,
      // Gone meanwhile, or no file: not the one.
      () => false,
    );
    if (isIt) return sibling;
  }
  return null;
}
