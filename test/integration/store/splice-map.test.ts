/** Setting and deleting keys in a settings text: every octet that need not change stays. */
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { editYamlText, type SettingsEdit } from '../../../src/adapters/store-embedded/splice.ts';
import { parseYamlText } from '../../../src/adapters/store-embedded/yaml-text.ts';

const set = (pointer: string, value: unknown): SettingsEdit => ({ kind: 'set', pointer, value });
const gone = (pointer: string): SettingsEdit => ({ kind: 'delete', pointer });
const edit = (text: string, ...edits: SettingsEdit[]): string =>
  edits.reduce(editYamlText, parseYamlText('s.yaml', text)).text;

type Case = readonly [what: string, before: string, edits: readonly SettingsEdit[], after: string];

const ROUTE = { host: 'a.example', port: 2525 };
const FLOW = '{ host: a.example, port: 2525 }';

const setting: readonly Case[] = [
  [
    'a new key behind those on one line',
    'r:\n  x: { host: x } # x\n\n# z\nz: 1\n',
    [set('/r/new', ROUTE)],
    `r:\n  x: { host: x } # x\n  new: ${FLOW}\n\n# z\nz: 1\n`,
  ],
  [
    'a new key behind those on lines below',
    'r:\n  x: { host: x }\n  y:\n    host: y # y\n    # of y\nz: 1\n',
    [set('/r/new', ROUTE)],
    'r:\n  x: { host: x }\n  y:\n    host: y # y\n    # of y\n  new:\n    host: a.example\n    port: 2525\nz: 1\n',
  ],
  [
    'a new key in brackets',
    'r: { x: { host: x } } # r\n',
    [set('/r/new', ROUTE)],
    `r: { x: { host: x }, new: ${FLOW} } # r\n`,
  ],
  ['a new key in empty brackets', 'r: {} # none\nz: 1\n', [set('/r/new', ROUTE)], `r: # none\n  new: ${FLOW}\nz: 1\n`],
  [
    'a new key in brackets over lines',
    'r: {\n  x: { host: x }, # x\n  y: { host: y } # y\n}\n',
    [set('/r/new', ROUTE)],
    `r: {\n  x: { host: x }, # x\n  y: { host: y }, # y\n  new: ${FLOW}\n}\n`,
  ],
  [
    'a map that is not there yet, with a map in it',
    'o:\n  p: example.com # p\n  d:\n    example.com: {}\n\nz: 1\n',
    [set('/o/r', { new: ROUTE })],
    `o:\n  p: example.com # p\n  d:\n    example.com: {}\n  r:\n    new: ${FLOW}\n\nz: 1\n`,
  ],
  ['the same in brackets', 'o: { p: x }\n', [set('/o/r', { new: ROUTE })], `o: { p: x, r: { new: ${FLOW} } }\n`],
  [
    'the same at a key without a value',
    'o:\n  r: # none\n  z: 1\n',
    [set('/o/r', { new: ROUTE })],
    `o:\n  r: # none\n    new: ${FLOW}\n  z: 1\n`,
  ],
  ['a value', 'x:\n  host: old # was\n  port: 25\n', [set('/x/host', 'new')], 'x:\n  host: new # was\n  port: 25\n'],
  [
    'a value in brackets',
    'x: { host: "old", port: 25 } # x\n',
    [set('/x/port', 26)],
    'x: { host: "old", port: 26 } # x\n',
  ],
  ['a value that was in quotes and empty', "x: { d: '', z: 1 }\n", [set('/x/d', 'new')], 'x: { d: new, z: 1 }\n'],
  [
    'a value that was a text of lines',
    'x:\n  d: |\n    one\n    two\n\n  z: 1\n',
    [set('/x/d', 'new')],
    'x:\n  d: new\n\n  z: 1\n',
  ],
  ['a value that is not there', 'x:\n  d: # none\n  z: 1\n', [set('/x/d', 'new')], 'x:\n  d: new # none\n  z: 1\n'],
  ['a value by alias', 'a: &h old\nx:\n  host: *h # h\n', [set('/x/host', 'new')], 'a: &h old\nx:\n  host: new # h\n'],
  ['a value that needs quotes', 'x: { d: a }\n', [set('/x/d', '#1: {a}, "b"')], `x: { d: '#1: {a}, "b"' }\n`],
  [
    'a value that looks like a number, under a key that does',
    'x:\n  12: 0\n',
    [set('/x/12', '0123'), set('/x/34', '1e3')],
    'x:\n  12: "0123"\n  "34": "1e3"\n',
  ],
  ['a value of lines', 'x: { d: a }\n', [set('/x/d', 'one\ntwo')], 'x: { d: "one\\ntwo" }\n'],
  ['true and false', 'x: { mx: true }\n', [set('/x/mx', false)], 'x: { mx: false }\n'],
  [
    'CRLF',
    'r:\r\n  x: { host: x }\r\nz: 1\r\n',
    [set('/r/new', ROUTE)],
    `r:\r\n  x: { host: x }\r\n  new: ${FLOW}\r\nz: 1\r\n`,
  ],
  [
    'a last line without line break',
    'r:\n  x: { host: x }',
    [set('/r/new', ROUTE)],
    `r:\n  x: { host: x }\n  new: ${FLOW}\n`,
  ],
];

