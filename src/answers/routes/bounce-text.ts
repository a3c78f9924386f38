/**
 * What a bounce of Postfix says of recipients that it carried to a route: their real addresses, wherever an encoded one
 * stands in its text, its report, and what it returns of the message.
 * Never touches a label that is not ours, nor anything but an encoded address.
 * Source: RFC 3464 §2.3 (recipient fields), RFC 6533 §3 (utf-8 addresses), RFC 3461 §4 (xtext); Postfix bounce(8).
 */
import type { Snapshot } from '../../snapshot/index.ts';

/** An octet of a domain, as an encoded recipient has one, and an address literal. */
const DOMAIN_OCTET = String.raw`[^\x00-\x20"=@\\(),:;<>[\]\x7f]`;
const LITERAL = String.raw`\[[^\x00-\x20"=@\\(),;<>[\]\x7f]+\]`;
/** An octet of a local-part that needs no quotes. Source: RFC 5322 §3.2.3, RFC 6532 §3.2. */
const DOT_ATOM_OCTET = /[\w!#$%&'*+\-/=?^`{|}~.\x80-\xff]/;
const DOT_ATOM = /^[^.]+(?:\.[^.]+)*$/;

/**
 * The text with every encoded recipient of a known label decoded, as octets in latin1; null where nothing has to change.
 * Only the end of an encoded recipient is looked at (`=domain@label.internalDomain`, xtext has `+3D` for the `=`), so it is
 * found however the local-part is written, also where Postfix has broken the line inside it. Quotes that the address
 * does not need go with it. The time is linear in the text: no octet begins a search that goes past the next `=` or `@`.
 */
export function decodeBounceText(text: string, { host, installation }: Snapshot): string | null {
  const known = new Set([...installation.routes.values()].map(({ label }) => label));
  if (known.size === 0) return null;
  const pieces: string[] = [];
  let done = 0;
  for (const found of text.matchAll(encodedEnd(host.internalDomain))) {
    const [whole, plain, inXtext, quote, label] = found as unknown as Found;
    if (!known.has(label.toLowerCase())) continue;
    const opening = quote === '' || plain === undefined ? null : needlessQuote(text, done, found.index);
    if (opening === null) pieces.push(text.slice(done, found.index), quote);
    else pieces.push(text.slice(done, opening), text.slice(opening + 1, found.index));
    pieces.push(`@${plain ?? inXtext}`);
    done = found.index + whole.length;
  }
  return pieces.length === 0 ? null : [...pieces, text.slice(done)].join('');
}

/** The whole, the domain after `=` or after `+3D`, a closing quote if there is one, the label. */
type Found = readonly [string, ...(readonly [string, undefined] | readonly [undefined, string]), string, string];

function encodedEnd(internalDomain: string): RegExp {
  const plain = `=(${DOMAIN_OCTET}+|${LITERAL})`;
  const inXtext = String.raw`\+3D((?:(?!\+3D)${DOMAIN_OCTET})+|${LITERAL})`;
  const domain = internalDomain.replaceAll('.', String.raw`\.`);
  const end = String.raw`@([a-z0-9-]{1,63})\.${domain}(?![a-z0-9-]|\.[a-z0-9])`;
  return new RegExp(`(?:${plain}|${inXtext})("?)${end}`, 'gi');
}

/** Where the quote stands that opens a local-part which ends at `end` and needs none; not before `from`. */
function needlessQuote(text: string, from: number, end: number): number | null {
  let start = end;
  while (start > from && DOT_ATOM_OCTET.test(text.charAt(start - 1))) start -= 1;
  const opening = start - 1;
  if (opening < from || text[opening] !== '"' || text[opening - 1] === '\\') return null;
  return DOT_ATOM.test(text.slice(start, end)) ? opening : null;
}
