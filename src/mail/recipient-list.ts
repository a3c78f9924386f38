/**
 * A file of recipients, one address a line, read into a list that is searched in place: a million addresses are one
 * block of memory, which goes to another thread without a copy of each.
 * Never says who is missing: several lists make that out together.
 * Source: RFC 5321 §4.1.2 (Mailbox), §2.4 (local-parts are compared without case here, as Postfix's lists are).
 */
import { parseDomain } from './domain.ts';
import { recipientLocalName } from './recipient-name.ts';
import { fail, ok, type Result } from './result.ts';

/** Names in the order of their text: `text` is UTF-8, name n is from `starts[n]` to `starts[n + 1]`. */
export type RecipientList = { readonly text: Uint8Array; readonly starts: Uint32Array };

/** A line that is no address; lines are counted from 1. */
export type RecipientFileRefusal = { readonly line: number; readonly message: string };

/** Refused lines, the first hundred of them, and how many more there are. */
export type RecipientFileFault = { readonly refusals: readonly RecipientFileRefusal[]; readonly more: number };

const MOST_REFUSALS = 100;

/** How many names a list holds. */
export const recipientListSize = ({ starts }: RecipientList): number => Math.max(starts.length - 1, 0);

/**
 * Reads a file: `bob@example.com`, `bob` (in whatever own domain the list is for), or `@example.com` (everybody there)
 * on a line; empty lines, and comments after `#` at the beginning of a line or behind white space.
 */
export function parseRecipientFile(file: string): Result<RecipientList, RecipientFileFault> {
  // UTF-8 has no half characters: the order of the names must be that of what is read back.
  const text = file.toWellFormed();
  const names = new Set<string>();
  const refusals: RecipientFileRefusal[] = [];
  let refused = 0;
  let line = 0;
  const readName = nameReader();
  for (let next = text.charCodeAt(0) === 0xfeff ? 1 : 0; next < text.length;) {
    const newline = text.indexOf('\n', next);
    const stop = newline < 0 ? text.length : newline;
    const entry = withoutComment(text.slice(next, stop));
    next = stop + 1;
    line += 1;
    if (entry === '') continue;
    const name = readName(entry);
    if (typeof name === 'string') names.add(name);
    else {
      refused += 1;
      if (refusals.length < MOST_REFUSALS) refusals.push({ line, message: `${quote(entry)} ${name.fault}` });
    }
  }
  return refused > 0 ? fail({ refusals, more: refused - refusals.length }) : ok(pack([...names].sort()));
}

/** Whether a name stands in the list. */
export function recipientListHas(list: RecipientList, name: string): boolean {
  // A name may begin with what elsewhere marks a text as Unicode.
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  for (let low = 0, high = recipientListSize(list) - 1; low <= high;) {
    const middle = (low + high) >>> 1;
    const found = decoder.decode(list.text.subarray(list.starts[middle], list.starts[middle + 1]));
    if (found === name) return true;
    if (found < name) low = middle + 1;
    else high = middle - 1;
  }
  return false;
}

function withoutComment(line: string): string {
  const hash = line.search(/(?:^|\s)#/);
  return (hash < 0 ? line : line.slice(0, hash)).trim();
}

/** Reads one entry after the other; most have the domain of the one before. */
function nameReader(): (entry: string) => string | { readonly fault: string } {
  let last: { readonly text: string; readonly name: string } | null = null;
  return (entry) => {
    if (/[\s,;<>]/.test(entry) && !/^"(?:[^"\\]|\\.)*"(?:@\S+)?$/.test(entry)) {
      return { fault: 'is not one address; write one address a line, or name a Postfix map by { map: "type:name" }' };
    }
    const at = entry.lastIndexOf('@');
    if (at < 0 || entry.includes('"', at)) return recipientLocalName(entry);
    const host = entry.slice(at + 1);
    if (last?.text !== host) {
      const domain = parseDomain(host);
      if (!domain.ok) return { fault: `is no address: ${quote(host)} is no domain` };
      last = { text: host, name: domain.value };
    }
    return `${recipientLocalName(entry.slice(0, at))}@${last.name}`;
  };
}

function pack(names: readonly string[]): RecipientList {
  const text = new TextEncoder().encode(names.join(''));
  const starts = new Uint32Array(names.length === 0 ? 0 : names.length + 1);
  let at = 0;
  names.forEach((name, index) => {
    starts[index] = at;
    at += octetsOf(name);
  });
  if (names.length > 0) starts[names.length] = at;
  return { text, starts };
}

/** Octets of a text as UTF-8. */
function octetsOf(text: string): number {
  let octets = 0;
  for (const character of text) {
    const code = character.codePointAt(0) as number;
    octets += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
  }
  return octets;
}

const quote = (text: string): string => JSON.stringify(text.length > 80 ? `${text.slice(0, 77)}...` : text);
