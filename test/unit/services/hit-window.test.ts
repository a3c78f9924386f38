import { describe, expect, it } from 'vitest';
import { HitWindow } from '../../../src/services/hit-window.ts';

const MINUTE = 60_000;
const START = Date.UTC(2027, 0, 1);

/** The counts after each hit, at times relative to a start. */
const countsOf = (withinMs: number, times: readonly number[]): number[] => {
  const window = new HitWindow(withinMs);
  return times.map((time) => window.add(START + time));
};

describe('hits within a window', () => {
  it.each([
    ['all of them while they are young', 10 * MINUTE, [0, 1, 2], [1, 2, 3]],
    ['several at the same moment', MINUTE, [5, 5, 5], [1, 2, 3]],
    ['one that is a millisecond younger than the window', MINUTE, [0, MINUTE - 1], [1, 2]],
    ['not one that is as old as the window', MINUTE, [0, MINUTE], [1, 1]],
    ['one that comes late, by its own time', MINUTE, [10_000, 0, 60_000], [1, 2, 2]],
    ['afresh where the clock was set back', MINUTE, [10 * MINUTE, 10 * MINUTE, 0, 1], [1, 2, 1, 2]],
  ])('counts %s', (_, withinMs, times, counts) => {
    expect(countsOf(withinMs, times)).toEqual(counts);
  });

  it('many hits of a moment are all counted', () => {
    const times = Array.from({ length: 1000 }, () => 7);
    expect(countsOf(MINUTE, times).at(-1)).toBe(1000);
  });

  it('many hits are gone once they are as old as the window', () => {
    const times = [...Array.from({ length: 100 }, () => 0), MINUTE];
    expect(countsOf(MINUTE, times).at(-1)).toBe(1);
  });

  it('of many hits none is forgotten before fifteen sixteenths of the window', () => {
    const times = [...Array.from({ length: 100 }, (_, hit) => hit), 99 + (MINUTE * 15) / 16 - 100];
    expect(countsOf(MINUTE, times).at(-1)).toBe(101);
  });

  it('a long pause does not leave an old count in a slot', () => {
    for (const pause of [MINUTE, 1.5 * MINUTE, 17 * MINUTE, 1000 * MINUTE]) {
      expect(countsOf(MINUTE, [...Array.from({ length: 50 }, () => 0), pause, pause + 1])).toContain(50);
      expect(countsOf(MINUTE, [...Array.from({ length: 50 }, () => 0), pause, pause + 1]).slice(-2)).toEqual([1, 2]);
    }
  });
});
