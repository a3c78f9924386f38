/**
 * A queue of searches before one thread that does one at a time: so it is known which one is slow, and the others keep
 * their places when the thread has to be ended. The patterns take turns, however many searches of one wait. Decides
 * nothing about what a slow pattern means. Never throws at the caller.
 * Source: node:worker_threads.
 */
import { Worker } from 'node:worker_threads';
import type { Log } from '../../services/index.ts';
import type { Said, Search } from './protocol.ts';

/** Milliseconds that one search may run, and wait for its turn; how many may wait in all, and of one pattern. */
export type LaneLimits = {
  readonly runMs: number;
  readonly waitMs: number;
  readonly most: number;
  readonly mostOfOne: number;
};

/** How a search ended. `moved`: {@link Lane.moveOut} took it out before its turn. */
export type Outcome =
  | { readonly kind: 'found'; readonly line: number | null; readonly cpuMs: number }
  | { readonly kind: 'moved' }
  | { readonly kind: 'ran-too-long' | 'waited-too-long' | 'too-many' | 'stopped' }
  | { readonly kind: 'failed'; readonly reason: string };

type Job = Search & { readonly settle: (outcome: Outcome) => void; readonly patience: NodeJS.Timeout };

/** A thread that has not begun by then never will. */
const START_MS = 10_000;
/** Patterns take some megabytes each at most; more than this is a fault, which must not take the process with it. */
const MOST_MEMORY_MB = 256;

/** One thread and what waits for it. The thread starts with the first search. */
export class Lane {
  readonly #program: URL;
  readonly #limits: LaneLimits;
  readonly #log: Log;
  /** By pattern, in the order of their turns. */
  readonly #waiting = new Map<string, Job[]>();
  #waitingCount = 0;
  #running: Job | null = null;
  #thread: Worker | null = null;
  #isReady = false;
  #isStopped = false;
  /** Of the thread's start, then of the search that runs. */
  #timer: NodeJS.Timeout | undefined;

  constructor(program: URL, limits: LaneLimits, log: Log) {
    this.#program = program;
    this.#limits = limits;
    this.#log = log;
  }

  /** Looks for `pattern` when its turn comes. */
  search(pattern: string, lines: readonly string[]): Promise<Outcome> {
    const { waitMs, most, mostOfOne } = this.#limits;
    if (this.#isStopped) return Promise.resolve({ kind: 'stopped' });
    const same = this.#waiting.get(pattern) ?? [];
    if (this.#waitingCount >= most || same.length >= mostOfOne) return Promise.resolve({ kind: 'too-many' });
    return new Promise((settle) => {
      const patience = setTimeout(() => {
        this.#takeOut(job);
        settle({ kind: 'waited-too-long' });
      }, waitMs);
      const job: Job = { pattern, lines, settle, patience };
      this.#waiting.set(pattern, same);
      same.push(job);
      this.#waitingCount += 1;
      this.#turn();
    });
  }

  /** Ends as `moved` what waits for this pattern. */
  moveOut(pattern: string): void {
    this.#endWaiting(this.#waiting.get(pattern) ?? [], { kind: 'moved' });
  }

  /** Ends everything as `stopped`, and the thread. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    const thread = this.#release();
    this.#endRunning({ kind: 'stopped' });
    this.#endAllWaiting({ kind: 'stopped' });
    await thread?.terminate();
  }

  /** Begins the next search where nothing is in the way. */
  #turn(): void {
    if (this.#running !== null || this.#waitingCount === 0) return;
    if (this.#thread === null) {
      this.#start();
      return;
    }
    if (!this.#isReady) return;
    const job = this.#next();
    if (job === undefined) return;
    this.#running = job;
    this.#thread.postMessage({ pattern: job.pattern, lines: job.lines } satisfies Search);
    this.#timer = setTimeout(() => {
      // An answer may be there already, where it was this event loop that was held up.
      setImmediate(() => {
        if (this.#running === job) this.#giveUp({ kind: 'ran-too-long' });
      });
    }, this.#limits.runMs);
  }

  /** Takes out the next one. */
  #next(): Job | undefined {
    const [jobs] = this.#waiting.values();
    const job = jobs?.[0];
    if (jobs === undefined || job === undefined) return undefined;
    this.#takeOut(job);
    // To the end of the row, where there is more of it.
    if (this.#waiting.delete(job.pattern)) this.#waiting.set(job.pattern, jobs);
    return job;
  }

  #takeOut(job: Job): void {
    clearTimeout(job.patience);
    const jobs = this.#waiting.get(job.pattern) ?? [];
    jobs.splice(jobs.indexOf(job), 1);
    if (jobs.length === 0) this.#waiting.delete(job.pattern);
    this.#waitingCount -= 1;
  }

  #start(): void {
    let thread: Worker;
    try {
      thread = new Worker(this.#program, { execArgv: [], resourceLimits: { maxOldGenerationSizeMb: MOST_MEMORY_MB } });
    } catch (error) {
      this.#fail(error instanceof Error ? error.message : String(error));
      return;
    }
    this.#thread = thread;
    const lose = (reason: string): void => {
      if (this.#thread === thread) this.#fail(reason);
    };
    this.#timer = setTimeout(lose, START_MS, `it did not start within ${START_MS} ms`).unref();
    thread.on('message', (said: Said) => {
      if (this.#thread === thread) this.#hear(said);
    });
    thread.on('error', (error: Error) => {
      lose(error.message);
    });
    thread.on('exit', (code) => {
      lose(`it ended with code ${code}`);
    });
    // It must not keep a process alive that has nothing else to do; a search that waits does, by its timer.
    thread.unref();
  }

  #hear(said: Said): void {
    clearTimeout(this.#timer);
    if (said.kind === 'ready') this.#isReady = true;
    else if (said.kind === 'found') this.#endRunning(said);
    else this.#endRunning({ kind: 'failed', reason: said.reason });
    this.#turn();
  }

  /** What waits keeps its place, but for where the thread did not even start: the next might not either. */
  #fail(reason: string): void {
    this.#log.error('the thread that looks for patterns failed, and begins anew', { reason });
    if (!this.#isReady) this.#endAllWaiting({ kind: 'failed', reason });
    this.#giveUp({ kind: 'failed', reason });
  }

  #giveUp(outcome: Outcome): void {
    void this.#release()?.terminate();
    this.#endRunning(outcome);
    this.#turn();
  }

  #release(): Worker | null {
    clearTimeout(this.#timer);
    const thread = this.#thread;
    this.#thread = null;
    this.#isReady = false;
    return thread;
  }

  #endRunning(outcome: Outcome): void {
    const job = this.#running;
    this.#running = null;
    job?.settle(outcome);
  }

  #endAllWaiting(outcome: Outcome): void {
    for (const jobs of [...this.#waiting.values()]) this.#endWaiting(jobs, outcome);
  }

  #endWaiting(jobs: readonly Job[], outcome: Outcome): void {
    for (const job of [...jobs]) {
      this.#takeOut(job);
      job.settle(outcome);
    }
  }
}
