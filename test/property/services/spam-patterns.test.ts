/** What most lines are told apart by never hides a line that the engine finds. */
import fc from 'fast-check';
import { RE2JS } from 're2js';
import { describe, expect, it } from 'vitest';
import { createSpamPatterns, type PatternSearch } from '../../../src/services/index.ts';
import { checkPattern } from '../../../src/snapshot/index.ts';
import { literalPrefix } from '../../../src/snapshot/pattern-prefix.ts';
import { aSnapshot, withDomain } from '../../support/builders.ts';
import { aMessage } from '../../support/messages.ts';

/** Searches at once, as the thread does. */
const AT_ONCE: PatternSearch = {
  search: (pattern, lines) => {
    const engine = RE2JS.compile(pattern, RE2JS.CASE_INSENSITIVE);
    const line = lines.findIndex((text) => engine.test(text));
    return Promise.resolve(line < 0 ? null : line);
  },
  stop: () => Promise.resolve(),
};

const LETTERS = ['a', 'A', 'k', 'K', 's', 'S', ':', ' ', '-'];
const plain = fc.array(fc.constantFrom(...LETTERS), { minLength: 2, maxLength: 5 }).map((parts) => parts.join(''));
const PIECES = [
  String.raw`a k s \| \( \) \[ \] \\ \b \B \Q \E \x{73} \pL ^ $ ( ) (?: (?i) (?-i) (?m) (?s) (?U) | | . * ? + {0,} {0} {2} {`,
  String.raw`[ ] [^ [] [^] [a-k] [^a] [(] [)] [|] [[:alpha:]] [[:alpha:](] [\](] - (?i)* (?-i)? +(?i)* \Q\E* {1}(?s){0}`,
].flatMap((pieces) => pieces.split(' '));
const tail = fc.array(fc.constantFrom(...PIECES), { maxLength: 8 }).map((parts) => parts.join(''));
const head = fc.constantFrom('^', '^', '^', '^', '(?i)^', '(?m)^', '(?-i)^', '(?s)(?m)^', '^^', '^?', '^{0,}', '');
const pattern = fc
  .tuple(head, plain, tail)
  .map((parts) => parts.join(''))
  .filter((text) => checkPattern(text) === null);

/** A line that often begins as the pattern wants, in any of the ways that its letters may be written. */
const lineFor = (text: string): fc.Arbitrary<string> => {
  const literal = text.replace(/^(?:\(\?\w+\))*\^*/, '').slice(0, 6);
  const written = fc
    .array(fc.constantFrom(0, 0, 1, 2), { minLength: literal.length, maxLength: literal.length })
    .map((ways) => ways.map((way, at) => otherwise(literal.charAt(at), way)).join(''));
  const any = fc.string({ unit: fc.constantFrom(...LETTERS, '\u212a', '\u017f', '(', '|', '[', 'é'), maxLength: 8 });
  return fc.oneof(
    fc.tuple(written, any, fc.nat(6)).map(([start, rest, cut]) => start.slice(0, cut) + rest),
    any,
  );
};

function otherwise(letter: string, way: number): string {
  if (way === 0) return letter;
  if (way === 1) return letter === letter.toLowerCase() ? letter.toUpperCase() : letter.toLowerCase();
  return letter.replace(/k/i, '\u212a').replace(/s/i, '\u017f');
}

const withLines = pattern.chain((text) => fc.tuple(fc.constant(text), fc.array(lineFor(text), { maxLength: 4 })));

describe('spam patterns', () => {
  it('GW-10 what is told apart without the engine is what the engine says', async () => {
    let withPrefix = 0;
    let found = 0;
    await fc.assert(
      fc.asyncProperty(withLines, async ([spamPattern, texts]) => {
        const snapshot = aSnapshot(
          withDomain({ inboundGateway: { enabled: true, ips: ['198.51.100.7'], spamPattern } }),
        );
        const octets = texts.map((text) => Buffer.from(text, 'utf8').toString('latin1'));
        const message = aMessage({ client: '198.51.100.7' });
        const headers = octets.map((text) => ({ name: text.split(':')[0] ?? '', value: text.replace(/^[^:]*:?/, '') }));
        const hits = await createSpamPatterns(AT_ONCE).look(snapshot, { ...message, headers }, message.at);
        const lines = texts.map((text) => {
          const [name = '', ...rest] = text.split(':');
          return `${name}: ${rest.join(':').replace(/^ +| +$/g, '')}`;
        });
        const line = await AT_ONCE.search(spamPattern, lines);
        const field = typeof line === 'number' ? lines[line]?.split(':')[0] : undefined;
        const expected = field === undefined ? { kind: 'none', isCut: false } : { kind: 'match', field };
        expect([...(hits ?? [])]).toEqual([['example.com', expected]]);
        if (literalPrefix(spamPattern) === null) return;
        withPrefix += 1;
        if (field !== undefined) found += 1;
      }),
      { numRuns: 3_000 },
    );
    // Else it would show nothing.
    expect(withPrefix).toBeGreaterThan(300);
    expect(found).toBeGreaterThan(50);
  });
});
