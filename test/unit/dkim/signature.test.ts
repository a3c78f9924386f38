import { createHash, generateKeyPairSync, sign, verify } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import {
  BodyHasher,
  prepareSignature,
  SIGNATURE_FIELD_NAME,
  type HeaderField,
  type SignatureInput,
} from '../../../src/dkim/index.ts';
import { parseDomain, type Domain } from '../../../src/mail/index.ts';

const domainOf = (text: string): Domain => {
  const result = parseDomain(text);
  if (!result.ok) throw new Error(result.error);
  return result.value;
};
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const ed25519 = generateKeyPairSync('ed25519');

const NAMES =
  `From To Cc Subject Reply-To Date Message-ID MIME-Version Content-Type Content-Transfer-Encoding In-Reply-To
  References Sender List-Id List-Help List-Unsubscribe List-Unsubscribe-Post List-Subscribe List-Post List-Owner
  List-Archive Resent-Date Resent-From Resent-To Resent-Message-ID`.split(/\s+/);
const headers: readonly HeaderField[] = NAMES.map((name) => ({ name, value: ` value\n\t of  ${name} ` }));
const bodyHash = new BodyHasher('relaxed').digest();
const input: SignatureInput = {
  domain: domainOf('bücher.example'),
  selector: 's'.repeat(63),
  algorithm: 'rsa-sha256',
  timestampSeconds: 1_795_571_119,
  headers,
  bodyHash,
};
const lines = (value: string): readonly string[] => `${SIGNATURE_FIELD_NAME}: ${value}`.split('\n');
const tagsOf = (value: string): Map<string, string> =>
  new Map(
    value
      .replace(/[\n\t ]+/g, '')
      .split(';')
      .map((tag) => [tag.slice(0, tag.indexOf('=')), tag.slice(tag.indexOf('=') + 1)]),
  );

describe('SIG-14 the form of our field', () => {
  const prepared = prepareSignature(input);
  const signature = sign('sha256', prepared.bytesToSign, rsa.privateKey);
  const value = prepared.complete(signature);

  it('SIG-14 has no line over 78 columns and b= last', () => {
    expect(NAMES).toHaveLength(25);
    for (const line of lines(value)) expect(line.length).toBeLessThanOrEqual(78);
    expect([...tagsOf(value).keys()]).toEqual(['v', 'a', 'c', 'd', 's', 't', 'h', 'bh', 'b']);
    expect(lines(value).some((line) => line.length > 70)).toBe(true);
  });

  it('SIG-14 says what was signed', () => {
    const tags = tagsOf(value);
    expect(tags.get('v')).toBe('1');
    expect(tags.get('a')).toBe('rsa-sha256');
    expect(tags.get('c')).toBe('relaxed/relaxed');
    expect(tags.get('d')).toBe('xn--bcher-kva.example');
    expect(tags.get('s')).toBe('s'.repeat(63));
    expect(tags.get('t')).toBe('1795571119');
    expect(tags.get('bh')).toBe(bodyHash.toString('base64'));
    expect(tags.get('b')).toBe(signature.toString('base64'));
    expect(new Set(tags.get('h')?.split(':'))).toEqual(new Set(NAMES.map((name) => name.toLowerCase())));
  });

  it('SIG-14 is hashed with b= empty and without the last CR LF', () => {
    const text = prepared.bytesToSign.toString('latin1');
    const own = text.slice(text.lastIndexOf('\r\n') + 2);
    expect(own).toMatch(/^dkim-signature:v=1; a=rsa-sha256; c=relaxed\/relaxed; .*; b=$/);
    expect(text.startsWith('from:value of From\r\nto:value of To\r\n')).toBe(true);
    expect(verify('sha256', prepared.bytesToSign, rsa.publicKey, signature)).toBe(true);
  });

  it('SIG-14 a selector and a domain that fill a line of their own stand whole on it', () => {
    const long = prepareSignature({ ...input, domain: domainOf(`${'a'.repeat(63)}.example`) }).complete(signature);
    for (const line of lines(long)) expect(line.length).toBeLessThanOrEqual(78);
    expect(tagsOf(long).get('d')).toBe(`${'a'.repeat(63)}.example`);
  });

  it('SIG-14 in simple form is hashed as it is sent', () => {
    const simple = prepareSignature({ ...input, canonicalization: 'simple' });
    const text = simple.bytesToSign.toString('latin1');
    expect(text.startsWith('From: value\r\n\t of  From \r\nTo: value\r\n\t of  To \r\n')).toBe(true);
    const sent = `${SIGNATURE_FIELD_NAME}: ${simple.complete(Buffer.alloc(0))}`.replaceAll('\n', '\r\n');
    expect(text.endsWith(`\r\n${sent}`)).toBe(true);
    expect(sent).toContain('c=simple/simple;');
  });

  it('SIG-14 with Ed25519 the hash of the header data is signed', () => {
    const prepared25519 = prepareSignature({ ...input, algorithm: 'ed25519-sha256' });
    const short = sign(null, prepared25519.bytesToSign, ed25519.privateKey);
    const data = prepared.bytesToSign.toString('latin1').replace('a=rsa-sha256', 'a=ed25519-sha256');
    expect(prepared25519.bytesToSign).toHaveLength(32);
    // The selector stands on a line of its own here, so the longer name of the algorithm moves no fold.
    expect(prepared25519.bytesToSign).toEqual(createHash('sha256').update(data, 'latin1').digest());
    expect(tagsOf(prepared25519.complete(short)).get('b')).toBe(short.toString('base64'));
    expect(verify(null, prepared25519.bytesToSign, ed25519.publicKey, short)).toBe(true);
  });
});

describe('MIL-06 the value as it goes to the mail server', () => {
  it('MIL-06 is folded by LF and TAB alone', () => {
    for (const octets of [0, 1, 64, 128, 256, 512]) {
      const value = prepareSignature(input).complete(Buffer.alloc(octets, 0xa5));
      expect(value).not.toContain('\r');
      expect(value).not.toMatch(/\n[^\t]/);
      expect(value).not.toMatch(/\n\t\s|\n\t?$/);
      expect(value).toMatch(/^v=1;/);
      expect(value.replace(/\n\t/g, '')).not.toMatch(/[\n\t]/);
    }
  });

  it('MIL-06 is hashed as with CR LF', () => {
    const crlf = headers.map(({ name, value }) => ({ name, value: value.replaceAll('\n', '\r\n') }));
    for (const canonicalization of ['simple', 'relaxed'] as const) {
      expect(prepareSignature({ ...input, canonicalization, headers: crlf }).bytesToSign).toEqual(
        prepareSignature({ ...input, canonicalization }).bytesToSign,
      );
    }
    const simple = prepareSignature({ ...input, canonicalization: 'simple' }).bytesToSign.toString('latin1');
    expect(simple).not.toMatch(/[^\r]\n/);
  });
});
