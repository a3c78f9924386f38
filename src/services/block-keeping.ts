/**
 * Keeps automatic blocks over a restart and applies what commands want lifted. Saving is put off and done in one go, so
 * that a flood of blocks writes no more than one file every few seconds; what was blocked in the last moments before a
 * crash is lost. A lift counts once the file without the block is on disk.
 */
import type { Lift, Log, ShortTermBlock, ShortTermBlockStore } from './ports.ts';
import type { Problem } from './snapshots.ts';

/** What keeping works with. */
export type BlockKeepingParts = {
  readonly store: ShortTermBlockStore;
  readonly log: Log;
  /** The blocks as they are now. */
  readonly blocks: () => readonly ShortTermBlock[];
  /** About how many they are; asked more often. */
  readonly count: () => number;
  /** Lifts, and gives how many blocks that were. */
  readonly lift: (lift: Lift) => number;
  /** Done with each look for requests. */
  readonly onLook: () => void;
  /** The shortest time between a change and its file. */
  readonly saveAfterMs: number;
  readonly lookEveryMs: number;
};

/** A tenth of a millisecond more for each block: 50,000 are saved at most every six seconds. */
const SAVE_AFTER_PER_BLOCK_MS = 0.1;
/** How long after a failure it is tried again. */
const RETRY_MS = 10_000;

const nextTurn = (): Promise<void> =>
  new Promise((resolve) => {
    setImmediate(resolve);
  });

const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Saves and lifts for as long as it runs. */
export class BlockKeeping {
  readonly #parts: BlockKeepingParts;
  #isDirty = false;
  #saving: Promise<boolean> = Promise.resolve(true);
  #saveTimer: NodeJS.Timeout | null = null;
  #lookTimer: NodeJS.Timeout | null = null;
  #isStopped = false;
  #problem: Problem | null = null;
  /** After a failure, until the timer tries again. */
  #isPausing = false;
  /** Requests that were done and cannot be removed. */
  readonly #stuck = new Set<string>();
  #lookFault: string | null = null;

  constructor(parts: BlockKeepingParts) {
    this.#parts = parts;
  }

  /** Applies what waits, and goes on looking. */
  async start(): Promise<void> {
    await this.#look();
    this.#schedule();
  }

  /** Notes that the blocks are not as they were saved. */
  changed(): void {
    this.#isDirty = true;
    this.#arm(this.#parts.saveAfterMs + this.#parts.count() * SAVE_AFTER_PER_BLOCK_MS);
  }

  problem(): Problem | null {
    return this.#problem;
  }

  /** Saves what was not saved yet, and ends. Never rejects. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    for (const timer of [this.#saveTimer, this.#lookTimer]) if (timer !== null) clearTimeout(timer);
    this.#isPausing = false;
    await this.#save();
  }

  #arm(ms: number): void {
    if (this.#isStopped || this.#saveTimer !== null) return;
    this.#saveTimer = setTimeout(() => {
      this.#saveTimer = null;
      this.#isPausing = false;
      void this.#save();
    }, ms).unref();
  }

  /** Whether all is on disk. One file at a time. */
  #save(): Promise<boolean> {
    this.#saving = this.#saving.then(() => this.#saveOnce());
    return this.#saving;
  }

  async #saveOnce(): Promise<boolean> {
    if (!this.#isDirty) return true;
    const { store, log, blocks } = this.#parts;
    if (this.#isPausing) return false;
    this.#isDirty = false;
    try {
      await store.save(blocks());
    } catch (error) {
      this.#isDirty = true;
      const text = `short-term blocks cannot be saved, and a restart would forget them: ${textOf(error)}`;
      if (this.#problem === null) log.error(text, { code: 'POSTERN_STATE_UNWRITABLE' });
      this.#problem = { code: 'POSTERN_STATE_UNWRITABLE', text };
      this.#isPausing = !this.#isStopped;
      this.#arm(RETRY_MS);
      return false;
    }
    if (this.#problem !== null) log.info('short-term blocks are saved again');
    this.#problem = null;
    return true;
  }

  #schedule(): void {
    if (this.#isStopped) return;
    this.#lookTimer = setTimeout(() => {
      void this.#look().then(() => {
        this.#schedule();
      });
    }, this.#parts.lookEveryMs).unref();
  }

  /** Never rejects. */
  async #look(): Promise<void> {
    const { store, log, onLook } = this.#parts;
    try {
      onLook();
      const waiting = (await store.waitingLifts()).filter(({ id }) => !this.#stuck.has(id));
      this.#lookFault = null;
      if (waiting.length === 0) return;
      for (const { id, lift } of waiting) {
        this.#apply(id, lift);
        await nextTurn();
      }
      if (!(await this.#save())) return;
      for (const { id } of waiting) await this.#end(id);
    } catch (error) {
      const text = textOf(error);
      if (text !== this.#lookFault) log.error(`requests to lift short-term blocks cannot be read: ${text}`);
      this.#lookFault = text;
    }
  }

  #apply(id: string, lift: Lift | null): void {
    const { log } = this.#parts;
    if (lift === null) {
      log.warn('a request to lift short-term blocks cannot be understood and is dropped', { request: id });
      return;
    }
    const lifted = this.#parts.lift(lift);
    if (lifted > 0) log.info('short-term blocks lifted', { domain: lift.domain, lifted, request: id });
  }

  async #end(id: string): Promise<void> {
    try {
      await this.#parts.store.endLift(id);
    } catch (error) {
      this.#stuck.add(id);
      this.#parts.log.error(`a request that was done stays: ${textOf(error)}`, { request: id });
    }
  }
}
