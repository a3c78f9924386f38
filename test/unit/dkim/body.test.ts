import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { BodyHasher, type Canonicalization } from '../../../src/dkim/index.ts';

const hashOf = (canonicalization: Canonicalization, ...chunks: readonly string[]): string => {
  const hasher = new BodyHasher(canonicalization);
  for (const chunk of chunks) hasher.update(Buffer.from(chunk, 'latin1'));
  return hasher.digest().toString('base64');
};
/** The same octets, one a chunk. */
const octetsOf = (text: string): readonly string[] => Array.from(text, (octet) => octet);
const sha256 = (text: string): string => createHash('sha256').update(text, 'latin1').digest('base64');

const EMPTY_SIMPLE = 'frcCV1k9oG9oKj3dpUqdJg1PxRT2RSN/XKdLCPjaYaY=';
const EMPTY_RELAXED = '47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=';
const HELLO = 'sIAi0xXPHrEtJmW97Q5q9AZTwKC+l1Iy+0m8vQIc/DY=';

describe('SIG-02 body hashes', () => {
  it.each<[string, Canonicalization, string, string]>([
    ['(a) no octets', 'simple', '', EMPTY_SIMPLE],
    ['(a) no octets', 'relaxed', '', EMPTY_RELAXED],
    ['(b) line ends only', 'simple', '\r\n\r\n', EMPTY_SIMPLE],
    ['(b) line ends only', 'relaxed', '\r\n\r\n', EMPTY_RELAXED],
    ['(c) empty lines at the end', 'simple', 'Hello World\r\n\r\n\r\n', HELLO],
    ['(c) empty lines at the end', 'relaxed', 'Hello World\r\n\r\n\r\n', HELLO],
    ['(d) no line end', 'simple', 'Hello World', HELLO],
    ['(d) no line end', 'relaxed', 'Hello World', HELLO],
    ['(e) white space', 'relaxed', 'a \t b  \r\n', 'SuEZjyiTjUp1XHpGpmLw9XKayjy3FMrk431guExO6cw='],
  ])('SIG-02 %s, %s', (_, canonicalization, body, hash) => {
    expect(hashOf(canonicalization, body)).toBe(hash);
    expect(hashOf(canonicalization, ...octetsOf(body))).toBe(hash);
  });
});

describe('the relaxed form of a body', () => {
  it.each<[string, string, string]>([
    ['keeps one SP at the start of a line', '\t a\r\n', ' a\r\n'],
    ['takes a TAB alone as white space', 'a\tb\r\n', 'a b\r\n'],
    ['takes a line of white space as an empty line', 'a\r\n \t\r\n\r\nb\r\n', 'a\r\n\r\n\r\nb\r\n'],
    ['ignores lines of white space at the end', 'a\r\n \r\n\t\r\n', 'a\r\n'],
    ['is empty for white space only', ' \t \r\n  ', ''],
    ['ignores white space before the missing last line end', 'a b \t', 'a b\r\n'],
    ['keeps a lone LF and adds the last line end', 'a\nb \n', 'a\nb \n\r\n'],
    ['keeps a lone CR', 'a\rb \rc\r\n', 'a\rb \rc\r\n'],
    ['keeps a lone CR at the end', 'a  \r', 'a \r\r\n'],
    ['keeps a lone CR at the end without white space', 'a\r', 'a\r\r\n'],
    ['keeps a CR before a line end', 'a\r\r\nb \r\r\n', 'a\r\r\nb \r\r\n'],
    ['does not take NUL or 0xA0 for white space', 'a\0\0 \u00a0\u00a0\r\n', 'a\0\0 \u00a0\u00a0\r\n'],
    ['keeps empty lines inside', '\r\n\r\na\r\n\r\n\r\nb', '\r\n\r\na\r\n\r\n\r\nb\r\n'],
  ])('%s', (_, body, canonical) => {
    expect(hashOf('relaxed', body)).toBe(sha256(canonical));
    expect(hashOf('relaxed', ...octetsOf(body))).toBe(sha256(canonical));
  });

  it('reduces white space wherever it lies among 16 octets', () => {
    for (let before = 0; before < 40; before += 1) {
      const a = 'x'.repeat(before);
      const body = `${a}  y${a}\tz${a} \r\n${a} \t \t w\r\n`;
      expect(hashOf('relaxed', body)).toBe(sha256(`${a} y${a} z${a}\r\n${a} w\r\n`));
    }
  });

  it('is the same for a chunk over the size of one slice', () => {
    const line = 'two  spaces and a tab\t \r\n';
    const body = line.repeat(30_000) + '\r\n'.repeat(100_000);
    expect(hashOf('relaxed', body)).toBe(sha256('two spaces and a tab\r\n'.repeat(30_000)));
    expect(hashOf('relaxed', `${body}.`)).toBe(
      sha256(`${'two spaces and a tab\r\n'.repeat(30_000)}${'\r\n'.repeat(100_000)}.\r\n`),
    );
  });
});

