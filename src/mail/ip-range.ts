/**
 * What one entry of an IP list covers: an address, a network, or a range written with a dash.
 * Never widens an entry: what has more than one reading is refused, and the refusal says what may be meant.
 * Source: RFC 4632 §3.1 and RFC 4291 §2.3 (prefix notation), Postfix cidr_table(5) (host bits, leading zeros).
 */
import { addressWords, compareIpAddresses, formatIpAddress, parseIpAddress, type IpAddress } from './ip-address.ts';
import { explainAddress, quoteEntry, strayCharacter, type IpRangeRefusal } from './ip-range-refusal.ts';
import { scanIpv4, wordMask } from './ip-scan.ts';
import { fail, ok, type Result } from './result.ts';

export type { IpRangeReason, IpRangeRefusal } from './ip-range-refusal.ts';

/**
 * The addresses from `first` to `last`, both included and of one family. `text` is canonical and so identifies the
 * range: `192.0.2.7`, `192.0.2.0/24`, or `192.0.2.1-192.0.2.9` where no one network fits.
 */
export type IpRange = { readonly first: IpAddress; readonly last: IpAddress; readonly text: string };

/** The widest network that a limit allows, as prefix lengths (0 to 32, 0 to 128). */
export type WidestNetwork = { readonly ipv4Prefix: number; readonly ipv6Prefix: number };

/**
 * Reads one entry. White space around it is ignored, inside it is refused. IPv4-mapped IPv6 becomes IPv4.
 * Errors: a reason code and a whole sentence that names the entry and offers what may be meant.
 * Source: RFC 4632 §3.1, RFC 4291 §2.3.
 */
export function parseIpRange(text: string): Result<IpRange, IpRangeRefusal> {
  const entry = text.trim();
  const stray = strayCharacter(entry);
  if (stray !== null) return fail(stray);
  const slash = entry.indexOf('/');
  if (slash >= 0) return parseNetwork(entry, slash);
  if (entry.includes('-')) return parseDashRange(entry);
  const address = parseListedAddress(entry);
  return address === null ? fail(explainAddress(entry, entry, '')) : ok(ipRangeOf(address, address));
}

/** One address as a list may hold it: bare or in square brackets. */
function parseListedAddress(text: string): IpAddress | null {
  return parseIpAddress(text.startsWith('[') && text.endsWith(']') ? text.slice(1, -1) : text);
}

function parseNetwork(entry: string, slash: number): Result<IpRange, IpRangeRefusal> {
  const name = quoteEntry(entry);
  const left = entry.slice(0, slash);
  const right = entry.slice(slash + 1);
  if (/-.*[.:]/.test(right)) {
    return refuse('dash', `${name} mixes a network and a dash; write a range as two addresses, or each network alone.`);
  }
  const address = parseListedAddress(left);
  if (address === null) return fail(explainAddress(entry, left, `/${right}`));
  const netmask = scanIpv4(right, 0, right.length);
  if (netmask >= 0) return refuseNetmask(name, address, netmask);
  const isMappedForm = address.family === 4 && left.includes(':');
  const bits = address.family === 4 && !isMappedForm ? 32 : 128;
  const written = /^(?:0|[1-9][0-9]{0,2})$/.test(right) ? Number(right) : NaN;
  if (!(written <= bits)) {
    const found = right === '' ? 'no prefix length after the slash' : `the prefix length ${quoteEntry(right)}`;
    const limit = `write a whole number from 0 to ${bits}, or ${formatIpAddress(address)} for the one address`;
    return refuse('prefix-length', `${name} has ${found}; ${limit}.`);
  }
  if (isMappedForm && written < 96) {
    const way = `write the IPv4 network itself, such as ${formatIpAddress(address)}/32`;
    return refuse('mapped-prefix', `${name} is IPv4 in IPv6 form, where a prefix is 96 to 128; ${way}.`);
  }
  const prefix = isMappedForm ? written - 96 : written;
  const range = networkOf(address, prefix);
  if (compareIpAddresses(range.first, address) === 0) return ok(range);
  const meant = `write ${range.text} for the whole network, or ${formatIpAddress(address)} for the one address`;
  return refuse('host-bits', `${name} has bits set beyond its prefix; ${meant}.`);
}

function refuseNetmask(name: string, address: IpAddress, netmask: number): Result<IpRange, IpRangeRefusal> {
  const prefix = Math.clz32(~netmask);
  const isContiguous = wordMask(prefix) === netmask;
  const example = address.family === 4 && isContiguous ? networkOf(address, prefix).text : '192.0.2.0/24';
  return refuse('netmask', `${name} is written with a netmask; write a prefix length, such as ${example}.`);
}

