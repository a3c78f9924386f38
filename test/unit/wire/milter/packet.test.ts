import { Buffer } from 'node:buffer';
import { describe, expect, it } from 'vitest';
import { PeerProtocolError, macro, maxPacketBytes, type MilterSession } from '../../../../src/wire/milter/index.ts';
import * as mta from './mta.ts';
import { agreed, feed, newSession, shown, tell, type Setup } from './told.ts';

describe('framing', () => {
  it('MIL-13 OPTNEG octet by octet is one negotiation', () => {
    const session = newSession();
    const events = [...mta.offer()].flatMap((octet) => session.receive(Uint8Array.of(octet)));
    expect(events.map(shown)).toEqual(['negotiated']);
    expect(session.bufferedBytes).toBe(0);
  });

  it('MIL-13 three headers in one write come in order', () => {
    const session = agreed();
    feed(session, mta.mail('<a@a.example>'));
    expect(tell(session, mta.header('A', ' 1'), mta.header('B', ' 2'), mta.header('A', ' 3'))).toEqual([
      'header A: 1',
      'header B: 2',
      'header A: 3',
    ]);
  });

  it('MIL-13 chunks of body cut inside CRLF and inside trailing spaces keep their octets', () => {
    const session = agreed();
    feed(session, mta.mail('<a@a.example>'));
    const events = feed(session, mta.body('one  '), mta.body('  \r'), mta.body('\n\xff\0'));
    const chunks = events.map((event) => (event.kind === 'body' ? event.chunk : Buffer.from('?')));
    expect(Buffer.concat(chunks).toString('latin1')).toBe('one    \r\n\xff\0');
  });

  it('MIL-13 length 0 is a fault, and nothing is read after it', () => {
    const session = agreed();
    expect(tell(session, mta.connect(), mta.u32(0), mta.helo())).toEqual([
      'connect [192.0.2.9] inet 192.0.2.9 1234',
      'fault packet-empty at 47',
    ]);
    expect(tell(session, mta.helo())).toEqual([]);
  });

  it.each([
    ['2^32-1', 2 ** 32 - 1],
    ['one more than the limit', maxPacketBytes + 1],
  ])('MIL-13 length %s is a fault as soon as it is known, however it is cut', (_, length) => {
    expect(tell(agreed(), mta.u32(length))).toEqual(['fault packet-too-long at 17']);
    const session = agreed();
    expect(tell(session, mta.u32(length).subarray(0, 3))).toEqual([]);
    expect(session.bufferedBytes).toBe(3);
    const [event] = session.receive(mta.u32(length).subarray(3));
    expect(event && shown(event)).toBe('fault packet-too-long at 17');
    expect(event?.kind === 'fault' && event.error).toBeInstanceOf(PeerProtocolError);
    expect(session.bufferedBytes).toBe(0);
  });

  it('MIL-13 length 0 in two chunks is a fault too', () => {
    const session = agreed();
    expect(tell(session, Buffer.of(0, 0))).toEqual([]);
    expect(tell(session, Buffer.of(0))).toEqual([]);
    expect(tell(session, Buffer.of(0))).toEqual(['fault packet-empty at 17']);
  });

  it('MIL-13 the longest packet is taken, in pieces, and is not kept afterwards', () => {
    const session = agreed();
    feed(session, mta.mail('<a@a.example>'));
    const whole = mta.body(Buffer.alloc(maxPacketBytes - 1, 'x'));
    for (let at = 0; at < whole.length - 1; at += 65_536) {
      expect(session.receive(whole.subarray(at, Math.min(at + 65_536, whole.length - 1)))).toEqual([]);
    }
    expect(session.bufferedBytes).toBe(whole.length - 1);
    const [event] = session.receive(whole.subarray(-1));
    expect(event?.kind === 'body' && event.chunk.equals(whole.subarray(5))).toBe(true);
    expect(session.bufferedBytes).toBe(0);
  });

  it('MIL-13 chunks of body handed out are not overwritten by later packets', () => {
    const session = agreed();
    feed(session, mta.mail('<a@a.example>'));
    const first = mta.body('first');
    session.receive(first.subarray(0, 7));
    const [event] = session.receive(first.subarray(7));
    const second = mta.body('other');
    session.receive(second.subarray(0, 7));
    session.receive(second.subarray(7));
    expect(event?.kind === 'body' && event.chunk.toString()).toBe('first');
  });

  describe('with streamsBody', () => {
    const inBody = (setup: Setup = {}): MilterSession => {
      const session = agreed({ streamsBody: true, ...setup });
      feed(session, mta.mail('<a@a.example>'));
      return session;
    };

    it('a part of a body is told when it comes, without a copy, and nothing is kept', () => {
      const session = inBody();
      const first = Buffer.concat([mta.u32(9), Buffer.from('Bab')]);
      const [event, ...others] = session.receive(first);
      expect(others).toEqual([]);
      expect(event?.kind === 'body' && event.chunk.buffer === first.buffer).toBe(true);
      expect(event && shown(event)).toBe('body ab');
      expect(session.bufferedBytes).toBe(0);
      expect(tell(session, Buffer.from('cde'))).toEqual(['body cde']);
      expect(session.receive(Buffer.alloc(0))).toEqual([]);
      expect(tell(session, Buffer.from('fgh'), mta.endOfMessage)).toEqual(['body fgh', 'endOfMessage?']);
    });

    it('a packet that comes octet by octet is told octet by octet, once its code is known', () => {
      const session = inBody();
      const told = [...Buffer.concat([mta.body('ab'), mta.endOfMessage])].map((octet) =>
        tell(session, Buffer.of(octet)),
      );
      expect(told).toEqual([[], [], [], [], [], ['body a'], ['body b'], [], [], [], [], ['endOfMessage?']]);
    });

    it('an empty body packet is told once, however it is cut', () => {
      expect(tell(inBody(), mta.body(''))).toEqual(['body ']);
      const session = inBody();
      expect(tell(session, mta.body('').subarray(0, 4))).toEqual([]);
      expect(tell(session, mta.body('').subarray(4))).toEqual(['body ']);
    });

    it('every part has the macros of its packet', () => {
      const session = inBody();
      const events = [
        ...feed(session, mta.macros('B', 'i', '4Q'), mta.body('abcd').subarray(0, 7)),
        ...feed(session, mta.body('abcd').subarray(7)),
      ];
      expect(events.map((event) => 'macros' in event && macro(event, 'i'))).toEqual(['4Q', '4Q']);
    });

    it('a body out of order is noticed once and then ignored to its end', () => {
      const session = agreed({ streamsBody: true });
      expect(tell(session, mta.body('abcd').subarray(0, 7))).toEqual(['notice out-of-order']);
      expect(session.isIdle).toBe(false);
      expect(tell(session, mta.body('abcd').subarray(7), mta.helo())).toEqual(['helo client.example']);
      expect(session.isIdle).toBe(true);
    });

    it('a body that is answered is told whole', () => {
      const session = inBody({ answers: new Set(['body']) });
      expect(tell(session, mta.body('abcd').subarray(0, 7))).toEqual([]);
      expect(tell(session, mta.body('abcd').subarray(7))).toEqual(['body? abcd']);
    });

    it('the chunk of BODYEOB is told whole', () => {
      const session = inBody();
      const packet = mta.packet('E', 'abcd');
      expect(tell(session, packet.subarray(0, 7))).toEqual([]);
      expect(tell(session, packet.subarray(7))).toEqual(['body abcd', 'endOfMessage?']);
    });

    it('MIL-13 a body packet above the limit is a fault before any of it is told', () => {
      const session = inBody({ maxPacketBytes: 100 });
      expect(tell(session, mta.u32(101), Buffer.from('Bab'))).toEqual([
        'abort implicit',
        'fault packet-too-long at 36',
      ]);
    });
  });

  it('MIL-13 an unknown command letter is a fault', () => {
    expect(tell(agreed(), mta.packet('Z', 'x'))).toEqual(['fault unknown-command at 17']);
  });
});
