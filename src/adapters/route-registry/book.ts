/** The text that a book of route numbers is kept as. Pure; where it is kept is another matter. */
import type { RouteBook } from '../../services/index.ts';

const FORMAT = 1;

/** The text to keep. */
export const renderBook = ({ key, numbers }: RouteBook): string =>
  `${JSON.stringify({ format: FORMAT, key, numbers: Object.fromEntries(numbers) }, null, 2)}\n`;

/** Reads a kept text. An error is a sentence that says why the book is of no use. */
export function parseBook(
  text: string,
): { readonly ok: true; readonly value: RouteBook } | { readonly ok: false; readonly error: string } {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    // What it says of the place is of no use: nobody edits this file by hand.
    return { ok: false, error: 'it is not JSON' };
  }
  if (!isObject(parsed)) return { ok: false, error: 'it is no book of routes' };
  const { format, key, numbers } = parsed;
  if (typeof format === 'number' && format > FORMAT) {
    return { ok: false, error: `its format ${format} is of a later Postern` };
  }
  if (format !== FORMAT) return { ok: false, error: 'it says no format' };
  if (typeof key !== 'string' || !/^[0-9a-f]{64}$/.test(key)) return { ok: false, error: 'its key is missing' };
  if (!isObject(numbers)) return { ok: false, error: 'its numbers are missing' };
  const entries = Object.entries(numbers);
  if (!entries.every(isNumbered)) return { ok: false, error: 'a number in it is none' };
  if (new Set(Object.values(numbers)).size < entries.length) return { ok: false, error: 'two routes have one number' };
  return { ok: true, value: { key, numbers: new Map(entries) } };
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isNumbered = (entry: [string, unknown]): entry is [string, number] =>
  Number.isSafeInteger(entry[1]) && (entry[1] as number) >= 1;
