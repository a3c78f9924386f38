/**
 * The face of Postfix table files: keys and values in, the text of a table out.
 * Never opens a file, and never runs postmap.
 * Source: Postfix postmap(1), regexp_table(5), transport(5).
 */
export { maxTextOctets, type MapFile, type TableEntry } from './entry.ts';
export { encodeIndexedTable } from './indexed.ts';
export { encodeRegexpTable, escapeRegexp } from './regexp.ts';
export { encodeTransport, type TransportTarget } from './transport.ts';
