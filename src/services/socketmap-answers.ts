/**
 * Socketmap queries answered with the running snapshot; whether a recipient exists is found out first, where the map
 * asks for it. Decides nothing itself.
 */
import { answerSocketmap, recipientOfKey, type SocketmapFacts } from '../answers/index.ts';
import { ownReading, type ExistenceFact } from '../decide/index.ts';
import type { Snapshot } from '../snapshot/index.ts';
import type { SocketmapReply } from '../wire/socketmap/index.ts';
import type { Clock } from './ports.ts';
import type { RecipientDirectory } from './recipient-directory.ts';

/** Gives the reply to a key of a map: at once, but where another map has to be asked. */
export type SocketmapAnswers = (map: string, key: string) => SocketmapReply | Promise<SocketmapReply>;

/** Makes the answers. `milter` is where Postfix reaches our milter; null where that door is shut. */
export function createSocketmapAnswers(
  current: () => Snapshot,
  clock: Clock,
  directory: RecipientDirectory,
  milter: SocketmapFacts['milter'],
): SocketmapAnswers {
  return (map, key) => {
    const snapshot = current();
    const answer = (existence: ExistenceFact | null): SocketmapReply =>
      answerSocketmap(snapshot, map, key, { at: clock.now(), milter, ...(existence !== null && { existence }) });
    const address = map === 'recipients' ? recipientOfKey(key) : null;
    const own = address === null ? undefined : ownReading(snapshot, address);
    const existence = own === undefined ? null : directory.find(snapshot, own);
    return existence instanceof Promise ? existence.then(answer) : answer(existence);
  };
}
