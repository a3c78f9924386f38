/**
 * What Postern says to an SMTP client: a reply code, an enhanced status code, a text.
 * Never holds an operator's note: these replies go to strangers.
 * Source: RFC 5321 §4.2, §4.5.3.1.5 (reply line length), RFC 3463 (enhanced status codes).
 */

/** A permanent refusal (5yz). */
export type PermanentReply = { readonly code: `5${string}`; readonly status: `5.${string}`; readonly text: string };

/** A temporary refusal (4yz); the client tries again. */
export type TransientReply = { readonly code: `4${string}`; readonly status: `4.${string}`; readonly text: string };

/** A refusal for good. Source: RFC 3463 §2. */
export const permanent = (code: `5${string}`, status: `5.${string}`, text: string): PermanentReply => ({
  code,
  status,
  text,
});

/** A refusal for now. Source: RFC 3463 §2. */
export const transient = (code: `4${string}`, status: `4.${string}`, text: string): TransientReply => ({
  code,
  status,
  text,
});

/** The reply as one line, without line end: `550 5.7.1 text`. */
export const formatReply = (reply: PermanentReply | TransientReply): string =>
  `${reply.code} ${reply.status} ${reply.text}`;
