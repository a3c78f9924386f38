/** A clock that stands still until a test moves it. */
import type { Clock } from '../../src/services/index.ts';

export class FakeClock implements Clock {
  #now: number;

  /** `now` is in milliseconds since 1970. */
  constructor(now: number = Date.UTC(2027, 0, 1)) {
    this.#now = now;
  }

  now(): number {
    return this.#now;
  }

  advance(milliseconds: number): void {
    this.#now += milliseconds;
  }
}
