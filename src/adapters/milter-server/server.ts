/**
 * The milter door: a connection's bytes become one message after the other; at the end of each, one write holds all
 * changes and the verdict. The snapshot is the one of MAIL. Decides nothing.
 * Source: Postfix MILTER_README; the milter codec's own README.
 */
import type { Socket } from 'node:net';
import { renderMilterChanges, renderRouteChanges } from '../../answers/index.ts';
import type { MessageDecision } from '../../decide/index.ts';
import { BodyHasher, overlongHeaderFields } from '../../dkim/index.ts';
import type { PermanentReply, TransientReply } from '../../mail/index.ts';
import type { MessageJudge, Signer } from '../../services/index.ts';
import type { Snapshot } from '../../snapshot/index.ts';
import { MilterSession, SMFIF, type MilterEvent, type Modification, type Verdict } from '../../wire/milter/index.ts';
import { openDoor, type Conversation, type DoorOptions, type OpenDoor } from '../socket/index.ts';
import { MilterTransaction } from './transaction.ts';

/** How the milter door is opened. */
export type MilterDoorOptions = Omit<DoorOptions, 'door' | 'onConnection'> & {
  readonly judge: MessageJudge;
  readonly signer: Signer;
  /** The snapshot that a message which begins now is decided with. */
  readonly current: () => Snapshot;
};

/** Said where a message could not be worked on: it waits, and nothing leaves unsigned or unmarked by accident. */
const TRY_AGAIN: Verdict = {
  kind: 'reply',
  code: 451,
  enhanced: '4.3.0',
  lines: ['Mail system temporarily unavailable'],
};
const CONTINUE: Verdict = { kind: 'continue' };
const refusal = ({ code, status, text }: PermanentReply | TransientReply): Verdict => ({
  kind: 'reply',
  code: Number(code),
  enhanced: status,
  lines: [text],
});

const WANTED = {
  actions: SMFIF.ADDHDRS | SMFIF.CHGHDRS | SMFIF.ADDRCPT_PAR | SMFIF.DELRCPT,
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

/** A message at work: what was decided at the end of its headers, and the hash of its body so far. */
type Message = {
  readonly snapshot: Snapshot;
  readonly decision: MessageDecision | null;
  readonly hasher: BodyHasher | null;
};

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
  #message: Message | null = null;
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

  /** Gives a promise only where there is something to wait for. */
  #take(event: MilterEvent): Promise<void> | null {
    switch (event.kind) {
      case 'negotiated':
        this.#socket.write(event.answer);
        return null;
      case 'endOfMessage':
        this.#note(event);
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
        this.#transaction.mail(event);
        break;
      case 'rcpt':
        this.#transaction.recipient(event);
        break;
      case 'header':
        this.#transaction.header(event);
        break;
      case 'endOfHeaders':
        this.#transaction.noteQueueId(event);
        this.#message = this.#decide();
        break;
      case 'body':
        this.#message ??= this.#decide();
        this.#message.hasher?.update(event.chunk);
        break;
      case 'quitNewConnection':
        this.#forget();
        this.#transaction.forgetClient();
        break;
      case 'abort':
        this.#forget();
        break;
      case 'data':
      case 'endOfMessage':
        this.#transaction.noteQueueId(event);
        break;
      case 'quit':
      case 'unknown':
        break;
    }
  }

  /** Decides once all headers are known, so that a body that nobody signs is not hashed. */
  #decide(): Message {
    const snapshot = this.#snapshot ?? this.#options.current();
    try {
      const decision = this.#options.judge.judgeMessage(snapshot, this.#transaction.message());
      return { snapshot, decision, hasher: decision.signing.signatures.length > 0 ? new BodyHasher('relaxed') : null };
    } catch (error) {
      this.#options.log.error('a message could not be decided', { peer: this.#peer, err: error });
      return { snapshot, decision: null, hasher: null };
    }
  }

  async #endMessage(): Promise<void> {
    const startedAt = performance.now();
    const message = this.#message ?? this.#decide();
    let answer: Buffer;
    try {
      answer = await this.#answer(message, startedAt);
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

  async #answer({ snapshot, decision, hasher }: Message, startedAt: number): Promise<Buffer> {
    if (decision === null) throw new Error('it was not decided');
    const answer =
      decision.verdict.kind === 'pass'
        ? this.#session.reply(CONTINUE, await this.#changes(snapshot, decision, hasher))
        : this.#session.reply(refusal(decision.verdict.reply));
    const ms = Math.round(performance.now() - startedAt);
    const { queueId, headers } = this.#transaction;
    const fields = hasher === null ? [] : overlongHeaderFields(headers).map(({ name }) => name);
    const overlong = [...fields, ...(hasher !== null && hasher.overlongLineOctets > 0 ? ['body'] : [])];
    this.#options.judge.reportMessage(snapshot, decision, this.#transaction.message(), { queueId, ms, overlong });
    return answer;
  }

  async #changes(
    snapshot: Snapshot,
    decision: MessageDecision,
    hasher: BodyHasher | null,
  ): Promise<readonly Modification[]> {
    const { headers, recipients } = this.#transaction;
    const gone = new Set(decision.removed);
    const kept = gone.size === 0 ? headers : headers.filter((_, position) => !gone.has(position));
    const signatures =
      hasher === null ? [] : await this.#options.signer.sign(decision.signing.signatures, kept, hasher.digest());
    return [
      ...renderMilterChanges(headers, decision.removed, decision.added, signatures),
      ...renderRouteChanges(snapshot, decision.routing, recipients),
    ];
  }

  #forget(): void {
    this.#transaction.reset();
    this.#message = null;
    this.#snapshot = null;
  }

  #fail(error: Extract<MilterEvent, { kind: 'fault' }>['error']): void {
    const { log, meters } = this.#options;
    meters.countProtocolFault('milter');
    log.warn(error.message, { door: 'milter', peer: this.#peer, ...error.fault });
    this.#socket.destroy();
  }
}
