/** What an own domain's DKIM settings may be. Keys and their states live in the key store, never here. */
import { z } from 'zod';
import { DKIM_BITS, LIMITS } from '../limits.ts';

const SELECTOR = new RegExp(`^[A-Za-z0-9](?:[A-Za-z0-9-]{0,${LIMITS.selectorLength - 2}}[A-Za-z0-9])?$`);
/** The selector of a domain that names none. */
export const DEFAULT_SELECTOR = 'postern';

/** Whether a text can be a selector: one DNS label of letters, digits and inner hyphens. Source: RFC 6376 §3.1. */
export const isSelector = (text: string): boolean => SELECTOR.test(text);

/** A DKIM selector; the empty text means the default. Source: RFC 6376 §3.1, RFC 1035 §2.3.4. */
const selector = z
  .string({ error: 'must be text; put it in quotes' })
  .regex(new RegExp(`^$|${SELECTOR.source}`), {
    error: `must be 1 to ${LIMITS.selectorLength} letters, digits or hyphens, with no hyphen first or last`,
  })
  .default(DEFAULT_SELECTOR)
  .transform((typed) => (typed === '' ? DEFAULT_SELECTOR : typed))
  .describe('the selector of the next key that is created');

/** DKIM settings of an own domain. */
export const dkim = z.strictObject(
  {
    selector,
    bits: z
      .literal(DKIM_BITS, { error: `must be ${DKIM_BITS.join(' or ')}` })
      .default(DKIM_BITS[0])
      .describe('the RSA key size of the next key, in bits'),
  },
  { error: 'must be a group of keys, such as { selector: postern }' },
);
