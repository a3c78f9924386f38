/** Replies out of octets in any pieces, and the limits of what is read. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { PeerFault } from '../../../src/adapters/smtp-probe/peer-fault.ts';
import { ReplyReader, replyText, shown, type SmtpReply } from '../../../src/adapters/smtp-probe/reply-reader.ts';

const text = fc.string({ unit: 'grapheme-ascii', maxLength: 40 });
const reply: fc.Arbitrary<SmtpReply> = fc.record({
  code: fc.integer({ min: 200, max: 599 }),
  lines: fc.array(text, { minLength: 1, maxLength: 128 }),
});
const octetsOf = ({ code, lines }: SmtpReply, eol: string): string =>
  lines.map((line, index) => `${code}${index < lines.length - 1 ? '-' : ' '}${line}${eol}`).join('');

it('any chunking gives the replies that were sent, and hasMore says whether octets are left', () => {
  fc.assert(
    fc.property(
      fc.array(reply, { minLength: 1, maxLength: 4 }),
      fc.constantFrom('\r\n', '\n'),
      fc.array(fc.integer({ min: 1, max: 600 }), { minLength: 1 }),
      (replies, eol, sizes) => {
        const octets = Buffer.from(replies.map((each) => octetsOf(each, eol)).join(''));
        const reader = new ReplyReader();
        const read: SmtpReply[] = [];
        for (let at = 0, n = 0; at < octets.length; n++) {
          const size = sizes[n % sizes.length] ?? 1;
          reader.push(octets.subarray(at, at + size));
          at += size;
          for (let next = reader.take(); next !== null; next = reader.take()) read.push(next);
        }
        expect(read).toEqual(replies);
        expect(reader.hasMore).toBe(false);
      },
    ),
  );
});

it('any octets give replies or a fault, never anything else, and never more than the limits', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), (octets) => {
      const reader = new ReplyReader();
      try {
        reader.push(Buffer.from(octets));
        for (let next = reader.take(); next !== null; next = reader.take()) {
          expect(next.lines.length).toBeGreaterThan(0);
          expect(replyText(next)).not.toMatch(/\p{Cc}/u);
        }
      } catch (error) {
        expect(error).toBeInstanceOf(PeerFault);
      }
    }),
  );
});

const taking = (octets: string): (() => unknown) => {
  const reader = new ReplyReader();
  reader.push(Buffer.from(octets));
  return () => reader.take();
};

it('at a limit it is read, one above it is a fault', () => {
  const line = (length: number): string => `250 ${'x'.repeat(length - 6)}\r\n`;
  expect(taking(line(2048))()).not.toBeNull();
  expect(taking(line(2049))).toThrow(/more than 2048 octets/);
  expect(taking('2'.repeat(2048))()).toBeNull();
  expect(taking('2'.repeat(2049))).toThrow(/more than 2048 octets/);
  expect(taking(`${'250-x\r\n'.repeat(127)}250 x\r\n`)()).not.toBeNull();
  expect(taking(`${'250-x\r\n'.repeat(128)}250 x\r\n`)).toThrow(/more than 128 lines/);
  const reader = new ReplyReader();
  reader.push(Buffer.alloc(65_536, '250 x\r\n'));
  expect(() => {
    reader.push(Buffer.from('2'));
  }).toThrow(/without being asked/);
});

it('a reply of several lines has the code of its last line, as Postfix reads it', () => {
  expect(taking('220-a\r\n554 b\r\n')()).toEqual({ code: 554, lines: ['a', 'b'] });
  expect(taking('220\r\n')()).toEqual({ code: 220, lines: [''] });
});

it('what is shown is cut short and holds no control character', () => {
  expect(shown(`a\x1b\x00b\n${'c'.repeat(100)}`)).toBe(`a?b?${'c'.repeat(76)}…`);
});
