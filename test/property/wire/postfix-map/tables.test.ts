import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeIndexedTable, encodeRegexpTable, escapeRegexp } from '../../../../src/wire/postfix-map/index.ts';
import { LocalProtocolError } from '../../../../src/wire/protocol-error.ts';

type Entry = { readonly key: string; readonly value: string };

/** How Postfix reads a table file: comments and empty lines away, continuations joined, key up to white space. */
function readAsPostfix(text: string): Entry[] {
  const logical: string[] = [];
  for (const line of text.split('\n')) {
    if (/^\s*(#.*)?$/.test(line)) continue;
    if (/^\s/.test(line)) logical.push(`${logical.pop() ?? ''}${line}`);
    else logical.push(line);
  }
  return logical.map((line) => {
    const [, key = '', value = ''] = /^(\S*)\s*(.*?)\s*$/s.exec(line) ?? [];
    return { key, value };
  });
}

const odd = fc.constantFrom(
  '\n',
  '\r\n',
  ' ',
  '\t',
  '#',
  '*',
  ':',
  '"',
  '\\',
  '/',
  '$',
  '$1',
  'a',
  'retry:',
  'ü',
  '\u2028',
);
const text = fc.oneof(
  fc.array(odd, { maxLength: 6 }).map((parts) => parts.join('')),
  fc.string({ maxLength: 12 }),
  fc.stringMatching(/^[a-z0-9.@=+-]{1,12}$/),
);
const entries = fc.array(fc.record({ key: text, value: text }), { maxLength: 5 });

/** The table, or undefined where it is refused. */
function encoded(encode: (list: readonly Entry[]) => string, list: readonly Entry[]): string | undefined {
  try {
    return encode(list);
  } catch (error) {
    if (error instanceof LocalProtocolError) return undefined;
    throw error;
  }
}

describe('MAP-06', () => {
  it('MAP-06 an indexed table reads back as its entries, or is refused', () => {
    let taken = 0;
    fc.assert(
      fc.property(entries, (list) => {
        const table = encoded(encodeIndexedTable, list);
        if (table === undefined) return;
        if (list.length > 0) taken += 1;
        expect(readAsPostfix(table)).toEqual(list);
      }),
      { numRuns: 5_000 },
    );
    expect(taken).toBeGreaterThan(100);
  });

  it('MAP-06 a regexp table has one line an entry, with pattern and result as they were, or is refused', () => {
    let taken = 0;
    fc.assert(
      fc.property(entries, (list) => {
        const table = encoded(encodeRegexpTable, list);
        if (table === undefined) return;
        if (list.length > 0) taken += 1;
        const lines = table.split('\n').slice(0, -1);
        expect(lines.map((line) => /^\/((?:[^/\\]|\\.)*)\/\t(.*)$/.exec(line)?.slice(1))).toEqual(
          list.map(({ key, value }) => [key, value]),
        );
      }),
      { numRuns: 5_000 },
    );
    expect(taken).toBeGreaterThan(100);
  });

  it('an escaped text matches itself and nothing else', () => {
    const printable = fc.stringMatching(/^[!-~]{1,12}$/);
    fc.assert(
      fc.property(printable, printable, (subject, other) => {
        const pattern = new RegExp(`^${escapeRegexp(subject)}$`);
        expect(pattern.test(subject)).toBe(true);
        expect(pattern.test(other)).toBe(subject === other);
      }),
    );
  });
});
