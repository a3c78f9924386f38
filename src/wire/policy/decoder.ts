/**
 * Which policy requests a byte stream holds, however it was cut into chunks.
 * Never interprets an attribute, apart from the one that names the protocol, and never answers.
 * Source: Postfix SMTPD_POLICY_README, "Protocol description".
 */
import { Buffer, isAscii, isUtf8 } from 'node:buffer';
import { PeerProtocolError } from '../protocol-error.ts';

const PROTOCOL = 'Postfix SMTPD_POLICY_README';
const LF = 0x0a;
const CR = 0x0d;
const NOTHING = Buffer.alloc(0);

/**
 * The attributes of one request, in the order they came; an attribute Postfix did not send is absent, one without a
 * value is the empty string. Of an attribute sent twice the first counts, as in Postfix's own reader.
 * A value is UTF-8 text where its octets are valid UTF-8, else each octet is one character (latin1).
 * Source: Postfix attr_scan_plain(3), ATTR_TYPE_HASH.
 */
export type PolicyRequest = ReadonlyMap<string, string>;

/** What the decoder found. A fault is the last event of a connection: close it after answering the earlier requests. */
export type PolicyEvent =
  | { readonly kind: 'request'; readonly request: PolicyRequest }
  | { readonly kind: 'fault'; readonly error: PeerProtocolError };

/** `maxRequestBytes`: the longest request in octets, its empty line included; 65,536 when absent, at least 1. */
export type PolicyDecoderLimits = { readonly maxRequestBytes?: number };

/**
 * Decoder of one connection. Lines end in LF or CRLF, a request ends with an empty line.
 * A request counts only when its empty line has come, so the events do not depend on the chunks.
 * Errors: none are thrown; `fault` codes are `request-too-long`, `line-without-equals` and `not-a-policy-request`.
 * Source: Postfix SMTPD_POLICY_README.
 */
export class PolicyDecoder {
  readonly #maxRequestBytes: number;
  #held: Buffer = NOTHING;
  #heldLength = 0;
  /** Octets of the connection before the request being read. */
  #offset = 0;
  #hasFailed = false;

  constructor(limits: PolicyDecoderLimits = {}) {
    this.#maxRequestBytes = limits.maxRequestBytes ?? 65_536;
  }

  /** Whether no part of a request is waiting for its rest. */
  get isIdle(): boolean {
    return this.#heldLength === 0;
  }

  /** Octets kept of an unfinished request; always below `maxRequestBytes`. */
  get bufferedBytes(): number {
    return this.#heldLength;
  }

