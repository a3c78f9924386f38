/**
 * How a recipient stands in the envelope while Postfix carries it to a route: `local=domain@label.internalDomain`, and
 * the way back, for us and as lines of a regexp table that smtp(8) asks. The last `=` parts mailbox and domain, because
 * no domain holds one. A quoted local-part stays quoted, with the domain inside the quotes.
 * Never decides who is sent to a route, and never looks up whether a label is one.
 * Source: RFC 5321 §4.1.2 (Mailbox), RFC 5322 §4.4 (obs-local-part), RFC 3461 §4 (xtext); Postfix regexp_table(5),
 * postconf(5) smtp_generic_maps; seen with Postfix 3.7.
 */

/** A line of a table, or a text to look up with its answer. */
type Line = { readonly key: string; readonly value: string };

/** A mailbox as typed: a quoted local-part has its quotes, an address literal its brackets. */
type Mailbox = { readonly localPart: string; readonly domain: string };

// Postfix may take 8-bit text for an address only as UTF-8; U+FFFD stands where octets were none, so they are lost.
const ATOM = String.raw`[^\x00-\x20"\\(),:;<>[\]\x7f\ufffd]`;
const IN_QUOTES = String.raw`(?:[^\x00-\x1f"\\\x7f\ufffd]|\\[^\x00-\x1f\x7f\ufffd])*`;
const QUOTED_STRING = new RegExp(`^"${IN_QUOTES}"$`);
/** What has no quote and no backslash, and words side by side, such as `a."b c"` or `a\@b`. */
const LOCAL_PART = new RegExp(String.raw`^(?:${ATOM}|\\[^\x00-\x1f\x7f\ufffd]|"${IN_QUOTES}")+$`);
// eslint-disable-next-line no-control-regex -- control characters are among what is kept out
const DOMAIN = /^(?:[^\x00-\x20"=@\\(),:;<>[\]\x7f\ufffd]+|\[[^\x00-\x20"=@\\(),;<>[\]\x7f\ufffd]+\])$/;

/**
 * Whether a mailbox can be encoded. Not: an empty local-part or domain, a domain with `=`, `@` or a quote, white space,
 * comments and brackets that are not in quotes, control characters, a quoted string without end.
 */
export function isEncodable({ localPart, domain }: Mailbox): boolean {
  return LOCAL_PART.test(localPart) && bare(localPart) !== '' && DOMAIN.test(domain);
}

/**
 * The text of an encoded recipient, without angle brackets. Case and UTF-8 are kept. A local-part of several words
 * with quotes or backslashes becomes one quoted string, and so does one before an address literal, whose brackets
 * Postfix takes in quotes only: it is the same mailbox to Postfix.
 * `label` is one DNS label, `internalDomain` a name of A-labels.
 * Errors: RangeError for a mailbox that is not {@link isEncodable}.
 */
export function encodeRecipient(address: Mailbox, label: string, internalDomain: string): string {
  if (!isEncodable(address)) throw new RangeError('the mailbox cannot be an encoded recipient');
  const { localPart, domain } = address;
  const end = `@${label}.${internalDomain}`;
  const needsQuotes = /["\\]/.test(localPart) || domain.startsWith('[');
  return needsQuotes ? `"${insideQuotes(localPart)}=${domain}"${end}` : `${localPart}=${domain}${end}`;
}

/**
 * What an encoded recipient says, by the same rules as Postfix's; null for any other address. `text` has no angle
 * brackets; the label is given in small letters. For the logs: the local-part before an address literal, and one that
 * Postfix quoted, comes back in quotes.
 */
export function decodeRecipient(
  text: string,
  internalDomain: string,
): { readonly label: string; readonly address: string } | null {
  const match = new RegExp(`@([a-z0-9-]+)\\.${escapeDots(internalDomain)}$`, 'i').exec(text);
  if (match === null) return null;
  const label = (match[1] as string).toLowerCase();
  for (const { key, value } of decodeRules(label, internalDomain)) {
    const pattern = new RegExp(key, 'is');
    if (pattern.test(text)) return { label, address: text.replace(pattern, value) };
  }
  return null;
}

/**
 * The lines of a regexp table that decode the recipients of one label, in the order in which they must stand: pattern
 * without delimiters (matched without case), and result. The quoted form is first: the other would keep its quotes.
 */
export function decodeRules(label: string, internalDomain: string): readonly Line[] {
  const end = `@${escapeDots(label)}\\.${escapeDots(internalDomain)}$`;
  return [
    { key: `^"(.+)=([^=@"]+)"${end}`, value: '"$1"@$2' },
    { key: `^(.+)=([^=@"]+)${end}`, value: '$1@$2' },
  ];
}

/** Texts to look up that prove each line of {@link decodeRules}, with their answers. */
export function decodeSamples(label: string, internalDomain: string): readonly Line[] {
  return ['"a b"', 'a=b'].map((localPart) => ({
    key: encodeRecipient({ localPart, domain: 'example.com' }, label, internalDomain),
    value: `${localPart}@example.com`,
  }));
}

/**
 * A text as xtext, such as the address of an ORCPT: each octet of its UTF-8 outside `!` to `~`, and `+` and `=`, as `+`
 * and two hexadecimal digits. Source: RFC 3461 §4.
 */
export function xtext(text: string): string {
  const encoder = new TextEncoder();
  const escape = (octet: number): string => `+${octet.toString(16).toUpperCase().padStart(2, '0')}`;
  return text.replaceAll(/[^!-~]|[+=]/gu, (character) => Array.from(encoder.encode(character), escape).join(''));
}

/** What stands between the quotes of a quoted local-part; of another one, what would. */
const insideQuotes = (localPart: string): string =>
  QUOTED_STRING.test(localPart) ? localPart.slice(1, -1) : bare(localPart).replaceAll(/["\\]/g, String.raw`\$&`);

/** A local-part as Postfix keeps it: without quotes and backslashes. */
const bare = (localPart: string): string => localPart.replaceAll(/\\(.)|"/gs, '$1');

/** The one thing in a domain name that a regular expression reads otherwise. */
const escapeDots = (name: string): string => name.replaceAll('.', String.raw`\.`);
