/**
 * Which packets a byte stream holds, however it was cut into chunks, and how a packet is framed.
 * Never keeps more octets than have come, nor more than the limit; never looks into a payload.
 * Source: libmilter, comm.c: uint32 length (big endian, code included), uint8 code, payload.
 */
import { Buffer } from 'node:buffer';
import { PeerProtocolError } from './errors.ts';

const LENGTH_BYTES = 4;
/** The length and the code. */
const HEAD_BYTES = 5;
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
  /** Whether this is a later part of a packet that is given in parts. */
  readonly isContinued: boolean;
};

/**
 * Reader of one connection: `push` a chunk, then call `next` until it gives undefined.
 * Packets of the code `inParts` are not put together: each part is given as it comes, as a packet of its own without a
 * copy; the first has at least one octet of payload, unless the whole packet has none.
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
  /** The code of packets given in parts, if any. May be set between two calls of `next`. */
  inParts: number | undefined;
  /** Of the packet that is being given in parts: octets that it still lacks, its code, and where it began. */
  #lacking = 0;
  #partsCode = 0;
  #partsOffset = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Octets kept of an unfinished packet; at most the limit and the four of the length field. */
  get bufferedBytes(): number {
    return this.#heldLength;
  }

  /** Whether a packet has begun and its rest has not come. */
  get isInsidePacket(): boolean {
    return this.#heldLength > 0 || this.#lacking > 0;
  }

  /** Takes a chunk; the one before it must have been read to its end. */
  push(chunk: Uint8Array): void {
    this.#chunk = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    this.#at = 0;
  }

  /** The next packet, the fault in its place, or undefined where the rest has not come. */
  next(): Packet | PeerProtocolError | undefined {
    if (this.#lacking > 0) return this.#nextPart(true);
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
      if (left > HEAD_BYTES && this.#chunk.readUInt8(this.#at + LENGTH_BYTES) === this.inParts) {
        this.#at += HEAD_BYTES;
        return this.#beginParts(this.inParts, length - 1);
      }
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
    if (this.#heldLength < HEAD_BYTES) this.#hold(HEAD_BYTES - this.#heldLength, whole);
    if (this.#heldLength === HEAD_BYTES && length > 1 && this.#held.readUInt8(LENGTH_BYTES) === this.inParts) {
      if (this.#at === this.#chunk.length) return undefined;
      this.#release();
      return this.#beginParts(this.inParts, length - 1);
    }
    this.#hold(whole - this.#heldLength, whole);
    if (this.#heldLength < whole) return undefined;
    const packet = this.#packet(this.#held, 0, whole);
    this.#release();
    return packet;
  }

  #beginParts(code: number, payload: number): Packet | undefined {
    this.#partsCode = code;
    this.#lacking = payload;
    this.#partsOffset = this.#offset;
    this.#offset += HEAD_BYTES + payload;
    return this.#nextPart(false);
  }

  #nextPart(isContinued: boolean): Packet | undefined {
    const start = this.#at;
    const end = Math.min(this.#chunk.length, start + this.#lacking);
    if (end === start) {
      this.push(NOTHING);
      return undefined;
    }
    this.#at = end;
    this.#lacking -= end - start;
    return { code: this.#partsCode, bytes: this.#chunk, start, end, offset: this.#partsOffset, isContinued };
  }

  #packet(bytes: Buffer, at: number, whole: number): Packet {
    const offset = this.#offset;
    this.#offset += whole;
    return {
      code: bytes.readUInt8(at + 4),
      bytes,
      start: at + HEAD_BYTES,
      end: at + whole,
      offset,
      isContinued: false,
    };
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
