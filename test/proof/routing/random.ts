/** Repeatable chance: everything that a proof draws follows from one seed, which it prints. */

export interface Chance {
  readonly seed: number;
  /** A whole number from 0 up to the bound. */
  readonly below: (bound: number) => number;
  /** True once in so many times. */
  readonly oneIn: (times: number) => boolean;
  readonly pick: <T>(items: readonly T[]) => T;
  /** Deals the items in random order, each once, then anew: none is left out for long. */
  readonly deck: <T>(items: readonly T[]) => () => T;
}

/** The seed of POSTERN_SEED, or one of the clock. */
export const seedOfThisRun = (): number => Number(process.env.POSTERN_SEED ?? Date.now() % 1_000_000);

/** Source: mulberry32, a generator of 32 bits of state. */
export function chanceFrom(seed: number): Chance {
  let state = seed | 0;
  const fraction = (): number => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (bound: number): number => Math.floor(fraction() * bound);
  const pick = <T>(items: readonly T[]): T => {
    const item = items[below(items.length)];
    if (item === undefined) throw new Error('nothing to pick from');
    return item;
  };
  const deck = <T>(items: readonly T[]): (() => T) => {
    let left: T[] = [];
    return () => {
      if (left.length === 0) left = [...items];
      const [item] = left.splice(below(left.length), 1);
      if (item === undefined) throw new Error('an empty deck');
      return item;
    };
  };
  return { seed, below, oneIn: (times) => below(times) === 0, pick, deck };
}
