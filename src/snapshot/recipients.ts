/**
 * Who exists in an own domain, compiled: the files that the settings name, read, and the maps that are asked when mail
 * comes. Reads nothing itself.
 */
import type { RecipientList } from '../mail/index.ts';
import { ownDomains, type OwnDomain, type Settings } from '../settings/index.ts';
import type { RecipientSource } from './snapshot.ts';

/** Files of recipients by the path that the settings name them by. */
export type RecipientLists = ReadonlyMap<string, RecipientList>;

/** The files of recipients that the settings name, each once, with the place that names it first. */
export function recipientFilesOf(settings: Settings): ReadonlyMap<string, string> {
  const files = new Map<string, string>();
  for (const { own } of ownDomains(settings)) {
    own.recipients?.forEach((source, index) => {
      if (typeof source === 'string' && !files.has(source)) files.set(source, `${own.pointer}/recipients/${index}`);
    });
  }
  return files;
}

/** The sources of a domain, in their order; null where everybody exists. */
export function compileRecipients(own: OwnDomain, lists: RecipientLists): readonly RecipientSource[] | null {
  if (own.recipients === undefined) return null;
  return own.recipients.map((source, index): RecipientSource => {
    const pointer = `${own.pointer}/recipients/${index}`;
    if (typeof source !== 'string') return { kind: 'map', map: source.map, pointer };
    const list = lists.get(source);
    if (list === undefined) throw new Error(`the file of recipients ${source} was not given to compile`);
    return { kind: 'file', file: source, list, pointer };
  });
}
