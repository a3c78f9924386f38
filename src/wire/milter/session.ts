/**
 * Where one connection of an MTA stands: what came, in order, whether it owes a reply, and how one is written.
 * Never reads a socket, never waits, and never decides.
 * Source: libmilter, engine.c (state table, leniency); Postfix milter8.c.
 */
import type { Buffer } from 'node:buffer';
import { decodeCommand, decodeOffer, type Command } from './commands.ts';
import { SMFIC, SMFIP } from './constants.ts';
import { LocalProtocolError, PeerProtocolError } from './errors.ts';
import type { MilterEvent, NoticeCode } from './events.ts';
import { MacroLevels, level, levelOf, macro, type Macros } from './macros.ts';
import type { Modification } from './modifications.ts';
import {
  encodeMacroLists,
  encodeNegotiated,
  negotiate,
  replyTable,
  wantedFlags,
  type AnswerableEvent,
  type MilterWants,
  type Negotiated,
} from './negotiation.ts';
import { PacketReader, maxPacketBytes, type Packet } from './packet.ts';
import { encodeAnswer, encodeProgress, type Verdict } from './replies.ts';

/**
 * `answers`: the events to which the caller wants to say more than `continue`; none when absent. For the others silence is
 * asked for, but an old MTA may not offer it, and DATA is always answered over TCP: only `owesReply` of an event counts.
 * `maxPacketBytes`: the greatest length field accepted; 1,048,577 when absent.
 */
export type MilterSessionOptions = {
  readonly wanted: MilterWants;
  readonly answers?: ReadonlySet<AnswerableEvent>;
  readonly maxPacketBytes?: number;
  /**
   * Where silence was agreed for BODY, give its octets as they come: one packet may become several `body` events, cut
   * anywhere. Nothing of a body is then kept or copied. Off when absent.
   */
  readonly streamsBody?: boolean;
};

const NO_MESSAGE = 0;

/**
 * One connection. Handle the events of one `receive` in order, each to its end, before the next `receive`: stop reading
 * meanwhile (`for await (const chunk of socket)` does). An event that owes a reply gets exactly one, before the next
 * event is looked at; one that owes none gets none. Answers are matched with events in order.
 * The end of the connection is valid at any time; call `end` then.
 * Errors: the constructor throws LocalProtocolError `contradictory-wants` and `bad-macro-name`. `receive` never throws;
 * codes of its faults are `packet-empty`, `packet-too-long`, `unknown-command`, `bad-payload`, `not-negotiated`,
 * `negotiated-twice`, `version-too-old` and `action-not-offered`.
 */
export class MilterSession {
  readonly #wanted: MilterWants;
  readonly #flags: number;
  readonly #lists: string;
  readonly #maxPacketBytes: number;
  readonly #packets: PacketReader;
  readonly #streamsBody: boolean;
  readonly #macros = new MacroLevels();
  #negotiated: Negotiated | undefined;
  #owes: readonly boolean[] = [];
  #isConnected = false;
  /** The level of the message's last command, or NO_MESSAGE. */
  #stage: number = NO_MESSAGE;
  /** The macros of a body packet that comes in parts; null where it is ignored. */
  #partMacros: Macros | null = null;
  /** The levels of the commands not yet answered, in order. */
  readonly #owed: number[] = [];
  #hasEnded = false;

  constructor(options: MilterSessionOptions) {
    this.#wanted = options.wanted;
    this.#flags = wantedFlags(options.wanted, options.answers ?? new Set());
    this.#lists = encodeMacroLists(options.wanted.macros);
    this.#maxPacketBytes = options.maxPacketBytes ?? maxPacketBytes;
    this.#packets = new PacketReader(this.#maxPacketBytes);
    this.#streamsBody = options.streamsBody === true;
  }

  /** Octets kept of an unfinished packet; never above the limit and four. */
  get bufferedBytes(): number {
    return this.#packets.bufferedBytes;
  }

  /** Whether no part of a packet waits for its rest, no message is open and no reply is owed. */
  get isIdle(): boolean {
    return !this.#packets.isInsidePacket && this.#stage === NO_MESSAGE && this.#owed.length === 0;
  }

