import { Buffer } from 'node:buffer';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { NetstringDecoder, encodeNetstring } from '../../../src/wire/netstring/index.ts';
import { SocketmapDecoder, encodeSocketmapReply } from '../../../src/wire/socketmap/index.ts';
import type { SocketmapReply } from '../../../src/wire/socketmap/index.ts';
import { cut, events } from './chunking.ts';

const LIMIT = 40;
const payload = fc.uint8Array({ maxLength: LIMIT + 3 }).map((bytes) => Buffer.from(bytes));
const netstring = payload.map((bytes) => encodeNetstring(bytes));
const query = fc
  .tuple(fc.constantFrom('tls', 'transport', ''), fc.constantFrom(' ', ' ', ' ', ''), fc.string({ maxLength: 12 }))
  .map((parts) => encodeNetstring(parts.join('')));
const odd = fc.constantFrom('0:,', '00:,', '3:abc;', ':', 'a', '99999:', '1').map((text) => Buffer.from(text));
const noise = fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes));
const stream = fc
  .array(fc.oneof({ weight: 4, arbitrary: netstring }, { weight: 6, arbitrary: query }, odd, noise), { maxLength: 8 })
  .map((parts) => Buffer.concat(parts));

describe('NetstringDecoder', () => {
  it('any chunking gives equal events, never throws and never keeps more than the limit', () => {
    fc.assert(
      fc.property(cut(stream), ({ stream: bytes, cuts }) => {
        const decoder = (): NetstringDecoder => new NetstringDecoder({ maxPayloadBytes: LIMIT });
        expect(events(decoder(), bytes, cuts, LIMIT)).toEqual(events(decoder(), bytes, [], LIMIT));
      }),
      { numRuns: 2000 },
    );
  });

  it('decodes what was encoded, in order', () => {
    fc.assert(
      fc.property(fc.array(payload), (payloads) => {
        const bytes = Buffer.concat(payloads.map((part) => encodeNetstring(part)));
        const got = new NetstringDecoder()
          .receive(bytes)
          .map((event) => (event.kind === 'payload' ? event.payload : event));
        expect(got).toEqual(payloads);
      }),
    );
  });
});

describe('SocketmapDecoder', () => {
  it('TLS-08 any chunking gives equal events, never throws and never keeps more than the limit', () => {
    fc.assert(
      fc.property(cut(stream), ({ stream: bytes, cuts }) => {
        const decoder = (): SocketmapDecoder => new SocketmapDecoder({ maxQueryBytes: LIMIT });
        expect(events(decoder(), bytes, cuts, LIMIT)).toEqual(events(decoder(), bytes, [], LIMIT));
      }),
      { numRuns: 2000 },
    );
  });

  it('TLS-08 decodes what was encoded: any key, also an empty one', () => {
    const map = fc.string({ unit: 'binary' }).filter((name) => !name.includes(' '));
    fc.assert(
      fc.property(fc.array(fc.record({ map, key: fc.string({ unit: 'binary' }) })), (queries) => {
        const bytes = Buffer.concat(queries.map(({ map: name, key }) => encodeNetstring(`${name} ${key}`)));
        expect(new SocketmapDecoder().receive(bytes)).toEqual(queries.map((asked) => ({ kind: 'query', ...asked })));
      }),
    );
  });

  it('a reply is one netstring that Postfix reads back: a word, a space and the text', () => {
    const text = fc.string({ unit: 'binary' }).filter((value) => !/[\0\r\n]/.test(value));
    const reply: fc.Arbitrary<SocketmapReply> = fc.oneof(
      text.filter((value) => value !== '').map((value) => ({ kind: 'ok' as const, value })),
      fc.constant({ kind: 'notfound' as const }),
      fc.record({ kind: fc.constantFrom('temp' as const, 'timeout' as const, 'perm' as const), reason: text }),
    );
    fc.assert(
      fc.property(reply, (sent) => {
        const [event] = new NetstringDecoder().receive(encodeSocketmapReply(sent));
        const read = event?.kind === 'payload' ? /^([A-Z]+) ([^]*)$/.exec(event.payload.toString()) : null;
        const said = sent.kind === 'ok' ? sent.value : sent.kind === 'notfound' ? '' : sent.reason;
        expect(read?.slice(1)).toEqual([sent.kind.toUpperCase(), said]);
      }),
    );
  });
});
