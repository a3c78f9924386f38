/**
 * How long a time such as `10m` is, in the notation that Postfix's own parameters use.
 * Source: postconf(5), "time units".
 */
import { fail, ok, type Result } from './result.ts';

/** A span of time in milliseconds. */
export type Milliseconds = number & { readonly __brand: 'Milliseconds' };

const UNIT_MS = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 } as const;

/** Reads `30s`, `10m`, `1h`, `3d` or `2w` (a whole number and a unit). Errors: what is wrong, as a sentence fragment. */
export function parseDuration(text: string): Result<Milliseconds, string> {
  const match = /^([1-9][0-9]{0,5})([smhdw])$/.exec(text);
  if (match === null)
    return fail(`"${text}" is no time; write a whole number and a unit, such as 30s, 10m, 1h, 3d or 2w`);
  return ok((Number(match[1]) * UNIT_MS[match[2] as keyof typeof UNIT_MS]) as Milliseconds);
}
