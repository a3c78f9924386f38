/**
 * A DKIM public key as it is published. Never has a private key.
 * Source: RFC 6376 §3.6.1 (`k=`, `p=`), RFC 8463 §4 (Ed25519: the bare 32 octets), RFC 5280 §4.1.2.7
 * (SubjectPublicKeyInfo), RFC 1035 §3.3.14 (character-string).
 */
import { Buffer } from 'node:buffer';
import type { Domain } from '../mail/index.ts';

/** A key type as `k=` names it. */
export type KeyType = 'rsa' | 'ed25519';

/** A public key in the two tags that carry it. */
export interface PublishedKey {
  readonly keyType: KeyType;
  /** The value of `p=`, without white space. */
  readonly base64: string;
}

const RSA_OID = Buffer.from('06092a864886f70d010101', 'hex');
const ED25519_PREFIX = Buffer.from('302a300506032b6570032100', 'hex');
/** Most octets of one string of a TXT record. Source: RFC 1035 §3.3.14. */
const MAX_STRING_OCTETS = 255;

/**
 * The tags of a public key given as SubjectPublicKeyInfo DER (Node: `export({ type: 'spki', format: 'der' })`).
 * Errors: throws a TypeError where it is neither RSA nor Ed25519; DKIM knows no other.
 */
export function publishedKey(publicKey: Uint8Array): PublishedKey {
  const der = Buffer.from(publicKey);
  if (der.length === ED25519_PREFIX.length + 32 && der.indexOf(ED25519_PREFIX) === 0) {
    return { keyType: 'ed25519', base64: der.toString('base64', ED25519_PREFIX.length) };
  }
  if (der.subarray(0, 24).includes(RSA_OID)) return { keyType: 'rsa', base64: der.toString('base64') };
  throw new TypeError('the public key is neither RSA nor Ed25519');
}

/** What an administrator copies into the DNS. */
export interface PublishedForms {
  /** The host name relative to the domain, as most DNS panels ask for it. */
  readonly hostShort: string;
  /** The whole host name, without a final dot. */
  readonly hostFull: string;
  /** The value on one line. */
  readonly txt: string;
  /** The value as strings of at most 255 octets; joined they are `txt`. */
  readonly strings: readonly string[];
  /** The value as a zone file has it: the strings in quotes with spaces between. */
  readonly zoneValue: string;
}

/**
 * The forms of a key record to publish.
 * Errors: throws as {@link publishedKey}. Source: RFC 6376 §3.6.2.1 (name), §3.6.2.2 (strings).
 */
export function publishedForms(publicKey: Uint8Array, selector: string, domain: Domain): PublishedForms {
  const { keyType, base64 } = publishedKey(publicKey);
  const txt = `v=DKIM1; k=${keyType}; p=${base64}`;
  const strings: string[] = [];
  for (let at = 0; at < txt.length; at += MAX_STRING_OCTETS) strings.push(txt.slice(at, at + MAX_STRING_OCTETS));
  return {
    hostShort: `${selector}._domainkey`,
    hostFull: `${selector}._domainkey.${domain}`,
    txt,
    strings,
    zoneValue: strings.map((text) => `"${text}"`).join(' '),
  };
}
