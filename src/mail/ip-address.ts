/**
 * What an IP address is: read strictly, so that each text has one meaning, and held as unsigned 32-bit numbers.
 * Never guesses: no octal, no short forms, no zone identifiers.
 * Source: RFC 4291 §2.2 (text forms), §2.5.5.2 (IPv4-mapped), RFC 5952 §4 (canonical text).
 */
import ipaddr from 'ipaddr.js';
import { isMapped, scanIpv4, scanIpv6 } from './ip-scan.ts';

/** An IPv4 address; `value` is 0 to 2^32-1. */
export type Ipv4Address = { readonly family: 4; readonly value: number };

/** An IPv6 address as four unsigned 32-bit words, `w0` the most significant. Never an IPv4-mapped one when parsed. */
export type Ipv6Address = {
  readonly family: 6;
  readonly w0: number;
  readonly w1: number;
  readonly w2: number;
  readonly w3: number;
};

/** An address of either family. Plain numbers, because big integers cost an allocation at each comparison. */
export type IpAddress = Ipv4Address | Ipv6Address;

const scratch = new Uint32Array(4);

function parseBetween(text: string, start: number, end: number): IpAddress | null {
  const value = scanIpv4(text, start, end);
  if (value >= 0) return { family: 4, value };
  return scanIpv6(text, start, end, scratch) ? addressOfWords(scratch) : null;
}

/** The address of four words; an IPv4-mapped one becomes the IPv4 address. */
function addressOfWords(words: Uint32Array): IpAddress {
  const [w0, w1, w2, w3] = words as unknown as [number, number, number, number];
  return isMapped(words) ? { family: 4, value: w3 } : { family: 6, w0, w1, w2, w3 };
}

/**
 * Reads one address, nothing around it. An IPv4-mapped IPv6 address is given as the IPv4 address. `null` for
 * anything that is not exactly one address: leading zeros in an octet, short forms, zone identifiers, brackets.
 * Source: RFC 4291 §2.2 and §2.5.5.2.
 */
export function parseIpAddress(text: string): IpAddress | null {
  return parseBetween(text, 0, text.length);
}

/**
 * Reads a client's address as protocol peers write it: like {@link parseIpAddress}, but also in square brackets
 * and with the tag `IPv6:` in any case. `null` for `unknown`, a socket path, or the empty text.
 * Source: RFC 5321 §4.1.3 (address literals); Sendmail's milter library, which tags IPv6.
 */
export function parseClientAddress(text: string): IpAddress | null {
  const bracketed = text.startsWith('[') && text.endsWith(']');
  const start = bracketed ? 1 : 0;
  const end = text.length - start;
  if (text.slice(start, start + 5).toLowerCase() !== 'ipv6:') return parseBetween(text, start, end);
  return scanIpv6(text, start + 5, end, scratch) ? addressOfWords(scratch) : null;
}

/** The canonical text of an address, lower case and as short as may be. Source: RFC 5952 §4. */
export function formatIpAddress(address: IpAddress): string {
  if (address.family === 4) {
    const { value } = address;
    return `${value >>> 24}.${(value >>> 16) & 255}.${(value >>> 8) & 255}.${value & 255}`;
  }
  const parts = addressWords(address).flatMap((word) => [word >>> 16, word & 0xffff]);
  return new ipaddr.IPv6(parts).toRFC5952String();
}

/** The address as unsigned 32-bit words, most significant first: one for IPv4, four for IPv6. */
export function addressWords(address: IpAddress): readonly number[] {
  return address.family === 4 ? [address.value] : [address.w0, address.w1, address.w2, address.w3];
}

/** Orders addresses: negative, zero or positive as `a` comes before, at, or after `b`. IPv4 comes before IPv6. */
export function compareIpAddresses(a: IpAddress, b: IpAddress): number {
  if (a.family === 4 && b.family === 4) return a.value - b.value;
  if (a.family === 6 && b.family === 6) return a.w0 - b.w0 || a.w1 - b.w1 || a.w2 - b.w2 || a.w3 - b.w3;
  return a.family - b.family;
}

/** True for 127.0.0.0/8 and ::1. Source: RFC 1122 §3.2.1.3, RFC 4291 §2.5.3. */
export function isLoopback(address: IpAddress): boolean {
  if (address.family === 4) return address.value >>> 24 === 127;
  return address.w0 === 0 && address.w1 === 0 && address.w2 === 0 && address.w3 === 1;
}
