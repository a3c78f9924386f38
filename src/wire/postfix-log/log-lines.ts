/**
 * Which lines a growing file holds, however it was read in pieces. A line that is too long is left out whole.
 * Never keeps more than one line. No outside source.
 */
import { Buffer } from 'node:buffer';

/** The longest line in octets, its end not counted. What Postfix writes of a delivery stays below 3 KiB. */
export const maxLogLineOctets = 8192;

const NEWLINE = 0x0a;
const NOTHING = Buffer.alloc(0);

/** Takes the octets of one file in order. */
export class LogLines {
  #held: Buffer = NOTHING;
  #isTooLong = false;
  #pending = 0;

  /** How many octets came after the last whole line, those of a line that is left out included. */
  get pendingOctets(): number {
    return this.#pending;
  }

  /** The lines that `chunk` completes, as text, without their ends. Octets that are no UTF-8 become U+FFFD. */
  receive(chunk: Uint8Array): string[] {
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    const lines: string[] = [];
    let at = 0;
    for (let end = bytes.indexOf(NEWLINE); end >= 0; end = bytes.indexOf(NEWLINE, at)) {
      this.#take(bytes.subarray(at, end));
      if (!this.#isTooLong) lines.push(textOf(this.#held));
      this.reset();
      at = end + 1;
    }
    if (at < bytes.length) this.#take(bytes.subarray(at));
    return lines;
  }

  /** Forgets the line that has not come to its end. */
  reset(): void {
    this.#held = NOTHING;
    this.#isTooLong = false;
    this.#pending = 0;
  }

  #take(part: Buffer): void {
    this.#pending += part.length;
    if (this.#pending > maxLogLineOctets) {
      this.#isTooLong = true;
      this.#held = NOTHING;
    } else {
      this.#held = this.#held.length === 0 ? Buffer.from(part) : Buffer.concat([this.#held, part]);
    }
  }
}

/** A file that was cut to nothing under a writer that does not append begins with zeros. */
function textOf(line: Buffer): string {
  let begin = 0;
  while (line[begin] === 0) begin += 1;
  const end = line.at(-1) === 0x0d ? line.length - 1 : line.length;
  return line.toString('utf8', begin, Math.max(begin, end));
}
