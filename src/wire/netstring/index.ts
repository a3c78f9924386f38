/**
 * The face of the netstring codec: framing by length.
 * Never looks into a payload.
 * Source: D. J. Bernstein, Netstrings (1997).
 */
export { NetstringDecoder } from './decoder.ts';
export type { NetstringDecoderLimits, NetstringEvent } from './decoder.ts';
export { encodeNetstring, maxNetstringBytes } from './encoder.ts';
