/**
 * Whether a recipient of an own domain exists: its sources are asked in their order, and the first that names it
 * decides. A source that cannot be asked leaves the question open, unless another one names the recipient.
 * Asks no map itself: answers come in, and it says which one it needs.
 */
import { isNeverMissing, recipientListHas, recipientNames } from '../mail/index.ts';
import type { DomainPolicy, HostPolicy } from '../snapshot/index.ts';
import type { ExistenceFact } from './facts.ts';
import type { Mailbox } from './rules/routing.ts';

/** What a map says about names: one of them is there, none is, or why it could not be asked. */
export type MapAnswer = 'found' | 'absent' | { readonly unreadable: string };

/** A map that has to be asked for these names, the most exact first. */
export type MapQuestion = { readonly map: string; readonly names: readonly string[] };

/**
 * The fact, or the question that it needs the answer of first; null where the domain does not say who exists.
 * `answers` are those that were asked before, by map.
 */
export function whetherExists(
  { recipientDelimiter }: Pick<HostPolicy, 'recipientDelimiter'>,
  { domain, recipients, pointer }: Pick<DomainPolicy, 'domain' | 'recipients' | 'pointer'>,
  mailbox: Mailbox,
  answers: ReadonlyMap<string, MapAnswer>,
): ExistenceFact | MapQuestion | null {
  if (recipients === null) return null;
  const address = `${mailbox.localPart}@${mailbox.domain}`;
  const all = `${pointer}/recipients`;
  const { localPart } = mailbox;
  if (isNeverMissing(localPart, recipientDelimiter)) {
    return {
      kind: 'existing',
      setting: all,
      text: `${address} is never missing: it is postmaster or a tagged return address`,
    };
  }
  const names = recipientNames({ localPart, domain }, recipientDelimiter);
  let open: ExistenceFact | null = null;
  for (const source of recipients) {
    if (source.kind === 'file') {
      const name = names.find((each) => recipientListHas(source.list, each));
      if (name !== undefined) {
        return { kind: 'existing', setting: source.pointer, text: `${address} exists: ${source.file} has ${name}` };
      }
      continue;
    }
    const answer = answers.get(source.map);
    if (answer === undefined) return { map: source.map, names };
    if (answer === 'found') {
      return { kind: 'existing', setting: source.pointer, text: `${address} exists: it is in ${source.map}` };
    }
    if (answer !== 'absent') {
      const text = `whether ${address} exists cannot be found out: ${source.map}: ${answer.unreadable}`;
      open ??= { kind: 'unknown', setting: source.pointer, text };
    }
  }
  return open ?? { kind: 'missing', setting: all, text: `${address} does not exist: no source of recipients has it` };
}
