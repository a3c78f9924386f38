/** Long lists with folded lines: what is folded, what is not, and edits of folded lists. */
import { describe, expect, it } from 'vitest';
import { foldLines } from '../../../src/adapters/store-embedded/fold-lines.ts';
import { editYamlText } from '../../../src/adapters/store-embedded/splice.ts';
import { parseUnfolded, parseYamlText } from '../../../src/adapters/store-embedded/yaml-text.ts';

const COUNT = 12;
/** A list of this entry, with addresses of its own where it has the address 192.0.2.1. */
const list = (entry: string, count = COUNT): string =>
  `l:\n${Array.from({ length: count }, (_, n) => `  - ${entry.replace('192.0.2.1', `192.0.2.${n}`)}\n`).join('')}`;

const isFolded = (text: string): boolean => parseYamlText('s', text).folded.folds.length > 0;

function expectSame(text: string): void {
  const [one, other] = [parseYamlText('s', text), parseUnfolded('s', text)];
  expect(one.raw).toStrictEqual(other.raw);
  expect(one.syntaxIssues).toEqual(other.syntaxIssues);
  for (let n = 0; n < COUNT + 2; n++) {
    for (const part of ['', '/ip', '/note']) {
      expect(one.locate(`/l/${n}${part}`, false)).toEqual(other.locate(`/l/${n}${part}`, false));
    }
  }
}

describe('entries', () => {
  it.each([
    '192.0.2.1',
    '192.0.2.1/32  # why: "it"',
    '192.0.2.1-192.0.2.200',
    '2001:db8::1',
    '2001:db8::/32',
    '1:2:3:4:5:6:7:8/128',
    '{ ip: 192.0.2.1 }',
    '{ ip: 2001:db8::1, note: abuse 4711 }',
    '{ ip: 192.0.2.1, note: "said: {a}, [b] # c" }',
    "{ ip: 192.0.2.1, note: 'C:\\dir', expires: 2027-01-31 } # x",
    '{ ip: 192.0.2.1, expires: 2027-01-31T18:00:00Z }',
  ])('%s is folded, and means the same', (entry) => {
    expect(isFolded(list(entry))).toBe(true);
    expectSame(list(entry));
  });

  it.each([
    '2001:db8::',
    '::1',
    '12:34',
    '1.2',
    '{ ip: 192.0.2.1, note: null }',
    '{ ip: 192.0.2.1, note: True }',
    '{ ip: 192.0.2.1, note: FALSE }',
    '{ ip: 192.0.2.1, note: ~ }',
    '{ ip: 192.0.2.1, note: 12 }',
    '{ ip: 192.0.2.1, note: "a\\nb" }',
    "{ ip: 192.0.2.1, note: 'it''s' }",
    '{ ip: 192.0.2.1, note: a: b }',
    '{ ip: 192.0.2.1, note: a #b }',
    '{ note: x, ip: 192.0.2.1 }',
    '{ file: drop.txt }',
    '&a 192.0.2.1',
    '!!str 192.0.2.1',
    '192.0.2.1 more',
    '192.0.2.1 # a\ttab',
  ])('%s is not, as it may be read otherwise', (entry) => {
    expect(foldLines(list(entry)).folds).toEqual([]);
    expectSame(list(entry));
  });

  it('a short list is not', () => {
    expect(foldLines(list('192.0.2.1', 7)).folds).toEqual([]);
  });
});

describe('what stands around a list', () => {
  it.each([
    ['the last entry goes on', `${list('192.0.2.1')}    more\nz: 1\n`],
    ['it is no list but a text', `t: |\n${list('192.0.2.1').slice(3)}z: 1\n`],
    ['it stands in quotes', `t: "\n${list('192.0.2.1').slice(3)}  "\nz: 1\n`],
    ['it goes on with a text', `t: text\n${list('192.0.2.1').slice(3)}z: 1\n`],
    ['it is a key', `? \n${list('192.0.2.1').slice(3)}: 1\n`],
    ['a fault comes later', `${list('192.0.2.1')}z: [\n`],
    ['the stand-ins have names that are in the text', `folded-0: xfolded-0\n${list('192.0.2.1')}z: folded-1\n`],
    ['it is used twice', `${list('192.0.2.1').replace('l:', 'l: &l')}m: *l\n`],
    ['CRLF', list('192.0.2.1 # x').replaceAll('\n', '\r\n')],
    ['a byte order mark', `\uFEFF${list('192.0.2.1')}`],
    [
      'comments between',
      `${list('192.0.2.1')}  # one\n${list('2001:db8::1').slice(3)}\n\n${list('192.0.2.9').slice(3)}`,
    ],
  ])('%s', (_, text) => {
    expect(foldLines(text).folds.length).toBeGreaterThan(0);
    expectSame(text);
  });
});

describe('edits', () => {
  const lines = (n: number): string => `l${n}:\n${list('192.0.2.1').slice(3)}`;
  const many = Array.from({ length: 12 }, (_, n) => lines(n)).join('');
  const remove = (text: string, pointer: string, ...indexes: number[]): string =>
    editYamlText(parseYamlText('s', text), { kind: 'remove', pointer, indexes: new Set(indexes) }).text;

  it('all that was folded goes, whatever other folds there are', () => {
    const inner = Array.from({ length: COUNT - 2 }, (_, n) => n + 1);
    const gone = `l1:\n  - 192.0.2.0\n  - 192.0.2.${COUNT - 1}\n`;
    expect(remove(many, '/l1', ...inner)).toBe(many.replace(lines(1), gone));
  });

  it('a whole list goes, and one entry of another', () => {
    expect(remove(many, '/l1', ...Array.from({ length: COUNT }, (_, n) => n))).toBe(many.replace(lines(1), 'l1: []\n'));
    expect(remove(many, '/l10', 5)).toBe(many.replace(lines(10), lines(10).replace('  - 192.0.2.5\n', '')));
  });

  it('an entry that looks like a stand-in is an entry', () => {
    const note = '- folded-0';
    const edit = { kind: 'append', pointer: '/l0', entries: [{ ip: '192.0.2.99', note }] } as const;
    const after = editYamlText(parseYamlText('s', many), edit).text;
    expect(after).toBe(many.replace(lines(0), `${lines(0)}  - { ip: 192.0.2.99, note: "${note}" }\n`));
  });
});
