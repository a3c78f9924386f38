import { describe, expect, it, vi } from 'vitest';
import {
  parseRecipientFile,
  recipientListHas,
  recipientListSize,
  type RecipientList,
} from '../../../src/mail/recipient-list.ts';

function listOf(text: string): RecipientList {
  const list = parseRecipientFile(text);
  if (!list.ok) throw new Error(JSON.stringify(list.error));
  return list.value;
}

/** All names of a list, read where they lie. */
const namesIn = ({ text, starts }: RecipientList): string[] =>
  Array.from({ length: Math.max(starts.length - 1, 0) }, (_, n) =>
    new TextDecoder('utf-8', { ignoreBOM: true }).decode(text.subarray(starts[n], starts[n + 1])),
  );
const refusalsOf = (text: string): string[] => {
  const list = parseRecipientFile(text);
  return list.ok ? [] : list.error.refusals.map(({ line, message }) => `${line}: ${message}`);
};
const NOT_ONE = 'is not one address; write one address a line, or name a Postfix map by { map: "type:name" }';

describe('a file of recipients', () => {
  it.each<[string, string, string[]]>([
    ['nothing', '', []],
    ['only comments and empty lines', '# all\n\n  \n\t# of them\n#\n', []],
    ['one address', 'bob@example.com', ['bob@example.com']],
    [
      'names in the order of their text, each once',
      'b@x.example\na@x.example\nB@X.example\n',
      ['a@x.example', 'b@x.example'],
    ],
    [
      'CRLF, tabs and spaces around',
      '\r\n bob@example.com \r\n\tcarol@example.com\t\r\n',
      ['bob@example.com', 'carol@example.com'],
    ],
    ['a byte order mark', '\ufeffbob@example.com\n', ['bob@example.com']],
    [
      'a byte order mark in the middle: files put together',
      'a@x.example\n\ufeffb@x.example\n',
      ['a@x.example', 'b@x.example'],
    ],
    [
      'a comment behind an address',
      'bob@example.com # since May\ncarol@example.com\t#x\n',
      ['bob@example.com', 'carol@example.com'],
    ],
    ['a sign in a name is no comment', 'bob#1@example.com\n', ['bob#1@example.com']],
    ['a local-part alone, and a whole domain', 'bob\n@example.com\n', ['@example.com', 'bob']],
    ['domains as A-labels', 'bob@Bücher.example\nbob@xn--bcher-kva.example.\n', ['bob@xn--bcher-kva.example']],
    [
      'quoted local-parts, without their quotes',
      '"a b"@example.com\n"A\\"b"@x.example\n"a@b"\n"bob"\n',
      ['a b@example.com', 'a"b@x.example', 'a@b', 'bob'],
    ],
    [
      'local-parts of all kinds',
      'jürgen@x.example\n東@x.example\n😀@x.example\n',
      ['jürgen@x.example', '東@x.example', '😀@x.example'],
    ],
    ['what is no address but a name', 'example.com\nbob%b.example\n', ['bob%b.example', 'example.com']],
  ])('%s', (_, text, names) => {
    const list = listOf(text);
    expect(namesIn(list)).toEqual(names);
    expect(recipientListSize(list)).toBe(names.length);
    for (const name of names) expect(recipientListHas(list, name), name).toBe(true);
  });

  it.each([
    ['two addresses', 'a@x.example b@x.example', `1: "a@x.example b@x.example" ${NOT_ONE}`],
    ['a comma', 'a@x.example,b@x.example', `1: "a@x.example,b@x.example" ${NOT_ONE}`],
    ['a line of a map', 'a@x.example\tOK', `1: "a@x.example\\tOK" ${NOT_ONE}`],
    ['angle brackets', '<a@x.example>', `1: "<a@x.example>" ${NOT_ONE}`],
    ['a display name', 'Bob <a@x.example>', `1: "Bob <a@x.example>" ${NOT_ONE}`],
    ['a semicolon', '; comment', `1: "; comment" ${NOT_ONE}`],
    ['line ends of an old Macintosh', 'a@x.example\rb@x.example', `1: "a@x.example\\rb@x.example" ${NOT_ONE}`],
    ['something behind a quoted address', '"a b"@x.example y', `1: "\\"a b\\"@x.example y" ${NOT_ONE}`],
    ['a quote that does not end', '"a b@x.example', `1: "\\"a b@x.example" ${NOT_ONE}`],
    ['no domain', '\n\nbob@\n', '3: "bob@" is no address: "" is no domain'],
    ['an address literal', 'bob@[192.0.2.1]', '1: "bob@[192.0.2.1]" is no address: "[192.0.2.1]" is no domain'],
    ['two dots', '\nbob@a..b', '2: "bob@a..b" is no address: "a..b" is no domain'],
  ])('refused: %s', (_, text, refusal) => {
    expect(refusalsOf(text)).toEqual([refusal]);
  });

  it('one broken line refuses the file, and every one is named with its number; a long one is cut', () => {
    const long = `${'x'.repeat(100)} y`;
    expect(refusalsOf(`bob@example.com\na b\n# c d\n\n${long}`)).toEqual([
      `2: "a b" ${NOT_ONE}`,
      `5: "${'x'.repeat(77)}..." ${NOT_ONE}`,
    ]);
  });

  it('more broken lines than anybody reads are counted', () => {
    const list = parseRecipientFile('a b\n'.repeat(250));
    if (list.ok) throw new Error('the file is broken');
    expect([list.error.refusals.length, list.error.refusals.at(-1)?.line, list.error.more]).toEqual([100, 100, 150]);
  });
});

