/**
 * The milter door: a connection's bytes become one message after the other; at the end of each, one write holds all
 * changes and the verdict. The snapshot is the one of MAIL. Decides nothing.
 * Source: Postfix MILTER_README; the milter codec's own README.
 */
import type { Socket } from 'node:net';
import type { MessageDecision } from '../../decide/index.ts';
import { BodyHasher } from '../../dkim/index.ts';
import type { MessageJudge, Signer, UnknownRecipient } from '../../services/index.ts';
import type { Snapshot } from '../../snapshot/index.ts';
import { MilterSession, SMFIF, SMFIP, type MilterEvent, type Verdict } from '../../wire/milter/index.ts';
import { openDoor, type Conversation, type DoorOptions, type OpenDoor } from '../socket/index.ts';
import { answerTo, overlongParts, type DecidedMessage } from './answer.ts';
import { MilterTransaction } from './transaction.ts';

/** How the milter door is opened. */
export type MilterDoorOptions = Omit<DoorOptions, 'door' | 'onConnection'> & {
  readonly judge: MessageJudge;
  readonly signer: Signer;
  /** The snapshot that a message which begins now is decided with. */
  readonly current: () => Snapshot;
  /** Told of each recipient that Postfix itself has refused as unknown. */
  readonly onUnknownRecipient?: (snapshot: Snapshot, unknown: UnknownRecipient) => void;
};

/** Said where a message could not be worked on: it waits, and nothing leaves unsigned or unmarked by accident. */
const TRY_AGAIN: Verdict = {
  kind: 'reply',
  code: 451,
  enhanced: '4.3.0',
  lines: ['Mail system temporarily unavailable'],
};
const CONTINUE: Verdict = { kind: 'continue' };
const WANTED = {
  actions: SMFIF.ADDHDRS | SMFIF.CHGHDRS | SMFIF.ADDRCPT_PAR | SMFIF.DELRCPT | SMFIF.QUARANTINE,
  // Postfix also shows the recipients that it has refused; no answer is owed for them.
  protocol: SMFIP.RCPT_REJ,
  macros: {
    connect: ['{daemon_name}'],
    helo: ['{tls_version}'],
    mail: ['i', '{auth_authen}'],
    rcpt: ['i', '{rcpt_addr}', '{rcpt_mailer}', '{rcpt_host}'],
    data: ['i'],
    endOfHeaders: ['i'],
    endOfMessage: ['i'],
  },
} as const;

/** Opens the milter door. Errors: CannotListenError. */
export function openMilterDoor(options: MilterDoorOptions): Promise<OpenDoor> {
  return openDoor({
    ...options,
    door: 'milter',
    onConnection: (socket, peer) => new MilterConversation(socket, peer, options),
  });
}

/** What tells something of the client or the message. */
type MessageEvent = Exclude<MilterEvent, { kind: 'negotiated' | 'fault' | 'notice' }>;

/**
 * Frees the memory of a read that is used up, rather than leave it to the garbage collector: at 64 KiB a read V8 would
 * mark its whole heap about twenty times a second under large messages, for a third of all processor time.
 * What of it is still needed was copied: text to strings, a packet cut short into the reader of the session.
 */
function giveBack({ buffer, byteLength }: Buffer): void {
  if (buffer instanceof ArrayBuffer && buffer.byteLength === byteLength) buffer.transfer(0);
}

class MilterConversation implements Conversation {
  readonly #socket: Socket;
  readonly #peer: string;
  readonly #options: MilterDoorOptions;
  readonly #session: MilterSession;
  readonly #transaction = new MilterTransaction();
  readonly #events: MilterEvent[] = [];
  #snapshot: Snapshot | null = null;
  /** Null also where the decision failed. */
  #message: DecidedMessage | null = null;
  #isDecided = false;
  #isWorking = false;

