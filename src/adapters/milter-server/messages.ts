/**
 * The messages of one connection, one after the other: what events tell of them, what is decided once their headers are
 * known, and the answer at their end. The snapshot is the one of MAIL. Reads and writes no socket, and decides nothing.
 * Source: Postfix MILTER_README; libmilter (state table).
 */
import type { Buffer } from 'node:buffer';
import { decodeBounceText } from '../../answers/index.ts';
import type { MessageDecision } from '../../decide/index.ts';
import { BodyHasher } from '../../dkim/index.ts';
import type { Log, MessageJudge, Meters, Signer, UnknownRecipient } from '../../services/index.ts';
import type { Snapshot } from '../../snapshot/index.ts';
import type { MilterEvent, MilterSession, Verdict } from '../../wire/milter/index.ts';
import { answerTo, overlongParts, type DecidedMessage } from './answer.ts';
import { MAX_KEPT_OCTETS, MessageBody, type Rewrite } from './body.ts';
import { MilterTransaction } from './transaction.ts';

/** What messages are worked on with. */
export type MessageTools = {
  readonly log: Log;
  readonly meters: Meters;
  readonly judge: MessageJudge;
  readonly signer: Signer;
  /** The snapshot that a message which begins now is decided with. */
  readonly current: () => Snapshot;
  /** Told of each recipient that Postfix itself has refused as unknown. */
  readonly onUnknownRecipient?: (snapshot: Snapshot, unknown: UnknownRecipient) => void;
};

/** What tells something of the client or the message. */
export type MessageEvent = Exclude<MilterEvent, { kind: 'negotiated' | 'fault' | 'notice' }>;

/**
 * Said where a message could not be worked on: it waits, and nothing leaves unsigned, unmarked or past its route by
 * accident. Bounces too: bounce(8) and pickup(8) keep what they have and come again (Postfix 3.7).
 */
const TRY_AGAIN: Verdict = {
  kind: 'reply',
  code: 451,
  enhanced: '4.3.0',
  lines: ['Mail system temporarily unavailable'],
};

/** One connection's messages; `peer` is how logs name it. */
export class ConnectionMessages {
  readonly #tools: MessageTools;
  readonly #peer: string;
  readonly #transaction = new MilterTransaction();
  #snapshot: Snapshot | null = null;
  /** Null also where the decision failed. */
  #message: DecidedMessage | null = null;
  #isDecided = false;
  #mayReplaceBodies = false;

  constructor(tools: MessageTools, peer: string) {
    this.#tools = tools;
    this.#peer = peer;
  }

  /** The MTA takes new bodies. */
  allowNewBodies(): void {
    this.#mayReplaceBodies = true;
  }

  /** Decides once all headers are known, so that a body that nobody signs is not hashed; null where nothing waits. */
  decideBefore(event: MilterEvent): Promise<void> | null {
    if (event.kind !== 'endOfHeaders' && event.kind !== 'body' && event.kind !== 'endOfMessage') return null;
    if (event.kind !== 'body') this.#transaction.noteQueueId(event);
    return this.#isDecided ? null : this.#decide();
  }

  note(event: MessageEvent): void {
    switch (event.kind) {
      case 'connect':
        this.#transaction.connect(event);
        break;
      case 'helo':
        this.#transaction.helo(event);
        break;
      case 'mail':
        this.#snapshot = this.#tools.current();
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
        this.#message?.body.update(event.chunk);
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

  /** The answer to the message that has ended, written by `session`; the message is then forgotten. */
  async end(session: Pick<MilterSession, 'reply'>, startedAt: number): Promise<Buffer> {
    try {
      return await this.#answer(this.#message, session, startedAt);
    } catch (error) {
      const { log, meters } = this.#tools;
      const { queueId } = this.#transaction;
      log.error('a message could not be answered', { queue_id: queueId, peer: this.#peer, err: error });
      meters.countMessage({ verdict: 'defer', signatures: 0, skipped: null });
      return session.reply(TRY_AGAIN);
    } finally {
      this.#forget();
    }
  }

  #noteRejected(event: Extract<MessageEvent, { kind: 'rcpt' }>): void {
    const unknown = this.#transaction.unknownRecipient(event);
    if (unknown !== null) this.#tools.onUnknownRecipient?.(this.#snapshot ?? this.#tools.current(), unknown);
  }

  #decide(): Promise<void> | null {
    const snapshot = this.#snapshot ?? this.#tools.current();
    try {
      const decision = this.#tools.judge.judgeMessage(snapshot, this.#transaction.message());
      if (!(decision instanceof Promise)) {
        this.#decided(snapshot, decision);
        return null;
      }
      return decision.then(
        (made) => {
          this.#decided(snapshot, made);
        },
        (error: unknown) => {
          this.#undecided(error);
        },
      );
    } catch (error) {
      this.#undecided(error);
      return null;
    }
  }

  #decided(snapshot: Snapshot, decision: MessageDecision): void {
    const hasher = decision.signing.signatures.length > 0 ? new BodyHasher('relaxed') : null;
    this.#message = { snapshot, decision, body: new MessageBody(hasher, this.#rewriteFor(snapshot)) };
    this.#isDecided = true;
  }

  /** Postfix's own bounces name recipients as it has them; all other bodies go by untouched. */
  #rewriteFor(snapshot: Snapshot): Rewrite | null {
    const isLooked = this.#mayReplaceBodies && this.#transaction.isLocalBounce && snapshot.installation.routes.size > 0;
    return isLooked ? (text) => decodeBounceText(text, snapshot) : null;
  }

  #undecided(error: unknown): void {
    this.#tools.log.error('a message could not be decided', { peer: this.#peer, err: error });
    this.#message = null;
    this.#isDecided = true;
  }

  async #answer(
    message: DecidedMessage | null,
    session: Pick<MilterSession, 'reply'>,
    startedAt: number,
  ): Promise<Buffer> {
    if (message === null) throw new Error('it was not decided');
    const { verdict, modifications } = await answerTo(message, this.#transaction, this.#tools.signer);
    const answer = session.reply(verdict, modifications);
    const ms = Math.round(performance.now() - startedAt);
    const { snapshot, decision } = message;
    const { queueId } = this.#transaction;
    const overlong = overlongParts(message, this.#transaction.headers);
    this.#tools.judge.reportMessage(snapshot, decision, this.#transaction.message(), { queueId, ms, overlong });
    if (message.body.isTooLong) {
      const fields = { queue_id: queueId, limit: MAX_KEPT_OCTETS };
      this.#tools.log.warn('a bounce is too long to have its encoded recipients decoded', fields);
    }
    return answer;
  }

  #forget(): void {
    this.#transaction.reset();
    this.#message = null;
    this.#isDecided = false;
    this.#snapshot = null;
  }
}
