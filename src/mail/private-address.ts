/**
 * Which addresses mean a host inside some network, so that no public DNS record leads there.
 * Source: RFC 1918 §3, RFC 3927 §2.1, RFC 6598 §7, RFC 1122 §3.2.1.3, RFC 4193 §3.1, RFC 4291 §2.5.3 and §2.5.6.
 */
import type { IpAddress } from './ip-address.ts';
import type { IpSet } from './ip-set.ts';

/** First address and prefix length of each IPv4 block, loopback included. */
const BLOCKS: readonly (readonly [first: number, bits: number])[] = [
  [0x0a000000, 8],
  [0x64400000, 10],
  [0x7f000000, 8],
  [0xa9fe0000, 16],
  [0xac100000, 12],
  [0xc0a80000, 16],
];

/** The index of the block that an IPv4 address is in, or -1. */
const blockOf = (value: number): number =>
  BLOCKS.findIndex(([first, bits]) => value >>> (32 - bits) === first >>> (32 - bits));

/** Unique local, link-local and loopback; 0 for each other address. The blocks do not touch. */
function ipv6BlockOf(w0: number, w1: number, w2: number, w3: number): number {
  if (w0 >>> 25 === 0xfc >>> 1) return 1;
  if (w0 >>> 22 === 0xfe80 >>> 6) return 2;
  return w0 === 0 && w1 === 0 && w2 === 0 && w3 === 1 ? 3 : 0;
}

/** True for addresses that mean nothing outside one network or host. */
export function isPrivateAddress(address: IpAddress): boolean {
  if (address.family === 4) return blockOf(address.value) >= 0;
  return ipv6BlockOf(address.w0, address.w1, address.w2, address.w3) !== 0;
}

/** True when a set holds such addresses and no others. False for an empty set. */
export function isPrivateSet({ size, v4, v6 }: IpSet): boolean {
  const ipv6 = (column: Uint32Array, at: number): number => {
    const [w0 = 0, w1 = 0, w2 = 0, w3 = 0] = column.subarray(at * 4, at * 4 + 4);
    return ipv6BlockOf(w0, w1, w2, w3);
  };
  return (
    size > 0 &&
    v4.first.every((first, at) => blockOf(first) >= 0 && blockOf(first) === blockOf(v4.last[at] as number)) &&
    Array.from({ length: v6.first.length / 4 }, (_, at) => at).every(
      (at) => ipv6(v6.first, at) !== 0 && ipv6(v6.first, at) === ipv6(v6.last, at),
    )
  );
}
