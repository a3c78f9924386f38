/**
 * How the text of an address becomes numbers, character by character and without an object, so that a file of a
 * million lines is read in a fraction of a second.
 * Never takes a form that another program could read otherwise: no octal, no short forms, no zone identifiers.
 * Source: RFC 4291 §2.2 (text forms), §2.5.5.2 (IPv4-mapped).
 */

const DOT = 0x2e;
const COLON = 0x3a;
const ZERO = 0x30;
const NINE = 0x39;
/** The third word of an IPv4-mapped address, after two words of zero. */
const MAPPED_WORD = 0xffff;
const GROUPS = 8;

/**
 * Reads the IPv4 address that fills `text` from `start` to before `end`: four decimal octets without leading zeros.
 * Gives -1 for anything else. Allocates nothing.
 * Source: RFC 3986 §3.2.2 (dec-octet), which has no leading zeros.
 */
export function scanIpv4(text: string, start: number, end: number): number {
  let value = 0;
  let octets = 0;
  let at = start;
  for (;;) {
    const first = at;
    let octet = 0;
    while (at < end) {
      const code = text.charCodeAt(at);
      if (code < ZERO || code > NINE) break;
      octet = octet * 10 + code - ZERO;
      at += 1;
      if (octet > 255) return -1;
    }
    if (at === first) return -1;
    if (at - first > 1 && text.charCodeAt(first) === ZERO) return -1;
    value = value * 256 + octet;
    octets += 1;
    if (octets === 4) return at === end ? value : -1;
    if (at >= end || text.charCodeAt(at) !== DOT) return -1;
    at += 1;
  }
}

function hexDigit(code: number): number {
  if (code >= ZERO && code <= NINE) return code - ZERO;
  const lower = code | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}

/** Scratch for {@link scanIpv6}: filled and read within one call, so it holds no state between calls. */
const groups = new Uint16Array(GROUPS);

/**
 * Reads the IPv6 address that fills `text` from `start` to before `end` into the four words of `out`, an embedded
 * IPv4 address at its end included. Gives false, and leaves `out` alone, for anything else. Allocates nothing.
 * Source: RFC 4291 §2.2.
 */
export function scanIpv6(text: string, start: number, end: number, out: Uint32Array): boolean {
  let at = start;
  let count = 0;
  let gap = -1;
  if (at < end && text.charCodeAt(at) === COLON) {
    if (at + 1 >= end || text.charCodeAt(at + 1) !== COLON) return false;
    gap = 0;
    at += 2;
  }
  while (at < end) {
    const first = at;
    let group = 0;
    for (; at < end && at - first < 5; at += 1) {
      const digit = hexDigit(text.charCodeAt(at));
      if (digit < 0) break;
      group = group * 16 + digit;
    }
    if (at < end && text.charCodeAt(at) === DOT) {
      const embedded = scanIpv4(text, first, end);
      if (embedded < 0 || count > GROUPS - 2) return false;
      groups[count] = embedded >>> 16;
      groups[count + 1] = embedded & 0xffff;
      count += 2;
      break;
    }
    if (at === first || at - first > 4 || count === GROUPS) return false;
    groups[count] = group;
    count += 1;
    if (at === end) break;
    if (text.charCodeAt(at) !== COLON || at + 1 === end) return false;
    at += 1;
    if (text.charCodeAt(at) === COLON) {
      if (gap >= 0) return false;
      gap = count;
      at += 1;
    }
  }
  if (gap < 0 ? count !== GROUPS : count === GROUPS) return false;
  spread(count, gap < 0 ? count : gap, out);
  return true;
}

/** Puts the groups before `gap` at the front and the others at the back, with zeros between. */
function spread(count: number, gap: number, out: Uint32Array): void {
  const shift = GROUPS - count;
  const groupAt = (index: number): number => {
    if (index < gap) return groups[index] as number;
    return index < gap + shift ? 0 : (groups[index - shift] as number);
  };
  for (let word = 0; word < 4; word += 1) out[word] = ((groupAt(2 * word) << 16) | groupAt(2 * word + 1)) >>> 0;
}

/** True when the four words are an IPv4 address in IPv6 clothes; the last word is then that address. RFC 4291 §2.5.5.2. */
export function isMapped(words: Uint32Array): boolean {
  return words[0] === 0 && words[1] === 0 && words[2] === MAPPED_WORD;
}

/** The mask of a prefix within one word; `prefix` beyond 32 counts as 32, below 0 as 0. */
export function wordMask(prefix: number): number {
  return prefix <= 0 ? 0 : (-1 << Math.max(0, 32 - prefix)) >>> 0;
}
