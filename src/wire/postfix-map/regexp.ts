/**
 * The text of a regexp table: one `/pattern/ result` a line, in the order in which Postfix tries them.
 * Never checks that a pattern compiles: only Postfix's own reading of the table says that.
 * Source: Postfix regexp_table(5).
 */
import { encodeLines, textFault, valueFault, type TableEntry } from './entry.ts';

/**
 * The table. A key is a pattern without its delimiters (matched without case, as Postfix does by default); a slash in it
 * is escaped by a backslash, white space is written `[[:space:]]`. In a value `$1` to `$9`, `${1}` and `$(1)` stand for
 * what a group matched, `$$` for a dollar.
 * Errors: LocalProtocolError for an entry that cannot stand in a table as it is.
 */
export function encodeRegexpTable(entries: readonly TableEntry[]): string {
  return encodeLines(entries, ({ key, value }, deny) => {
    const fault = patternFault(key) ?? resultFault(value);
    return fault === null ? `/${key}/\t${value}\n` : deny(fault);
  });
}

/** A pattern that matches just this text. Errors: LocalProtocolError from the table that it is put into, for a space. */
export function escapeRegexp(text: string): string {
  return text.replaceAll(/[\\/.*+?^$|(){}[\]]/g, String.raw`\$&`);
}

function patternFault(pattern: string): string | null {
  const fault = textFault(pattern);
  if (fault !== null) return `the pattern ${fault}`;
  if (pattern.includes(' ')) return 'the pattern holds a space';
  const withoutEscapes = pattern.replaceAll(/\\[!-~]/g, '');
  if (withoutEscapes.includes('\\')) return 'the pattern ends with a backslash';
  return withoutEscapes.includes('/') ? 'the pattern holds a slash that is not escaped' : null;
}

function resultFault(result: string): string | null {
  const fault = valueFault(result);
  if (fault !== null) return `the result ${fault}`;
  const withoutGroups = result.replaceAll(/\$(?:\$|[1-9]|\{[1-9]\d?\}|\([1-9]\d?\))/g, '');
  return withoutGroups.includes('$') ? 'the result holds a dollar that names no group' : null;
}
