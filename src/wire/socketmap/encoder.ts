/**
 * How the answer to a look-up is sent to Postfix.
 * Never sends a value that Postfix would cut, log as broken or refuse for its length.
 * Source: Postfix socketmap_table(5), "REPLY FORMAT".
 */
import type { Buffer } from 'node:buffer';
import { encodeNetstring } from '../netstring/index.ts';
import { LocalProtocolError } from '../protocol-error.ts';

/**
 * `ok`: the value found, not empty. `notfound`: there is none, so Postfix asks its next table or uses its default.
 * `temp`, `timeout`, `perm`: no answer can be given; Postfix defers the mail for all three and logs 200 characters of
 * the reason, which may be empty.
 * Source: Postfix socketmap_table(5).
 */
export type SocketmapReply =
  | { readonly kind: 'ok'; readonly value: string }
  | { readonly kind: 'notfound' }
  | { readonly kind: 'temp' | 'timeout' | 'perm'; readonly reason: string };

/**
 * The reply as a netstring; text is sent as UTF-8.
 * Errors: LocalProtocolError `value-empty` (Postfix takes an empty value for a broken table), `reply-not-one-line` (NUL,
 * CR or LF), `payload-too-long` (the reply has more than 100,000 octets).
 * Source: Postfix socketmap_table(5).
 */
export function encodeSocketmapReply(reply: SocketmapReply): Buffer {
  const text = replyText(reply);
  const odd = /[\0\r\n]/.exec(text);
  if (odd !== null) throw refusal('reply-not-one-line', 'a socketmap reply with NUL, CR or LF', odd.index);
  return encodeNetstring(text);
}

function replyText(reply: SocketmapReply): string {
  switch (reply.kind) {
    case 'ok':
      if (reply.value === '') throw refusal('value-empty', 'an empty socketmap value', 0);
      return `OK ${reply.value}`;
    case 'notfound':
      return 'NOTFOUND ';
    case 'temp':
      return `TEMP ${reply.reason}`;
    case 'timeout':
      return `TIMEOUT ${reply.reason}`;
    case 'perm':
      return `PERM ${reply.reason}`;
  }
}

function refusal(code: string, what: string, offset: number): LocalProtocolError {
  return new LocalProtocolError(`refused to send ${what}`, { code, protocol: 'Postfix socketmap_table(5)', offset });
}
