/**
 * Which packets a byte stream holds, however it was cut into chunks, and how a packet is framed.
 * Never keeps more octets than have come, nor more than the limit; never looks into a payload.
 * Source: libmilter, comm.c: uint32 length (big endian, code included), uint8 code, payload.
 */
import { Buffer } from 'node:buffer';
import { PeerProtocolError } from './errors.ts';

const LENGTH_BYTES = 4;
const NOTHING = Buffer.alloc(0);

/** The greatest length field accepted: 1 MiB of payload and the code. The largest body chunk there is has one octet less. */
export const maxPacketBytes = 1_048_577;

/** One packet: the payload is `bytes` from `start` to `end`; it may share memory with the chunk it came in. */
export type Packet = {
  readonly code: number;
  readonly bytes: Buffer;
  readonly start: number;
  readonly end: number;
  /** Octets of the connection before this packet. */
  readonly offset: number;
};

/**
 * Reader of one connection: `push` a chunk, then call `next` until it gives undefined.
 * Errors: none are thrown; `next` gives a PeerProtocolError `packet-empty` (length 0) or `packet-too-long`, and then the
 * reader is of no more use: nobody knows where the next packet begins.
 */
export class PacketReader {
  readonly #maxBytes: number;
  #chunk: Buffer = NOTHING;
  #at = 0;
  /** The beginning of a packet of which the rest has not come. Its memory is never used for a second packet. */
  #held: Buffer = NOTHING;
  #heldLength = 0;
  #offset = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Octets kept of an unfinished packet; at most the limit and the four of the length field. */
  get bufferedBytes(): number {
    return this.#heldLength;
  }

  /** Takes a chunk; the one before it must have been read to its end. */
  push(chunk: Uint8Array): void {
    this.#chunk = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    this.#at = 0;
  }

  /** The next packet, the fault in its place, or undefined where the rest has not come. */
  next(): Packet | PeerProtocolError | undefined {
    if (this.#heldLength > 0) return this.#nextHeld();
    const left = this.#chunk.length - this.#at;
    if (left < LENGTH_BYTES) {
      this.#hold(left, LENGTH_BYTES);
      return undefined;
    }
    const length = this.#chunk.readUInt32BE(this.#at);
    if (length === 0 || length > this.#maxBytes) return this.#fail(length);
    const whole = LENGTH_BYTES + length;
    if (left < whole) {
      this.#hold(left, whole);
      return undefined;
    }
    const packet = this.#packet(this.#chunk, this.#at, whole);
    this.#at += whole;
    return packet;
  }

  #nextHeld(): Packet | PeerProtocolError | undefined {
    if (this.#heldLength < LENGTH_BYTES) {
      this.#hold(LENGTH_BYTES - this.#heldLength, LENGTH_BYTES);
      if (this.#heldLength < LENGTH_BYTES) return undefined;
    }
    const length = this.#held.readUInt32BE(0);
    if (length === 0 || length > this.#maxBytes) return this.#fail(length);
    const whole = LENGTH_BYTES + length;
    this.#hold(whole - this.#heldLength, whole);
    if (this.#heldLength < whole) return undefined;
    const packet = this.#packet(this.#held, 0, whole);
    this.#release();
    return packet;
  }

  #packet(bytes: Buffer, at: number, whole: number): Packet {
    const offset = this.#offset;
    this.#offset += whole;
    return { code: bytes.readUInt8(at + 4), bytes, start: at + 5, end: at + whole, offset };
  }

  /** Moves up to `count` octets from the chunk. Memory grows with what has come: a length field alone costs nothing. */
  #hold(count: number, whole: number): void {
    const end = Math.min(this.#chunk.length, this.#at + count);
    const length = this.#heldLength + end - this.#at;
    if (length > this.#held.length) {
      const grown = Buffer.allocUnsafe(Math.max(length, Math.min(whole, 2 * this.#held.length)));
      this.#held.copy(grown, 0, 0, this.#heldLength);
      this.#held = grown;
    }
    this.#chunk.copy(this.#held, this.#heldLength, this.#at, end);
    this.#heldLength = length;
    this.#at = end;
    // An idle connection must not keep the memory of its last chunk.
    if (end === this.#chunk.length) this.push(NOTHING);
  }

  #release(): void {
    this.#held = NOTHING;
    this.#heldLength = 0;
  }

  #fail(length: number): PeerProtocolError {
    this.#release();
    return length === 0
      ? new PeerProtocolError('packet-empty', 'milter packet of length 0', this.#offset)
      : new PeerProtocolError('packet-too-long', `milter packet longer than ${this.#maxBytes} octets`, this.#offset);
  }
}

/** A 32-bit number, big endian, as four characters of latin1. */
export function u32(value: number): string {
  return String.fromCharCode(value >>> 24, (value >>> 16) & 0xff, (value >>> 8) & 0xff, value & 0xff);
}

/** The frame of a packet of which `length` octets of payload follow, in latin1. */
export function packetHead(code: number, length: number): string {
  return u32(length + 1) + String.fromCharCode(code);
}

/** The octets of all parts, in one buffer: a string is latin1. */
export function joinParts(parts: readonly (string | Uint8Array)[]): Buffer {
  let length = 0;
  for (const part of parts) length += part.length;
  const joined = Buffer.allocUnsafe(length);
  let at = 0;
  for (const part of parts) {
    if (typeof part === 'string') joined.write(part, at, 'latin1');
    else joined.set(part, at);
    at += part.length;
  }
  return joined;
}
