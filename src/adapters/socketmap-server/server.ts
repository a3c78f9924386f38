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

/** How the socketmap door is opened. `answer` gives the reply to a key of a map. */
export type SocketmapDoorOptions = Omit<DoorOptions, 'door' | 'onConnection'> & {
  readonly answer: (map: string, key: string) => SocketmapReply;
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

function answerQuery({ map, key }: Query, answer: SocketmapDoorOptions['answer'], meters: Meters): Buffer {
  // A peer could name any number of maps; a label must not.
  const label = (SOCKETMAPS as readonly string[]).includes(map) ? map : 'other';
  let status: SocketmapReply['kind'] = 'temp';
  try {
    const reply = answer(map, key);
    const octets = encodeSocketmapReply(reply);
    status = reply.kind;
    return octets;
  } finally {
    meters.countSocketmapAnswer(label, status);
  }
}
