/**
 * Whether a DKIM-Signature of a message verifies with a public key: relaxed/relaxed only, written from RFC 6376 with
 * regular expressions, for tests that need thousands of answers. The independent verifiers prove the rest.
 */
import { createHash, createPublicKey, verify } from 'node:crypto';

const relaxedField = (field: string): string => {
  const colon = field.indexOf(':');
  const value = field
    .slice(colon + 1)
    .replace(/\r?\n/g, '')
    .replace(/[\t ]+/g, ' ')
    .trim();
  return `${field.slice(0, colon).trim().toLowerCase()}:${value}`;
};

/** The relaxed body hash in base64. Source: RFC 6376 §3.4.4. */
function bodyHash(body: Buffer): string {
  const lines = body
    .toString('latin1')
    .replace(/[\t ]+/g, ' ')
    .replace(/ (?=\r\n|$)/g, '');
  const text = lines.replace(/(?:\r\n)+$/, '');
  return createHash('sha256')
    .update(text === '' ? '' : `${text}\r\n`, 'latin1')
    .digest('base64');
}

/** `fields` are `Name:value` without the signature, `publicKey` SubjectPublicKeyInfo DER in base64. */
export function isSignedBy(value: string, fields: readonly string[], body: Buffer, publicKey: string): boolean {
  const tags = new Map(
    value.split(';').map((tag): [string, string] => {
      const [name = '', ...rest] = tag.split('=');
      return [name.trim(), rest.join('=').replace(/\s/g, '')];
    }),
  );
  if (tags.get('bh') !== bodyHash(body)) return false;
  const left = [...fields];
  let data = '';
  for (const name of tags.get('h')?.split(':') ?? []) {
    const place = left.findLastIndex((field) => relaxedField(field).startsWith(`${name}:`));
    if (place >= 0) data += `${relaxedField(left.splice(place, 1)[0] ?? '')}\r\n`;
  }
  data += relaxedField(`DKIM-Signature:${value.replace(/b=[^;]*$/, 'b=')}`);
  const bytes = Buffer.from(data, 'latin1');
  const key = createPublicKey({ key: Buffer.from(publicKey, 'base64'), format: 'der', type: 'spki' });
  const signature = Buffer.from(tags.get('b') ?? '', 'base64');
  if (tags.get('a') === 'rsa-sha256') return verify('sha256', bytes, key, signature);
  return verify(null, createHash('sha256').update(bytes).digest(), key, signature);
}
