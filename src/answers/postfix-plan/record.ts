/**
 * What was changed in main.cf and master.cf, for undo: the bytes before and after, and our items as they were written.
 * It stands alone, so a later Postern can take back what an earlier one set. Pure; where it is kept is another matter.
 */
import type { ListKind } from './list-edit.ts';

const FORMAT = 1;

/** One change. Texts are bytes as Latin-1. */
export type AppliedChange = {
  /** Null: a parameter of main.cf. */
  readonly service: string | null;
  /** Null: a whole service line. */
  readonly name: string | null;
  readonly kind: ListKind;
  /** Every item that was ever put there. */
  readonly items: readonly string[];
  readonly valueIfUnset: string;
  /** Null: nothing stood there. */
  readonly original: string | null;
  readonly written: string;
};

/** Everything that was changed in one configuration directory, in order. */
export type AppliedRecord = {
  readonly format: typeof FORMAT;
  readonly configDirectory: string;
  /** Services that the operator chose to have changed. */
  readonly services: readonly string[];
  readonly changes: readonly AppliedChange[];
};

/** A record. */
export const makeRecord = (
  configDirectory: string,
  services: readonly string[],
  changes: readonly AppliedChange[],
): AppliedRecord => ({ format: FORMAT, configDirectory, services, changes });

/**
 * What to remember while files go from one state to the other: what either holds can be taken back, so that undo works
 * after a crash in between.
 */
export function whileChanging(before: AppliedRecord | null, after: AppliedRecord | null): AppliedRecord | null {
  if (before === null || after === null) return after ?? before;
  const dropped = before.changes.filter(
    ({ service, name }) => !after.changes.some((change) => change.service === service && change.name === name),
  );
  return { ...after, changes: [...dropped, ...after.changes] };
}

/** The text to keep. */
export const renderRecord = (record: AppliedRecord): string => `${JSON.stringify(record, null, 2)}\n`;

/** Reads a kept text. An error says why undo cannot rely on it. */
export function parseRecord(
  text: string,
): { readonly ok: true; readonly value: AppliedRecord } | { readonly ok: false; readonly error: string } {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    // What it says of the place is of no use: nobody edits this file by hand.
    return { ok: false, error: 'it is not JSON' };
  }
  const record = parsed as Partial<AppliedRecord> | null;
  if (typeof record !== 'object' || record === null) return { ok: false, error: 'it is not a record' };
  const format: unknown = record.format;
  if (typeof format === 'number' && format > FORMAT)
    return { ok: false, error: `its format ${format} is of a later Postern` };
  const isRecord =
    format === FORMAT &&
    typeof record.configDirectory === 'string' &&
    isTexts(record.services) &&
    Array.isArray(record.changes) &&
    record.changes.every(isChange);
  return isRecord ? { ok: true, value: record as AppliedRecord } : { ok: false, error: 'a part of it is missing' };
}

const isTexts = (value: unknown): value is string[] =>
  Array.isArray(value) && value.every((each) => typeof each === 'string');
const isTextOrNull = (value: unknown): boolean => value === null || typeof value === 'string';

function isChange(value: unknown): value is AppliedChange {
  const change = value as Partial<AppliedChange> | null;
  return (
    typeof change === 'object' &&
    change !== null &&
    isTextOrNull(change.service) &&
    isTextOrNull(change.name) &&
    isTextOrNull(change.original) &&
    (change.kind === 'restrictions' || change.kind === 'words') &&
    isTexts(change.items) &&
    typeof change.valueIfUnset === 'string' &&
    typeof change.written === 'string'
  );
}

/** Whether mail may be queued for a route of ours: without these lines it would never arrive. */
export const hasRoutes = ({ changes }: AppliedRecord): boolean =>
  changes.some(({ service, name }) => (service !== null && name === null) || name === 'transport_maps');
