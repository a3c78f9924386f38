/**
 * The body of one message as it comes: hashed in passing, and kept only where it may have to be replaced.
 * Never keeps more than its bound, and nothing of a message that is not a bounce.
 * Source: RFC 6376 §3.7 (the hash is that of the body that leaves); libmilter, smfi_replacebody.
 */
import { Buffer } from 'node:buffer';
import type { BodyHasher } from '../../dkim/index.ts';

/** The longest body that is kept, in octets. Postfix returns 50,000 of a message (`bounce_size_limit`). */
export const MAX_KEPT_OCTETS = 1_048_576;

/** Makes octets of a body, as latin1, what they are to become; null leaves them. */
export type Rewrite = (text: string) => string | null;

/** One body. `hasher` is null where it is not signed; without `rewrite` it is not kept. */
export class MessageBody {
  readonly hasher: BodyHasher | null;
  readonly #rewrite: Rewrite | null;
  #kept: Buffer[] | null;
  #keptOctets = 0;

  constructor(hasher: BodyHasher | null, rewrite: Rewrite | null) {
    this.hasher = hasher;
    this.#rewrite = rewrite;
    this.#kept = rewrite === null ? null : [];
  }

  /** Whether it was to be kept and was too long for it. */
  get isTooLong(): boolean {
    return this.#rewrite !== null && this.#kept === null;
  }

  /** Takes the next octets. The chunk may be used again afterwards. */
  update(chunk: Buffer): void {
    if (this.#kept === null) {
      this.hasher?.update(chunk);
      return;
    }
    this.#keptOctets += chunk.length;
    if (this.#keptOctets <= MAX_KEPT_OCTETS) {
      this.#kept.push(Buffer.from(chunk));
      return;
    }
    for (const kept of this.#kept) this.hasher?.update(kept);
    this.hasher?.update(chunk);
    this.#kept = null;
  }

  /** The body has ended: what it becomes, null where it stays. Once, and before the hash is taken. */
  end(): Buffer | null {
    if (this.#kept === null || this.#rewrite === null) return null;
    const whole = Buffer.concat(this.#kept);
    const text = this.#rewrite(whole.toString('latin1'));
    const replaced = text === null ? null : Buffer.from(text, 'latin1');
    this.hasher?.update(replaced ?? whole);
    return replaced;
  }
}
