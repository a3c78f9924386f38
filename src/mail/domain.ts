/**
 * What is a domain name in mail, and what is its one spelling inside Postern: lower-case A-labels.
 * Never asks DNS.
 * Source: RFC 1035 §2.3.4 (lengths), RFC 5321 §4.1.2 (Domain), RFC 5890 §2.3.2 (A-labels and U-labels).
 */
import { domainToASCII, domainToUnicode } from 'node:url';
import { fail, ok, type Result } from './result.ts';

/** A domain name as lower-case A-labels without a final dot, for example `xn--bcher-kva.example`. */
export type Domain = string & { readonly __brand: 'Domain' };

const LABEL = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/;
// eslint-disable-next-line no-control-regex -- the range is ASCII itself
const ASCII = /^[\x00-\x7f]*$/;
/** ASCII that may stand in a name beside other letters: domainToASCII would decode "%41" and cut at "/", "?" and "#". */
// eslint-disable-next-line no-control-regex -- the range is ASCII itself
const STRAY_ASCII = /[\x00-,/:-@[-^`{-\x7f]/;
const MAX_DOMAIN_OCTETS = 253;
/** What most names are: lower-case letters and digits, in one look. The rest is looked at closely below. */
const PLAIN = /^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

/**
 * Reads a domain name in any spelling: A-labels or U-labels, any case, one final dot allowed.
 * Errors: a sentence fragment that says what is wrong, fit to follow the name.
 * Source: RFC 5890 §2.3.2.1, RFC 1035 §2.3.4.
 */
export function parseDomain(text: string): Result<Domain, string> {
  if (text.length <= MAX_DOMAIN_OCTETS && PLAIN.test(text)) return ok(text as Domain);
  if (text === '') return fail('is empty; a domain looks like example.com');
  if (text.includes('*')) return fail('has a wildcard; name each domain itself');
  if (/\s/.test(text)) return fail('has white space in it');
  if (text.includes('@')) return fail('has an "@"; give the domain alone');
  const isAscii = ASCII.test(text);
  const stray = isAscii ? undefined : STRAY_ASCII.exec(text)?.[0];
  if (stray !== undefined) return fail(`has "${stray}" in it; letters, digits and inner hyphens are allowed`);
  // domainToASCII would also turn "127.1" into something else, so plain ASCII never passes it.
  const ascii = (isAscii ? text.toLowerCase() : domainToASCII(text)).replace(/\.$/, '');
  if (ascii === '' && !isAscii) return fail('is not a valid internationalized domain name');
  if (ascii.length > MAX_DOMAIN_OCTETS) return fail(`is longer than ${MAX_DOMAIN_OCTETS} octets`);
  const labels = ascii.split('.');
  if (labels.includes('')) return fail('has an empty label (two dots together, or a dot at the start)');
  const long = labels.find((label) => label.length > 63);
  if (long !== undefined) return fail(`has the label "${long.slice(0, 20)}…", which is longer than 63 octets`);
  const odd = labels.find((label) => !LABEL.test(label));
  if (odd !== undefined) return fail(`has the label "${odd}"; letters, digits and inner hyphens are allowed`);
  if (/(?:^|\.)[0-9]+$/.test(ascii)) return fail('ends in a number, as only an IP address does');
  return ok(ascii as Domain);
}

/** The domain as a person reads it: U-labels where there are any. Source: RFC 5890 §2.3.2.1. */
export function displayDomain(domain: Domain): string {
  return domain.includes('xn--') ? domainToUnicode(domain) : domain;
}

/** True when `domain` is `suffix` or lies under it, at a label boundary. */
export function isUnder(domain: Domain, suffix: Domain): boolean {
  return domain === suffix || domain.endsWith(`.${suffix}`);
}
