/** Whether recipients exist, for tests: files of recipients are in the snapshot, and maps say what a test gives them. */
import { recipientReading, whetherExists, type ExistenceFact, type MapAnswer } from '../../src/decide/index.ts';
import type { Address } from '../../src/mail/index.ts';
import type { Snapshot } from '../../src/snapshot/index.ts';

/** What is in each map: names, or why it cannot be read. */
export type MapTexts = Readonly<Record<string, readonly string[] | string>>;

/** The fact about a recipient; null where its domain does not say who exists. A map that is not given is a mistake. */
export function existenceOf(
  snapshot: Snapshot,
  recipient: Address,
  maps: MapTexts = {},
  resolved: Address | null = null,
): ExistenceFact | null {
  const own = recipientReading(snapshot, recipient, resolved);
  if (own === undefined) return null;
  const answers = new Map<string, MapAnswer>();
  for (;;) {
    const found = whetherExists(snapshot.host, own.policy, own.mailbox, answers);
    if (found === null || 'kind' in found) return found;
    const content = maps[found.map];
    if (content === undefined || answers.has(found.map)) throw new Error(`nothing is known of ${found.map}`);
    if (typeof content === 'string') answers.set(found.map, { unreadable: content });
    else answers.set(found.map, found.names.some((name) => content.includes(name)) ? 'found' : 'absent');
  }
}
