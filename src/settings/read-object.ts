/**
 * Reads a value key by key and item by item, so that a fault in one place hides nothing in the others.
 * (zod alone would give no value at all.)
 */
import { z } from 'zod';
import type { IpRange } from '../mail/index.ts';
import type { Issues, Path } from './issue.ts';
import type { IpEntry } from './schema/ip-entries.ts';
import { likeliestBranch, reportFault, reportUnknownKey } from './zod-issues.ts';

/** Values that are there whole or not at all. */
type Whole = string | number | boolean | undefined | IpRange | IpEntry;

/** A value as far as it could be read: what is faulty in it is undefined, and the faults are in the issues. */
export type Readable<T> = T extends Whole
  ? T
  : T extends readonly (infer Item)[]
    ? readonly (Readable<Item> | undefined)[]
    : { readonly [Key in keyof T]?: Readable<T[Key]> | undefined };

/** True for what YAML and JSON call a mapping or object. */
export const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Reads one value as far as it can be read; the faults are in `issues`. */
export function readValue<S extends z.ZodType>(
  schema: S,
  raw: unknown,
  path: Path,
  issues: Issues,
): Readable<z.output<S>> | undefined {
  return read(schema, raw, path, issues) as Readable<z.output<S>> | undefined;
}

function read(schema: z.core.$ZodType, raw: unknown, path: Path, issues: Issues): unknown {
  const parsed = z.safeParse(schema, raw);
  if (parsed.success) return parsed.data;
  const { def } = (schema as z.core.$ZodTypes)._zod;
  const faults = parsed.error.issues.filter((fault) => fault.path.length === 0);
  if (def.type === 'optional' || def.type === 'default') return read(def.innerType, raw, path, issues);
  if (def.type === 'object' && isRecord(raw)) return readKeys(def.shape, raw, path, issues, []);
  if (def.type === 'union') {
    const branches = def.options.map((option) => (z.safeParse(option, raw).error as z.core.$ZodError).issues);
    const meant = def.options[likeliestBranch(branches)];
    if (meant !== undefined) return read(meant, raw, path, issues);
  }
  if (def.type === 'pipe' && isContainer(def.in)) {
    // The items of a list that is only tidied up afterwards are good as they are; an object becomes something else.
    const value = read(def.in, raw, path, issues);
    return Array.isArray(value) ? value : undefined;
  }
  for (const fault of faults) reportFault(issues, path, raw, fault);
  if (def.type !== 'array' || !Array.isArray(raw)) return undefined;
  return raw.map((item, index) => read(def.element, item, [...path, index], issues));
}

const isContainer = (schema: z.core.$ZodType): boolean => ['array', 'object'].includes(schema._zod.def.type);

function readKeys(
  shape: Readonly<Record<string, z.core.$ZodType>>,
  raw: Readonly<Record<string, unknown>>,
  path: Path,
  issues: Issues,
  skip: readonly string[],
): Record<string, unknown> {
  const known = Object.keys(shape);
  for (const key of Object.keys(raw)) if (!known.includes(key)) reportUnknownKey(issues, path, key, known);
  const values: Record<string, unknown> = {};
  for (const [key, schema] of Object.entries(shape)) {
    if (skip.includes(key)) continue;
    const value = read(schema, Object.hasOwn(raw, key) ? raw[key] : undefined, [...path, key], issues);
    if (value !== undefined) values[key] = value;
  }
  return values;
}

/** Reads an object key by key; keys in `skip` are left to the caller. Null where `raw` is no object. */
export function readObject<S extends z.ZodObject>(
  schema: S,
  raw: unknown,
  path: Path,
  issues: Issues,
  skip: readonly string[] = [],
): Readable<z.output<S>> | null {
  if (isRecord(raw)) return readKeys(schema.shape, raw, path, issues, skip) as Readable<z.output<S>>;
  read(schema, raw, path, issues);
  return null;
}