  /** Takes what the socket gave and returns what it completed. After a fault everything is ignored. The chunk is not kept. */
  receive(chunk: Uint8Array): readonly PolicyEvent[] {
    const events: PolicyEvent[] = [];
    let bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    if (this.#heldLength > 0) {
      const end = this.#endOfHeldRequest(bytes);
      const more = end === -1 ? bytes : bytes.subarray(0, end);
      if (!this.#hold(more, end !== -1, events) || end === -1) return events;
      const whole = this.#held.subarray(0, this.#heldLength);
      this.#release();
      this.#readRequests(whole, events);
      bytes = bytes.subarray(end);
    }
    this.#readRequests(bytes, events);
    return events;
  }

  /** Where in `bytes` the held request ends (the index after its empty line), or -1. */
  #endOfHeldRequest(bytes: Buffer): number {
    const last = this.#held[this.#heldLength - 1];
    let isBlank = last === LF;
    // A CR that began its line is blank so far: the cut may fall inside the final CRLF.
    const isBlankButCr = last === CR && (this.#heldLength === 1 || this.#held[this.#heldLength - 2] === LF);
    let lineStart = 0;
    for (let lf = bytes.indexOf(LF); lf !== -1; lf = bytes.indexOf(LF, lineStart)) {
      const length = lf - lineStart;
      if (length === 0 && (isBlank || isBlankButCr)) return lf + 1;
      if (length === 1 && isBlank && bytes[lineStart] === CR) return lf + 1;
      lineStart = lf + 1;
      isBlank = true;
    }
    return -1;
  }

  #readRequests(bytes: Buffer, events: PolicyEvent[]): void {
    // One character per octet: string and stream offsets agree, and the values are slices of one string.
    const text = bytes.toString('latin1');
    const isPlain = isAscii(bytes);
    let at = 0;
    while (at < text.length && !this.#hasFailed) {
      const limit = Math.min(text.length, at + this.#maxRequestBytes);
      const next = this.#readRequest(text, at, limit, isPlain, events);
      if (next === -1) {
        this.#hold(bytes.subarray(at), false, events);
        return;
      }
      this.#offset += next - at;
      at = next;
    }
  }

  /** Reads the request at `at`. Returns where the next one begins, or -1 if this one does not end before `limit`. */
  #readRequest(text: string, at: number, limit: number, isPlain: boolean, events: PolicyEvent[]): number {
    const request = new Map<string, string>();
    let badLine = -1;
    let lineStart = at;
    for (;;) {
      const lf = text.indexOf('\n', lineStart);
      if (lf === -1 || lf >= limit) return -1;
      const lineEnd = lf > lineStart && text.charCodeAt(lf - 1) === CR ? lf - 1 : lf;
      if (lineEnd === lineStart) {
        events.push(this.#judge(request, badLine === -1 ? -1 : badLine - at));
        return lf + 1;
      }
      // After a bad line nothing is looked up any more, or a request without "=" would cost its length squared.
      if (badLine === -1) {
        const equals = text.indexOf('=', lineStart);
        if (equals === -1 || equals > lineEnd) {
          badLine = lineStart;
        } else {
          const name = textOf(text.slice(lineStart, equals), isPlain);
          if (!request.has(name)) request.set(name, textOf(text.slice(equals + 1, lineEnd), isPlain));
        }
      }
      lineStart = lf + 1;
    }
  }

  #judge(request: PolicyRequest, badLine: number): PolicyEvent {
    if (badLine !== -1) {
      return this.#fault('line-without-equals', 'a line of the policy request has no "="', this.#offset + badLine);
    }
    if (request.get('request') !== 'smtpd_access_policy') {
      return this.#fault('not-a-policy-request', 'no request=smtpd_access_policy in the policy request', this.#offset);
    }
    return { kind: 'request', request };
  }

  /** Keeps a part of a request unless the limit forbids it. An unfinished request needs room for one octet more. */
  #hold(part: Buffer, isWhole: boolean, events: PolicyEvent[]): boolean {
    const length = this.#heldLength + part.length;
    if (length + (isWhole ? 0 : 1) > this.#maxRequestBytes) {
      const limit = this.#maxRequestBytes;
      events.push(this.#fault('request-too-long', `policy request longer than ${limit} octets`, this.#offset + limit));
      return false;
    }
    if (length > this.#held.length) {
      const grown = Buffer.allocUnsafe(Math.min(this.#maxRequestBytes, Math.max(length, 2 * this.#held.length)));
      this.#held.copy(grown, 0, 0, this.#heldLength);
      this.#held = grown;
    }
    part.copy(this.#held, this.#heldLength);
    this.#heldLength = length;
    return true;
  }

  #release(): void {
    this.#held = NOTHING;
    this.#heldLength = 0;
  }

  #fault(code: string, message: string, offset: number): PolicyEvent {
    this.#hasFailed = true;
    this.#release();
    return { kind: 'fault', error: new PeerProtocolError(message, { code, protocol: PROTOCOL, offset }) };
  }
}

/** The text of octets given as latin1. A value that is not UTF-8 is no error: SMTP clients may say anything. */
function textOf(latin1: string, isPlain: boolean): string {
  if (isPlain || !/[\x80-\xff]/.test(latin1)) return latin1;
  const octets = Buffer.from(latin1, 'latin1');
  return isUtf8(octets) ? octets.toString('utf8') : latin1;
}
