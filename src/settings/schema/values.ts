/**
 * The values that settings are made of, each with the sentence that says what it must be.
 * Never looks at two settings at once: that is the rules' work.
 */
import { z } from 'zod';
import { parseDomain, parseDuration, type Domain, type Milliseconds } from '../../mail/index.ts';
import { LIMITS } from '../limits.ts';

/** A switch, off unless set. */
export const flag = (description: string): z.ZodDefault<z.ZodBoolean> =>
  z.boolean({ error: 'must be true or false' }).default(false).describe(description);

/** How many characters a person sees, near enough: code points, so that an emoji is not two. */
export const characterCount = (typed: string): number => Array.from(typed).length;

/** Free text of at most `max` characters. */
export const text = (max: number, description: string): z.ZodString =>
  z
    .string({ error: 'must be text; put it in quotes' })
    .refine((typed) => characterCount(typed) <= max, {
      error: ({ input }) => `has ${characterCount(String(input))} characters, and the limit is ${max}; shorten it`,
    })
    .meta({ description, maxLength: max });

/** A note to an entry; never sent to anybody outside. */
export const note = text(LIMITS.noteLength, 'why the entry is there; shown to administrators only').optional();

/** A whole number from `min` to `max`. */
export function wholeNumber(min: number, max: number, description: string): z.ZodNumber {
  const error = `must be a whole number from ${min} to ${max}`;
  return z.int({ error }).min(min, { error }).max(max, { error }).describe(description);
}

/** One of a few words. */
export function oneOf<const T extends readonly [string, ...string[]]>(
  words: T,
  description: string,
): z.ZodEnum<{ [K in T[number]]: K }> {
  return z.enum(words, { error: `must be ${listOf(words)}` }).describe(description);
}

/** A list of a few words, at least one, each at most once. */
export function someOf<const T extends readonly [string, ...string[]]>(
  words: T,
  description: string,
): z.ZodType<readonly T[number][], readonly T[number][]> {
  return z
    .array(oneOf(words, description), { error: `must be a list of ${listOf(words)}` })
    .min(1, { error: `must name at least one of ${words.join(', ')}` })
    .refine((list) => new Set(list).size === list.length, { error: 'names the same word twice; write it once' })
    .describe(description);
}

const listOf = (words: readonly string[]): string => `${words.slice(0, -1).join(', ')} or ${words.at(-1) as string}`;

/** A domain name in any spelling, kept as {@link Domain}. */
export const domainName = (description: string): z.ZodPipe<z.ZodString, z.ZodTransform<Domain, string>> =>
  z
    .string({ error: 'must be a domain name' })
    .transform((name, context): Domain => {
      const domain = parseDomain(name);
      if (domain.ok) return domain.value;
      context.issues.push({ code: 'custom', message: `"${name}" ${domain.error}`, input: name });
      return z.NEVER;
    })
    .describe(description);

/** A span of time such as `10m`, kept in milliseconds. */
export const duration = (description: string): z.ZodPipe<z.ZodString, z.ZodTransform<Milliseconds, string>> =>
  z
    .string({ error: 'must be a time such as 30s, 10m, 1h, 3d or 2w' })
    .transform((span, context): Milliseconds => {
      const parsed = parseDuration(span);
      if (parsed.ok) return parsed.value;
      context.issues.push({ code: 'custom', message: parsed.error, input: span });
      return z.NEVER;
    })
    .describe(description);

/** Names of organizations and routes: they stand in logs, metrics, map keys and command lines. */
export const NAME = /^[A-Za-z0-9](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9])?$/;

/** Why a name is refused, and what a good one looks like. */
export const NAME_RULE = `must be 1 to ${LIMITS.nameLength} letters, digits, "-" or "_", with a letter or digit first and last`;

/** The name of a route that a rule refers to. */
export const routeName = (description: string): z.ZodString =>
  z.string({ error: 'must be the name of a route' }).regex(NAME, { error: NAME_RULE }).describe(description);
