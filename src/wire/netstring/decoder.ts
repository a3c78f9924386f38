/**
 * Which netstrings a byte stream holds, however it was cut into chunks.
 * Never keeps more octets than have come, nor more than the limit.
 * Source: D. J. Bernstein, Netstrings (1997); Postfix socketmap_table(5).
 */
import { Buffer } from 'node:buffer';
import { PeerProtocolError } from '../protocol-error.ts';
import { maxNetstringBytes } from './encoder.ts';

const COLON = 0x3a;
const COMMA = 0x2c;
const ZERO = 0x30;
const NINE = 0x39;
const MAX_DIGITS = 9;
const NOTHING = Buffer.alloc(0);

/**
 * What the decoder found. `offset` counts octets from the start of the connection to the payload. The payload may share
 * memory with the chunk it came in. A fault is the last event of a connection.
 */
export type NetstringEvent =
  | { readonly kind: 'payload'; readonly payload: Buffer; readonly offset: number }
  | { readonly kind: 'fault'; readonly error: PeerProtocolError };

/** `maxPayloadBytes`: the longest payload in octets; 100,000 when absent. */
export type NetstringDecoderLimits = { readonly maxPayloadBytes?: number };

/**
 * Decoder of one connection. A length is one to nine digits without a leading zero ("0" itself is one).
 * Errors: none are thrown; `fault` codes are `bad-length`, `payload-too-long` and `no-comma`.
 * Source: D. J. Bernstein, Netstrings (1997).
 */
export class NetstringDecoder {
  readonly #maxPayloadBytes: number;
  #digits = 0;
  #length = 0;
  #isInPayload = false;
  #payloadOffset = 0;
  #held: Buffer = NOTHING;
  #heldLength = 0;
  /** Octets of the connection before the present chunk. */
  #offset = 0;
  #hasFailed = false;

  constructor(limits: NetstringDecoderLimits = {}) {
    this.#maxPayloadBytes = limits.maxPayloadBytes ?? maxNetstringBytes;
  }

  /** Whether no part of a netstring is waiting for its rest. */
  get isIdle(): boolean {
    return !this.#isInPayload && this.#digits === 0;
  }

  /** Payload octets kept of an unfinished netstring; never above `maxPayloadBytes`. */
  get bufferedBytes(): number {
    return this.#heldLength;
  }

  /** Takes what the socket gave and returns what it completed. After a fault everything is ignored. */
  receive(chunk: Uint8Array): readonly NetstringEvent[] {
    const events: NetstringEvent[] = [];
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    let at = 0;
    while (at < bytes.length && !this.#hasFailed) {
      at = this.#isInPayload ? this.#readPayload(bytes, at, events) : this.#readLengthOctet(bytes, at, events);
    }
    this.#offset += bytes.length;
    return events;
  }

  #readLengthOctet(bytes: Buffer, at: number, events: NetstringEvent[]): number {
    const octet = bytes.readUInt8(at);
    if (octet === COLON && this.#digits > 0) {
      this.#isInPayload = true;
      this.#payloadOffset = this.#offset + at + 1;
      return at + 1;
    }
    const isDigit = octet >= ZERO && octet <= NINE;
    const hasLeadingZero = this.#digits > 0 && this.#length === 0;
    if (!isDigit || hasLeadingZero || this.#digits === MAX_DIGITS) {
      return this.#fail(events, 'bad-length', 'not a netstring length', at);
    }
    this.#digits += 1;
    this.#length = this.#length * 10 + (octet - ZERO);
    if (this.#length > this.#maxPayloadBytes) {
      return this.#fail(events, 'payload-too-long', `netstring longer than ${this.#maxPayloadBytes} octets`, at);
    }
    return at + 1;
  }

  #readPayload(bytes: Buffer, at: number, events: NetstringEvent[]): number {
    const isWholeInChunk = this.#heldLength === 0 && bytes.length - at > this.#length;
    const end = isWholeInChunk ? at + this.#length : Math.min(bytes.length, at + this.#length - this.#heldLength);
    if (!isWholeInChunk) {
      this.#hold(bytes.subarray(at, end));
      if (end === bytes.length) return end;
    }
    if (bytes[end] !== COMMA) return this.#fail(events, 'no-comma', 'no comma after a netstring', end);
    const payload = isWholeInChunk ? bytes.subarray(at, end) : this.#held;
    events.push({ kind: 'payload', payload, offset: this.#payloadOffset });
    this.#release();
    return end + 1;
  }

  /** Grows with what has come, not with what was announced: a length costs the peer nothing. */
  #hold(part: Buffer): void {
    const length = this.#heldLength + part.length;
    if (length > this.#held.length) {
      const grown = Buffer.allocUnsafe(Math.min(this.#length, Math.max(length, 2 * this.#held.length)));
      this.#held.copy(grown, 0, 0, this.#heldLength);
      this.#held = grown;
    }
    part.copy(this.#held, this.#heldLength);
    this.#heldLength = length;
  }

  #release(): void {
    this.#digits = 0;
    this.#length = 0;
    this.#isInPayload = false;
    this.#held = NOTHING;
    this.#heldLength = 0;
  }

  #fail(events: NetstringEvent[], code: string, message: string, at: number): number {
    const offset = this.#offset + at;
    events.push({ kind: 'fault', error: new PeerProtocolError(message, { code, protocol: 'netstring', offset }) });
    this.#hasFailed = true;
    this.#release();
    return at;
  }
}