describe('a look-up', () => {
  const list = listOf('b@x.example\nd@x.example\nf@x.example\n@y.example\n');

  it.each([
    '',
    'a@x.example',
    'b',
    'b@x.exampl',
    'b@x.examples',
    'B@x.example',
    'e@x.example',
    'g@x.example',
    '@x.example',
    '\u{10ffff}',
  ])('"%s" is not in it', (name) => {
    expect(recipientListHas(list, name)).toBe(false);
  });

  it('in an empty list finds nothing', () => {
    expect(recipientListHas(listOf(''), '')).toBe(false);
    expect(recipientListSize(listOf(''))).toBe(0);
  });

  it('half characters, and marks at the beginning of a name, do not put the order out', () => {
    const names = ['\ue000', '\ufeffa', '\ufffd', '\u{10000}', '\ufeff'];
    const odd = listOf(['"\ud800"', '"\ufeffa"', '"\ufeff"', '\ue000', '\u{10000}'].join('\n'));
    expect(recipientListSize(odd)).toBe(names.length);
    for (const name of names) expect(recipientListHas(odd, name), JSON.stringify(name)).toBe(true);
  });
});

describe('a million lines', () => {
  const SIZE = 1_000_000;
  const nameAt = (n: number): string => `user${n}@d${n % 1000}.example`;

  it('are as many names as they are, in one block of text, and found by as many steps as a binary search needs', () => {
    // In an order that is not that of the text.
    const text = Array.from({ length: SIZE }, (_, n) => nameAt((n * 7_919) % SIZE)).join('\n');
    const decoded = vi.spyOn(TextDecoder.prototype, 'decode');
    try {
      const list = listOf(text);
      expect(recipientListSize(list)).toBe(SIZE);
      expect(list.text.length).toBe(text.length - (SIZE - 1));
      expect(list.text.byteLength + list.starts.byteLength).toBe(list.text.length + 4 * (SIZE + 1));
      expect(decoded).not.toHaveBeenCalled();
      let most = 0;
      for (let n = 0; n < SIZE; n += 9_973) {
        decoded.mockClear();
        expect(recipientListHas(list, nameAt(n))).toBe(true);
        most = Math.max(most, decoded.mock.calls.length);
        decoded.mockClear();
        expect(recipientListHas(list, `${nameAt(n)}x`)).toBe(false);
        most = Math.max(most, decoded.mock.calls.length);
      }
      expect(most).toBeLessThanOrEqual(20);
      expect(most).toBeGreaterThan(15);
    } finally {
      decoded.mockRestore();
    }
  }, 60_000);
});
