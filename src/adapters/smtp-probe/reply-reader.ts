/**
 * SMTP replies out of octets as they come, within limits: a server that talks without end, or no SMTP, is a fault.
 * Never waits and never sends. Source: RFC 5321 §4.2 (replies), §4.2.1 (several lines), §4.5.3.1.5 (length of a line).
 */
import { PeerFault } from './peer-fault.ts';

/** Postfix's own limit; RFC 5321 §4.5.3.1.5 promises 512 octets. Source: postconf(5) line_length_limit. */
const MAX_LINE_OCTETS = 2048;
const MAX_LINES = 128;
/** For lines that nobody has asked for yet. */
const MAX_UNREAD_OCTETS = 64 * 1024;
const SHOWN_CHARACTERS = 80;

/** A reply: its code, and the text of each line behind it. */
export type SmtpReply = { readonly code: number; readonly lines: readonly string[] };

/** Reads replies. */
export class ReplyReader {
  #unread = Buffer.alloc(0);
  #lines: string[] = [];

  /** Takes octets. Errors: PeerFault where more is said than anybody asked for. */
  push(chunk: Buffer): void {
    this.#unread = Buffer.concat([this.#unread, chunk]);
    if (this.#unread.length > MAX_UNREAD_OCTETS) throw new PeerFault('talks without being asked');
  }

  /** The next reply; null where it is not complete yet. Errors: PeerFault where it is none, or too long. */
  take(): SmtpReply | null {
    for (;;) {
      const end = this.#unread.indexOf(0x0a);
      if ((end < 0 ? this.#unread.length : end + 1) > MAX_LINE_OCTETS) {
        throw new PeerFault(`says a line of more than ${MAX_LINE_OCTETS} octets`);
      }
      if (end < 0) return null;
      const line = this.#unread.toString('utf8', 0, end).replace(/\r$/, '');
      this.#unread = this.#unread.subarray(end + 1);
      const [, code, mark, text = ''] = /^([2-5][0-9]{2})(?:([ -])(.*))?$/s.exec(line) ?? [];
      if (code === undefined) throw new PeerFault(`says "${shown(line)}", which is no reply of SMTP`);
      this.#lines.push(text);
      if (this.#lines.length > MAX_LINES) throw new PeerFault(`gives a reply of more than ${MAX_LINES} lines`);
      if (mark === '-') continue;
      const lines = this.#lines;
      this.#lines = [];
      return { code: Number(code), lines };
    }
  }

  /** Whether octets wait behind the last reply. */
  get hasMore(): boolean {
    return this.#unread.length > 0;
  }
}

/** What a server said, cut short and on one line. */
export function shown(text: string): string {
  const plain = text.replace(/[\p{Cc}\uFFFD]+/gu, '?');
  return plain.length > SHOWN_CHARACTERS ? `${plain.slice(0, SHOWN_CHARACTERS)}…` : plain;
}

/** A reply on one line: `250 mx.example.net`. */
export const replyText = ({ code, lines }: SmtpReply): string => shown(`${code} ${lines.join(' ')}`.trim());