const deleting: readonly Case[] = [
  [
    'a key, with the comment on its line',
    'r:\n  # x\n  x: { host: x } # one\n  # y\n  y: 1\n',
    [gone('/r/x')],
    'r:\n  # x\n  # y\n  y: 1\n',
  ],
  ['a key with lines below it', 'r:\n  x:\n    host: x # h\n    port: 1\n\n  y: 1\n', [gone('/r/x')], 'r:\n\n  y: 1\n'],
  ['the last key of a block', 'r: # r\n  # c\n  x: 1 # x\nz: 1\n', [gone('/r/x')], 'r: {} # r\n  # c\nz: 1\n'],
  ['the only key in brackets', 'r: { x: { host: x } } # r\n', [gone('/r/x')], 'r: {} # r\n'],
  ['the first in brackets', 'x: { a: 1, b: 2 }\n', [gone('/x/a')], 'x: { b: 2 }\n'],
  ['the last in brackets', 'x: { a: 1, b: "2, 3" } # x\n', [gone('/x/b')], 'x: { a: 1 } # x\n'],
  [
    'a line in brackets',
    'x: {\n  a: 1, # one\n  b: 2, # two\n  c: 3\n}\n',
    [gone('/x/b')],
    'x: {\n  a: 1, # one\n  c: 3\n}\n',
  ],
  ['a text of lines', 'x:\n  d: >-\n    one\n\n    two\n  z: 1\n', [gone('/x/d')], 'x:\n  z: 1\n'],
  ['a key without a value', 'x:\n  d: # none\n  z: 1\n', [gone('/x/d')], 'x:\n  z: 1\n'],
  ['an anchor that nobody uses', 'r:\n  x: &x { host: x }\n  y: 1\n', [gone('/r/x')], 'r:\n  y: 1\n'],
  ['the last line, without line break', 'r:\n  x: 1\n  y: 2', [gone('/r/y')], 'r:\n  x: 1\n'],
  ['and adding again', 'r:\n  x: 1\nz: 1\n', [gone('/r/x'), set('/r/y', 2)], 'r:\n  y: 2\nz: 1\n'],
];

describe('setting keeps every other octet', () => {
  it.each(setting)('%s', (_, before, edits, after) => {
    expect(edit(before, ...edits)).toBe(after);
  });
});

describe('deleting keeps every other octet', () => {
  it.each(deleting)('%s', (_, before, edits, after) => {
    expect(edit(before, ...edits)).toBe(after);
  });
});

describe('what cannot be spliced', () => {
  it('an odd layout is written anew, with its comments', () => {
    const text = edit('# top\n? r\n: ? x\n  : { host: x } # x\nz: 1 # end\n', set('/r/new', ROUTE), gone('/r/x'));
    expect(parse(text)).toEqual({ r: { new: ROUTE }, z: 1 });
    for (const comment of ['# top', '# end']) expect(text).toContain(comment);
  });

  it.each<[string, string, SettingsEdit]>([
    ['a key of a shared map', 'a: &r { x: 1 }\nb: *r\n', set('/a/x', 2)],
    ['a key of the alias of a map', 'a: &r { x: 1 }\nb: *r\n', set('/b/y', 2)],
    ['the anchor that an alias repeats', 'r:\n  a: &r { x: 1 }\n  b: *r\n', gone('/r/a')],
    ['a comment that would be lost', 'x:\n  d: | # why\n    one\n', set('/x/d', 'new')],
  ])('%s is refused', (_, text, change) => {
    expect(() => edit(text, change)).toThrow(/cannot be edited without touching something else/);
  });

  it('a place that does not exist is refused', () => {
    expect(() => edit('a: 1\n', set('/organizations/x/host', 'c'))).toThrow(/no such place/);
  });

  it('lists that are folded beside the map keep every line', () => {
    const list = Array.from({ length: 40 }, (_, n) => `  - 192.0.2.${n} # ${n}\n`).join('');
    const before = `l:\n${list}r:\n  x: { host: x }\nm:\n${list}`;
    expect(edit(before, set('/r/x/host', 'y'), set('/r/z', 1), gone('/r/x'))).toBe(
      before.replace('  x: { host: x }', '  z: 1'),
    );
    expect(edit(before, gone('/l'))).toBe(before.slice(before.indexOf('r:')));
  });
});
