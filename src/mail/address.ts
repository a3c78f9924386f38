/**
 * What a mailbox in an SMTP envelope consists of. Reads addresses as Postfix hands them over: with or without angle
 * brackets, with quoted local-parts, and at the milter door with a source route; and as Postfix reads them:
 * `bob%example.com` and `example.com!bob` are bob@example.com.
 * Never judges whether the mailbox exists.
 * Source: RFC 5321 §4.1.2 (Mailbox), RFC 6531 §3.3, postconf(5) allow_percent_hack, swap_bangpath.
 */
import { parseDomain, type Domain } from './domain.ts';

/**
 * An envelope address. `text` is as received, without brackets and source route. `domain` is null where the
 * address has none (`postmaster`), or an address literal, or one that is not a valid name: it then belongs to no own
 * domain.
 */
export type Address = { readonly text: string; readonly localPart: string; readonly domain: Domain | null };

/**
 * Reads an envelope address. The null reverse-path (`<>` or the empty text) is `null`. Never fails: what is not
 * a mailbox becomes an address without domain, because a decision must be made about it all the same.
 * Source: RFC 5321 §4.1.2, §4.5.5 (null reverse-path).
 */
export function parseAddress(text: string): Address | null {
  const bare = withoutSourceRoute(text.startsWith('<') && text.endsWith('>') ? text.slice(1, -1) : text);
  if (bare === '') return null;
  // The domain follows the last "@": a quoted local-part may hold others, and no domain holds a quote.
  const at = bare.lastIndexOf('@');
  if (at >= 0 && !bare.includes('"', at)) return addressOf(bare, bare.slice(0, at), bare.slice(at + 1));
  if (bare.startsWith('"')) return { text: bare, localPart: bare, domain: null };
  // Without an "@" Postfix looks for a bang path first, then for the last "%".
  const bang = bare.indexOf('!');
  if (bang >= 0) return addressOf(bare, bare.slice(bang + 1), bare.slice(0, bang));
  const percent = bare.lastIndexOf('%');
  if (percent >= 0) return addressOf(bare, bare.slice(0, percent), bare.slice(percent + 1));
  return { text: bare, localPart: bare, domain: null };
}

/**
 * A path without `@one.example,@two.example:` before its mailbox, which is taken and ignored; Postfix takes it off
 * before it keeps the address. Source: RFC 5321 §4.1.1.3, Appendix C; Postfix smtpd.c extract_addr.
 */
export const withoutSourceRoute = (path: string): string =>
  path.replace(/^(<?)@(?:\[[^\]]*\]|[^:"[])*:(?=[^>])/s, '$1');

function addressOf(text: string, localPart: string, name: string): Address {
  const domain = parseDomain(name);
  return { text, localPart, domain: domain.ok ? domain.value : null };
}

/**
 * The address, and those that its local-part holds, outermost first: where a domain is Postfix's own (a name in
 * mydestination, a literal of its address) or missing, Postfix takes it off and reads the local-part, unquoted, as an
 * address again. So `bob%example.com@[192.0.2.1]` and `"bob@example.com"@mx.example` may reach bob@example.com.
 * Source: postconf(5) mydestination, resolve_dequoted_address; seen with Postfix 3.7.
 */
export function* addressReadings(address: Address): Generator<Address> {
  for (let reading: Address | null = address; reading !== null;) {
    yield reading;
    const inside: string = unquote(reading.localPart);
    reading = inside === reading.text ? null : parseAddress(inside);
  }
}

const unquote = (localPart: string): string =>
  /^".*"$/s.test(localPart) ? localPart.slice(1, -1).replace(/\\(.)/gs, '$1') : localPart;
