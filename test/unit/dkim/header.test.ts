import { describe, expect, it } from 'vitest';
import {
  canonicalHeaderField,
  comparableName,
  overlongHeaderFields,
  type HeaderField,
} from '../../../src/dkim/index.ts';

describe('SIG-01 header fields as hashed', () => {
  it.each<[HeaderField, string, string]>([
    [
      { name: 'List-Unsubscribe', value: '\n <https://example.com/u?x=1>' },
      'list-unsubscribe:<https://example.com/u?x=1>',
      'List-Unsubscribe:\r\n <https://example.com/u?x=1>',
    ],
    [{ name: 'Subject ', value: '  A \t B  ' }, 'subject:A B', 'Subject :  A \t B  '],
    [{ name: 'X', value: '\n\tone\n  two' }, 'x:one two', 'X:\r\n\tone\r\n  two'],
    [{ name: 'X', value: '\r\n\tone\r\n  two' }, 'x:one two', 'X:\r\n\tone\r\n  two'],
    [{ name: 'X-Empty', value: '' }, 'x-empty:', 'X-Empty:'],
    [{ name: 'X-Empty', value: ' \n\t' }, 'x-empty:', 'X-Empty: \r\n\t'],
    [{ name: 'X\t ', value: 'none' }, 'x:none', 'X\t :none'],
    [{ name: 'X', value: ' \u00a0\u00c4\u000b ' }, 'x:\u00a0\u00c4\u000b', 'X: \u00a0\u00c4\u000b '],
  ])('SIG-01 %j', (field, relaxed, simple) => {
    expect(canonicalHeaderField(field, 'relaxed')).toBe(relaxed);
    expect(canonicalHeaderField(field, 'simple')).toBe(simple);
  });

  it('SIG-01 a name keeps octets that are not ASCII letters', () => {
    expect(comparableName('X-\u00c4B')).toBe('x-\u00c4b');
    expect(comparableName(' ')).toBe('');
  });
});

describe('SIG-04 header lines over 998 octets', () => {
  it('SIG-04 names the field and its longest line', () => {
    const references = { name: 'References', value: ` ${'x'.repeat(1091)}` };
    const folded = { name: 'To', value: ` ${'x'.repeat(600)}\n ${'y'.repeat(996)}\r\n ${'z'.repeat(600)}` };
    const full = { name: 'X', value: 'x'.repeat(996) };
    expect(overlongHeaderFields([full, references, folded])).toEqual([{ name: 'References', octets: 1103 }]);
    expect(overlongHeaderFields([{ name: 'X', value: 'x'.repeat(997) }])).toEqual([{ name: 'X', octets: 999 }]);
  });
});
