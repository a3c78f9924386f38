/**
 * Why an entry of an IP list is refused, in words that an administrator can act on.
 * Never decides what is a range: it is asked only about text that is none.
 * Source: RFC 4632 §3.1, RFC 4291 §2.2, Postfix cidr_table(5).
 */
import { formatIpAddress } from './ip-address.ts';
import { scanIpv4 } from './ip-scan.ts';

/** What is wrong with an entry, for programs; people read the message. */
export type IpRangeReason =
  | 'empty'
  | 'leading-zero'
  | 'octet-range'
  | 'host-bits'
  | 'prefix-length'
  | 'mapped-prefix'
  | 'netmask'
  | 'wildcard'
  | 'short-form'
  | 'number-form'
  | 'dash'
  | 'reversed'
  | 'mixed-family'
  | 'separator'
  | 'invisible-character'
  | 'zone'
  | 'brackets'
  | 'port'
  | 'domain-name'
  | 'not-an-address';

/** A refusal: the reason as a code, and one or more whole sentences that name the entry and the way out. */
export type IpRangeRefusal = { readonly reason: IpRangeReason; readonly message: string };

const MAX_QUOTED = 60;
/** Longer than two IPv6 addresses with embedded IPv4, in brackets, and a dash; also bounds the work on hostile input. */
const MAX_ENTRY = 128;

/** The entry between quotation marks, cut where long, with characters that can't be seen written as U+00A0. */
export function quoteEntry(entry: string): string {
  const shown = entry.length > MAX_QUOTED ? `${entry.slice(0, MAX_QUOTED)}…` : entry;
  return `"${shown.replace(/[^\P{C} ]|[^\P{Z} ]/gu, (character) => `<${codePoint(character)}>`)}"`;
}

function codePoint(character: string): string {
  return `U+${(character.codePointAt(0) as number).toString(16).toUpperCase().padStart(4, '0')}`;
}

/** A refusal where the entry holds a character that no entry has, such as another separator, else null. */
export function strayCharacter(entry: string): IpRangeRefusal | null {
  const name = quoteEntry(entry);
  if (entry === '') return { reason: 'empty', message: 'An entry is empty; write an address such as 192.0.2.7.' };
  if (entry.length > MAX_ENTRY) {
    return {
      reason: 'not-an-address',
      message: `${name} is longer than any address or range; write one such as 192.0.2.7.`,
    };
  }
  if (/^-$|\s-|-\s/.test(entry)) {
    const joined = entry.replace(/\s*-\s*/g, '-');
    const range = /^[^\s-]+-[^\s-]+$/.test(joined) ? `here ${joined}` : 'such as 192.0.2.1-192.0.2.9';
    return { reason: 'dash', message: `${name} has a "-" that stands alone; write a range without spaces, ${range}.` };
  }
  if (/[\u2010-\u2015\u2212\ufe58\ufe63\uff0d]/u.test(entry)) {
    const message = `${name} holds a long dash; write a range with a plain "-", such as 192.0.2.1-192.0.2.9.`;
    return { reason: 'dash', message };
  }
  const separator = /[;,|\s\u3001\u3002\uff0c\uff0e\uff1b\ufe50\ufe54]/u.exec(entry)?.[0];
  if (separator !== undefined) {
    const way = 'separate entries with a plain comma, a line break or a space';
    return { reason: 'separator', message: `${name} holds ${quoteEntry(separator)}; ${way}.` };
  }
  const invisible = /[\p{Cc}\p{Cf}]/u.exec(entry)?.[0];
  if (invisible === undefined) return null;
  const message = `${name} holds the invisible character ${codePoint(invisible)}; type the entry anew.`;
  return { reason: 'invisible-character', message };
}

/**
 * Why `part` of `entry` is no address. `suffix` is the prefix length that follows it (`/24`) or the empty text, so
 * that an offer can keep it.
 * Source: RFC 4291 §2.2; inet_aton(3) for the forms that some programs take and that are refused here.
 */
export function explainAddress(entry: string, part: string, suffix: string): IpRangeRefusal {
  const [reason, tail] = explain(part, suffix);
  const subject = part === entry || part === '' ? quoteEntry(entry) : `In ${quoteEntry(entry)}, ${quoteEntry(part)}`;
  return { reason, message: `${subject} ${tail}.` };
}

type Explanation = readonly [IpRangeReason, string];

