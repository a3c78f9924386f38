/** The texts that blocks and requests to lift them are kept as. Pure; where they are kept is another matter. */
import { parseDomain, parseIpRange, type IpRange } from '../../mail/index.ts';
import type { Lift, ShortTermBlock } from '../../services/index.ts';

const FORMAT = 1;
/** So many blocks are made into text at a time: below a millisecond of the event loop. */
const SLICE = 500;

type Parsed<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: string };

/** Pieces of the text to keep, one block a line; whoever writes them may do other things in between. */
export function* renderBlocks(blocks: readonly ShortTermBlock[]): Generator<string> {
  yield `{"format":${FORMAT},"blocks":[`;
  for (let from = 0; from < blocks.length; from += SLICE) {
    const lines = blocks
      .slice(from, from + SLICE)
      .map(({ domain, range, since, until, reason }) =>
        JSON.stringify({ domain, client: range.text, since, until, reason }),
      );
    yield `${from === 0 ? '' : ','}\n${lines.join(',\n')}`;
  }
  yield '\n]}\n';
}

/** Reads a kept text. An error is a sentence fragment that says why it is of no use. */
export function parseBlocks(text: string): Parsed<readonly ShortTermBlock[]> {
  const parsed = parseDocument(text);
  if (!parsed.ok) return parsed;
  const { blocks: entries } = parsed.value;
  if (!Array.isArray(entries)) return { ok: false, error: 'its blocks are missing' };
  const blocks = entries.map(blockOf);
  return isComplete(blocks) ? { ok: true, value: blocks } : { ok: false, error: 'a block in it is none' };
}

/** The text of a request. */
export const renderLift = ({ domain, ranges, at }: Lift): string =>
  `${JSON.stringify({ format: FORMAT, domain, clients: ranges.map((range) => range.text), at })}\n`;

/** Reads a request; null where it is none. */
export function parseLift(text: string): Lift | null {
  const parsed = parseDocument(text);
  if (!parsed.ok) return null;
  const { domain, clients, at } = parsed.value;
  if (typeof domain !== 'string' || typeof at !== 'number' || !Array.isArray(clients)) return null;
  const ranges = clients.map(rangeOf);
  return isComplete(ranges) ? { domain, ranges, at } : null;
}

function parseDocument(text: string): Parsed<Readonly<Record<string, unknown>>> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    // What it says of the place is of no use: nobody edits these files by hand.
    return { ok: false, error: 'it is not JSON' };
  }
  if (!isObject(parsed)) return { ok: false, error: 'it is no object' };
  const { format } = parsed;
  if (typeof format === 'number' && format > FORMAT) {
    return { ok: false, error: `its format ${format} is of a later Postern` };
  }
  return format === FORMAT ? { ok: true, value: parsed } : { ok: false, error: 'it says no format' };
}

function blockOf(entry: unknown): ShortTermBlock | null {
  if (!isObject(entry)) return null;
  const { since, until, reason } = entry;
  const range = rangeOf(entry['client']);
  const domain = typeof entry['domain'] === 'string' ? parseDomain(entry['domain']) : null;
  if (domain?.ok !== true || range === null || typeof reason !== 'string') return null;
  return isTime(since) && isTime(until) ? { domain: domain.value, range, since, until, reason } : null;
}

function rangeOf(text: unknown): IpRange | null {
  const range = typeof text === 'string' ? parseIpRange(text) : null;
  return range?.ok === true ? range.value : null;
}

/** Within what a date can be. Source: ECMA-262, "Time Values and Time Range". */
const isTime = (value: unknown): value is number => Number.isSafeInteger(value) && Math.abs(value as number) <= 8.64e15;

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isComplete = <T>(values: readonly (T | null)[]): values is readonly T[] => !values.includes(null);
