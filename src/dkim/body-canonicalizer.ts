/**
 * The body hash of a DKIM signature (`bh=`), computed while the body arrives in chunks that may be cut anywhere.
 * Never holds the body, never joins chunks. A line ends in CR LF: a lone CR or LF is an ordinary octet, as the standard
 * has it, and no mail system that speaks SMTP hands one over (Postfix makes bare LF CR LF and a stray CR a space).
 * Source: RFC 6376 §3.4.3 (simple), §3.4.4 (relaxed, with erratum 1384: an empty body stays empty), RFC 5322 §2.1.1.
 */
import type { Buffer } from 'node:buffer';
import { createHash } from 'node:crypto';
import {
  KERNEL_SLICE_OCTETS,
  KERNEL_SOURCE,
  KERNEL_TARGET,
  kernelMemory as memory,
  openLineInKernel,
  relaxedInKernel,
} from './body-kernel.ts';

/** A canonicalization algorithm. Source: RFC 6376 §3.4. */
export type Canonicalization = 'relaxed' | 'simple';

/** The most octets a line may have, without its CR LF. Source: RFC 5322 §2.1.1. */
export const MAX_LINE_OCTETS = 998;

const TAB = 0x09;
const LF = 0x0a;
const CR = 0x0d;
const SP = 0x20;
const CRLF = new Uint8Array([CR, LF]);
const LINE_ENDS = new Uint8Array(8_192).map((_, index) => (index % 2 === 0 ? CR : LF));

/** SHA-256 of one canonicalized message body. Use one for each message and canonicalization. */
export class BodyHasher {
  readonly #hash = createHash('sha256');
  readonly #relaxed: boolean;
  /** What the octets so far ended in and what only the next octet decides: white space, and after it a CR. */
  #openSpace = false;
  #openCr = false;
  /** Line ends that count only if something other than line ends follows. */
  #heldLineEnds = 0;
  #hasContent = false;
  #openLine = 0;
  #overlongLine = 0;

  constructor(canonicalization: Canonicalization) {
    this.#relaxed = canonicalization === 'relaxed';
  }

  /** Takes the next octets of the body, of any number. The chunk is not kept. */
  update(chunk: Uint8Array): void {
    for (let at = 0; at < chunk.length; at += KERNEL_SLICE_OCTETS) {
      this.#updateSlice(chunk.length <= KERNEL_SLICE_OCTETS ? chunk : chunk.subarray(at, at + KERNEL_SLICE_OCTETS));
    }
  }

  /** The body hash, 32 octets. Ends this hasher: neither method may be called again. */
  digest(): Buffer {
    // White space before the missing end of the last line is at a line end; a lone CR is not white space.
    if (this.#openCr) {
      this.#releaseLineEnds();
      this.#hash.update(this.#openSpace ? ' \r' : '\r');
    }
    if (this.#hasContent || !this.#relaxed) this.#hash.update(CRLF);
    return this.#hash.digest();
  }

  /**
   * Octets of the longest line among those over {@link MAX_LINE_OCTETS}, without its CR LF; 0 where there is none. Such a
   * line is broken on its way (Postfix `smtp_line_length_limit`), and the signature with it. Source: RFC 5322 §2.1.1.
   */
  get overlongLineOctets(): number {
    const open = this.#openLine - (this.#openCr ? 1 : 0);
    return open > MAX_LINE_OCTETS ? Math.max(this.#overlongLine, open) : this.#overlongLine;
  }

  #updateSlice(slice: Uint8Array): void {
    let from = KERNEL_SOURCE;
    if (this.#openSpace) memory[from++] = SP;
    if (this.#openCr) memory[from++] = CR;
    memory.set(slice, from);
    const end = from + slice.length;
    this.#followLines(slice, from, end);

    // Taken off the end and put before the next slice: what that slice decides about.
    let stop = end;
    this.#openCr = memory[stop - 1] === CR;
    if (this.#openCr) stop -= 1;
    this.#openSpace = false;
    while (this.#relaxed && stop > KERNEL_SOURCE && (memory[stop - 1] === SP || memory[stop - 1] === TAB)) {
      this.#openSpace = true;
      stop -= 1;
    }
    if (this.#relaxed) this.#take(KERNEL_TARGET, relaxedInKernel(KERNEL_SOURCE, stop, KERNEL_TARGET));
    else this.#take(KERNEL_SOURCE, stop);
  }

  /** Hashes canonical octets of the kernel's memory, but for the line ends at their end. */
  #take(from: number, end: number): void {
    let stop = end;
    while (stop - from >= 2 && memory[stop - 1] === LF && memory[stop - 2] === CR) stop -= 2;
    if (stop > from) {
      this.#releaseLineEnds();
      this.#hash.update(memory.subarray(from, stop));
    }
    this.#heldLineEnds += (end - stop) / 2;
  }

  #releaseLineEnds(): void {
    for (let octets = this.#heldLineEnds * 2; octets > 0; octets -= LINE_ENDS.length) {
      this.#hash.update(LINE_ENDS.subarray(0, octets));
    }
    this.#heldLineEnds = 0;
    this.#hasContent = true;
  }

  #followLines(slice: Uint8Array, from: number, end: number): void {
    const open = openLineInKernel(from, end, this.#openLine, MAX_LINE_OCTETS + 2);
    if (open >= 0) {
      this.#openLine = open;
      return;
    }
    // Some line is too long: rare, so it may cost more to learn how long.
    let start = -this.#openLine;
    for (let lf = slice.indexOf(LF); lf >= 0; lf = slice.indexOf(LF, start)) {
      const octets = lf - start - 1;
      if (octets > MAX_LINE_OCTETS) this.#overlongLine = Math.max(this.#overlongLine, octets);
      start = lf + 1;
    }
    this.#openLine = slice.length - start;
  }
}
