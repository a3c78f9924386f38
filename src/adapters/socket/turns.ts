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

/** What a conversation needs. `answer` gives the octets to send, at once wherever it can. */
export type Turns<Request> = {
  readonly door: Door;
  readonly decoder: TurnDecoder<Request>;
  readonly answer: (request: Request) => Buffer | Promise<Buffer>;
  /** Sent where `answer` fails: one request fails, the connection goes on. */
  readonly failureAnswer: Buffer;
  readonly log: Log;
  readonly meters: Meters;
};

/** How long a peer that broke the protocol may take to read its last answers. */
const LINGER_MS = 1_000;

/** Answers on a socket until it closes. While an answer is waited for, nothing more is read. */
export function converse<Request extends { readonly kind: string }>(
  socket: Socket,
  peer: string,
  turns: Turns<Request>,
): Conversation {
  const { decoder } = turns;
  let hasFailed = false;
  let isWaiting = false;
  const finish = (answers: readonly Buffer[]): void => {
    if (socket.destroyed) return;
    const isTaken = send(socket, answers);
    if (hasFailed) {
      endAfterFault(socket);
    } else if (!isTaken) {
      socket.pause();
    }
    if (socket.readableEnded) socket.end();
  };
  const goOn = (events: readonly (Request | TurnFault)[], from: number, answers: Buffer[], arrivedAt: number): void => {
    const answered = (answer: Buffer): void => {
      answers.push(answer);
      turns.meters.observeAnswer(turns.door, (performance.now() - arrivedAt) / 1000);
    };
    for (let at = from; at < events.length; at += 1) {
      const event = events[at] as Request | TurnFault;
      if (isFault(event)) {
        hasFailed = true;
        reportFault(event.error, peer, turns);
        break;
      }
      const answer = answerOne(event, peer, turns);
      if (answer instanceof Promise) {
        isWaiting = true;
        socket.pause();
        // A peer that ends its own side meanwhile is still answered.
        socket.allowHalfOpen = true;
        void answer.then((late) => {
          isWaiting = false;
          socket.allowHalfOpen = false;
          answered(late);
          socket.resume();
          goOn(events, at + 1, answers, arrivedAt);
        });
        return;
      }
      answered(answer);
    }
    finish(answers);
  };
  socket.on('data', (chunk: Buffer) => {
    if (hasFailed || socket.writableEnded) return;
    goOn(decoder.receive(chunk), 0, [], performance.now());
  });
  socket.on('drain', () => {
    if (!isWaiting) socket.resume();
  });
  return { isIdle: () => !isWaiting && (hasFailed || (decoder.isIdle && socket.writableLength === 0)) };
}

function isFault(event: { readonly kind: string }): event is TurnFault {
  return event.kind === 'fault';
}

/** Never throws, never rejects. */
function answerOne<Request>(request: Request, peer: string, turns: Turns<Request>): Buffer | Promise<Buffer> {
  const failed = (error: unknown): Buffer => {
    turns.log.error('a request could not be answered', { door: turns.door, peer, err: error });
    return turns.failureAnswer;
  };
  try {
    const answer = turns.answer(request);
    return answer instanceof Promise ? answer.catch(failed) : answer;
  } catch (error) {
    return failed(error);
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
