import { describe, expect, it } from 'vitest';
import { parseYamlBytes, parseYamlText } from '../../../src/adapters/store-embedded/yaml-text.ts';

const at = (text: string, pointer: string, atKey = false): string => {
  const { line, column } = parseYamlText('s.yaml', text).locate(pointer, atKey);
  return `${line}:${column}`;
};
const faults = (text: string): string[] =>
  parseYamlText('s.yaml', text).syntaxIssues.map(({ line, column, message }) => `${line}:${column} ${message}`);

const SAMPLE = `version: 1
organizations:
  acme:
    domains:
      example.com:
        blockedIps:
          - 192.0.2.1
          - { ip: 192.0.2.2, note: "x" }
        allowedIps: [198.51.100.1,
          198.51.100.2]
  123: {}
`;
const OWN = '/organizations/acme/domains/example.com';

describe('places', () => {
  it.each([
    ['a value', '/version', false, '1:10'],
    ['a key', '/version', true, '1:1'],
    ['a nested key', `${OWN}/blockedIps`, true, '6:9'],
    ['a block list', `${OWN}/blockedIps`, false, '7:11'],
    ['a list item', `${OWN}/blockedIps/0`, false, '7:13'],
    ['a member of a list item', `${OWN}/blockedIps/1/note`, false, '8:36'],
    ['the key of a member', `${OWN}/blockedIps/1/note`, true, '8:30'],
    ['an item of a flow list on the next line', `${OWN}/allowedIps/1`, false, '10:11'],
    ['a missing key: its parent', `${OWN}/tls`, true, '6:9'],
    ['a missing item: its list', `${OWN}/blockedIps/7`, false, '7:11'],
    ['below a scalar: the scalar', '/version/x/y', false, '1:10'],
    ['a numeric key', '/organizations/123', true, '11:3'],
    ['the document', '', false, '1:1'],
  ])('%s', (_, pointer, atKey, place) => {
    expect(at(SAMPLE, pointer, atKey)).toBe(place);
  });

  it('an escaped pointer names a key with a slash and a tilde', () => {
    expect(at('a: 1\n"x/y~z": 2\n', '/x~1y~0z')).toBe('2:10');
  });

  it('CRLF does not shift columns or lines', () => {
    expect(at(SAMPLE.replaceAll('\n', '\r\n'), `${OWN}/blockedIps/1/note`)).toBe('8:36');
  });

  it('a byte order mark is no column', () => {
    expect(at(`\uFEFF${SAMPLE}`, '/version')).toBe('1:10');
    expect(at(`\uFEFF${SAMPLE}`, `${OWN}/blockedIps/0`)).toBe('7:13');
    expect(parseYamlText('s.yaml', '\uFEFFa: 1\n').raw).toEqual({ a: 1 });
  });

  it('an alias stands where it is written', () => {
    expect(at('a: &x [1]\nb: *x\n', '/b/0')).toBe('2:4');
  });
});

describe('faults of syntax', () => {
  it('an empty file is nothing, and no fault', () => {
    expect(parseYamlText('s.yaml', '')).toMatchObject({ raw: null, syntaxIssues: [] });
    expect(parseYamlText('s.yaml', '# only a comment\n').raw).toBeNull();
    expect(at('', '/version', true)).toBe('1:1');
  });

  it.each([
    [
      'a duplicate key, at the second',
      'a: 1\nb: 2\na: 3\n',
      ['3:1 this key stands twice in the same group; keep one of them'],
    ],
    ['a tab as indent', 'a:\n\t- b\n', ['2:1 a tab cannot indent in YAML; use spaces']],
    ['a second document', 'a: 1\n---\nb: 2\n', ['2:1 the file holds a second document after "---"; keep one']],
    ['an open quote', 'a: 1\nb: "x\n', ['3:1 no valid YAML: Missing closing "quote']],
    [
      'an alias without an anchor, where it stands',
      'a: 1\nb: *nowhere\n',
      ['2:4 no valid YAML: Unresolved alias (the anchor must be set before the alias): nowhere'],
    ],
    [
      'a tag that means nothing here',
      'a: !secret x\n',
      ['1:4 a tag ("!…") means nothing here: Unresolved tag: !secret; put the text in quotes'],
    ],
  ])('%s', (_, text, expected) => {
    expect(faults(text)).toEqual(expected);
    expect(parseYamlText('s.yaml', text).raw).toBeNull();
  });

  it('anchors that multiply are refused fast', () => {
    const levels = Array.from(
      { length: 12 },
      (_, n) =>
        `l${n}: &l${n} [${
          n === 0
            ? 'x'
            : Array(9)
                .fill(`*l${n - 1}`)
                .join(', ')
        }]`,
    );
    const startedAt = performance.now();
    expect(faults(levels.join('\n'))).toEqual([
      '1:1 aliases ("*name") repeat one another too often; write the values out',
    ]);
    expect(performance.now() - startedAt).toBeLessThan(2000);
  });

  it('a list that 500 own domains share through an alias is fine', () => {
    const users = Array.from({ length: 500 }, (_, n) => `d${n}: *l`).join('\n');
    expect(faults(`first: &l [192.0.2.1, 192.0.2.2]\n${users}\n`)).toEqual([]);
  });

  it('merge keys are plain keys: nothing is inherited silently', () => {
    expect(parseYamlText('s.yaml', 'a: &a { x: 1 }\nb: { <<: *a }\n').raw).toEqual({
      a: { x: 1 },
      b: { '<<': { x: 1 } },
    });
  });

  it('octets that are no UTF-8 are named by their place', () => {
    const bytes = Buffer.concat([Buffer.from('a: 1 # ä\nb: caf'), Buffer.from([0xe9]), Buffer.from('\nc: 1\n')]);
    expect(parseYamlBytes('s.yaml', bytes)).toMatchObject({
      raw: null,
      syntaxIssues: [
        { line: 2, column: 7, message: 'no valid YAML: an octet here is no UTF-8; save the file as UTF-8' },
      ],
    });
  });

  it('a __proto__ key is a key like any other and pollutes nothing', () => {
    const { raw } = parseYamlText(
      's.yaml',
      '__proto__: { polluted: true }\nconstructor: { prototype: { polluted: true } }\n',
    );
    expect(Object.keys(raw as object)).toEqual(['__proto__', 'constructor']);
    expect(Object.getPrototypeOf(raw)).toBe(Object.prototype);
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });
});
