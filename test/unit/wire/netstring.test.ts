import { Buffer } from 'node:buffer';
import { describe, expect, it } from 'vitest';
import { NetstringDecoder, encodeNetstring, maxNetstringBytes } from '../../../src/wire/netstring/index.ts';
import { LocalProtocolError } from '../../../src/wire/protocol-error.ts';

function feed(decoder: NetstringDecoder, ...chunks: readonly string[]): string[] {
  return chunks
    .flatMap((chunk) => [...decoder.receive(Buffer.from(chunk, 'latin1'))])
    .map((event) =>
      event.kind === 'payload'
        ? `${event.offset} ${event.payload.toString('latin1')}`
        : `fault ${event.error.fault.code} ${event.error.fault.offset}`,
    );
}

describe('NetstringDecoder', () => {
  it.each([
    [['3:abc,'], ['2 abc']],
    [['0:,'], ['2 ']],
    [['0:', ','], ['2 ']],
    [['12:hello, world,'], ['3 hello, world']],
    [['3:abc,0:,2:de,'], ['2 abc', '8 ', '11 de']],
    [
      ['1', '0:01234', '56789', ',1:x,'],
      ['3 0123456789', '16 x'],
    ],
    [['3:abc', ','], ['2 abc']],
    [Array.from('3:abc,1:x,'), ['2 abc', '8 x']],
    [[''], []],
  ])('reads %j', (chunks, expected) => {
    const decoder = new NetstringDecoder();
    expect(feed(decoder, ...chunks)).toEqual(expected);
    expect(decoder.isIdle).toBe(true);
    expect(decoder.bufferedBytes).toBe(0);
  });

  it.each(['1', '3:', '3:ab', '0:', '3:abc'])('waits for the rest of %j', (text) => {
    const decoder = new NetstringDecoder();
    expect(feed(decoder, text)).toEqual([]);
    expect(decoder.isIdle).toBe(false);
  });

  it.each([
    [':', 'bad-length 0'],
    ['a', 'bad-length 0'],
    [' 3:abc,', 'bad-length 0'],
    ['-1:', 'bad-length 0'],
    ['/:', 'bad-length 0'],
    ['3;abc,', 'bad-length 1'],
    ['00:,', 'bad-length 1'],
    ['03:abc,', 'bad-length 1'],
    ['100001:', 'payload-too-long 5'],
    ['9999999999:', 'payload-too-long 5'],
    ['3:abcd', 'no-comma 5'],
    ['0:x', 'no-comma 2'],
    ['3:abc\n', 'no-comma 5'],
  ])('%j is a fault, whole and octet by octet', (text, expected) => {
    const good = '2:ok,';
    const offset = (fault: string): string => fault.replace(/\d+$/, (at) => String(Number(at) + good.length));
    expect(feed(new NetstringDecoder(), `${good}${text}2:ok,`)).toEqual(['2 ok', `fault ${offset(expected)}`]);
    const decoder = new NetstringDecoder();
    expect(feed(decoder, ...Array.from(`${good}${text}`))).toEqual(['2 ok', `fault ${offset(expected)}`]);
    expect(feed(decoder, '2:ok,')).toEqual([]);
    expect(decoder.bufferedBytes).toBe(0);
  });

  it('reads at most nine digits whatever the limit', () => {
    expect(feed(new NetstringDecoder({ maxPayloadBytes: Number.MAX_SAFE_INTEGER }), '1234567890:')).toEqual([
      'fault bad-length 9',
    ]);
  });

  it('takes a payload at the limit and none above it', () => {
    expect(feed(new NetstringDecoder({ maxPayloadBytes: 3 }), '3:abc,4:')).toEqual([
      '2 abc',
      'fault payload-too-long 6',
    ]);
    expect(feed(new NetstringDecoder(), `100000:${'a'.repeat(100_000)},`)).toEqual([`7 ${'a'.repeat(100_000)}`]);
  });

  it('keeps what has come, not what was announced', () => {
    const decoder = new NetstringDecoder();
    feed(decoder, '99999:abc');
    expect(decoder.bufferedBytes).toBe(3);
  });

  it('keeps its own copy of a payload that came in parts', () => {
    const decoder = new NetstringDecoder();
    const part = Buffer.from('5:ab');
    decoder.receive(part);
    part.fill(0);
    expect(feed(decoder, 'cde,')).toEqual(['2 abcde']);
  });
});

describe('encodeNetstring', () => {
  it('counts octets, not characters', () => {
    expect(encodeNetstring('é').toString()).toBe('2:é,');
    expect(encodeNetstring('').toString()).toBe('0:,');
    expect(encodeNetstring(Buffer.from([0, 255])).equals(Buffer.from([0x32, 0x3a, 0, 255, 0x2c]))).toBe(true);
  });

  it('sends 100,000 octets and refuses more', () => {
    expect(encodeNetstring('a'.repeat(maxNetstringBytes))).toHaveLength(100_000 + 8);
    for (const payload of ['a'.repeat(100_001), 'é'.repeat(50_001), Buffer.alloc(100_001)]) {
      expect(() => encodeNetstring(payload)).toThrow(LocalProtocolError);
    }
  });
});
