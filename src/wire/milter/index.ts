/**
 * The face of the milter codec: bytes of an MTA in, events out, and answers written.
 * Never opens a socket and never decides. The folder imports nothing from outside it.
 * Source: libmilter, mfapi.h and mfdef.h; Postfix MILTER_README.
 */
export { SMFIF, SMFIP, macroNames } from './constants.ts';
export { LocalProtocolError, PeerProtocolError } from './errors.ts';
export type { MilterEvent } from './events.ts';
export { orderHeaderDeletions } from './header-deletions.ts';
export { macro } from './macros.ts';
export type { Modification } from './modifications.ts';
export type { AnswerableEvent, MilterWants } from './negotiation.ts';
export { maxPacketBytes } from './packet.ts';
export { MilterSession } from './session.ts';
export type { MilterSessionOptions } from './session.ts';
export type { Verdict } from './replies.ts';
export type { SmtpReply } from './reply-text.ts';
