import { describe, expect, it } from 'vitest';
import {
  encodeIndexedTable,
  encodeRegexpTable,
  escapeRegexp,
  maxTextOctets,
  type TableEntry,
} from '../../../../src/wire/postfix-map/index.ts';
import { LocalProtocolError } from '../../../../src/wire/protocol-error.ts';

function refusal(encode: () => string): string {
  try {
    return `taken: ${JSON.stringify(encode())}`;
  } catch (error) {
    if (!(error instanceof LocalProtocolError)) throw error;
    return error.message;
  }
}

const indexed = (key: string, value: string): string => refusal(() => encodeIndexedTable([{ key, value }]));
const regexp = (key: string, value: string): string => refusal(() => encodeRegexpTable([{ key, value }]));
const route = 'postern:[192.0.2.7]:25';

describe('encodeIndexedTable', () => {
  it('writes one line an entry, in the order given', () => {
    const entries: TableEntry[] = [
      { key: 'example.com', value: route },
      { key: 'u+tag=x@example.com', value: 'postern:mx.example.net:2525' },
      { key: '.route.postern.internal', value: 'retry:4.3.5 Postern route not installed' },
    ];
    expect(encodeIndexedTable(entries)).toBe(
      'example.com\tpostern:[192.0.2.7]:25\n' +
        'u+tag=x@example.com\tpostern:mx.example.net:2525\n' +
        '.route.postern.internal\tretry:4.3.5 Postern route not installed\n',
    );
  });

  it.each(['secure match=nexthop:dot-nexthop', 'verify match=dlp.example.org'])('writes the TLS policy %s', (value) => {
    expect(encodeIndexedTable([{ key: '[192.0.2.1]:25', value }])).toBe(`[192.0.2.1]:25\t${value}\n`);
  });

  it('MAP-04 no entries make an empty text', () => {
    expect(encodeIndexedTable([])).toBe('');
  });

  it.each([
    ['x\n* discard:', 'the key holds a line break'],
    ['x\r* discard:', 'the key holds a line break'],
    [' leading', 'the key holds a space'],
    ['a b', 'the key holds a space'],
    ['a\tb', 'the key holds a control character or one outside ASCII'],
    ['#c', 'the key begins a comment'],
    ['', 'the key is empty'],
    ['alias:', 'the key ends with a colon'],
    ['"a b"@example.com', 'the key holds a space'],
    ['"a"@example.com', 'the key holds a quote or a backslash'],
    ['a\\', 'the key holds a quote or a backslash'],
    ['Example.com', 'the key holds a capital letter'],
    ['bücher.example', 'the key holds a control character or one outside ASCII'],
    ['a\u0000b', 'the key holds a control character or one outside ASCII'],
    ['a\u2028b', 'the key holds a control character or one outside ASCII'],
    ['a\u00a0b', 'the key holds a control character or one outside ASCII'],
    ['*', 'the key is a catch-all'],
    ['k'.repeat(maxTextOctets + 1), 'the key is longer than 1024 octets'],
  ])('MAP-06 refuses the key %j', (key, why) => {
    expect(indexed(key, route)).toBe(`line 1 of the table: ${why}`);
  });

  it.each([
    ['postern:[x]:25\n* discard:', 'the value holds a line break'],
    ['postern:[x]:25\n  more', 'the value holds a line break'],
    ['relay.example.net]:25 #', 'the value holds a space'],
    ['postern:[a b]:25', 'the value holds a space'],
    [' postern:[x]:25', 'the value begins or ends with a space'],
    ['postern:[x]:25 ', 'the value begins or ends with a space'],
    ['retry:4.3.5  two', 'the value holds two spaces in a row'],
    ['retry: 4.3.5 x', 'the value holds a space'],
    ['discard:a b', 'the value holds a space'],
    ['verify match=a b', 'the value holds a space'],
    ['encrypt match=a', 'the value holds a space'],
    ['secure match=', 'the value holds a space'],
    ['postern:\t[x]:25', 'the value holds a control character or one outside ASCII'],
    ['', 'the value is empty'],
  ])('MAP-06 refuses the value %j', (value, why) => {
    expect(indexed('example.com', value)).toBe(`line 1 of the table: ${why}`);
  });

  it('takes the longest key and value', () => {
    const text = 'k'.repeat(maxTextOctets);
    expect(encodeIndexedTable([{ key: text, value: text }])).toBe(`${text}\t${text}\n`);
  });

  it('refuses a key that comes twice, and names line and offset', () => {
    const entries = ['a', 'b', 'a'].map((key) => ({ key, value: 'x:y' }));
    expect(() => encodeIndexedTable(entries)).toThrow(
      expect.objectContaining({
        message: 'line 3 of the table: the key a comes twice',
        fault: { code: 'TABLE_TEXT', protocol: 'Postfix table', offset: 12 },
      }),
    );
  });
});

describe('encodeRegexpTable', () => {
  it('writes patterns between slashes, in the order given', () => {
    const entries: TableEntry[] = [
      { key: String.raw`^"(.+)=([^=@"]+)"@r[0-9]+\.route\.postern\.internal$`, value: '"$1"@$2' },
      { key: '^Received:.*[[:space:]]by[[:space:]]', value: 'PREPEND X-Postern-Route: r7-0123abcd' },
    ];
    expect(encodeRegexpTable(entries)).toBe(
      '/^"(.+)=([^=@"]+)"@r[0-9]+\\.route\\.postern\\.internal$/\t"$1"@$2\n' +
        '/^Received:.*[[:space:]]by[[:space:]]/\tPREPEND X-Postern-Route: r7-0123abcd\n',
    );
  });

  it.each([
    ['a\nb', 'the pattern holds a line break'],
    ['', 'the pattern is empty'],
    ['a b', 'the pattern holds a space'],
    ['a/ x', 'the pattern holds a space'],
    ['a/b', 'the pattern holds a slash that is not escaped'],
    ['a\\\\/b', 'the pattern holds a slash that is not escaped'],
    ['a\\', 'the pattern ends with a backslash'],
    ['a\\\\\\', 'the pattern ends with a backslash'],
    ['ä', 'the pattern holds a control character or one outside ASCII'],
  ])('MAP-06 refuses the pattern %j', (pattern, why) => {
    expect(regexp(pattern, 'x')).toBe(`line 1 of the table: ${why}`);
  });

  it.each([
    ['x\n/^/ DISCARD', 'the result holds a line break'],
    ['', 'the result is empty'],
    [' x', 'the result begins or ends with a space'],
    ['$0', 'the result holds a dollar that names no group'],
    ['${name}', 'the result holds a dollar that names no group'],
    ['$$$', 'the result holds a dollar that names no group'],
  ])('MAP-06 refuses the result %j', (result, why) => {
    expect(regexp('x', result)).toBe(`line 1 of the table: ${why}`);
  });

  it.each(['$1', '${1}@$(22)', '$$', 'a $1 b'])('takes the result %j', (result) => {
    expect(encodeRegexpTable([{ key: '(.)', value: result }])).toBe(`/(.)/\t${result}\n`);
  });
});

describe('escapeRegexp', () => {
  it('escapes what means something in a pattern, and the delimiter', () => {
    expect(escapeRegexp(String.raw`a.b*c+d?e^f$g|h(i)j{k}l[m]n/o\p`)).toBe(
      String.raw`a\.b\*c\+d\?e\^f\$g\|h\(i\)j\{k\}l\[m\]n\/o\\p`,
    );
    expect(escapeRegexp('mx-1_a@b')).toBe('mx-1_a@b');
  });
});
