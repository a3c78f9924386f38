/**
 * What a session tells its caller.
 * Never holds more than one packet's worth.
 * Source: libmilter, mfapi.h (the callbacks).
 */
import type { Buffer } from 'node:buffer';
import type {
  BodyCommand,
  ConnectCommand,
  HeaderCommand,
  HeloCommand,
  MailCommand,
  Offer,
  PlainCommand,
  RcptCommand,
  UnknownCommand,
} from './commands.ts';
import type { PeerProtocolError } from './errors.ts';
import type { Macros } from './macros.ts';
import type { Negotiated } from './negotiation.ts';

/** `owesReply`: exactly one `reply` must follow, or none may. `macros`: those at this event, see `macro`. */
type Told = { readonly owesReply: boolean; readonly macros: Macros };

/** `isRejected`: the MTA has refused this recipient (RCPT_REJ); it is not one of the message's recipients. */
type RcptEvent = RcptCommand & { readonly isRejected: boolean } & Told;

/**
 * The field is `${name}:${rawValue}`, its folds a bare LF and white space; DKIM wants CRLF there. With `isExact` it is
 * what the client sent, octet by octet; else the MTA has removed one space, if there was one, and one was put back.
 */
type HeaderEvent = Pick<HeaderCommand, 'kind' | 'name'> & {
  readonly rawValue: string;
  readonly isExact: boolean;
} & Told;

/** What needs no reply, ever. */
type Silent = { readonly owesReply: false };

/**
 * - `negotiated`: write `answer` at once.
 * - `abort`: forget the message, not the client. It can come without one. `isImplicit`: the MTA sent none, but what it
 *   did send, or the end of the connection, ends the message.
 * - `quitNewConnection`: forget the client too; the next event is `connect`. `quit`: close.
 * - `notice`: something odd that does no harm, for a debug log. `out-of-order` commands are not answered, as in libmilter.
 * - `fault`: answer what is owed, log, and close. It is the last event.
 */
export type MilterEvent =
  | ({ readonly kind: 'negotiated'; readonly answer: Buffer; readonly offer: Offer } & Negotiated & Silent)
  | (ConnectCommand & Told)
  | (HeloCommand & Told)
  | (MailCommand & Told)
  | RcptEvent
  | HeaderEvent
  | (BodyCommand & Told)
  | (PlainCommand & Told)
  | (UnknownCommand & Told)
  | ({ readonly kind: 'abort'; readonly isImplicit: boolean } & Silent)
  | ({ readonly kind: 'quit' | 'quitNewConnection' } & Silent)
  | ({ readonly kind: 'notice'; readonly code: NoticeCode; readonly message: string } & Silent)
  | ({ readonly kind: 'fault'; readonly error: PeerProtocolError } & Silent);

/** `macro-tail`: a macro name without a value. `macro-unknown`: macros for a command that has none. */
export type NoticeCode = 'out-of-order' | 'macro-tail' | 'macro-unknown';
