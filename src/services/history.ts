/**
 * History: what was decided is handed to a store in batches, off the path of the answers. `record` never waits and never
 * throws; what cannot be kept is counted, said in the log, and dropped.
 */
import { additionOf, type HistoryEvent } from './history-record.ts';
import type { Clock, HistoryAddition, HistoryLoss, HistoryMeters, HistoryStore, Log } from './ports.ts';

/** Takes decisions. */
export type History = {
  /** Costs about a microsecond. Never throws. */
  record(event: HistoryEvent): void;
  /** Hands over what waits, for three seconds at most; the rest is counted as lost. Records nothing after it. Never rejects. */
  stop(): Promise<void>;
};

/** Numbers of the queue; a decision counts as many lines as it has recipients. */
export type HistoryLimits = {
  /** Lines that may wait: some megabytes. */
  readonly mostWaiting: number;
  /** Lines handed over at a time: below 3 ms of the event loop. */
  readonly batch: number;
  readonly flushMs: number;
  /** Between two batches. It bounds what history costs under a flood: about 10,000 lines a second, and the rest is dropped. */
  readonly pauseMs: number;
  /** How often a batch is tried; with `flushMs` between, a lock of a few seconds loses nothing. */
  readonly tries: number;
  readonly stopMs: number;
};

const LIMITS: HistoryLimits = { mostWaiting: 10_000, batch: 500, flushMs: 500, pauseMs: 40, tries: 10, stopMs: 3_000 };
/** How often the log says that decisions are lost. */
const SAY_EVERY_MS = 60_000;

/** What history works with. */
export type HistoryParts = {
  readonly store: HistoryStore;
  readonly clock: Clock;
  readonly log: Log;
  readonly meters: HistoryMeters;
  readonly limits?: Partial<HistoryLimits>;
};

/** Begins a history. */
export function createHistory(parts: HistoryParts): History {
  return new Recorder(parts);
}

const linesOf = ({ recipients }: HistoryAddition): number => Math.max(1, recipients.length);

class Recorder implements History {
  readonly #parts: HistoryParts;
  readonly #limits: HistoryLimits;
  #queue: HistoryAddition[] = [];
  /** What is being handed over, or is to be tried again. */
  #batch: readonly HistoryAddition[] = [];
  #tries = 0;
  /** Lines of the queue and of the batch. */
  #lines = 0;
  #timer: NodeJS.Timeout | null = null;
  #isHandingOver = false;
  #isStopped = false;
  /** Since the log last said so. */
  #unsaid = 0;
  #saidAt = -Infinity;
  /** Whether the log's last word is that history cannot be written; said once a minute too: a full disk has room now and then. */
  #isSaidToFail = false;
  #saidToFailAt = -Infinity;
  #lostWhileFailing = 0;

  constructor(parts: HistoryParts) {
    this.#parts = parts;
    this.#limits = { ...LIMITS, ...parts.limits };
  }

  record(event: HistoryEvent): void {
    if (this.#isStopped || this.#lines >= this.#limits.mostWaiting) {
      this.#drop(1, 'queue_full', 'too many wait');
      return;
    }
    try {
      const addition = additionOf(event);
      this.#queue.push(addition);
      this.#lines += linesOf(addition);
    } catch (error) {
      // A fault of ours; the answer must not suffer from it.
      this.#drop(1, 'not_made', error instanceof Error ? error.message : String(error));
    }
    this.#arm(this.#limits.flushMs);
  }

  async stop(): Promise<void> {
    if (this.#isStopped) return;
    this.#isStopped = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    let isOver = false;
    let deadline: NodeJS.Timeout | undefined;
    const untilOver = new Promise<void>((resolve) => {
      deadline = setTimeout(() => {
        isOver = true;
        resolve();
      }, this.#limits.stopMs);
    });
    await Promise.race([this.#finish(() => isOver), untilOver]);
    clearTimeout(deadline);
    const left = this.#batch.length + this.#queue.length;
    this.#queue = [];
    this.#batch = [];
    if (left > 0) this.#drop(left, 'not_written', 'Postern stops');
    await this.#parts.store.stop();
  }

  async #finish(isOver: () => boolean): Promise<void> {
    while (!isOver() && this.#lines > 0) {
      if (!this.#isHandingOver) await this.#handOver();
      if (this.#lines > 0) await new Promise((resolve) => setTimeout(resolve, Math.min(50, this.#limits.flushMs)));
    }
  }

  #arm(ms: number): void {
    if (this.#timer !== null || this.#isHandingOver || this.#isStopped) return;
    this.#timer = setTimeout(() => {
      this.#timer = null;
      void this.#handOver();
    }, ms).unref();
  }

  /** One batch. It stays in hand where the store fails, until it was tried often enough. */
  async #handOver(): Promise<void> {
    this.#isHandingOver = true;
    if (this.#batch.length === 0) this.#take();
    const batch = this.#batch;
    let hasFailed = false;
    try {
      await this.#parts.store.append(batch);
      this.#letGo(batch);
      this.#recovered();
    } catch (error) {
      hasFailed = true;
      this.#failed(batch, error instanceof Error ? error.message : String(error));
    }
    this.#isHandingOver = false;
    if (this.#lines === 0) return;
    const isFull = this.#queue.length >= this.#limits.batch;
    this.#arm(!hasFailed && isFull ? this.#limits.pauseMs : this.#limits.flushMs);
  }

  #take(): void {
    let lines = 0;
    let count = 0;
    for (const addition of this.#queue) {
      if (count > 0 && lines + linesOf(addition) > this.#limits.batch) break;
      lines += linesOf(addition);
      count += 1;
    }
    this.#batch = this.#queue.splice(0, count);
    this.#tries = 0;
  }

  #letGo(batch: readonly HistoryAddition[]): void {
    // After the deadline of `stop` it was counted as lost already.
    if (this.#batch !== batch) return;
    for (const addition of batch) this.#lines -= linesOf(addition);
    this.#batch = [];
  }

  #failed(batch: readonly HistoryAddition[], reason: string): void {
    const now = this.#parts.clock.now();
    if (!this.#isSaidToFail && now - this.#saidToFailAt >= SAY_EVERY_MS) {
      this.#isSaidToFail = true;
      this.#saidToFailAt = now;
      this.#lostWhileFailing = 0;
      this.#parts.log.warn('history cannot be written; answers go on, and it is tried again', { reason });
    }
    this.#tries += 1;
    if (this.#tries < this.#limits.tries || this.#batch !== batch) return;
    this.#letGo(batch);
    this.#drop(batch.length, 'not_written', reason);
  }

  #recovered(): void {
    if (!this.#isSaidToFail) return;
    this.#isSaidToFail = false;
    this.#parts.log.info('history is written again', { dropped: this.#lostWhileFailing });
  }

  #drop(decisions: number, why: HistoryLoss, reason: string): void {
    this.#parts.meters.countHistoryDropped(decisions, why);
    this.#unsaid += decisions;
    this.#lostWhileFailing += decisions;
    const now = this.#parts.clock.now();
    if (now - this.#saidAt < SAY_EVERY_MS) return;
    this.#saidAt = now;
    this.#parts.log.error('decisions are missing in history', { dropped: this.#unsaid, why, reason });
    this.#unsaid = 0;
  }
}
