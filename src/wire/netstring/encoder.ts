/**
 * How a payload is framed as a netstring.
 * Never sends a payload that a Postfix reader would refuse for its length.
 * Source: D. J. Bernstein, Netstrings (1997); Postfix socketmap_table(5).
 */
import { Buffer } from 'node:buffer';
import { LocalProtocolError } from '../protocol-error.ts';

/** The longest payload in octets that Postfix reads from a socketmap. Source: Postfix socketmap_table(5). */
export const maxNetstringBytes = 100_000;

/**
 * The payload as `length:payload,`; a string is sent as UTF-8.
 * Errors: LocalProtocolError `payload-too-long` above 100,000 octets.
 * Source: D. J. Bernstein, Netstrings (1997).
 */
export function encodeNetstring(payload: Uint8Array | string): Buffer {
  const length = typeof payload === 'string' ? Buffer.byteLength(payload) : payload.length;
  if (length > maxNetstringBytes) {
    throw new LocalProtocolError(`refused to send a netstring of ${length} octets`, {
      code: 'payload-too-long',
      protocol: 'netstring',
      offset: maxNetstringBytes,
    });
  }
  if (typeof payload === 'string') return Buffer.from(`${length}:${payload},`);
  return Buffer.concat([Buffer.from(`${length}:`), payload, Buffer.from(',')]);
}
