/**
 * What a mailbox in an SMTP envelope consists of. Reads addresses as Postfix hands them over: without source
 * route, with or without angle brackets, with quoted local-parts.
 * Never judges whether the mailbox exists.
 * Source: RFC 5321 §4.1.2 (Mailbox), RFC 6531 §3.3.
 */
import { parseDomain, type Domain } from './domain.ts';

/**
 * An envelope address. `text` is as received, without brackets. `domain` is null where the address has none
 * (`postmaster`), or an address literal, or one that is not a valid name: it then belongs to no own domain.
 */
export type Address = { readonly text: string; readonly localPart: string; readonly domain: Domain | null };

/**
 * Reads an envelope address. The null reverse-path (`<>` or the empty text) is `null`. Never fails: what is not
 * a mailbox becomes an address without domain, because a decision must be made about it all the same.
 * Source: RFC 5321 §4.1.2, §4.5.5 (null reverse-path).
 */
export function parseAddress(text: string): Address | null {
  const bare = text.startsWith('<') && text.endsWith('>') ? text.slice(1, -1) : text;
  if (bare === '') return null;
  // The domain follows the last "@": a quoted local-part may hold others, and no domain holds a quote.
  const at = bare.lastIndexOf('@');
  if (at < 0 || bare.includes('"', at)) return { text: bare, localPart: bare, domain: null };
  const domain = parseDomain(bare.slice(at + 1));
  return { text: bare, localPart: bare.slice(0, at), domain: domain.ok ? domain.value : null };
}
