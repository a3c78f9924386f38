/**
 * The socketmap door: Postfix looks up keys of our maps here.
 * Never looks anything up itself, and in normal life never closes a connection first.
 * Source: Postfix socketmap_table(5).
 */
import type { Buffer } from 'node:buffer';
import { SOCKETMAPS } from '../../answers/index.ts';
import type { Meters } from '../../services/index.ts';
import {
  encodeSocketmapReply,
  SocketmapDecoder,
  type SocketmapEvent,
  type SocketmapReply,
} from '../../wire/socketmap/index.ts';
import { converse, openDoor, type DoorOptions, type OpenDoor } from '../socket/index.ts';

/** How the socketmap door is opened. `answer` gives the reply to a key of a map, at once wherever it can. */
export type SocketmapDoorOptions = Omit<DoorOptions, 'door' | 'onConnection'> & {
  readonly answer: (map: string, key: string) => SocketmapReply | Promise<SocketmapReply>;
};

type Query = SocketmapEvent & { readonly kind: 'query' };

const FAILURE = encodeSocketmapReply({ kind: 'temp', reason: 'internal error' });

/** Opens the socketmap door. Errors: CannotListenError. */
export function openSocketmapDoor(options: SocketmapDoorOptions): Promise<OpenDoor> {
  const { log, meters } = options;
  return openDoor({
    ...options,
    door: 'socketmap',
    onConnection: (socket, peer) =>
      converse<Query>(socket, peer, {
        door: 'socketmap',
        decoder: new SocketmapDecoder(),
        answer: (query) => answerQuery(query, options.answer, meters),
        failureAnswer: FAILURE,
        log,
        meters,
      }),
  });
}

function answerQuery(
  { map, key }: Query,
  answer: SocketmapDoorOptions['answer'],
  meters: Meters,
): Buffer | Promise<Buffer> {
  // A peer could name any number of maps; a label must not.
  const label = (SOCKETMAPS as readonly string[]).includes(map) ? map : 'other';
  const failed = (error: unknown): never => {
    meters.countSocketmapAnswer(label, 'temp');
    throw error;
  };
  const said = (reply: SocketmapReply): Buffer => {
    const octets = encodeSocketmapReply(reply);
    meters.countSocketmapAnswer(label, reply.kind);
    return octets;
  };
  try {
    const reply = answer(map, key);
    return reply instanceof Promise ? reply.then(said).catch(failed) : said(reply);
  } catch (error) {
    return failed(error);
  }
}
