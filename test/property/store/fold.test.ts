/** Texts with folded lists say what they say without: value, faults and places, whatever stands around the lists. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { foldLines, unfoldLines } from '../../../src/adapters/store-embedded/fold-lines.ts';
import { parseUnfolded, parseYamlText } from '../../../src/adapters/store-embedded/yaml-text.ts';

const ip = fc.oneof(
  fc.ipV4(),
  fc.ipV4().map((address) => `${address}/24`),
  fc.ipV4().map((address) => `${address}-${address}`),
  fc.ipV6(),
  fc.constantFrom('2001:db8::/32', '2001:db8::', '::1', 'a:b:c', '1.2.3', '010.1.1.1', '999.9.9.9/99'),
);
const note = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 8 }).map((text) => JSON.stringify(text)),
  fc.string({ unit: 'binary', maxLength: 4 }).map((text) => `'${text}'`),
  fc.constantFrom(
    'null',
    'True',
    'yes',
    'a b',
    'a # b',
    'a, b',
    'x: y',
    '12',
    '.inf',
    '"a"b',
    "'it''s'",
    '~',
    '""',
    'a-',
  ),
);
const expires = fc.constantFrom('2027-01-31', '2027-01-31T18:00:00Z', 'soon', '2027-01');
const comment = fc.oneof(
  { weight: 5, arbitrary: fc.constant('') },
  fc.constantFrom(' # why', '  # it: "is"', ' #', '# glued', ' # \u2028 odd', ' # \r mac', '\t# tab', ' '),
);
const content = fc.oneof(
  { weight: 4, arbitrary: ip },
  fc.tuple(ip, note).map(([address, why]) => `{ ip: ${address}, note: ${why} }`),
  fc.tuple(ip, note, expires).map(([address, why, until]) => `{ ip: ${address}, note: ${why}, expires: ${until} }`),
  fc.tuple(ip, expires).map(([address, until]) => `{ ip: ${address}, expires: ${until} }`),
);
const item = fc.tuple(content, comment).map(([text, behind]) => `- ${text}${behind}`);
/** Many lines of one kind, as lists have them. */
const run = fc
  .tuple(fc.constantFrom('', '  ', '    '), fc.array(item, { minLength: 8, maxLength: 14 }), fc.boolean())
  .map(([indent, items, isPlain]) => items.map((line, n) => indent + (isPlain ? `- 10.0.${items.length}.${n}` : line)));
/** What may stand before, between and behind them, and make something else of them. */
const frame = fc.constantFrom(
  'l:',
  'm:',
  '  l:',
  '  m:',
  'l: &shared',
  'n: *shared',
  'text: |',
  'text: >-',
  'text: "open',
  'close"',
  "text: 'open",
  "close'",
  'plain: text',
  '    more',
  '      deeper',
  'l: [',
  ']',
  '? ',
  '- ',
  '- - a',
  '- |',
  '  - "a',
  'folded-0: folded-1',
  '- folded-0',
  '# comment',
  '',
  '---',
  '...',
  '\t',
  '!tag',
  '- &anchor a',
);
const text = fc
  .tuple(
    fc.array(
      fc.oneof(
        frame.map((line) => [line]),
        run,
      ),
      { minLength: 1, maxLength: 7 },
    ),
    fc.constantFrom('\n', '\r\n'),
  )
  .map(([blocks, eol]) => blocks.flat().join(eol) + eol);

const pointers = [
  '',
  '/l',
  '/l/0',
  '/l/3',
  '/l/3/ip',
  '/l/5/note',
  '/l/6',
  '/l/7/expires',
  '/l/12',
  '/l/99',
  '/m',
  '/m/9',
];

const RUNS = process.env['POSTERN_PROOF'] === 'whole' ? 100_000 : 4000;

it('a folded text means the same, and everything has the same place', { timeout: 600_000 }, () => {
  let folded = 0;
  fc.assert(
    fc.property(text, (whole) => {
      const [one, other] = [parseYamlText('s', whole), parseUnfolded('s', whole)];
      if (one.folded.folds.length > 0) folded += 1;
      expect(one.raw).toStrictEqual(other.raw);
      expect(one.syntaxIssues).toEqual(other.syntaxIssues);
      for (const pointer of pointers) expect(one.locate(pointer, false)).toEqual(other.locate(pointer, false));
      const { text: short, folds } = foldLines(whole);
      expect(unfoldLines(short, folds)).toBe(whole);
    }),
    { numRuns: RUNS },
  );
  // Else the test would compare a thing with itself.
  expect(folded).toBeGreaterThan(RUNS / 20);
});
