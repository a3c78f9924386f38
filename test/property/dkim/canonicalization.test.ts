import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  BodyHasher,
  canonicalHeaderField,
  selectSignedFields,
  type Canonicalization,
} from '../../../src/dkim/index.ts';

/** The whole body at once, in the words of RFC 6376 §3.4.3 and §3.4.4, without a thought for speed. */
function referenceBody(body: string, canonicalization: Canonicalization): string {
  // The missing line end comes first, so that white space before it is at a line end.
  let text = body === '' || body.endsWith('\r\n') ? body : `${body}\r\n`;
  if (canonicalization === 'relaxed') {
    const lines = text.split('\r\n').map((line) => line.replace(/[\t ]+/g, ' ').replace(/ $/, ''));
    text = lines.join('\r\n');
  }
  while (text.endsWith('\r\n\r\n')) text = text.slice(0, -2);
  if (text === '\r\n') text = '';
  return text === '' && canonicalization === 'simple' ? '\r\n' : text;
}

/** RFC 6376 §3.4.2, octet by octet. */
function referenceHeader(name: string, value: string): string {
  let octets = '';
  let space = false;
  for (const octet of value.replaceAll('\n', '')) {
    if (octet === ' ' || octet === '\t') space = true;
    else {
      octets += (space && octets !== '' ? ' ' : '') + octet;
      space = false;
    }
  }
  let lower = '';
  for (const octet of name)
    lower += octet >= 'A' && octet <= 'Z' ? String.fromCharCode(octet.charCodeAt(0) + 32) : octet;
  return `${lower.trimEnd()}:${octets}`;
}

function longestLine(body: string): number {
  const lines = body
    .split('\n')
    .map((line, index, all) => (index < all.length - 1 ? line.length - 1 : line.replace(/\r$/, '').length));
  return Math.max(0, ...lines.filter((octets) => octets > 998));
}

const piece = fc.constantFrom(
  '\r\n',
  '\r\n',
  '\r',
  '\n',
  ' ',
  '\t',
  '  ',
  ' \t',
  ' \r\n',
  'a',
  'word',
  '.',
  '\0',
  '\u00a0',
  'x'.repeat(15),
  'y'.repeat(33),
);
const tricky = fc.array(piece, { maxLength: 60 }).map((pieces) => pieces.join(''));
const octets = fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes).toString('latin1'));
const wide = fc
  .array(fc.tuple(piece, fc.nat(1200)), { maxLength: 12 })
  .map((runs) => runs.map(([text, times]) => text.repeat(times)).join(''));
const body = fc.oneof(tricky, octets, wide);
const canonicalization = fc.constantFrom<Canonicalization>('relaxed', 'simple');
const cuts = fc.array(fc.nat({ max: 10_000 }), { maxLength: 12 });

function hashInChunks(text: string, form: Canonicalization, at: readonly number[]): BodyHasher {
  const bytes = Buffer.from(text, 'latin1');
  const places = [0, ...at.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  const hasher = new BodyHasher(form);
  for (const [index, place] of places.slice(0, -1).entries()) {
    // A copy that is overwritten at once, as a socket's buffer may be.
    const chunk = Uint8Array.from(bytes.subarray(place, places[index + 1]));
    hasher.update(chunk);
    chunk.fill(0x20);
  }
  return hasher;
}
const sha256 = (text: string): string => createHash('sha256').update(text, 'latin1').digest('hex');

describe('SIG-02 the body hash', () => {
  it('SIG-02 is that of the naive canonical form under any chunking', () => {
    fc.assert(
      fc.property(body, canonicalization, cuts, (text, form, at) => {
        expect(hashInChunks(text, form, at).digest().toString('hex')).toBe(sha256(referenceBody(text, form)));
      }),
      { numRuns: 6000 },
    );
  });

  it('SIG-02 does not change when every octet comes alone', () => {
    fc.assert(
      fc.property(tricky, canonicalization, (text, form) => {
        const every = Array.from(text, (_, index) => index);
        expect(hashInChunks(text, form, every).digest().toString('hex')).toBe(sha256(referenceBody(text, form)));
      }),
      { numRuns: 1500 },
    );
  });
});

describe('SIG-04 the longest line', () => {
  it('SIG-04 over 998 octets is found under any chunking', () => {
    const lines = fc
      .array(fc.tuple(fc.oneof(fc.nat(80), fc.integer({ min: 990, max: 1005 }), fc.nat(3000)), fc.boolean()), {
        maxLength: 8,
      })
      .map((all) =>
        all.map(([length, spaced]) => (spaced ? ' x' : 'xx').repeat(length / 2) + 'y'.repeat(length % 2)).join('\r\n'),
      );
    fc.assert(
      fc.property(lines, fc.constantFrom('', '\r\n', '\r'), cuts, (text, end, at) => {
        expect(hashInChunks(text + end, 'relaxed', at).overlongLineOctets).toBe(longestLine(text + end));
      }),
      { numRuns: 3000 },
    );
  });
});

describe('SIG-01 a header field', () => {
  const name = fc.string({ unit: fc.constantFrom('A', 'z', '-', 'X', '\u00c4', '0'), minLength: 1, maxLength: 12 });
  const value = fc
    .array(fc.constantFrom(' ', '\t', '\n ', '\n\t', 'a', 'B', ':', '\u00a0', '\u000b', '\u00e4'), { maxLength: 30 })
    .map((parts) => parts.join(''));

  it('SIG-01 has the naive relaxed form', () => {
    fc.assert(
      fc.property(name, fc.constantFrom('', ' ', '\t '), value, (text, space, content) => {
        const field = { name: text + space, value: content };
        expect(canonicalHeaderField(field, 'relaxed')).toBe(referenceHeader(field.name, content));
        expect(canonicalHeaderField(field, 'simple')).toBe(`${field.name}:${content.replaceAll('\n', '\r\n')}`);
      }),
      { numRuns: 2000 },
    );
  });
});

describe('SIG-11 the selection', () => {
  it('SIG-11 gives a verifier, who takes names from the bottom, the fields in the order they were hashed', () => {
    const anyName = fc.constantFrom(
      'From',
      'from',
      'To',
      'CC',
      'Cc',
      'Date',
      'Received',
      'List-Id',
      'Resent-To',
      'Sender',
      'Bcc',
      'X-A',
    );
    fc.assert(
      fc.property(fc.array(anyName, { maxLength: 20 }), (list) => {
        const headers = list.map((text, index) => ({ name: text, value: ` ${index}` }));
        const { names, fields } = selectSignedFields(headers);
        const left = [...headers];
        const taken = names.flatMap((wanted) => {
          const at = left.findLastIndex((field) => field.name.toLowerCase() === wanted);
          return at < 0 ? [] : left.splice(at, 1);
        });
        expect(taken).toEqual(fields);
        const known = new Set(names);
        expect(left.filter((field) => known.has(field.name.toLowerCase()))).toEqual([]);
      }),
      { numRuns: 1000 },
    );
  });
});
