/** Received fields: read without error whatever they hold, however folded, and never taken in by what a client says. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatIpAddress, readReceived } from '../../../src/mail/index.ts';
import { PEER, RECEIVED_FORMS } from '../../unit/mail/received-forms.ts';
import { RECEIVED_LINES } from '../../unit/mail/received-lines.ts';

const CLAIM = '192.0.2.1';

const piece = fc.constantFrom(
  ...[
    'from',
    'by',
    'with',
    'via',
    'id',
    'for',
    'local',
    'SMTP',
    'LMTP',
    'HELO',
    'EHLO',
    'helo=',
    'ident=',
    'port=1',
    'x',
  ],
  ...[CLAIM, `[${CLAIM}]`, `([${CLAIM}])`, `(${CLAIM})`, '[127.0.0.1]', '([127.0.0.1])', '[IPv6:::1]', `[${CLAIM}]:25`],
  ...['(', ')', '"', '\\', ';', ',', '<', '>', '<"', '=', '@', '[', ']', ' ', ' ', ' ', '\n\t', '\0', '\xa0', '\xe9'],
  ...[
    '(Exim 4.98)',
    '(qmail 1 invoked from network)',
    '(Authenticated sender: x)',
    '(may be forged)',
    '(OpenSMTPD)',
    '(x [local])',
    '[203.0.113.66.25]',
    'mail pickup service',
    'gw.example.net',
  ],
);
const pieces = fc.array(piece, { maxLength: 16 }).map((all) => all.join(''));
const garbage = fc.oneof(pieces, fc.string({ unit: 'binary', maxLength: 80 }));
/** What may stand where the client says its name: no space and no parenthesis, as each server makes sure. */
const helo = pieces.map((text) => `x${text.replace(/[\s();"\\<>]/g, '')}`).filter((text) => text.length < 70);
const literal = fc.constantFrom(
  `[${CLAIM}]`,
  CLAIM,
  `[IPv6:::ffff:${CLAIM}]`,
  '[127.0.0.1]',
  'by',
  'with',
  'from',
  'x',
);

const peerIn = (value: string): string | null => {
  const { address } = readReceived(value);
  return address === null ? null : formatIpAddress(address);
};

describe('readReceived', () => {
  it('never throws, and answers the same twice', () => {
    fc.assert(
      fc.property(garbage, garbage, (a, b) => {
        for (const value of [a, `from ${a} by ${b}`, `by ${a} with ${b}`, `from x (${a}) by gw (${b})`]) {
          expect(readReceived(value)).toEqual(readReceived(value));
        }
      }),
      { numRuns: 5_000 },
    );
  });

  it('any folding gives the same result', () => {
    const fold = fc.constantFrom(' ', '\t', '\n ', '\n\t', '  ', '\n \n\t', '\r\n  ');
    fc.assert(
      fc.property(fc.constantFrom(...RECEIVED_LINES), fc.array(fold, { minLength: 1 }), ({ value }, folds) => {
        let at = 0;
        const refolded = value.replace(/\s+/g, () => folds[at++ % folds.length]!);
        for (const each of [refolded, ` ${refolded}`, `\n\t${refolded}\n `]) {
          expect(readReceived(each)).toEqual(readReceived(value));
        }
      }),
      { numRuns: 5_000 },
    );
  });

  it('a comment more between the words changes nothing', () => {
    const comment = fc.constantFrom('(a)', '(a (b [192.0.2.1]) c)', '(\\))', '()', '(using x [192.0.2.1])');
    fc.assert(
      fc.property(fc.constantFrom(...RECEIVED_FORMS), literal, comment, ([, form], name, extra) => {
        expect(peerIn(form(name).replace(/\)\s+by /, `) ${extra}\n\tby `))).toBe(PEER);
      }),
    );
  });

  it.each(RECEIVED_FORMS)('%s: whatever a client calls itself, the peer is told', (_, form) => {
    fc.assert(
      fc.property(fc.oneof(helo, literal), (name) => {
        expect(peerIn(form(name))).toBe(PEER);
      }),
      { numRuns: 2_000 },
    );
  });

  it.each(RECEIVED_FORMS)(
    '%s: even a server that writes the name unchecked is not made to tell another peer',
    (_, form) => {
      fc.assert(
        fc.property(garbage, (name) => {
          const { address, isInternal } = readReceived(form(name));
          expect([null, PEER]).toContain(address === null ? null : formatIpAddress(address));
          // LMTP is a handover within, whoever the peer is: the word stands behind "by", where no client writes.
          if (!form('x').includes('with LMTP')) expect(isInternal).toBe(false);
        }),
        { numRuns: 2_000 },
      );
    },
  );

  it.each([
    ['digits', '1'.repeat(100_000)],
    ['open comments', '('.repeat(100_000)],
    ['closed comments', '()'.repeat(50_000)],
    ['nested comments', `${'('.repeat(50_000)}${')'.repeat(50_000)}`],
    ['quotes', `"${'\\'.repeat(99_999)}`],
    ['open quotes', '<"'.repeat(50_000)],
    ['open quotes in a comment', `(${'<"'.repeat(50_000)}`],
    ['brackets', '['.repeat(100_000)],
    ['closing brackets', ']'.repeat(100_000)],
    ['addresses', `[${PEER}] `.repeat(7000)],
    ['addresses in a comment', `(${`[${PEER}] `.repeat(7000)})`],
    ['addresses in one word', `(${`[${PEER}]`.repeat(7000)})`],
    ['comments with addresses', `([${PEER}]) `.repeat(6000)],
    ['by', 'by '.repeat(33_000)],
    ['with', `by gw ${'with '.repeat(20_000)}`],
    ['a protocol', `by gw with local-${'-'.repeat(100_000)}!`],
    ['a server', `by ${','.repeat(100_000)}x`],
    ['at signs', `(${'@'.repeat(100_000)})`],
    ['a zone', `[fe80:${':'.repeat(100_000)}%]`],
    ['white space', `${' '.repeat(100_000)}"`],
    ['folds', '\n\t'.repeat(50_000)],
  ])('much of %s is read in no time, and 100 kB are not read at all', (_, value) => {
    const elapsedMs = (text: string): number => {
      const startedAt = performance.now();
      for (const each of [text, `from ${text}`, `from x ${text} by gw`, `from x (${text}) by gw`]) readReceived(each);
      return performance.now() - startedAt;
    };
    expect(elapsedMs(value.slice(0, 16_000))).toBeLessThan(100);
    expect(elapsedMs(value)).toBeLessThan(100);
  });
});
