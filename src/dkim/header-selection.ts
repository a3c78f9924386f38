/**
 * Which header fields a DKIM signature covers, and in which order. A field that is on no list here is not signed:
 * trace fields (Received, Return-Path), signatures and results (DKIM-Signature, Authentication-Results, ARC-*), Bcc
 * (removed on the way) and marks of our own (X-Postern-*) among them. Never looks into a value.
 * Source: RFC 6376 §5.4, §5.4.1, §5.4.2, §8.15; RFC 8058 §4 (List-Unsubscribe-Post).
 */
import { comparableName, type HeaderField } from './header-canonicalizer.ts';

/**
 * Named once more than they occur, absent ones too: one added later makes the signature fail. These are what a person
 * reads first and answers to. Source: RFC 6376 §8.15.
 */
const OVERSIGNED_ALWAYS = ['from', 'to', 'cc', 'subject', 'reply-to'] as const;

/**
 * Named once more than they occur, where they occur. A second one would be a forgery, but a relay may add one that is
 * missing, which must not cost the signature.
 */
const OVERSIGNED_IF_PRESENT = [
  'date',
  'message-id',
  'mime-version',
  'content-type',
  'content-transfer-encoding',
  'in-reply-to',
  'references',
] as const;

/** Named as often as they occur. Beside them the fields of mailing lists and of resending, see {@link isSignedFamily}. */
const SIGNED_AS_PRESENT = ['sender'] as const;

/**
 * True for `list-…` and `resent-…` fields, `resent-bcc` not among them. A name with other characters, or so long that a
 * line of the signature would exceed 78 octets, is left out: it stands in a tag list. Source: RFC 6376 §3.2, §5.4.1.
 */
function isSignedFamily(name: string): boolean {
  return /^(?:list|resent)-[a-z0-9-]{1,60}$/.test(name) && name !== 'resent-bcc';
}

/** What a signature covers. */
export interface SignedFields {
  /** The names for `h=`, in lower case, in order, with repetitions. */
  readonly names: readonly string[];
  /** The fields in the order in which they are hashed; a name without a field left hashes as nothing. */
  readonly fields: readonly HeaderField[];
}

/**
 * Chooses the fields to sign: every instance of each, from the last in the message to the first.
 * Source: RFC 6376 §5.4.2.
 */
export function selectSignedFields(headers: readonly HeaderField[]): SignedFields {
  const byName = new Map<string, HeaderField[]>();
  for (const field of headers) {
    const name = comparableName(field.name);
    const same = byName.get(name);
    if (same === undefined) byName.set(name, [field]);
    else same.push(field);
  }
  const names: string[] = [];
  const fields: HeaderField[] = [];
  const sign = (name: string, oversign: 'always' | 'if present' | 'never'): void => {
    const instances = byName.get(name) ?? [];
    for (let index = instances.length - 1; index >= 0; index -= 1) {
      names.push(name);
      fields.push(instances[index] as HeaderField);
    }
    if (oversign === 'always' || (oversign === 'if present' && instances.length > 0)) names.push(name);
  };
  for (const name of OVERSIGNED_ALWAYS) sign(name, 'always');
  for (const name of OVERSIGNED_IF_PRESENT) sign(name, 'if present');
  for (const name of SIGNED_AS_PRESENT) sign(name, 'never');
  for (const name of byName.keys()) if (isSignedFamily(name)) sign(name, 'never');
  return { names, fields };
}
