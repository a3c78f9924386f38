/**
 * How a verdict, with the changes before it, is written.
 * Never splits an answer: Postfix waits 43 ms for the second write at the end of a message.
 * Source: libmilter, engine.c (sendreply); Postfix milter8.c.
 */
import type { Buffer } from 'node:buffer';
import { SMFIP, SMFIR } from './constants.ts';
import { LocalProtocolError } from './errors.ts';
import { level } from './macros.ts';
import { encodeModifications, type Modification } from './modifications.ts';
import type { Negotiated } from './negotiation.ts';
import { joinParts, packetHead } from './packet.ts';
import { replyText, type SmtpReply } from './reply-text.ts';

/**
 * What an event is answered with. `continue`: no objection. `accept`: nothing more of
 * this message (at connect and helo: of this client) is shown; a filter that has rules for later events must not use it. `reject` and `tempfail`: 5yz and 4yz, at
 * connect and helo for the client, at rcpt for that recipient, else for the message. `reply`: the same with own text.
 * `discard`: taken and not delivered, from mail on. `skip`: no more body chunks, where SKIP was agreed on.
 */
export type Verdict =
  | { readonly kind: 'continue' | 'accept' | 'reject' | 'tempfail' | 'discard' | 'skip' }
  | ({ readonly kind: 'reply' } & SmtpReply);

const CODES = {
  continue: SMFIR.CONTINUE,
  accept: SMFIR.ACCEPT,
  reject: SMFIR.REJECT,
  tempfail: SMFIR.TEMPFAIL,
  discard: SMFIR.DISCARD,
  skip: SMFIR.SKIP,
} as const;

/** A packet that restarts the MTA's timer. */
export function encodeProgress(): Buffer {
  return joinParts([packetHead(SMFIR.PROGRESS, 0)]);
}

/**
 * All packets of an answer to the command of level `at`, in one buffer.
 * Errors: LocalProtocolError `modification-not-here` (before the end of the message), `verdict-not-here`, and those of
 * `encodeModifications` and `replyText`.
 */
export function encodeAnswer(
  verdict: Verdict,
  modifications: readonly Modification[],
  at: number,
  negotiated: Negotiated,
): Buffer {
  if (modifications.length > 0 && at !== level.endOfMessage) {
    throw new LocalProtocolError('modification-not-here', 'a change of the message before its end');
  }
  const last = encodeVerdict(verdict, at, negotiated);
  if (modifications.length === 0) return joinParts([last]);
  const parts = encodeModifications(modifications, negotiated);
  parts.push(last);
  return joinParts(parts);
}

function encodeVerdict(verdict: Verdict, at: number, negotiated: Negotiated): string {
  if (verdict.kind === 'reply') {
    const text = replyText(verdict);
    return packetHead(SMFIR.REPLYCODE, text.length) + text;
  }
  const isPossible =
    verdict.kind === 'skip'
      ? at === level.body && (negotiated.protocol & SMFIP.SKIP) !== 0
      : verdict.kind !== 'discard' || (at >= level.mail && at !== level.unknown);
  if (!isPossible) throw new LocalProtocolError('verdict-not-here', `${verdict.kind} is no answer to this event`);
  return packetHead(CODES[verdict.kind], 0);
}
