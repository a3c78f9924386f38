/**
 * The milter door: a connection's bytes become one message after the other; at the end of each, one write holds all
 * changes and the verdict. Decides nothing.
 * Source: Postfix MILTER_README; the milter codec's own README.
 */
import type { Socket } from 'node:net';
import { MilterSession, SMFIF, SMFIP, type MilterEvent, type Verdict } from '../../wire/milter/index.ts';
import { openDoor, type Conversation, type DoorOptions, type OpenDoor } from '../socket/index.ts';
import { ConnectionMessages, type MessageTools } from './messages.ts';

/** How the milter door is opened. */
export type MilterDoorOptions = Omit<DoorOptions, 'door' | 'onConnection'> & MessageTools;

const CONTINUE: Verdict = { kind: 'continue' };
const WANTED = {
  actions: SMFIF.ADDHDRS | SMFIF.CHGHDRS | SMFIF.ADDRCPT_PAR | SMFIF.DELRCPT | SMFIF.QUARANTINE,
  // For bounces alone, which are sent without it too.
  optionalActions: SMFIF.CHGBODY,
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
  readonly #messages: ConnectionMessages;
  readonly #events: MilterEvent[] = [];
  #isWorking = false;

  constructor(socket: Socket, peer: string, options: MilterDoorOptions) {
    this.#socket = socket;
    this.#peer = peer;
    this.#options = options;
    this.#messages = new ConnectionMessages(options, peer);
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
    const deciding = this.#messages.decideBefore(event);
    if (deciding === null) return this.#handle(event);
    return deciding.then(() => this.#handle(event) ?? undefined);
  }

  #handle(event: MilterEvent): Promise<void> | null {
    switch (event.kind) {
      case 'negotiated':
        this.#socket.write(event.answer);
        this.#noteAgreed(event.actions);
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
        this.#notice(event.code, event.message);
        return null;
      default:
        this.#messages.note(event);
        if (event.owesReply) this.#socket.write(this.#session.reply(CONTINUE));
        return null;
    }
  }

  #noteAgreed(actions: number): void {
    if ((actions & SMFIF.CHGBODY) !== 0) this.#messages.allowNewBodies();
    else this.#notice('body-not-replaceable', 'the MTA takes no new body: its bounces will name encoded recipients');
  }

  #notice(code: string, message: string): void {
    this.#options.log.debug(message, { door: 'milter', peer: this.#peer, code });
  }

  async #endMessage(): Promise<void> {
    const startedAt = performance.now();
    const answer = await this.#messages.end(this.#session, startedAt);
    // One write for all: two would wait for each other over TCP (43 ms a message, Postfix 3.7).
    if (!this.#socket.destroyed) this.#socket.write(answer);
    this.#options.meters.observeAnswer('milter', (performance.now() - startedAt) / 1000);
  }

  #fail(error: Extract<MilterEvent, { kind: 'fault' }>['error']): void {
    const { log, meters } = this.#options;
    meters.countProtocolFault('milter');
    log.warn(error.message, { door: 'milter', peer: this.#peer, ...error.fault });
    this.#socket.destroy();
  }
}
