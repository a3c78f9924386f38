/**
 * The header fields of a message in a file, as a milter would be shown them.
 * Source: RFC 5322 §2.1, §2.2.3 (folding); Postfix cleanup_message.c (a line that is no field ends the header).
 */

/** A field: `value` is all after the colon, its folds a bare LF and the white space after it; octets as latin1. */
export type MessageField = { readonly name: string; readonly value: string };

const FIELD = /^([\x21-\x39\x3b-\x7e]+)[ \t]*:([^]*)$/;

/**
 * The fields of a message, whose lines end in LF or CRLF; a leading mbox `From ` line is skipped. `body` is what follows
 * the empty line, or begins with the first line that can be no part of a header.
 */
export function readMessageText(latin1: string): { readonly headers: readonly MessageField[]; readonly body: string } {
  const headers: { name: string; value: string }[] = [];
  let at = /^>?From /.test(latin1) ? endOfLine(latin1, 0) : 0;
  while (at < latin1.length) {
    const next = endOfLine(latin1, at);
    const line = latin1.slice(at, next).replace(/\r?\n$/, '');
    const last = headers.at(-1);
    const match = FIELD.exec(line);
    if (/^[ \t]/.test(line) && last !== undefined) last.value += `\n${line}`;
    else if (match !== null) headers.push({ name: match[1] as string, value: match[2] as string });
    else return { headers, body: latin1.slice(line === '' ? next : at) };
    at = next;
  }
  return { headers, body: '' };
}

function endOfLine(text: string, from: number): number {
  const end = text.indexOf('\n', from);
  return end < 0 ? text.length : end + 1;
}
