/**
 * Whose Authentication-Results field this is, and whether it says that DMARC passed.
 * Reads only as much of the grammar as these two questions need, in time linear in its length; what is odd passed nothing.
 * Source: RFC 8601 §2.2 (grammar), §5 (removing forged fields); RFC 7489 §11.1 (dmarc).
 */
import { parseDomain, type Domain } from './domain.ts';

/** `text` is unquoted; `isQuoted` tells a quoted ";" or "=" from a bare one. */
type Token = { readonly text: string; readonly isQuoted: boolean };

const SPACE = /[\s)]+/y;
const WORD = /[^\s()";=]+/y;
const QUOTED = /"(?:[^"\\]|\\[^])*"/y;

/** Words, quoted strings, ";" and "=", without comments; ends early where a comment or a quoted string does not end. */
function* tokensOf(value: string): Generator<Token> {
  let at = 0;
  const take = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    const found = pattern.exec(value)?.[0];
    at += found?.length ?? 0;
    return found;
  };
  while (at < value.length) {
    if (take(SPACE) !== undefined) continue;
    const first = value.charAt(at);
    if (first === '(') {
      const end = endOfComment(value, at);
      if (end < 0) return;
      at = end;
    } else if (first === '"') {
      const quoted = take(QUOTED);
      if (quoted === undefined) return;
      yield { text: quoted.slice(1, -1).replace(/\\([^])/g, '$1'), isQuoted: true };
    } else {
      yield { text: take(WORD) ?? value.charAt(at++), isQuoted: false };
    }
  }
}

/** The place after the comment that begins at `from`, or -1 where it does not end. Comments nest. Source: RFC 5322 §3.2.2. */
function endOfComment(value: string, from: number): number {
  let depth = 0;
  for (let at = from; at < value.length; at++) {
    const character = value.charAt(at);
    if (character === '\\') at++;
    else if (character === '(') depth++;
    else if (character === ')' && --depth === 0) return at + 1;
  }
  return -1;
}

const isSign = (token: Token | undefined, sign: ';' | '='): boolean =>
  token !== undefined && !token.isQuoted && token.text === sign;

/**
 * The authserv-id of a field's value in lower case, or null where there is none. What follows it is not judged: a
 * forged field need not be well formed to be believed by somebody. Source: RFC 8601 §2.2.
 */
export function authservIdOf(value: string): string | null {
  for (const token of tokensOf(value)) {
    return isSign(token, ';') || isSign(token, '=') ? null : token.text.toLowerCase();
  }
  return null;
}

/** The From domain for which the field says `dmarc=pass`, or null. Source: RFC 8601 §2.7, RFC 7489 §11.1. */
export function dmarcPassDomain(value: string): Domain | null {
  let result: Token[] = [];
  const results = [result];
  for (const token of tokensOf(value)) {
    if (isSign(token, ';')) results.push((result = []));
    else result.push(token);
  }
  // What stands before the first ";" is the authserv-id.
  for (const [method, equals, verdict, ...properties] of results.slice(1)) {
    const isDmarc = /^dmarc(?:\/[0-9]+)?$/i.test(method?.text ?? '') && isSign(equals, '=');
    if (!isDmarc || verdict?.text.toLowerCase() !== 'pass') continue;
    const name = properties.findIndex(
      ({ text }, at) => text.toLowerCase() === 'header.from' && isSign(properties[at + 1], '='),
    );
    const from = properties[name + 2]?.text;
    const domain = name < 0 ? null : parseDomain((from ?? '').replace(/^.*@/s, ''));
    if (domain?.ok === true) return domain.value;
  }
  return null;
}
