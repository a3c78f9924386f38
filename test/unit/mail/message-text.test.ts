import { describe, expect, it } from 'vitest';
import { readMessageText } from '../../../src/mail/index.ts';

const shown = (text: string): [string[], string] => {
  const { headers, body } = readMessageText(text);
  return [headers.map(({ name, value }) => `${name}:${value}`), body];
};

describe('readMessageText', () => {
  it.each([
    ['LF', 'From: a@example.com\nSubject: x\n\nbody\n', ['From: a@example.com', 'Subject: x'], 'body\n'],
    ['CRLF', 'From: a@example.com\r\nSubject: x\r\n\r\nbody\r\n', ['From: a@example.com', 'Subject: x'], 'body\r\n'],
    ['mixed', 'A: 1\r\nB: 2\n\r\nbody', ['A: 1', 'B: 2'], 'body'],
    ['folds stay, as LF', 'A:\r\n one\r\n\ttwo  \r\nB: 2\r\n\r\n', ['A:\n one\n\ttwo  ', 'B: 2'], ''],
    ['a line of white space is a fold', 'A: 1\n \nB: 2\n\nx', ['A: 1\n ', 'B: 2'], 'x'],
    ['no body', 'A: 1\n', ['A: 1'], ''],
    ['no final line end', 'A: 1\nB: 2', ['A: 1', 'B: 2'], ''],
    ['no header', '\nA: 1\n\nB: 2\n', [], 'A: 1\n\nB: 2\n'],
    ['nothing at all', '', [], ''],
    ['only a line end', '\r\n', [], ''],
    ['empty lines in the body', 'A: 1\n\n\n\nB: 2\n', ['A: 1'], '\n\nB: 2\n'],
    ['an mbox From line', 'From a@b Mon Jan  1\nA: 1\n\nx', ['A: 1'], 'x'],
    ['a quoted mbox From line', '>From a@b Mon Jan  1\nA: 1\n\nx', ['A: 1'], 'x'],
    ['a message that is only an mbox From line', 'From a@b', [], ''],
    ['an empty value, and none after the colon', 'A:\nB: \n\n', ['A:', 'B: '], ''],
    ['a space before the colon', 'A \t: 1\n\n', ['A: 1'], ''],
    ['colons in the value', 'A: b: c\n\n', ['A: b: c'], ''],
    [
      'a line that is no field begins the body',
      'A: 1\nwhat is this\n folded\nB: 2\n',
      ['A: 1'],
      'what is this\n folded\nB: 2\n',
    ],
    ['a fold of nothing begins the body', ' folded\nA: 1\n', [], ' folded\nA: 1\n'],
    ['a lone CR belongs to the value', 'A: 1\rB: 2\n\n', ['A: 1\rB: 2'], ''],
    ['octets stay', 'A: \xe4\xf6\xa0\n\n\xff\0', ['A: \xe4\xf6\xa0'], '\xff\0'],
  ])('%s', (_, text, headers, body) => {
    expect(shown(text)).toEqual([headers, body]);
  });
});