function explain(part: string, suffix: string): Explanation {
  if (part === '') return ['not-an-address', 'has no address; write one, such as 192.0.2.0/24'];
  if (part.includes('%')) return ['zone', 'names an interface after "%"; leave out the "%" and what follows it'];
  if (part.includes('*')) return explainWildcard(part);
  if (/^\[[^\]]*\]:[0-9]*$|^[0-9]+\.[0-9.]*:[0-9]*$/.test(part))
    return ['port', 'has a port; leave out the last ":" and the port'];
  if (/[[\]]/.test(part)) return ['brackets', 'has brackets; write the address without them'];
  if (/^ipv6:/i.test(part)) return ['not-an-address', 'starts with "IPv6:"; write the address alone'];
  if (/^(?=.*[.:])[0-9a-f.:]+-[0-9a-f.:-]*$/i.test(part)) {
    return ['dash', 'is no range; a range is two addresses with one dash between, and no prefix length'];
  }
  if (part.includes(':')) return explainIpv6(part);
  if (/^0x/i.test(part)) return ['number-form', 'is in hexadecimal; write four decimal numbers, such as 192.0.2.7'];
  if (/^[0-9]+$/.test(part)) return explainNumber(Number(part));
  if (/^[0-9.]+$/.test(part)) return explainIpv4(part, suffix);
  if (/^[\w.-]+$/.test(part)) return ['domain-name', 'is a name, not an address; write the address that it stands for'];
  return ['not-an-address', 'is no IP address; write one such as 192.0.2.7, 192.0.2.0/24 or 2001:db8::/32'];
}

function explainWildcard(part: string): Explanation {
  const octets = /^((?:[0-9]+\.){1,3})\*(?:\.\*)*$/.exec(part)?.[1]?.slice(0, -1).split('.');
  const network = octets === undefined ? null : networkOfOctets(octets);
  const groups = /^((?:[0-9a-f]{1,4}:){1,7})\*$/i.exec(part)?.[1]?.toLowerCase();
  const offer = network ?? (groups === undefined ? null : `${groups}:/${16 * (groups.split(':').length - 1)}`);
  return ['wildcard', `has a wildcard; write a network, ${offer === null ? 'such as 192.0.2.0/24' : `here ${offer}`}`];
}

/** The network that fewer than four octets may stand for, or null where they can't. */
function networkOfOctets(octets: readonly string[]): string | null {
  const address = [...octets, '0', '0', '0'].slice(0, 4).join('.');
  return scanIpv4(address, 0, address.length) < 0 ? null : `${address}/${8 * octets.length}`;
}

function explainIpv6(part: string): Explanation {
  const tail = part.slice(part.lastIndexOf(':') + 1);
  if (/^[0-9]+\.[0-9.]*$/.test(tail) && scanIpv4(tail, 0, tail.length) < 0) return explainIpv4(tail, null);
  const form = 'eight groups of up to four hexadecimal digits, one run of zero groups written as "::"';
  return ['not-an-address', `is no IPv6 address; that is ${form}, such as 2001:db8::1`];
}

function explainNumber(value: number): Explanation {
  const isAddress = value > 0xffffff && value <= 0xffffffff;
  const offer = isAddress ? `here ${formatIpAddress({ family: 4, value })}` : 'such as 192.0.2.7';
  return ['number-form', `is one number; an IPv4 address is written as four, ${offer}`];
}

/** Digits and dots that are no address. `suffix` is null where an offer can be of the IPv4 address only. */
function explainIpv4(part: string, suffix: string | null): Explanation {
  const octets = part.replace(/\.$/, '').split('.');
  const padded = octets.find((octet) => /^0[0-9]/.test(octet));
  if (padded !== undefined) {
    const decimal = octets.map((octet) => octet.replace(/^0+(?=[0-9])/, '')).join('.');
    const isAddress = scanIpv4(decimal, 0, decimal.length) >= 0;
    const offer = isAddress ? `; write ${decimal}${suffix ?? ''} if decimal is meant` : '; write it without';
    return [
      'leading-zero',
      `has a leading zero in "${padded.slice(0, 12)}", which some programs read as octal${offer}`,
    ];
  }
  const large = octets.find((octet) => Number(octet) > 255);
  if (large !== undefined) return ['octet-range', `has the number ${large.slice(0, 12)}; each of the four is 0 to 255`];
  if (octets.includes('') || octets.length > 3) {
    return ['not-an-address', 'is no IPv4 address; that is four numbers with single dots between, such as 192.0.2.7'];
  }
  const address = [...octets, '0', '0', '0'].slice(0, 4).join('.');
  const offer = `${address}${suffix === '' ? `/${8 * octets.length}` : (suffix ?? '')}`;
  return ['short-form', `has ${octets.length} of the four numbers of an address; write ${offer} if that is meant`];
}
