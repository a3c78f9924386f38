import { describe, expect, it } from 'vitest';
import { LogLines, maxLogLineOctets, parseLogTime } from '../../../../src/wire/postfix-log/index.ts';

const take = (lines: LogLines, text: string | Buffer): string[] => lines.receive(Buffer.from(text));

describe('LogLines', () => {
  it('a line is there with its end, whatever pieces it came in', () => {
    const lines = new LogLines();
    expect(take(lines, 'on')).toEqual([]);
    expect(lines.pendingOctets).toBe(2);
    expect(take(lines, 'e\r\ntwo\n\nth')).toEqual(['one', 'two', '']);
    expect(lines.pendingOctets).toBe(2);
    lines.reset();
    expect(lines.pendingOctets).toBe(0);
    expect(take(lines, 'ree\n')).toEqual(['ree']);
  });

  it('a line of 8 KiB is taken, a longer one left out whole, and the next taken again', () => {
    const lines = new LogLines();
    const longest = 'x'.repeat(maxLogLineOctets);
    expect(take(lines, `${longest}\n${longest}y\nz\n`)).toEqual([longest, 'z']);
    for (let n = 0; n < 20; n += 1) expect(take(lines, 'x'.repeat(1000))).toEqual([]);
    expect(lines.pendingOctets).toBe(20_000);
    expect(take(lines, 'end\nnext\n')).toEqual(['next']);
    expect(lines.pendingOctets).toBe(0);
  });

  it('octets that are no UTF-8, and the zeros of a file that was cut under its writer', () => {
    const lines = new LogLines();
    expect(take(lines, Buffer.from('\0\0\0a\xff\n', 'latin1'))).toEqual(['a\ufffd']);
    expect(take(lines, Buffer.from('\0\0\n', 'latin1'))).toEqual(['']);
  });

  it('keeps a copy, not the memory that it was given', () => {
    const lines = new LogLines();
    const chunk = Buffer.from('one');
    lines.receive(chunk);
    chunk.fill(0x21);
    expect(take(lines, '\n')).toEqual(['one']);
  });
});

describe('parseLogTime', () => {
  const at = (year: number, month: number, day: number, hour = 12): number =>
    new Date(year, month - 1, day, hour).getTime();

  it.each([
    ['Nov 25 12:00:00', at(2026, 11, 25, 13), at(2026, 11, 25)],
    ['Jan  1 00:00:00', at(2027, 1, 1, 1), at(2027, 1, 1, 0)],
    // Read after New Year, and by a clock that is a little behind.
    ['Dec 31 12:00:00', at(2027, 1, 1, 1), at(2026, 12, 31)],
    ['Nov 25 12:00:00', at(2026, 11, 25, 11), at(2026, 11, 25)],
    ['Feb 29 12:00:00.25', at(2028, 3, 1), at(2028, 2, 29)],
  ])('%s', (text, now, expected) => {
    expect(parseLogTime(text, now)).toBe(expected);
  });

  it.each([
    ['2026-11-25T11:33:17.123456+01:00', Date.UTC(2026, 10, 25, 10, 33, 17, 123)],
    ['2026-11-25T11:33:17Z', Date.UTC(2026, 10, 25, 11, 33, 17)],
    ['2026-11-25T11:33:17,5Z', Date.UTC(2026, 10, 25, 11, 33, 17, 500)],
  ])('%s', (text, expected) => {
    expect(parseLogTime(text, 0)).toBe(expected);
  });

  it.each(['', 'yesterday', 'Foo 25 12:00:00', '2026-13-25T11:33:17Z', '12'])('%j is no time', (text) => {
    expect(parseLogTime(text, 0)).toBeNull();
  });
});
