/**
 * How many hits a client had within the last so many milliseconds, in fixed memory however many there are: the first
 * ones by their time, more of them in sixteen buckets. Never counts a hit that is older than the window; in buckets it
 * may forget one up to a sixteenth of the window too early.
 * No outside source: a ring of counts.
 */

/** So many hits are kept by their time; most clients have few. */
const EXACT = 16;
const BUCKETS = 16;

const NONE: readonly number[] = [];

type Ring = { readonly counts: number[]; newest: number };

/** The hits of one client. */
export class HitWindow {
  readonly withinMs: number;
  #latest = -Infinity;
  #times = NONE;
  #ring: Ring | null = null;

  /** `withinMs` is at least 1: a hit counts while it is younger. */
  constructor(withinMs: number) {
    this.withinMs = withinMs;
  }

  /** Adds a hit at `at`, in milliseconds since 1970, and gives how many there are with it. Hits may come out of order. */
  add(at: number): number {
    // So much earlier than the last: the clock was set back, and what was counted has no meaning any more.
    if (at <= this.#latest - this.withinMs) this.#clear();
    const now = Math.max(at, this.#latest);
    this.#latest = now;
    if (this.#ring !== null) return this.#addTo(this.#ring, at);
    const young = this.#times.filter((time) => now - time < this.withinMs);
    // Most clients have one hit, and an array that grows has room for sixteen more.
    this.#times = young.length === 0 ? [at] : young.concat(at);
    if (this.#times.length <= EXACT) return this.#times.length;
    this.#ring = { counts: Array.from({ length: BUCKETS }, () => 0), newest: this.#bucketOf(now) };
    let count = 0;
    for (const time of this.#times) count = this.#addTo(this.#ring, time);
    this.#times = NONE;
    return count;
  }

  #clear(): void {
    this.#latest = -Infinity;
    this.#times = NONE;
    this.#ring = null;
  }

  #bucketOf(at: number): number {
    // The product is exact, so a time on the border between two buckets is never put into the older one.
    return Math.floor((at * BUCKETS) / this.withinMs);
  }

  /** The bucket that began a whole window ago shares its slot with the newest, so no hit of it is left. */
  #addTo(ring: Ring, at: number): number {
    const { counts } = ring;
    const newest = this.#bucketOf(this.#latest);
    const gone = Math.min(newest - ring.newest, BUCKETS);
    for (let step = 0; step < gone; step += 1) counts[slotOf(newest - step)] = 0;
    ring.newest = newest;
    const bucket = this.#bucketOf(at);
    if (bucket > newest - BUCKETS) counts[slotOf(bucket)] = (counts[slotOf(bucket)] ?? 0) + 1;
    return counts.reduce((sum, count) => sum + count, 0);
  }
}

const slotOf = (bucket: number): number => ((bucket % BUCKETS) + BUCKETS) % BUCKETS;
