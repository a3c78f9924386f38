import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { editYamlText, type ListEdit } from '../../../src/adapters/store-embedded/splice.ts';
import { parseYamlText } from '../../../src/adapters/store-embedded/yaml-text.ts';

const append = (pointer: string, ...entries: unknown[]): ListEdit => ({ kind: 'append', pointer, entries });
const remove = (pointer: string, ...indexes: number[]): ListEdit => ({
  kind: 'remove',
  pointer,
  indexes: new Set(indexes),
});
const edit = (text: string, ...edits: ListEdit[]): string =>
  edits.reduce(editYamlText, parseYamlText('s.yaml', text)).text;
const NEW = { ip: '203.0.113.9', note: 'said "no": {a}, [b] # c' };
const NEW_TEXT = `{ ip: 203.0.113.9, note: 'said "no": {a}, [b] # c' }`;

type Case = readonly [what: string, before: string, edits: readonly ListEdit[], after: string];

const appending: readonly Case[] = [
  ['an indented block list', 'l:\n  - a\n  - b\nz: 1\n', [append('/l', 'c')], 'l:\n  - a\n  - b\n  - c\nz: 1\n'],
  ['a block list that is not indented', 'l:\n- a\nz: 1\n', [append('/l', 'c')], 'l:\n- a\n- c\nz: 1\n'],
  [
    'behind a comment on the last line',
    'l:\n  - a # one\n\n# z\nz: 1\n',
    [append('/l', 'c')],
    'l:\n  - a # one\n  - c\n\n# z\nz: 1\n',
  ],
  ['a last line without line break', 'l:\n  - a', [append('/l', 'c')], 'l:\n  - a\n  - c\n'],
  [
    'a last item of several lines',
    'l:\n  - ip: a\n    note: n # t\n  # end\nz: 1\n',
    [append('/l', 'c')],
    'l:\n  - ip: a\n    note: n # t\n  - c\n  # end\nz: 1\n',
  ],
  [
    'a last item that is a block text',
    'l:\n  - ip: a\n    note: |\n      one\n      two\nz: 1\n',
    [append('/l', 'c')],
    'l:\n  - ip: a\n    note: |\n      one\n      two\n  - c\nz: 1\n',
  ],
  ['a flow list', 'l: [a, "b"] # both\nz: 1\n', [append('/l', 'c')], 'l: [a, "b", c] # both\nz: 1\n'],
  ['a flow list with a comma at its end', 'l: [a, b,]\n', [append('/l', 'c')], 'l: [a, b, c,]\n'],
  [
    'a flow list over lines',
    'l: [\n  a, # one\n  b # two\n]\n',
    [append('/l', 'c', 'd')],
    'l: [\n  a, # one\n  b, # two\n  c,\n  d\n]\n',
  ],
  [
    'a flow list over lines with commas',
    'l: [\n  a,\n  b, # two\n]\n',
    [append('/l', 'c')],
    'l: [\n  a,\n  b, # two\n  c,\n]\n',
  ],
  ['an empty flow list', 'l: [] # none\nz: 1\n', [append('/l', 'c')], 'l: # none\n  - c\nz: 1\n'],
  ['an empty flow list in a flow map', 'o: { l: [], z: 1 }\n', [append('/o/l', 'c')], 'o: { l: [c], z: 1 }\n'],
  [
    'a missing key',
    'o:\n  a: 1 # one\n\n# end\nz: 1\n',
    [append('/o/l', 'c')],
    'o:\n  a: 1 # one\n  l:\n    - c\n\n# end\nz: 1\n',
  ],
  [
    'a missing key behind a commented-out item',
    'o:\n  a:\n    - x\n    # - y off\nz: 1\n',
    [append('/o/l', 'c')],
    'o:\n  a:\n    - x\n    # - y off\n  l:\n    - c\nz: 1\n',
  ],
  ['a missing key in a flow map', 'o: { a: 1 } # o\n', [append('/o/l', 'c')], 'o: { a: 1, l: [c] } # o\n'],
  [
    '{} that stands for no settings',
    'o:\n  d: {} # none yet\n  e: {}\n',
    [append('/o/d/l', 'c')],
    'o:\n  d: # none yet\n    l:\n      - c\n  e: {}\n',
  ],
  ['{} within a flow map', 'o: { d: {} }\n', [append('/o/d/l', 'c')], 'o: { d: { l: [c] } }\n'],
  ['{} on the last line without line break', 'd: {}', [append('/d/l', 'c')], 'd:\n  l:\n    - c\n'],
  ['an entry with quotes and brackets in a block', 'l:\n  - a\n', [append('/l', NEW)], `l:\n  - a\n  - ${NEW_TEXT}\n`],
  ['an entry with quotes and brackets in a flow list', 'l: [a]\n', [append('/l', NEW)], `l: [a, ${NEW_TEXT}]\n`],
  ['IPv6 that ends in a colon', 'l:\n  - a\n', [append('/l', '2001:db8::')], 'l:\n  - a\n  - "2001:db8::"\n'],
  [
    'CRLF',
    'l:\r\n  - a # x\r\nz: {}\r\n',
    [append('/l', 'c'), append('/z/m', 'd')],
    'l:\r\n  - a # x\r\n  - c\r\nz:\r\n  m:\r\n    - d\r\n',
  ],
  ['a key without a value', 'o:\n  l: # none\n  z: 1\n', [append('/o/l', 'c')], 'o:\n  l: # none\n    - c\n  z: 1\n'],
  ['a byte order mark', '\uFEFFl:\n  - a\n', [append('/l', 'c')], '\uFEFFl:\n  - a\n  - c\n'],
  ['a numeric key', '123:\n  l:\n    - a\n', [append('/123/l', 'c')], '123:\n  l:\n    - a\n    - c\n'],
  [
    'several in a row',
    'o:\n  d: {}\n',
    [append('/o/d/l', 'a'), append('/o/d/l', 'b'), append('/o/d/m', 'c')],
    'o:\n  d:\n    l:\n      - a\n      - b\n    m:\n      - c\n',
  ],
];

