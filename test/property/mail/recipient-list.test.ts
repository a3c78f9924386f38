import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  parseRecipientFile,
  recipientListHas,
  recipientListSize,
  type RecipientList,
} from '../../../src/mail/recipient-list.ts';
import { isNeverMissing, recipientLocalName, recipientNames } from '../../../src/mail/recipient-name.ts';
import { aDomain } from '../../support/builders.ts';

const HOSTS = ['a.example', 'b.example', 'xn--bcher-kva.example'];
/** Few letters, so that names are alike: beginnings of each other, letters of every length in UTF-8. */
const letters = fc.constantFrom('a', 'b', '-', '+', '.', 'é', '東', '😀', '\ue000', '\ufffd', '\u{10ffff}');
const local = fc.array(letters, { minLength: 1, maxLength: 4 }).map((each) => each.join(''));
const entry = fc.oneof(
  fc.tuple(local, fc.constantFrom(...HOSTS)).map(([name, host]) => `${name}@${host}`),
  local,
  fc.constantFrom(...HOSTS).map((host) => `@${host}`),
);

function listOf(text: string): RecipientList {
  const list = parseRecipientFile(text);
  if (!list.ok) throw new Error(JSON.stringify(list.error));
  return list.value;
}
/** As the file is written: in other case, with spaces, comments and lines that name nobody. */
const written = fc.tuple(
  fc.array(entry, { maxLength: 40 }),
  fc.constantFrom('\n', '\r\n', '\n\n', ' \n# x@a.example\n', '\t# @b.example\n'),
  fc.boolean(),
);

describe('a list of recipients', () => {
  it('has every name that was put into it, each once, and no other', () => {
    fc.assert(
      fc.property(written, fc.array(entry, { maxLength: 40 }), ([entries, between, isLoud], others) => {
        const list = listOf(entries.map((each) => (isLoud ? each.toUpperCase() : each)).join(between));
        const names = new Set(entries.map((each) => each.toLowerCase()));
        expect(recipientListSize(list)).toBe(names.size);
        for (const name of names) expect(recipientListHas(list, name), name).toBe(true);
        for (const other of others) expect(recipientListHas(list, other), other).toBe(names.has(other));
        for (const name of names) {
          expect(recipientListHas(list, `${name}a`)).toBe(names.has(`${name}a`));
          expect(recipientListHas(list, name.slice(0, -1))).toBe(names.has(name.slice(0, -1)));
        }
      }),
      { numRuns: 2000 },
    );
  });

  it('is read from any text without an exception; what is refused has its line, and what is taken is found', () => {
    const part = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 6 }),
      fc.constantFrom(
        '\n',
        '\r',
        '"',
        '\\',
        '@',
        '#',
        ' ',
        '\t',
        ',',
        '<',
        '\ufeff',
        '\ud800',
        '\udc00',
        '\0',
        'a',
        'a.example',
        '@a.example',
      ),
    );
    let [taken, refused] = [0, 0];
    fc.assert(
      fc.property(fc.array(part, { maxLength: 14 }), (parts) => {
        const text = parts.join('');
        const lines = text.split('\n');
        const list = parseRecipientFile(text);
        if (!list.ok) {
          refused += 1;
          expect(list.error.refusals.length + list.error.more).toBeLessThanOrEqual(lines.length);
          for (const { line, message } of list.error.refusals) {
            expect(lines[line - 1]?.trim()).toBeTruthy();
            expect(message).toMatch(/^".*" is /s);
          }
          return;
        }
        taken += recipientListSize(list.value);
        const { text: octets, starts } = list.value;
        expect(starts.at(-1) ?? 0).toBe(octets.length);
        const decoder = new TextDecoder('utf-8', { ignoreBOM: true, fatal: true });
        for (let n = 0; n < recipientListSize(list.value); n += 1) {
          expect(recipientListHas(list.value, decoder.decode(octets.subarray(starts[n], starts[n + 1])))).toBe(true);
        }
      }),
      { numRuns: 10_000 },
    );
    expect(Math.min(taken, refused)).toBeGreaterThan(1000);
  });
});

describe('the names of a recipient', () => {
  const localPart = fc.oneof(
    local,
    fc.string({ unit: 'binary', maxLength: 8 }),
    local.map((each) => `"${each}"`),
  );
  const delimiters = fc.constantFrom('', '+', '-', '+-');

  it('find it in a list that has it in any spelling: with or without extension, domain, or as all of a domain', () => {
    fc.assert(
      fc.property(local, fc.constantFrom(...HOSTS), delimiters, fc.nat(3), (given, host, marks, form) => {
        const name = recipientLocalName(given);
        const cut = Array.from(name).findIndex((letter, at) => at > 0 && marks.includes(letter));
        const isCut = cut > 0 && !marks.includes(name.charAt(0));
        const bare = isCut ? Array.from(name).slice(0, cut).join('') : name;
        const list = listOf([`${name}@${host}`, `${bare}@${host}`, bare, `@${host}`][form] ?? '');
        const names = recipientNames({ localPart: given, domain: aDomain(host) }, marks);
        expect(names.some((each) => recipientListHas(list, each))).toBe(true);
        expect(names.every((each) => each === each.toLowerCase())).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });

  it('are never those of another domain, and no local-part makes an exception', () => {
    fc.assert(
      fc.property(localPart, fc.constantFrom(...HOSTS), delimiters, (given, host, marks) => {
        const names = recipientNames({ localPart: given, domain: aDomain(host) }, marks);
        expect(names).toContain(`@${host}`);
        const others = HOSTS.filter((each) => each !== host && !given.includes('@'));
        for (const other of others) expect(names.filter((each) => each.endsWith(`@${other}`))).toEqual([]);
        expect(typeof isNeverMissing(given, marks)).toBe('boolean');
        expect(isNeverMissing(given.toUpperCase().toLowerCase(), marks)).toBe(
          isNeverMissing(given.toLowerCase(), marks),
        );
      }),
      { numRuns: 3000 },
    );
  });
});
