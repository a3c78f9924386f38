/** Fields that anybody may send: read without error, in time that grows with their length and no faster. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { authservIdOf, dmarcPassDomain, readMessageText } from '../../../src/mail/index.ts';

const piece = fc.constantFrom(
  ...['mx.example.com', 'dmarc', 'dmarc/1', 'pass', 'header.from', 'example.com', '=', ';', '"', '(', ')', '\\', ' '],
  ...['\n\t', '1', 'a@b', '\xa0', '\0', '..'],
);
const field = fc.oneof(
  fc.array(piece, { maxLength: 40 }).map((pieces) => pieces.join('')),
  fc.string({ unit: 'binary', maxLength: 60 }),
);
/** Text in which nothing is a sign, so that any quoting of it means the same. */
const plain = fc.stringMatching(/^[a-z0-9]{1,20}$/);
const comment = fc.stringMatching(/^\([a-z;= ]{0,12}\)$/).map((text) => ` ${text} `);

describe('Authentication-Results', () => {
  it('never throws, and answers the same twice', () => {
    fc.assert(
      fc.property(field, (value) => {
        const id = authservIdOf(value);
        expect(authservIdOf(value)).toBe(id);
        expect(id === null || id === id.toLowerCase()).toBe(true);
        const domain = dmarcPassDomain(value);
        expect(domain === null || /^[a-z0-9._-]+$/.test(domain)).toBe(true);
      }),
      { numRuns: 20_000 },
    );
  });

  it('VER-02 comments, quoting, case and what follows do not change whose it is', () => {
    fc.assert(
      fc.property(plain, comment, comment, fc.boolean(), field, (id, before, after, isQuoted, rest) => {
        const written = isQuoted ? `"${id.toUpperCase()}"` : id.toUpperCase();
        expect(authservIdOf(`${before}${written}${after};${rest}`)).toBe(id);
      }),
    );
  });

  it('a quoted string never says that DMARC passed, whatever is in it', () => {
    fc.assert(
      fc.property(field, (evil) => {
        const quoted = evil.replace(/["\\]/g, (character) => `\\${character}`);
        expect(dmarcPassDomain(`mx; spf=fail smtp.mailfrom="${quoted}"@evil.example; dmarc=fail`)).toBeNull();
      }),
      { numRuns: 5_000 },
    );
  });

  it.each([
    ['digits', '1'.repeat(100_000)],
    ['digits and a word', `${'1'.repeat(100_000)} x`],
    ['open comments', '('.repeat(100_000)],
    ['closed comments', '()'.repeat(50_000)],
    ['quotes', `"${'\\'.repeat(99_999)}`],
    ['results', 'a;dmarc=pass'.repeat(10_000)],
    ['properties', `a;dmarc=pass ${'header.from '.repeat(10_000)}`],
    ['at signs', `a;dmarc=pass header.from=${'@'.repeat(100_000)}`],
    ['white space', `${' '.repeat(100_000)}"`],
  ])('a field of 100 kB of %s is read in no time', (_, value) => {
    const startedAt = performance.now();
    authservIdOf(value);
    dmarcPassDomain(value);
    expect(performance.now() - startedAt).toBeLessThan(500);
  });
});

describe('readMessageText', () => {
  const lines = fc.array(
    fc.oneof(fc.stringMatching(/^[!-9;-~]{1,8}:[ -~]{0,20}$/), fc.stringMatching(/^[ \t][ -~]{0,20}$/)),
    { minLength: 1, maxLength: 8 },
  );

  it('never throws, and loses no octet of the body', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (head, body) => {
        expect(`${head}\n\n${body}`.endsWith(readMessageText(`${head}\n\n${body}`).body)).toBe(true);
      }),
    );
  });

  it('the line end does not matter, and the fields are the lines', () => {
    fc.assert(
      fc.property(lines, fc.string(), (all, body) => {
        fc.pre(!/^[ \t]/.test(all[0]!) && !/^>?From /.test(all[0]!));
        const [lf, crlf] = ['\n', '\r\n'].map((end) => readMessageText(`${all.join(end)}${end}${end}${body}`));
        expect(crlf).toEqual(lf);
        expect(lf!.headers.map(({ name, value }) => `${name}:${value}`).join('\n')).toBe(all.join('\n'));
        expect(lf!.body).toBe(body);
      }),
    );
  });
});
