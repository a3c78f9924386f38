/** What a part of the benchmark measured: rows for people and for `--json` alike. */

/** One row: columns in the order of the table. */
export type Row = Readonly<Record<string, string | number>>;

/** A part's rows under its title. */
export interface Table {
  readonly title: string;
  readonly rows: readonly Row[];
}

/** The value at a share of sorted numbers, 0.5 being the median. Errors: there is no number. */
export function percentile(sorted: Float64Array, share: number): number {
  const value = sorted[Math.floor(share * (sorted.length - 1))];
  if (value === undefined) throw new Error('nothing was measured');
  return value;
}

/** The round with the median of a figure: all its figures belong together. Errors: there is no round. */
export function medianRound<T>(rounds: readonly T[], figure: (round: T) => number): T {
  const middle = rounds.toSorted((a, b) => figure(a) - figure(b))[Math.floor(rounds.length / 2)];
  if (middle === undefined) throw new Error('nothing was measured');
  return middle;
}

/** A number with so many decimals, as a number. */
export const rounded = (value: number, decimals: number): number => Number(value.toFixed(decimals));

/** Seconds that each row is measured for, over all its rounds; POSTERN_BENCH_SECONDS shortens it. Errors: no number above 0. */
export function secondsPerRow(): number {
  const seconds = Number(process.env.POSTERN_BENCH_SECONDS ?? '6');
  if (!(seconds > 0)) throw new Error('POSTERN_BENCH_SECONDS must be a number above 0');
  return seconds;
}
