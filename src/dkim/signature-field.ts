/**
 * The DKIM-Signature field of a message, in two steps with the private key's work between them, which an adapter does.
 * Never has a private key, never reads a clock, never writes `l=`.
 * Source: RFC 6376 §3.5 (tags), §3.7 (what is hashed), RFC 8463 §3 (Ed25519), RFC 5322 §2.1.1 (78 columns).
 */
import { Buffer } from 'node:buffer';
import { createHash } from 'node:crypto';
import type { Domain } from '../mail/index.ts';
import type { Canonicalization } from './body-canonicalizer.ts';
import { canonicalHeaderField, type HeaderField } from './header-canonicalizer.ts';
import { selectSignedFields } from './header-selection.ts';

/** The name of the field. */
export const SIGNATURE_FIELD_NAME = 'DKIM-Signature';

/** A signing algorithm as `a=` names it. Source: RFC 6376 §3.3.1, RFC 8463 §3. */
export type SigningAlgorithm = 'rsa-sha256' | 'ed25519-sha256';

/** What a signature is made from. */
export interface SignatureInput {
  /** The signing domain, `d=`. */
  readonly domain: Domain;
  /** The selector, `s=`: one label of 1 to 63 of `[A-Za-z0-9-]`. */
  readonly selector: string;
  readonly algorithm: SigningAlgorithm;
  /** Whole seconds since 1970, `t=`. */
  readonly timestampSeconds: number;
  /** All fields of the message, in its order. */
  readonly headers: readonly HeaderField[];
  /** From a `BodyHasher` of the same canonicalization, `bh=`. */
  readonly bodyHash: Uint8Array;
  /** `c=`, the same for header and body; relaxed where absent, as every signature of ours is. */
  readonly canonicalization?: Canonicalization;
}

/** A signature that waits for the private key. */
export interface PreparedSignature {
  /**
   * What the key signs: for RSA the canonical header data (sign it with SHA-256), for Ed25519 its SHA-256 (sign it as it
   * is). Source: RFC 6376 §3.7, RFC 8463 §3.
   */
  readonly bytesToSign: Buffer;
  /**
   * The field's value with the signature in it: folded by LF and TAB, no line over 78 columns (but for a signing domain
   * that needs more by itself), without leading space: the field is sent as `DKIM-Signature: ` and this.
   */
  readonly complete: (signature: Uint8Array) => string;
}

const MAX_COLUMNS = 78;

/** Text folded by LF and TAB between pieces, for a field whose name and colon are already written. */
class FoldedText {
  #text = '';
  #column = SIGNATURE_FIELD_NAME.length + 2;

  get text(): string {
    return this.#text;
  }

  /** Adds a piece, after `gap` if it still fits on the line, else on a new line. */
  add(piece: string, gap: '' | ' '): void {
    if (this.#column + gap.length + piece.length <= MAX_COLUMNS) {
      this.#text += gap + piece;
      this.#column += gap.length + piece.length;
    } else this.addOnNewLine(piece);
  }

  addOnNewLine(piece: string): void {
    this.#text += `\n\t${piece}`;
    this.#column = 1 + piece.length;
  }
}

/** All tags, `b=` last and empty. */
function renderTags(input: SignatureInput, c: Canonicalization, names: readonly string[]): string {
  const value = new FoldedText();
  value.add('v=1;', '');
  value.add(`a=${input.algorithm};`, ' ');
  value.add(`c=${c}/${c};`, ' ');
  value.add(`d=${input.domain};`, ' ');
  value.add(`s=${input.selector};`, ' ');
  value.add(`t=${input.timestampSeconds};`, ' ');
  for (const [index, name] of names.entries()) {
    const piece = `${index === 0 ? 'h=' : ''}${name}${index === names.length - 1 ? ';' : ':'}`;
    value.add(piece, index === 0 ? ' ' : '');
  }
  value.add(`bh=${Buffer.from(input.bodyHash).toString('base64')};`, ' ');
  value.addOnNewLine('b=');
  return value.text;
}

function foldSignature(signature: Uint8Array): string {
  const base64 = Buffer.from(signature).toString('base64');
  const first = MAX_COLUMNS - '\tb='.length;
  const rest = base64.slice(first).match(new RegExp(`.{1,${MAX_COLUMNS - 1}}`, 'g')) ?? [];
  return [base64.slice(0, first), ...rest].join('\n\t');
}

/**
 * Chooses the fields, builds the signature field without its signature, and gives what is to be signed.
 * Source: RFC 6376 §3.7: the signature's own field comes last, with an empty `b=`, and without its CR LF.
 */
export function prepareSignature(input: SignatureInput): PreparedSignature {
  const c = input.canonicalization ?? 'relaxed';
  const { names, fields } = selectSignedFields(input.headers);
  const unsigned = renderTags(input, c, names);
  let data = '';
  for (const field of fields) data += `${canonicalHeaderField(field, c)}\r\n`;
  data += canonicalHeaderField({ name: SIGNATURE_FIELD_NAME, value: ` ${unsigned}` }, c);
  const bytes = Buffer.from(data, 'latin1');
  return {
    bytesToSign: input.algorithm === 'rsa-sha256' ? bytes : createHash('sha256').update(bytes).digest(),
    complete: (signature) => unsigned + foldSignature(signature),
  };
}
