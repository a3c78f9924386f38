/**
 * Looks for patterns in the header lines of messages, in threads of its own: one for all patterns, and one for those
 * that turned out to be slow, so that the pattern of one own domain holds up another's for a quarter of a second at
 * most. A search that takes too long is given up. Never throws at the caller.
 * Source: node:worker_threads.
 */
import { extname } from 'node:path';
import type { Log, PatternSearch } from '../../services/index.ts';
import { Lane, type LaneLimits, type Outcome } from './lane.ts';

/**
 * When a pattern is slow: by the processor time of a search, and for how long after the last such search; and the limits
 * of the two threads. All in milliseconds, and numbers of searches.
 */
export type SearchLimits = {
  readonly slowMs: number;
  readonly slowForMs: number;
  readonly quick: LaneLimits;
  readonly slow: LaneLimits;
};

/** A good pattern takes a few milliseconds over 64 KiB; the slowest that settings may hold, two to three seconds. */
export const SEARCH_LIMITS: SearchLimits = {
  slowMs: 20,
  slowForMs: 600_000,
  quick: { runMs: 250, waitMs: 5_000, most: 1_000, mostOfOne: 1_000 },
  slow: { runMs: 5_000, waitMs: 5_000, most: 1_000, mostOfOne: 50 },
};

/** At overload the log gets one line in so long. */
const TELL_EVERY_MS = 10_000;

const REASONS = {
  'ran-too-long': 'it takes too long; write a simpler pattern, with smaller counts',
  'waited-too-long': 'too many searches were before it',
  'too-many': 'too many searches wait',
  stopped: 'Postern ends',
} as const;

/** The program of the thread, beside this file both in the sources and in the package. */
const PROGRAM = new URL(`./worker${extname(import.meta.url)}`, import.meta.url);

/** A search whose threads start when they are first needed. `program` is what they run. */
export function createPatternSearch(log: Log, limits: SearchLimits = SEARCH_LIMITS, program = PROGRAM): PatternSearch {
  return new Searcher(log, limits, program);
}

class Searcher implements PatternSearch {
  readonly #log: Log;
  readonly #limits: SearchLimits;
  readonly #quick: Lane;
  readonly #slow: Lane;
  /** Until when a pattern is slow, on the clock of `performance`. */
  readonly #slowUntil = new Map<string, number>();
  #toldAt = -Infinity;
  #untold = 0;

  constructor(log: Log, limits: SearchLimits, program: URL) {
    this.#log = log;
    this.#limits = limits;
    this.#quick = new Lane(program, limits.quick, log);
    this.#slow = new Lane(program, limits.slow, log);
  }

  async search(pattern: string, lines: readonly string[]): Promise<number | null | 'gave-up'> {
    if (!this.#isSlow(pattern)) {
      const outcome = await this.#quick.search(pattern, lines);
      if (outcome.kind === 'ran-too-long') this.#noteSlow(pattern, this.#limits.quick.runMs);
      else if (outcome.kind !== 'moved') return this.#answer(pattern, outcome);
    }
    return this.#answer(pattern, await this.#slow.search(pattern, lines));
  }

  async stop(): Promise<void> {
    await Promise.all([this.#quick.stop(), this.#slow.stop()]);
  }

  #answer(pattern: string, outcome: Outcome): number | null | 'gave-up' {
    if (outcome.kind === 'found') {
      if (outcome.cpuMs > this.#limits.slowMs) this.#noteSlow(pattern, outcome.cpuMs);
      return outcome.line;
    }
    if (outcome.kind === 'ran-too-long') this.#noteSlow(pattern, this.#limits.slow.runMs);
    if (outcome.kind !== 'moved') this.#tell(pattern, outcome);
    return 'gave-up';
  }

  #isSlow(pattern: string): boolean {
    return (this.#slowUntil.get(pattern) ?? -Infinity) > performance.now();
  }

  #noteSlow(pattern: string, ms: number): void {
    const now = performance.now();
    if (!this.#isSlow(pattern)) {
      this.#log.warn('a spam pattern is slow, and is looked for apart from the others', {
        pattern,
        ms: Math.round(ms),
      });
      for (const [old, until] of this.#slowUntil) if (until <= now) this.#slowUntil.delete(old);
    }
    this.#slowUntil.set(pattern, now + this.#limits.slowForMs);
    this.#quick.moveOut(pattern);
  }

  #tell(pattern: string, outcome: Exclude<Outcome, { kind: 'found' } | { kind: 'moved' }>): void {
    this.#untold += 1;
    const now = performance.now();
    if (now - this.#toldAt < TELL_EVERY_MS) return;
    const reason = outcome.kind === 'failed' ? outcome.reason : REASONS[outcome.kind];
    this.#log.warn('a spam pattern was not looked for, and the mail goes unmarked', {
      pattern,
      reason,
      searches: this.#untold,
    });
    this.#toldAt = now;
    this.#untold = 0;
  }
}
