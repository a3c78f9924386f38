/**
 * What keys and values of every table have in common: the characters that they may hold.
 * Never repairs a text: one that could end a line, begin a comment or continue another line is refused.
 * Source: Postfix postmap(1), "TABLE FORMAT".
 */
import { LocalProtocolError } from '../protocol-error.ts';

/** One line of a table. */
export type TableEntry = { readonly key: string; readonly value: string };

/** A whole table as it shall be. No entries: a valid empty table. */
export type MapFile = {
  /** The name of the file without suffix: small letters, digits and hyphens, at most 64. */
  readonly name: string;
  readonly kind: 'indexed' | 'regexp';
  /** Indexed: key and value. Regexp: pattern without delimiters, and result, in the order in which they are tried. */
  readonly entries: readonly TableEntry[];
  /** Regexp only: a text to look up, and what the table must answer; one a line proves every line. */
  readonly samples?: readonly TableEntry[];
};

/** The longest key and the longest value, in octets. */
export const maxTextOctets = 1_024;

/** A refusal that names the table's line (from 1) and where it begins, in octets. */
function refuse(what: string, lineNumber: number, offset: number): never {
  const fault = { code: 'TABLE_TEXT', protocol: 'Postfix table', offset };
  throw new LocalProtocolError(`line ${lineNumber} of the table: ${what}`, fault);
}

/** Joins the lines that `line` makes of entries; `line` says by `deny` why it makes none. */
export function encodeLines(
  entries: readonly TableEntry[],
  line: (entry: TableEntry, deny: (what: string) => never) => string,
): string {
  const lines: string[] = [];
  let offset = 0;
  for (const entry of entries) {
    const made = line(entry, (what) => refuse(what, lines.length + 1, offset));
    lines.push(made);
    offset += made.length;
  }
  return lines.join('');
}

/** Why a text cannot stand in a table, or null: it is empty, too long, or holds anything but printable ASCII. */
export function textFault(text: string): string | null {
  if (text === '') return 'is empty';
  if (text.length > maxTextOctets) return `is longer than ${maxTextOctets} octets`;
  if (/[\r\n]/.test(text)) return 'holds a line break';
  return /^[ -~]*$/.test(text) ? null : 'holds a control character or one outside ASCII';
}

/** Why a value cannot stand behind a key, or null. Single spaces between words are read back as they are. */
export function valueFault(value: string): string | null {
  const fault = textFault(value);
  if (fault !== null) return fault;
  if (value.startsWith(' ') || value.endsWith(' ')) return 'begins or ends with a space';
  return value.includes('  ') ? 'holds two spaces in a row' : null;
}
