/**
 * Many wishes, few works: of what is wanted while a work runs, or too soon after it began, only the last is done.
 * Knows nothing of maps.
 */

/** A rate-limited worker. The first wish is done at once. */
export class Gather<Wish, Outcome> {
  readonly #work: (wish: Wish) => Promise<Outcome>;
  readonly #everyMs: number;
  #waiting: { wish: Wish; readonly done: PromiseWithResolvers<Outcome> } | null = null;
  #running: Promise<unknown> | null = null;
  #timer: NodeJS.Timeout | null = null;
  #lastStart = -Infinity;

  /** `work` is never run twice at a time, and from start to start at least `everyMs` pass. */
  constructor(work: (wish: Wish) => Promise<Outcome>, everyMs: number) {
    this.#work = work;
    this.#everyMs = everyMs;
  }

  /** Resolves with the outcome of the work that did this wish or a later one. Errors: what that work threw. */
  submit(wish: Wish): Promise<Outcome> {
    const waiting = (this.#waiting ??= { wish, done: Promise.withResolvers<Outcome>() });
    waiting.wish = wish;
    this.#schedule();
    return waiting.done.promise;
  }

  /** Does what waits without delay; resolves when nothing waits or runs. */
  async drain(): Promise<void> {
    while (this.#waiting !== null || this.#running !== null) {
      if (this.#running === null) this.#start();
      await this.#running;
    }
  }

  #schedule(): void {
    if (this.#waiting === null || this.#running !== null || this.#timer !== null) return;
    const delayMs = this.#lastStart + this.#everyMs - performance.now();
    if (delayMs <= 0) this.#start();
    else
      this.#timer = setTimeout(() => {
        this.#start();
      }, delayMs);
  }

  #start(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    const next = this.#waiting;
    if (next === null || this.#running !== null) return;
    this.#waiting = null;
    this.#lastStart = performance.now();
    this.#running = this.#work(next.wish)
      .then(next.done.resolve, next.done.reject)
      .finally(() => {
        this.#running = null;
        this.#schedule();
      });
  }
}
