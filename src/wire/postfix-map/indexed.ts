/**
 * The text that postmap(1) makes an indexed table of, and that a texthash table is: one `key value` a line.
 * Never writes a line that means something else than its entry: no continuation, no comment, no catch-all.
 * Source: Postfix postmap(1), "TABLE FORMAT"; transport(5), postconf(5).
 */
import { encodeLines, textFault, valueFault, type TableEntry } from './entry.ts';

/**
 * The table, one line an entry in the order given; the empty text for no entries, which is a valid table.
 * Keys are lower case, because Postfix folds the keys that it looks up. A value holds a space only as the text of the
 * services `retry` and `error`, and before the names that a TLS policy asks of a certificate.
 * Errors: LocalProtocolError for an entry that cannot stand in a table as it is, and for a key that comes twice.
 */
export function encodeIndexedTable(entries: readonly TableEntry[]): string {
  const seen = new Set<string>();
  return encodeLines(entries, ({ key, value }, deny) => {
    const fault = keyFault(key) ?? indexedValueFault(value);
    if (fault !== null) return deny(fault);
    if (seen.has(key)) return deny(`the key ${key} comes twice`);
    seen.add(key);
    return `${key}\t${value}\n`;
  });
}

function keyFault(key: string): string | null {
  const fault = textFault(key);
  if (fault !== null) return `the key ${fault}`;
  if (key.includes(' ')) return 'the key holds a space';
  if (key.startsWith('#')) return 'the key begins a comment';
  // Postfix 3.7 reads white space inside quotes as a part of the key, and a backslash as an escape.
  if (/["\\]/.test(key)) return 'the key holds a quote or a backslash';
  if (/[A-Z]/.test(key)) return 'the key holds a capital letter';
  // postmap warns of an alias file.
  if (key.endsWith(':')) return 'the key ends with a colon';
  // In transport(5) this one catches all mail of the host.
  return key === '*' ? 'the key is a catch-all' : null;
}

/** Source: error(8), postconf(5) smtp_tls_policy_maps. */
const WITH_SPACE = /^(?:(?:retry|error):[^ ]|(?:verify|secure) match=[^ ]+$)/;

function indexedValueFault(value: string): string | null {
  const fault = valueFault(value);
  if (fault !== null) return `the value ${fault}`;
  return value.includes(' ') && !WITH_SPACE.test(value) ? 'the value holds a space' : null;
}