function parseDashRange(entry: string): Result<IpRange, IpRangeRefusal> {
  const name = quoteEntry(entry);
  const dash = entry.indexOf('-');
  const left = entry.slice(0, dash);
  const right = entry.slice(dash + 1);
  if (left === '' || right === '') {
    const way = 'write a range without spaces, such as 192.0.2.1-192.0.2.9, or the one address without a dash';
    return refuse('dash', `${name} is not a range: a dash stands between two addresses; ${way}.`);
  }
  const first = parseListedAddress(left);
  const last = parseListedAddress(right);
  if (first === null) return fail(explainAddress(entry, left, ''));
  if (last === null) {
    const full = `${left.slice(0, left.lastIndexOf('.') + 1)}${right}`;
    const isShort = first.family === 4 && /^[0-9]{1,3}$/.test(right) && parseIpAddress(full) !== null;
    if (!isShort) return fail(explainAddress(entry, right, ''));
    return refuse('short-form', `${name} shortens the second address; write both in full, such as ${left}-${full}.`);
  }
  if (first.family !== last.family) {
    return refuse('mixed-family', `${name} runs from one address family to the other; write one range for each.`);
  }
  if (compareIpAddresses(first, last) > 0) {
    return refuse('reversed', `${name} runs backwards; write ${ipRangeOf(last, first).text} if that is meant.`);
  }
  return ok(ipRangeOf(first, last));
}

const refuse = (reason: IpRangeRefusal['reason'], message: string): Result<IpRange, IpRangeRefusal> =>
  fail({ reason, message });

function addressOfWords(words: readonly number[]): IpAddress {
  const [w0, w1, w2, w3] = words as readonly [number, number, number, number];
  return words.length === 1 ? { family: 4, value: w0 } : { family: 6, w0, w1, w2, w3 };
}

/** The network of `prefix` bits (0 to 32 for IPv4, 0 to 128 for IPv6) that holds the address. */
function networkOf(address: IpAddress, prefix: number): IpRange {
  const words = addressWords(address);
  const masks = words.map((_, index) => wordMask(prefix - 32 * index));
  const first = addressOfWords(words.map((word, index) => (word & (masks[index] as number)) >>> 0));
  return ipRangeOf(first, addressOfWords(words.map((word, index) => (word | ~(masks[index] as number)) >>> 0)));
}

/** The range from `first` to `last`, which must be of one family and in order. The same address twice is one address. */
export function ipRangeOf(first: IpAddress, last: IpAddress): IpRange {
  return { first, last, text: formatRange(first, last) };
}

/** The canonical text: one address, else a network, else `first-last`. */
function formatRange(first: IpAddress, last: IpAddress): string {
  const text = formatIpAddress(first);
  if (compareIpAddresses(first, last) === 0) return text;
  const prefix = prefixOf(addressWords(first), addressWords(last));
  return prefix === null ? `${text}-${formatIpAddress(last)}` : `${text}/${prefix}`;
}

/** The prefix length where the two are the ends of one network, else null. */
function prefixOf(first: readonly number[], last: readonly number[]): number | null {
  let prefix = 0;
  let isInside = false;
  for (const [index, word] of first.entries()) {
    const other = last[index] as number;
    const common: number = isInside ? 0 : Math.clz32(word ^ other);
    const mask = wordMask(common);
    if ((word & ~mask) >>> 0 !== 0 || (other | mask) >>> 0 !== 0xffffffff) return null;
    prefix += common;
    isInside ||= common < 32;
  }
  return prefix;
}

/** How many addresses the range holds, at least 1. */
export function ipRangeSize(range: IpRange): bigint {
  return numberOf(range.last) - numberOf(range.first) + 1n;
}

function numberOf(address: IpAddress): bigint {
  return addressWords(address).reduce((sum, word) => (sum << 32n) | BigInt(word), 0n);
}

/** True when the range holds more addresses than the widest network allowed for its family; dash ranges count by size. */
export function isWiderThan(range: IpRange, widest: WidestNetwork): boolean {
  const hostBits = range.first.family === 4 ? 32 - widest.ipv4Prefix : 128 - widest.ipv6Prefix;
  return ipRangeSize(range) > 1n << BigInt(hostBits);
}

/** True when the two ranges share an address. */
export function ipRangesOverlap(a: IpRange, b: IpRange): boolean {
  return compareIpAddresses(a.first, b.last) <= 0 && compareIpAddresses(b.first, a.last) <= 0;
}

/** The fewest networks that cover exactly the range, in order, for tables that know only networks. At most 254. */
export function cidrsOfRange(range: IpRange): readonly string[] {
  const { family } = range.first;
  const bits = family === 4 ? 32n : 128n;
  const last = numberOf(range.last);
  const cidrs: string[] = [];
  for (let at = numberOf(range.first); at <= last;) {
    let hostBits = 0n;
    while (hostBits < bits && (at & ((2n << hostBits) - 1n)) === 0n && at + (2n << hostBits) - 1n <= last)
      hostBits += 1n;
    const words = Array.from({ length: family === 4 ? 1 : 4 }, (_, i) =>
      Number((at >> (bits - 32n * BigInt(i + 1))) & 0xffffffffn),
    );
    cidrs.push(`${formatIpAddress(addressOfWords(words))}/${bits - hostBits}`);
    at += 1n << hostBits;
  }
  return cidrs;
}