describe('the simple form of a body', () => {
  it.each<[string, string, string]>([
    ['keeps white space', 'a \t b  \r\n', 'a \t b  \r\n'],
    ['keeps a line of white space at the end', 'a\r\n \r\n\r\n', 'a\r\n \r\n'],
    ['adds the last line end after white space', 'a  ', 'a  \r\n'],
    ['keeps a lone CR at the end', 'a \r', 'a \r\r\n'],
  ])('%s', (_, body, canonical) => {
    expect(hashOf('simple', body)).toBe(sha256(canonical));
    expect(hashOf('simple', ...octetsOf(body))).toBe(sha256(canonical));
  });
});

describe('hashers side by side', () => {
  it('do not disturb each other', () => {
    const one = new BodyHasher('relaxed');
    const other = new BodyHasher('relaxed');
    one.update(Buffer.from('one \r'));
    other.update(Buffer.from('other  '));
    one.update(Buffer.from('\nline\r\n'));
    other.update(Buffer.from('line\r\n'));
    expect(one.digest().toString('base64')).toBe(sha256('one\r\nline\r\n'));
    expect(other.digest().toString('base64')).toBe(sha256('other line\r\n'));
  });
});

describe('SIG-04 lines over 998 octets', () => {
  const overlong = (...chunks: readonly string[]): number => {
    const hasher = new BodyHasher('relaxed');
    for (const chunk of chunks) hasher.update(Buffer.from(chunk, 'latin1'));
    hasher.digest();
    return hasher.overlongLineOctets;
  };
  const x = (octets: number): string => 'x'.repeat(octets);

  it.each<[string, readonly string[], number]>([
    ['no body', [], 0],
    ['a line of 998', [`a\r\n${x(998)}\r\nb\r\n`], 0],
    ['a line of 999', [`a\r\n${x(999)}\r\nb\r\n`], 999],
    ['a line of 998 without an end', [`a\r\n${x(998)}`], 0],
    ['a line of 998 with half an end', [`a\r\n${x(998)}\r`], 0],
    ['a line of 999 without an end', [`a\r\n${x(999)}`], 999],
    ['a line of 999 with half an end', [`a\r\n${x(999)}\r`], 999],
    ['a line in three chunks', [`a\r\n${x(400)}`, x(400), `${x(400)}\r\nb\r\n`], 1200],
    ['a line of 998 in two chunks', [`a\r\n${x(997)}`, `x\r\nb\r\n`], 0],
    ['the longest of two, first', [`${x(3000)}\r\n${x(50)}\r\n`, `${x(1200)}\r\n`], 3000],
    ['the longest of two, without an end', [`${x(3000)}\r\n${x(50)}\r\n`, x(100_000)], 100_000],
    ['many short lines', [`${x(70)}\r\n`.repeat(5000)], 0],
    ['short lines after a long one', [`${x(1500)}\r\n`, `${x(70)}\r\n`.repeat(5000)], 1500],
    ['a long line at the end of many', [`${x(70)}\r\n`.repeat(2000) + x(1000) + '\r\n'], 1000],
  ])('SIG-04 %s', (_, chunks, octets) => {
    expect(overlong(...chunks)).toBe(octets);
  });
});
