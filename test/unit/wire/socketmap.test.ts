import { Buffer } from 'node:buffer';
import { describe, expect, it } from 'vitest';
import { LocalProtocolError } from '../../../src/wire/protocol-error.ts';
import { SocketmapDecoder, encodeSocketmapReply } from '../../../src/wire/socketmap/index.ts';
import type { SocketmapReply } from '../../../src/wire/socketmap/index.ts';

function feed(decoder: SocketmapDecoder, ...chunks: readonly (string | Buffer)[]): string[] {
  return chunks
    .flatMap((chunk) => [...decoder.receive(typeof chunk === 'string' ? Buffer.from(chunk) : chunk)])
    .map((event) =>
      event.kind === 'query'
        ? `${event.map}|${event.key}`
        : `fault ${event.error.fault.protocol} ${event.error.fault.code} ${event.error.fault.offset}`,
    );
}

describe('SocketmapDecoder', () => {
  it('TLS-08 a netstring cut in two is one query, wherever the cut falls', () => {
    const whole = '7:tls a.b,';
    for (let at = 0; at <= whole.length; at++) {
      const decoder = new SocketmapDecoder();
      expect(feed(decoder, whole.slice(0, at)), `cut at ${at}`).toEqual(at === whole.length ? ['tls|a.b'] : []);
      expect(decoder.isIdle).toBe(at === 0 || at === whole.length);
      expect(feed(decoder, whole.slice(at))).toEqual(at === whole.length ? [] : ['tls|a.b']);
      expect(decoder.isIdle).toBe(true);
    }
  });

  it('TLS-08 two queries in one write come in order', () => {
    expect(feed(new SocketmapDecoder(), '7:tls a.b,7:tls a.b,')).toEqual(['tls|a.b', 'tls|a.b']);
  });

  it('TLS-08 the key may be empty', () => {
    expect(feed(new SocketmapDecoder(), '4:tls ,')).toEqual(['tls|']);
  });

  it.each([
    ['transport "a b"@example.org', 'transport|"a b"@example.org'],
    ['transport *', 'transport|*'],
    ['tls  a', 'tls| a'],
    ['tls [127.0.0.1]:2546', 'tls|[127.0.0.1]:2546'],
    [' a', '|a'],
    ['transport jürgen@例え.example', 'transport|jürgen@例え.example'],
  ])('reads %j', (query, expected) => {
    expect(feed(new SocketmapDecoder(), `${Buffer.byteLength(query)}:${query},`)).toEqual([expected]);
  });

  it('reads octets that are not UTF-8 as latin1', () => {
    const query = Buffer.concat([Buffer.from('3:a '), Buffer.from([0xfc]), Buffer.from(',')]);
    expect(feed(new SocketmapDecoder(), query)).toEqual(['a|ü']);
  });

  it('a query without a space is a fault after the good queries; nothing is read after it', () => {
    const decoder = new SocketmapDecoder();
    expect(feed(decoder, '7:tls a.b,3:tls,7:tls a.b,9:tls')).toEqual([
      'tls|a.b',
      'fault Postfix socketmap_table(5) query-without-space 12',
    ]);
    expect(feed(decoder, '7:tls a.b,')).toEqual([]);
    expect([decoder.isIdle, decoder.bufferedBytes]).toEqual([true, 0]);
  });

  it('a bad netstring is a fault', () => {
    const decoder = new SocketmapDecoder();
    expect(feed(decoder, '7:tls a.b;')).toEqual(['fault netstring no-comma 9']);
    expect(feed(decoder, '7:tls a.b,')).toEqual([]);
  });

  it('checks the length before it keeps anything', () => {
    const decoder = new SocketmapDecoder({ maxQueryBytes: 7 });
    expect(feed(decoder, '7:tls a')).toEqual([]);
    expect(decoder.bufferedBytes).toBe(5);
    expect(feed(decoder, '.b,8:')).toEqual(['tls|a.b', 'fault netstring payload-too-long 10']);
    expect(feed(new SocketmapDecoder(), '100001:')).toEqual(['fault netstring payload-too-long 5']);
  });
});

describe('encodeSocketmapReply', () => {
  it.each<[SocketmapReply, string]>([
    [{ kind: 'ok', value: 'secure match=mx.example.org' }, '30:OK secure match=mx.example.org,'],
    [{ kind: 'ok', value: 'é' }, '5:OK é,'],
    [{ kind: 'notfound' }, '9:NOTFOUND ,'],
    [{ kind: 'temp', reason: 'settings unreadable' }, '24:TEMP settings unreadable,'],
    [{ kind: 'temp', reason: '' }, '5:TEMP ,'],
    [{ kind: 'timeout', reason: 'busy' }, '12:TIMEOUT busy,'],
    [{ kind: 'perm', reason: 'no such map' }, '16:PERM no such map,'],
  ])('%j', (reply, expected) => {
    expect(encodeSocketmapReply(reply).toString()).toBe(expected);
  });

  it.each<[SocketmapReply, string]>([
    [{ kind: 'ok', value: '' }, 'value-empty'],
    [{ kind: 'ok', value: 'a\nb' }, 'reply-not-one-line'],
    [{ kind: 'ok', value: 'a\rb' }, 'reply-not-one-line'],
    [{ kind: 'ok', value: 'a\0b' }, 'reply-not-one-line'],
    [{ kind: 'perm', reason: 'a\n' }, 'reply-not-one-line'],
    [{ kind: 'ok', value: 'a'.repeat(99_998) }, 'payload-too-long'],
  ])('refuses what Postfix could not read (%#)', (reply, code) => {
    expect(() => encodeSocketmapReply(reply)).toThrow(LocalProtocolError);
    expect(() => encodeSocketmapReply(reply)).toThrow(
      expect.objectContaining({ fault: expect.objectContaining({ code }) as unknown }),
    );
  });

  it('sends a reply of exactly 100,000 octets', () => {
    expect(encodeSocketmapReply({ kind: 'ok', value: 'a'.repeat(99_997) })).toHaveLength(100_008);
  });
});