  constructor(socket: Socket, peer: string, options: MilterDoorOptions) {
    this.#socket = socket;
    this.#peer = peer;
    this.#options = options;
    this.#session = new MilterSession({
      wanted: { ...WANTED, transport: options.listener.kind },
      streamsBody: true,
    });
    socket.on('data', (chunk: Buffer) => {
      this.#events.push(...this.#session.receive(chunk));
      this.#work();
      if (this.#events.length === 0) giveBack(chunk);
    });
    socket.on('drain', () => {
      this.#readOn();
    });
    socket.once('close', () => {
      this.#events.length = 0;
      this.#session.end();
    });
  }

  isIdle(): boolean {
    return !this.#isWorking && this.#session.isIdle;
  }

  /** Handles events strictly in order: while a signature is made, nothing else of the connection is read. */
  #work(): void {
    if (this.#isWorking) return;
    try {
      for (let event = this.#events.shift(); event !== undefined; event = this.#events.shift()) {
        const pending = this.#take(event);
        if (pending === null) continue;
        this.#waitFor(pending);
        return;
      }
    } catch (error) {
      this.#giveUp(error);
    }
    if (this.#socket.writableNeedDrain) this.#socket.pause();
  }

  /** Stops reading until the signature is there; pausing for each chunk would cost more than hashing it. */
  #waitFor(pending: Promise<void>): void {
    this.#isWorking = true;
    this.#socket.pause();
    pending
      .catch((error: unknown) => {
        this.#giveUp(error);
      })
      .finally(() => {
        this.#isWorking = false;
        this.#work();
        this.#readOn();
      });
  }

  #readOn(): void {
    if (!this.#isWorking && !this.#socket.writableNeedDrain) this.#socket.resume();
  }

  #giveUp(error: unknown): void {
    this.#options.log.error('a milter connection failed', { peer: this.#peer, err: error });
    this.#socket.destroy();
  }

  /** Gives a promise only where there is something to wait for: a spam pattern, or a signature. */
  #take(event: MilterEvent): Promise<void> | null {
    const deciding = this.#decideBefore(event);
    if (deciding === null) return this.#handle(event);
    return deciding.then(() => this.#handle(event) ?? undefined);
  }

  /** Decides once all headers are known, so that a body that nobody signs is not hashed. */
  #decideBefore(event: MilterEvent): Promise<void> | null {
    if (event.kind !== 'endOfHeaders' && event.kind !== 'body' && event.kind !== 'endOfMessage') return null;
    if (event.kind !== 'body') this.#transaction.noteQueueId(event);
    return this.#isDecided ? null : this.#decide();
  }

  #handle(event: MilterEvent): Promise<void> | null {
    switch (event.kind) {
      case 'negotiated':
        this.#socket.write(event.answer);
        return null;
      case 'endOfMessage':
        return this.#endMessage();
      case 'quit':
        // Not only our half: a peer that never closes its own would be kept for as long as it likes.
        this.#socket.destroySoon();
        return null;
      case 'fault':
        this.#fail(event.error);
        return null;
      case 'notice':
        this.#options.log.debug(event.message, { door: 'milter', peer: this.#peer, code: event.code });
        return null;
      default:
        this.#note(event);
        if (event.owesReply) this.#socket.write(this.#session.reply(CONTINUE));
        return null;
    }
  }

  #note(event: MessageEvent): void {
    switch (event.kind) {
      case 'connect':
        this.#transaction.connect(event);
        break;
      case 'helo':
        this.#transaction.helo(event);
        break;
      case 'mail':
        this.#snapshot = this.#options.current();
        this.#message = null;
        this.#isDecided = false;
        this.#transaction.mail(event);
        break;
      case 'rcpt':
        this.#transaction.recipient(event);
        if (event.isRejected) this.#noteRejected(event);
        break;
      case 'header':
        this.#transaction.header(event);
        break;
      case 'body':
        this.#message?.hasher?.update(event.chunk);
        break;
      case 'quitNewConnection':
        this.#forget();
        this.#transaction.forgetClient();
        break;
      case 'abort':
        this.#forget();
        break;
      case 'data':
        this.#transaction.noteQueueId(event);
        break;
      case 'endOfHeaders':
      case 'endOfMessage':
      case 'quit':
      case 'unknown':
        break;
    }
  }

  #noteRejected(event: Extract<MessageEvent, { kind: 'rcpt' }>): void {
    const unknown = this.#transaction.unknownRecipient(event);
    if (unknown !== null) this.#options.onUnknownRecipient?.(this.#snapshot ?? this.#options.current(), unknown);
  }

  #decide(): Promise<void> | null {
    const snapshot = this.#snapshot ?? this.#options.current();
    try {
      const decision = this.#options.judge.judgeMessage(snapshot, this.#transaction.message());
      if (!(decision instanceof Promise)) {
        this.#decided(snapshot, decision);
        return null;
      }
      return decision.then(
        (made) => {
          this.#decided(snapshot, made);
        },
        (error: unknown) => {
          this.#undecided(snapshot, error);
        },
      );
    } catch (error) {
      this.#undecided(snapshot, error);
      return null;
    }
  }

  #decided(snapshot: Snapshot, decision: MessageDecision): void {
    const hasher = decision.signing.signatures.length > 0 ? new BodyHasher('relaxed') : null;
    this.#message = { snapshot, decision, hasher };
    this.#isDecided = true;
  }

  #undecided(snapshot: Snapshot, error: unknown): void {
    this.#options.log.error('a message could not be decided', { peer: this.#peer, err: error });
    this.#message = null;
    this.#isDecided = true;
  }

  async #endMessage(): Promise<void> {
    const startedAt = performance.now();
    let answer: Buffer;
    try {
      answer = await this.#answer(this.#message, startedAt);
    } catch (error) {
      this.#options.log.error('a message could not be answered', {
        queue_id: this.#transaction.queueId,
        peer: this.#peer,
        err: error,
      });
      const { isLocalBounce } = this.#transaction;
      answer = this.#session.reply(isLocalBounce ? CONTINUE : TRY_AGAIN);
      this.#options.meters.countMessage({ verdict: isLocalBounce ? 'pass' : 'defer', signatures: 0, skipped: null });
    }
    // One write for all: two would wait for each other over TCP (43 ms a message, Postfix 3.7).
    if (!this.#socket.destroyed) this.#socket.write(answer);
    this.#options.meters.observeAnswer('milter', (performance.now() - startedAt) / 1000);
    this.#forget();
  }

  async #answer(message: DecidedMessage | null, startedAt: number): Promise<Buffer> {
    if (message === null) throw new Error('it was not decided');
    const { verdict, modifications } = await answerTo(message, this.#transaction, this.#options.signer);
    const answer = this.#session.reply(verdict, modifications);
    const ms = Math.round(performance.now() - startedAt);
    const { snapshot, decision } = message;
    const { queueId } = this.#transaction;
    const overlong = overlongParts(message, this.#transaction.headers);
    this.#options.judge.reportMessage(snapshot, decision, this.#transaction.message(), { queueId, ms, overlong });
    return answer;
  }

  #forget(): void {
    this.#transaction.reset();
    this.#message = null;
    this.#isDecided = false;
    this.#snapshot = null;
  }

  #fail(error: Extract<MilterEvent, { kind: 'fault' }>['error']): void {
    const { log, meters } = this.#options;
    meters.countProtocolFault('milter');
    log.warn(error.message, { door: 'milter', peer: this.#peer, ...error.fault });
    this.#socket.destroy();
  }
}
