/** The window of hits against the plain list of all of them. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HitWindow } from '../../../src/services/hit-window.ts';

const START = Date.UTC(2027, 0, 1);

const flows = fc.record({
  withinMs: fc.oneof(fc.integer({ min: 1, max: 100_000 }), fc.constantFrom(600_000, 604_800_000)),
  start: fc.integer({ min: 0, max: 10_000_000 }),
  // Steps in parts of the window, so that all of them matter; some stand still.
  steps: fc.array(
    fc.oneof(
      fc.constant(0),
      fc.double({ min: 0, max: 1.2, noNaN: true }),
      fc.double({ min: 0, max: 0.02, noNaN: true }),
    ),
    {
      minLength: 1,
      maxLength: 120,
    },
  ),
});

describe('hits within a window', () => {
  it('never counts one that is as old as the window, and none that is younger than fifteen sixteenths is missing', () => {
    fc.assert(
      fc.property(flows, ({ withinMs, start, steps }) => {
        const window = new HitWindow(withinMs);
        const times: number[] = [];
        let now = START + start;
        for (const step of steps) {
          now += Math.floor(step * withinMs);
          times.push(now);
          const count = window.add(now);
          const young = (age: number): number => times.filter((time) => now - time < age).length;
          expect(count).toBeLessThanOrEqual(young(withinMs));
          expect(count).toBeGreaterThanOrEqual(young((withinMs * 15) / 16));
          // Few hits are exact.
          if (times.length <= 16) expect(count).toBe(young(withinMs));
        }
      }),
      { numRuns: 500 },
    );
  });

  it('times out of order and clocks set back never make it count more than there are', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1000 }),
        fc.array(fc.integer({ min: 0, max: 3000 }), { minLength: 1, maxLength: 100 }),
        (withinMs, offsets) => {
          const window = new HitWindow(withinMs);
          let latest = -Infinity;
          let counted: number[] = [];
          for (const offset of offsets) {
            const at = START + offset;
            if (at <= latest - withinMs) counted = [];
            latest = counted.length === 0 ? at : Math.max(latest, at);
            counted.push(at);
            const young = counted.filter((time) => latest - time < withinMs).length;
            const count = window.add(at);
            expect(count).toBeLessThanOrEqual(young);
            expect(count).toBeGreaterThanOrEqual(1);
          }
        },
      ),
      { numRuns: 500 },
    );
  });
});
