/**
 * The face of the socketmap codec: queries in, replies out.
 * Never opens a socket and never looks anything up.
 * Source: Postfix socketmap_table(5).
 */
export { SocketmapDecoder } from './decoder.ts';
export type { SocketmapDecoderLimits, SocketmapEvent } from './decoder.ts';
export { encodeSocketmapReply } from './encoder.ts';
export type { SocketmapReply } from './encoder.ts';