  /**
   * Takes what the socket gave and returns what it completed. After `quit` and `fault` everything is ignored. Body chunks
   * may share memory with the chunk given: it must not be written to while they are in use.
   */
  receive(chunk: Uint8Array): readonly MilterEvent[] {
    const events: MilterEvent[] = [];
    this.#packets.push(chunk);
    while (!this.#hasEnded) {
      const packet = this.#packets.next();
      if (packet === undefined) break;
      if (packet instanceof PeerProtocolError) this.#fail(packet, events);
      else this.#take(packet, events);
    }
    return events;
  }

  /** The connection has ended: an open message is aborted. Nothing can be received after it. */
  end(): readonly MilterEvent[] {
    const events: MilterEvent[] = [];
    if (!this.#hasEnded) this.#leaveMessage(events);
    this.#hasEnded = true;
    return events;
  }

  /**
   * The answer to the oldest event that owes a reply, with all its modifications, as one buffer: write it at once.
   * Modifications are possible at endOfMessage only.
   * Errors: LocalProtocolError `no-reply-owed`, and those of `encodeAnswer`; the reply is then still owed.
   */
  reply(verdict: Verdict, modifications: readonly Modification[] = []): Buffer {
    const [at] = this.#owed;
    if (at === undefined || this.#negotiated === undefined) {
      throw new LocalProtocolError('no-reply-owed', `the MTA waits for no reply, so ${verdict.kind} would be misread`);
    }
    const bytes = encodeAnswer(verdict, modifications, at, this.#negotiated);
    this.#owed.shift();
    return bytes;
  }

  /**
   * A packet that restarts the MTA's timer, while a reply is owed: Postfix takes it at any event, others at endOfMessage.
   * Errors: LocalProtocolError `no-reply-owed`.
   */
  progress(): Buffer {
    if (this.#owed.length === 0) throw new LocalProtocolError('no-reply-owed', 'the MTA waits for no reply');
    return encodeProgress();
  }

  #take(packet: Packet, events: MilterEvent[]): void {
    const { code } = packet;
    if (packet.isContinued) {
      if (this.#partMacros !== null) events.push(bodyPart(packet, this.#partMacros));
      return;
    }
    if (code === SMFIC.OPTNEG) {
      this.#negotiate(packet, events);
      return;
    }
    if (this.#negotiated === undefined) {
      this.#refuse('not-negotiated', 'a milter command before the negotiation', packet, events);
      return;
    }
    switch (code) {
      case SMFIC.MACRO:
        this.#takeMacros(packet, events);
        return;
      case SMFIC.ABORT:
        this.#stage = NO_MESSAGE;
        this.#macros.endMessage();
        events.push({ kind: 'abort', isImplicit: false, owesReply: false });
        return;
      case SMFIC.QUIT:
        this.#leaveMessage(events);
        this.#hasEnded = true;
        events.push({ kind: 'quit', owesReply: false });
        return;
      case SMFIC.QUIT_NC:
        this.#leaveMessage(events);
        this.#macros.endClient();
        this.#isConnected = false;
        events.push({ kind: 'quitNewConnection', owesReply: false });
        return;
      default:
        this.#takeCommand(packet, this.#negotiated, events);
    }
  }

  #negotiate(packet: Packet, events: MilterEvent[]): void {
    const offer = decodeOffer(packet.bytes, packet.start, packet.end);
    if (offer === undefined) {
      this.#refuse('bad-payload', 'a milter negotiation cut short', packet, events);
      return;
    }
    if (this.#negotiated !== undefined) {
      this.#refuse('negotiated-twice', 'a second milter negotiation', packet, events);
      return;
    }
    const agreed = negotiate(offer, this.#wanted, this.#flags, this.#maxPacketBytes);
    if ('code' in agreed) {
      this.#refuse(agreed.code, agreed.message, packet, events);
      return;
    }
    this.#negotiated = agreed;
    this.#owes = replyTable(agreed.protocol);
    if (this.#streamsBody && this.#owes[level.body] === false) this.#packets.inParts = SMFIC.BODY;
    events.push({
      kind: 'negotiated',
      answer: encodeNegotiated(agreed, this.#lists),
      offer,
      owesReply: false,
      ...agreed,
    });
  }

  #takeMacros(packet: Packet, events: MilterEvent[]): void {
    const { bytes, start, end } = packet;
    const at = end > start ? levelOf(bytes.readUInt8(start)) : undefined;
    if (at === undefined) {
      if (end === start) this.#refuse('bad-payload', 'macros for no command', packet, events);
      else notice(events, 'macro-unknown', `macros for the command 0x${bytes.toString('hex', start, start + 1)}`);
      return;
    }
    const count = this.#macros.receive(at, bytes.toString('latin1', start + 1, end));
    if (count === undefined) this.#refuse('bad-payload', 'a macro without its NUL', packet, events);
    else if (count % 2 === 1) notice(events, 'macro-tail', 'a macro name without a value is ignored');
  }

  #takeCommand(packet: Packet, negotiated: Negotiated, events: MilterEvent[]): void {
    const at = levelOf(packet.code);
    const command = decodeCommand(packet.code, packet.bytes, packet.start, packet.end);
    if (at === undefined || command === undefined) {
      const code = at === undefined ? 'unknown-command' : 'bad-payload';
      this.#refuse(code, `milter command 0x${packet.code.toString(16)}: ${code}`, packet, events);
      return;
    }
    if (!this.#enter(at, negotiated, events)) {
      this.#partMacros = null;
      this.#macros.endMessage();
      notice(events, 'out-of-order', `${command.kind} out of order is ignored`);
      return;
    }
    const macros = this.#macros.enter(at);
    this.#partMacros = macros;
    const owesReply = this.#owes[at] === true;
    if (owesReply) this.#owed.push(at);
    if (at === level.endOfMessage) {
      if (packet.end > packet.start) {
        events.push(bodyPart(packet, macros));
      }
      this.#stage = NO_MESSAGE;
      this.#macros.endMessage();
    }
    events.push(told(command, owesReply, macros, negotiated.protocol));
    if (at === level.unknown) this.#macros.drop(at);
  }

  /** Goes to a command's level, ending the message if it can't belong to it; false if the command can't come now. */
  #enter(at: number, negotiated: Negotiated, events: MilterEvent[]): boolean {
    if (at === level.connect) {
      if (this.#isConnected) this.#leaveMessage(events, at);
      const isFirst = !this.#isConnected;
      this.#isConnected = true;
      return isFirst;
    }
    this.#isConnected = true;
    if (at === level.unknown) {
      if (this.#stage >= level.data) this.#leaveMessage(events, at);
      return true;
    }
    if (at === level.helo) {
      this.#leaveMessage(events, at);
      return true;
    }
    if (at <= level.mail || at < this.#stage) this.#leaveMessage(events, at);
    const canBegin = at === level.mail || (negotiated.protocol & SMFIP.NOMAIL) !== 0;
    if (this.#stage === NO_MESSAGE && !canBegin) return false;
    this.#stage = at;
    return true;
  }

  /** Ends an open message for which no ABORT came; macros that came ahead of the command of level `next` stay. */
  #leaveMessage(events: MilterEvent[], next?: number): void {
    if (this.#stage === NO_MESSAGE) return;
    this.#stage = NO_MESSAGE;
    this.#macros.endMessage(next);
    events.push({ kind: 'abort', isImplicit: true, owesReply: false });
  }

  #refuse(code: string, message: string, packet: Packet, events: MilterEvent[]): void {
    this.#fail(new PeerProtocolError(code, message, packet.offset), events);
  }

  #fail(error: PeerProtocolError, events: MilterEvent[]): void {
    this.#leaveMessage(events);
    this.#hasEnded = true;
    events.push({ kind: 'fault', error, owesReply: false });
  }
}

function bodyPart({ bytes, start, end }: Packet, macros: Macros): MilterEvent {
  return { kind: 'body', chunk: bytes.subarray(start, end), owesReply: false, macros };
}

function notice(events: MilterEvent[], code: NoticeCode, message: string): void {
  events.push({ kind: 'notice', code, message, owesReply: false });
}

function told(command: Command, owesReply: boolean, macros: Macros, protocol: number): MilterEvent {
  switch (command.kind) {
    case 'header': {
      const isExact = (protocol & SMFIP.HDR_LEADSPC) !== 0;
      const rawValue = isExact ? command.value : ` ${command.value}`;
      return { kind: 'header', name: command.name, rawValue, isExact, owesReply, macros };
    }
    case 'rcpt': {
      const isRejected = (protocol & SMFIP.RCPT_REJ) !== 0 && macro({ macros }, '{rcpt_mailer}') === 'error';
      return { ...command, isRejected, owesReply, macros };
    }
    default:
      return { ...command, owesReply, macros };
  }
}
