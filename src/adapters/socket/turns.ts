/**
 * A conversation of requests and answers in turn: what one read completed is answered by one write, in order.
 * Never reads ahead of a peer that does not take its answers, and never knows what is asked.
 */
import { Buffer } from 'node:buffer';
import type { Socket } from 'node:net';
import type { Door, Log, Meters } from '../../services/index.ts';
import type { PeerProtocolError } from '../../wire/protocol-error.ts';
import type { Conversation } from './drain.ts';

/** A decoder of one connection: chunks in, requests out. A fault is the last event. */
export type TurnDecoder<Request> = {
  readonly isIdle: boolean;
  receive(chunk: Uint8Array): readonly (Request | TurnFault)[];
};

/** The peer broke the protocol. */
export type TurnFault = { readonly kind: 'fault'; readonly error: PeerProtocolError };

/** What a conversation needs. `answer` gives the octets to send. */
export type Turns<Request> = {
  readonly door: Door;
  readonly decoder: TurnDecoder<Request>;
  readonly answer: (request: Request) => Buffer;
  /** Sent where `answer` throws: one request fails, the connection goes on. */
  readonly failureAnswer: Buffer;
  readonly log: Log;
  readonly meters: Meters;
};

/** How long a peer that broke the protocol may take to read its last answers. */
const LINGER_MS = 1_000;

/** Answers on a socket until it closes. */
export function converse<Request extends { readonly kind: string }>(
  socket: Socket,
  peer: string,
  turns: Turns<Request>,
): Conversation {
  const { decoder } = turns;
  let hasFailed = false;
  socket.on('data', (chunk: Buffer) => {
    if (hasFailed || socket.writableEnded) return;
    const arrivedAt = performance.now();
    const answers: Buffer[] = [];
    for (const event of decoder.receive(chunk)) {
      if (isFault(event)) {
        hasFailed = true;
        reportFault(event.error, peer, turns);
        break;
      }
      answers.push(answerOne(event, peer, turns));
      turns.meters.observeAnswer(turns.door, (performance.now() - arrivedAt) / 1000);
    }
    const isTaken = send(socket, answers);
    if (hasFailed) {
      endAfterFault(socket);
    } else if (!isTaken) {
      socket.pause();
    }
  });
  socket.on('drain', () => socket.resume());
  return { isIdle: () => hasFailed || (decoder.isIdle && socket.writableLength === 0) };
}

function isFault(event: { readonly kind: string }): event is TurnFault {
  return event.kind === 'fault';
}

function answerOne<Request>(request: Request, peer: string, turns: Turns<Request>): Buffer {
  try {
    return turns.answer(request);
  } catch (error) {
    turns.log.error('a request could not be answered', { door: turns.door, peer, err: error });
    return turns.failureAnswer;
  }
}

function reportFault<Request>(error: PeerProtocolError, peer: string, turns: Turns<Request>): void {
  turns.meters.countProtocolFault(turns.door);
  const { code, protocol, offset } = error.fault;
  turns.log.warn(error.message, { door: turns.door, peer, code, protocol, offset });
}

/** Whether the peer keeps up. One write for all: two small ones would wait for each other's acknowledgement. */
function send(socket: Socket, answers: readonly Buffer[]): boolean {
  const [only] = answers;
  if (only === undefined) return true;
  return socket.write(answers.length === 1 ? only : Buffer.concat(answers));
}

/** Reads on for a moment: closing with unread octets would reset the connection and lose the last answers. */
function endAfterFault(socket: Socket): void {
  socket.end();
  const timer = setTimeout(() => socket.destroy(), LINGER_MS);
  socket.once('close', () => {
    clearTimeout(timer);
  });
}
