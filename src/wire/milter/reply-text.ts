/**
 * How an SMTP reply of our own is written into a REPLYCODE packet.
 * Never lets a client see a malformed reply: Postfix drops a milter that sends one.
 * Source: libmilter, smfi_setmlreply; RFC 5321 §4.2; RFC 3463 §2; Postfix milter8.c.
 */
import { LocalProtocolError } from './errors.ts';

/**
 * `code`: 400 to 559, and 421 makes the MTA hang up. `enhanced`: as `5.7.1`, its first digit that of the code. `lines`:
 * 1 to 32 lines of printable ASCII and tabs, each with its codes at most 980 octets; `%` is doubled here.
 */
export type SmtpReply = { readonly code: number; readonly enhanced?: string; readonly lines: readonly string[] };

const MAX_LINES = 32;
const MAX_LINE_OCTETS = 980;

/**
 * The reply as text, with its NUL.
 * Errors: LocalProtocolError `reply-code`, `reply-enhanced-code`, `reply-lines`, `reply-line-too-long`, `reply-text`.
 * Source: libmilter, smfi_setmlreply; RFC 3463 §2.
 */
export function replyText(reply: SmtpReply): string {
  const code = String(reply.code);
  if (!/^[45][0-5]\d$/.test(code)) throw new LocalProtocolError('reply-code', `no reply code of a refusal: ${code}`);
  const { enhanced, lines } = reply;
  if (enhanced !== undefined && !/^[45]\.\d{1,3}\.\d{1,3}$/.test(enhanced)) {
    throw new LocalProtocolError('reply-enhanced-code', 'not an enhanced status code of a refusal');
  }
  if (lines.length < 1 || lines.length > MAX_LINES) {
    throw new LocalProtocolError('reply-lines', `a reply of ${lines.length} lines, not 1 to ${MAX_LINES}`);
  }
  const last = lines.length - 1;
  const sent = lines.map((line, at) => {
    const text = enhanced === undefined ? line : `${enhanced} ${line}`;
    checkLine(code, text);
    return `${code}${at === last ? ' ' : '-'}${text.replaceAll('%', '%%')}`;
  });
  return `${sent.join('\r\n')}\0`;
}

function checkLine(code: string, text: string): void {
  if (code.length + 1 + text.length > MAX_LINE_OCTETS) {
    throw new LocalProtocolError('reply-line-too-long', `a reply line over ${MAX_LINE_OCTETS} octets`, MAX_LINE_OCTETS);
  }
  const odd = text.search(/[^ -~\t]/);
  if (odd !== -1) throw new LocalProtocolError('reply-text', 'a reply with anything but printable ASCII', odd);
  // The MTA reads an enhanced code in the text too.
  const [, first] = /^(\d)\.\d{1,3}\.\d{1,3}(?![^ \t])/.exec(text) ?? [];
  if (first !== undefined && first !== code.charAt(0)) {
    throw new LocalProtocolError('reply-enhanced-code', `an enhanced status code that does not agree with ${code}`);
  }
}
