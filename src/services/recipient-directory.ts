/**
 * Whether recipients exist: lists of the snapshot are searched at once, Postfix's maps are asked and their answers
 * remembered for a while. Never refuses anybody.
 */
import { LRUCache } from 'lru-cache';
import {
  recipientReading,
  whetherExists,
  type ExistenceFact,
  type MapAnswer,
  type MapQuestion,
  type MessageRecipient,
  type OwnReading,
} from '../decide/index.ts';
import type { Snapshot } from '../snapshot/index.ts';
import type { Clock, Log } from './ports.ts';
import type { RecipientMaps } from './recipient-ports.ts';

/** Says whether recipients exist. */
export type RecipientDirectory = {
  /** Null where the domain does not say who exists; a promise only where a map has to be asked. */
  find(snapshot: Snapshot, own: OwnReading): ExistenceFact | Promise<ExistenceFact> | null;
};

/** Answers remembered at a time: about 5 MB. */
const MOST_ANSWERS = 20_000;
/** A mailbox that is made is there after ten seconds at most; one that is taken away, after a minute. */
const AGE_MS = { found: 60_000, absent: 10_000, unreadable: 1000 } as const;
/** A map that cannot be read is said once in a while, not with each recipient. */
const COMPLAIN_EVERY_MS = 60_000;

type Remembered = { readonly answer: MapAnswer; readonly until: number };

/** Makes a directory. */
export function createRecipientDirectory(maps: RecipientMaps, clock: Clock, log: Log): RecipientDirectory {
  const remembered = new LRUCache<string, Remembered>({ max: MOST_ANSWERS });
  const asking = new Map<string, Promise<MapAnswer>>();
  const complained = new Map<string, number>();

  const keep = (key: string, map: string, answer: MapAnswer): void => {
    const now = clock.now();
    const age = typeof answer === 'string' ? AGE_MS[answer] : AGE_MS.unreadable;
    remembered.set(key, { answer, until: now + age });
    if (typeof answer === 'string' || now - (complained.get(map) ?? -COMPLAIN_EVERY_MS) < COMPLAIN_EVERY_MS) return;
    complained.set(map, now);
    log.warn('a map of recipients cannot be read; mail for those whom no other source names has to wait', {
      map,
      reason: answer.unreadable,
    });
  };
  const ask = ({ map, names }: MapQuestion, key: string): Promise<MapAnswer> => {
    const running = asking.get(key);
    if (running !== undefined) return running;
    const question = maps
      .find(map, names)
      .then((answer) => {
        keep(key, map, answer);
        return answer;
      })
      .finally(() => asking.delete(key));
    asking.set(key, question);
    return question;
  };
  const recall = (key: string): MapAnswer | null => {
    const known = remembered.get(key);
    return known === undefined || known.until <= clock.now() ? null : known.answer;
  };
  const walk = (
    snapshot: Snapshot,
    own: OwnReading,
    answers: Map<string, MapAnswer>,
  ): ExistenceFact | Promise<ExistenceFact> | null => {
    for (;;) {
      const next = whetherExists(snapshot.host, own.policy, own.mailbox, answers);
      if (next === null || 'kind' in next) return next;
      const key = `${next.map}\0${next.names[0] ?? ''}`;
      const known = recall(key);
      if (known === null) return askAndGoOn(snapshot, own, answers, next, key);
      answers.set(next.map, known);
    }
  };
  const askAndGoOn = async (
    snapshot: Snapshot,
    own: OwnReading,
    answers: Map<string, MapAnswer>,
    question: MapQuestion,
    key: string,
  ): Promise<ExistenceFact> => {
    answers.set(question.map, await ask(question, key));
    const fact = await walk(snapshot, own, answers);
    if (fact === null) throw new Error('a domain that says who exists has no answer');
    return fact;
  };
  return { find: (snapshot, own) => (own.policy.recipients === null ? null : walk(snapshot, own, new Map())) };
}

/** What is known of each recipient of a message; null where no rule depends on it. */
export type Existences = readonly (ExistenceFact | null)[];

/** Finds those recipients of a message whose way depends on whether they exist; null where there is none. */
export function existencesOf(
  directory: RecipientDirectory,
  snapshot: Snapshot,
  recipients: readonly MessageRecipient[],
): Existences | Promise<Existences> | null {
  const found = recipients.map(({ address, resolved }) => {
    const own = recipientReading(snapshot, address, resolved?.address ?? null);
    return own === undefined || !isRouted(own) ? null : directory.find(snapshot, own);
  });
  if (found.every((each) => each === null)) return null;
  return found.some((each) => each instanceof Promise)
    ? Promise.all(found.map((each) => Promise.resolve(each)))
    : (found as Existences);
}

const isRouted = ({ policy }: OwnReading): boolean =>
  policy.inboundRoutes.length > 0 || (policy.gateway?.internalRoute ?? null) !== null;
