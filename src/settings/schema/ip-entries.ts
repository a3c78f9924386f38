/** What an entry of the allowed or blocked IPs may be: a range with note and expiry, its short form, or a list file. */
import { z } from 'zod';
import { parseIpRange, type IpRange } from '../../mail/index.ts';
import { note } from './values.ts';

/** `expiresAt` is in milliseconds since 1970; from then on the entry does not act. Absent: it never expires. */
export type IpEntry =
  | { readonly kind: 'range'; readonly range: IpRange; readonly note?: string; readonly expiresAt?: number }
  | { readonly kind: 'file'; readonly file: string; readonly note?: string };

const address = z.string({ error: 'must be an IP address or range as text; put it in quotes' });

/** An address or range, as typed, refused with the reason that its parser gives. */
export const ipRange = address.transform((typed, context): IpRange => {
  const parsed = parseIpRange(typed);
  if (parsed.ok) return parsed.value;
  context.issues.push({ code: 'custom', message: parsed.error.message, input: typed });
  return z.NEVER;
});

const TIME = /^T(?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:\.[0-9]+)?)?(?:Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])$/;

/** The moment at which `2027-01-31` (its end, UTC) or an RFC 3339 time has passed, in milliseconds; null if it is neither. */
export function parseExpiry(text: string): number | null {
  const day = text.slice(0, 10);
  const time = text.slice(10);
  if (!/^[0-9]{4}-[0-9]{2}-[0-9]{2}$/.test(day) || !(time === '' || TIME.test(time))) return null;
  const dayStart = Date.parse(day);
  // Date.parse takes 2027-02-30 as the 2nd of March.
  if (Number.isNaN(dayStart) || new Date(dayStart).toISOString().slice(0, 10) !== day) return null;
  return time === '' ? dayStart + 86_400_000 : Date.parse(text);
}

const expires = z
  .string({ error: 'must be a date such as 2027-01-31' })
  .transform((text, context): number => {
    const at = parseExpiry(text);
    if (at !== null) return at;
    const message = `"${text}" is no date; write 2027-01-31 (acts to the end of that day, UTC) or 2027-01-31T18:00:00Z`;
    context.issues.push({ code: 'custom', message, input: text });
    return z.NEVER;
  })
  .describe('when the entry stops acting: a date (to its end, UTC) or an RFC 3339 time')
  .optional();

const long = z
  .strictObject(
    { ip: ipRange, note, expires },
    { error: 'must be an IP address or range, or { ip: … }, or { file: … }' },
  )
  .transform(({ ip, note: why, expires: expiresAt }): IpEntry => ({
    kind: 'range',
    range: ip,
    ...(why !== undefined && { note: why }),
    ...(expiresAt !== undefined && { expiresAt }),
  }));

const file = z
  .strictObject(
    {
      file: z.string({ error: 'must be the path of a list file' }).min(1, { error: 'must be the path of a list file' }),
      note,
    },
    { error: 'must be an IP address or range, or { ip: … }, or { file: … }' },
  )
  .transform(({ file: path, note: why }): IpEntry => ({
    kind: 'file',
    file: path,
    ...(why !== undefined && { note: why }),
  }));

const short = ipRange.transform((range): IpEntry => ({ kind: 'range', range }));

/** A list of entries. Its limit counts without duplicates, so the rules check it. */
export const ipEntries = (description: string): z.ZodType<readonly IpEntry[]> =>
  z
    .array(z.union([short, long, file], { error: 'must be an IP address or range, or { ip: … }, or { file: … }' }), {
      error: 'must be a list of IP addresses and ranges',
    })
    .describe(description);
