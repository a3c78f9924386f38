/**
 * A header field as it is hashed for DKIM, from the form in which a milter receives it: name, and value with its exact
 * leading white space and LF folds. Never decodes anything: text is latin1, one character an octet.
 * Source: RFC 6376 §3.4.1 (simple), §3.4.2 (relaxed); Postfix MILTER_README and milter8.c (folds come as LF alone).
 */
import { MAX_LINE_OCTETS, type Canonicalization } from './body-canonicalizer.ts';

/**
 * A header field as received: both as latin1 text, one character an octet. `value` is all that stood behind the colon,
 * leading white space included, folded by LF (or CR LF), without the final line end.
 */
export interface HeaderField {
  readonly name: string;
  readonly value: string;
}

/**
 * The field's name as it is compared: without trailing white space, ASCII letters in lower case, other octets as they
 * are. Source: RFC 6376 §3.4.2.
 */
export function comparableName(name: string): string {
  let end = name.length;
  while (end > 0 && (name[end - 1] === ' ' || name[end - 1] === '\t')) end -= 1;
  // toLowerCase() alone would also change octets such as 0xC4.
  return name.slice(0, end).replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}

/**
 * The field as it is hashed, as latin1 text, without the CR LF at its end. Source: RFC 6376 §3.4.1, §3.4.2.
 */
export function canonicalHeaderField(field: HeaderField, canonicalization: Canonicalization): string {
  if (canonicalization === 'simple') return `${field.name}:${field.value.replace(/\r?\n/g, '\r\n')}`;
  // Only SP and TAB are white space here; trim() would also take octets such as 0xA0.
  const value = field.value
    .replace(/\r?\n/g, '')
    .replace(/[\t ]+/g, ' ')
    .replace(/^ | $/g, '');
  return `${comparableName(field.name)}:${value}`;
}

/** A header field with a line that is broken on its way. */
export interface OverlongField {
  readonly name: string;
  /** Octets of its longest line, name and colon included, line end not. */
  readonly octets: number;
}

/** The fields with a line over 998 octets. Source: RFC 5322 §2.1.1, Postfix `smtp_line_length_limit`. */
export function overlongHeaderFields(headers: readonly HeaderField[]): readonly OverlongField[] {
  const found: OverlongField[] = [];
  for (const { name, value } of headers) {
    if (name.length + 1 + value.length <= MAX_LINE_OCTETS) continue;
    const octets = Math.max(...`${name}:${value}`.split(/\r?\n/).map((line) => line.length));
    if (octets > MAX_LINE_OCTETS) found.push({ name, octets });
  }
  return found;
}