const removing: readonly Case[] = [
  [
    'from a block list, with the comment on its line',
    'l:\n  - a # one\n  # about b\n  - b # two\n  - c\nz: 1\n',
    [remove('/l', 1)],
    'l:\n  - a # one\n  # about b\n  - c\nz: 1\n',
  ],
  [
    'an item of several lines, and no comment behind it',
    'l:\n  - ip: a\n    note: n # t\n  # about b\n  - b\n',
    [remove('/l', 0)],
    'l:\n  # about b\n  - b\n',
  ],
  ['an item below its dash', 'l:\n  -\n    ip: a\n  - b\n', [remove('/l', 0)], 'l:\n  - b\n'],
  ['an item with an anchor that nobody uses', 'l:\n  - &x a\n  - b\n', [remove('/l', 0)], 'l:\n  - b\n'],
  ['the last item, without line break at the end', 'l:\n  - a\n  - b', [remove('/l', 1)], 'l:\n  - a\n'],
  ['several', 'l:\n- a\n- b\n- c\n- d\nz: 1\n', [remove('/l', 0, 2, 3)], 'l:\n- b\nz: 1\n'],
  [
    'all of a block list',
    'l: # list\n  # c\n  - a\n  - b # two\nz: 1\n',
    [remove('/l', 0, 1)],
    'l: [] # list\n  # c\nz: 1\n',
  ],
  ['the first of a flow list', 'l: [a, b, c] # x\n', [remove('/l', 0)], 'l: [b, c] # x\n'],
  ['the middle of a flow list', 'l: [a, b, c]\n', [remove('/l', 1)], 'l: [a, c]\n'],
  ['the last two of a flow list', 'l: [a, { ip: b, note: "x, y" }, c]\n', [remove('/l', 1, 2)], 'l: [a]\n'],
  ['all of a flow list', 'l: [a, b]\n', [remove('/l', 0, 1)], 'l: []\n'],
  [
    'a line of a flow list',
    'l: [\n  a, # one\n  b, # two\n  c # three\n]\n',
    [remove('/l', 1)],
    'l: [\n  a, # one\n  c # three\n]\n',
  ],
  ['the last line of a flow list', 'l: [\n  a, # one\n  c # three\n]\n', [remove('/l', 1)], 'l: [\n  a, # one\n]\n'],
  ['CRLF', 'l:\r\n  - a\r\n  - b # x\r\n  - c\r\n', [remove('/l', 1)], 'l:\r\n  - a\r\n  - c\r\n'],
  ['and adding again', 'l:\n  - a # x\n', [remove('/l', 0), append('/l', 'b')], 'l:\n  - b\n'],
];

describe('appending keeps every other octet', () => {
  it.each(appending)('%s', (_, before, edits, after) => {
    expect(edit(before, ...edits)).toBe(after);
  });
});

describe('removing keeps every other octet', () => {
  it.each(removing)('%s', (_, before, edits, after) => {
    expect(edit(before, ...edits)).toBe(after);
  });
});

describe('what cannot be spliced', () => {
  it('an odd layout is written anew, with its comments', () => {
    const text = edit('# top\no:\n  ? l\n  : ~\n  z: 1 # end\n', append('/o/l', 'c'));
    expect(parse(text)).toEqual({ o: { l: ['c'], z: 1 } });
    for (const comment of ['# top', '# end']) expect(text).toContain(comment);
  });

  it('a text that would lose a comment is refused', () => {
    expect(() => edit('o:\n  ? l # what\n  : ~ # none\n', append('/o/l', 'c'))).toThrow(/edit the file by hand/);
  });

  it.each([
    ['an alias', 'a: &x [1]\nb: *x\n', append('/b', 2)],
    ['the anchor that an alias repeats', 'a: &x [1]\nb: *x\n', append('/a', 2)],
    ['removing from a shared list', 'a: &x\n  - 1\n  - 2\nb: *x\n', remove('/a', 0)],
  ])('%s is refused rather than changing two lists, or losing one', (_, text, change) => {
    expect(() => edit(text, change)).toThrow(/cannot be edited without touching something else/);
  });

  it('a place that does not exist is refused', () => {
    expect(() => edit('a: 1\n', append('/organizations/x/l', 'c'))).toThrow(/no such place/);
  });

  it('a __proto__ key beside the list is kept', () => {
    expect(edit('__proto__: { a: 1 }\nl: [x]\n', append('/l', 'y'))).toBe('__proto__: { a: 1 }\nl: [x, y]\n');
  });
});
