import { describe, expect, it } from 'vitest';
import * as mta from './mta.ts';
import { agreed, feed, newSession, tell } from './told.ts';

describe('CONNECT', () => {
  it.each([
    ['IPv6:2001:db8::1', 'inet6 2001:db8::1 1234'],
    ['2001:db8::1', 'inet6 2001:db8::1 1234'],
    ['[2001:db8::1]', 'inet6 2001:db8::1 1234'],
    ['[ipv6:2001:db8::1]', 'inet6 2001:db8::1 1234'],
    ['[2001:db8::1', 'inet6 [2001:db8::1 1234'],
  ])('MIL-11 family 6 with %s', (address, expected) => {
    expect(tell(agreed(), mta.connect(address, '6', 'host'))).toEqual([`connect host ${expected}`]);
  });

  it('MIL-11 family 4, and the host name of a client without one', () => {
    expect(tell(agreed(), mta.connect('192.0.2.9'))).toEqual(['connect [192.0.2.9] inet 192.0.2.9 1234']);
  });

  it('MIL-11 family L has a path, which is left as it is', () => {
    const packet = mta.packet('C', 'localhost\0L\0\0[/run/x]\0');
    expect(tell(agreed(), packet)).toEqual(['connect localhost unix [/run/x] 0']);
  });

  it('MIL-11 family U ends after its letter', () => {
    expect(tell(agreed(), mta.packet('C', 'localhost\0U'))).toEqual(['connect localhost unknown']);
  });

  it('the port is in network order', () => {
    expect(tell(agreed(), mta.packet('C', 'localhost\x004\xe4\x6c127.0.0.1\0'))).toEqual([
      'connect localhost inet 127.0.0.1 58476',
    ]);
  });

  it.each([
    ['no NUL after the host name', 'localhost'],
    ['no family', 'localhost\0'],
    ['an unknown family', 'localhost\x005\0\x19127.0.0.1\0'],
    ['no port', 'localhost\x004'],
    ['half a port', 'localhost\x004\x19'],
    ['no address', 'localhost\x004\0\x19'],
    ['no NUL after the address', 'localhost\x004\0\x19127.0.0.1'],
    ['something after the address', 'localhost\x004\0\x19127.0.0.1\0x\0'],
  ])('MIL-13 %s is a fault', (_, payload) => {
    expect(tell(agreed(), mta.packet('C', payload))).toEqual(['fault bad-payload at 17']);
  });
});

describe('MAIL and RCPT', () => {
  it.each([
    ['<a@a.example>', '<a@a.example>'],
    ['<>', '<>'],
    ['', '""'],
    ['root@a.example', '"root@a.example"'],
    ['<', '"<"'],
    ['<a@a.example', '"<a@a.example"'],
    ['a@a.example>', '"a@a.example>"'],
    ['<"a\xe9 b"@a.example>', '<"a\xe9 b"@a.example>'],
  ])('brackets are stripped from %s only if both are there', (path, expected) => {
    expect(tell(agreed(), mta.mail(path), mta.rcpt(path))).toEqual([`mail ${expected}`, `rcpt ${expected}`]);
  });

  it('ESMTP parameters are one string each, spelled as the client did', () => {
    expect(
      tell(
        agreed(),
        mta.mail('<a@a.example>', 'size=26', 'BODY=8BITMIME', ''),
        mta.rcpt('<b@b.example>', 'NOTIFY=NEVER'),
      ),
    ).toEqual(['mail <a@a.example> size=26 BODY=8BITMIME ', 'rcpt <b@b.example> NOTIFY=NEVER']);
  });
});

describe('payloads', () => {
  it('a header field is a name and a value, empty or not, with bare LF folds and any octet', () => {
    const session = agreed();
    feed(session, mta.mail('<>'));
    expect(
      tell(
        session,
        mta.header('X-Fold', 'one\n\ttwo\n  three'),
        mta.header('X-Empty', ''),
        mta.header('S', ' \xc3\xa9\xff'),
      ),
    ).toEqual(['header X-Fold:one\n\ttwo\n  three', 'header X-Empty:', 'header S: \xc3\xa9\xff']);
  });

  it('BODYEOB with a payload is BODY, which owes nothing, then BODYEOB', () => {
    const session = agreed({ answers: new Set(['body']) });
    feed(session, mta.mail('<>'));
    expect(tell(session, mta.packet('E', 'last\r\n'))).toEqual(['body last\r\n', 'endOfMessage?']);
  });

  it('a command without a payload may have one', () => {
    const session = agreed();
    feed(session, mta.mail('<>'));
    expect(
      tell(session, mta.packet('T', 'x'), mta.packet('N', 'x'), mta.packet('A', 'x'), mta.packet('Q', 'x')),
    ).toEqual(['data', 'endOfHeaders', 'abort', 'quit']);
  });

  it.each([
    ['H', ''],
    ['H', 'client'],
    ['H', 'client\0more\0'],
    ['U', 'FOO'],
    ['M', ''],
    ['M', '<a@a.example>'],
    ['R', ''],
    ['R', '<a@a.example>\0NOTIFY=NEVER'],
    ['L', ''],
    ['L', 'Subject'],
    ['L', 'Subject\0'],
    ['L', 'Subject\0value'],
    ['L', 'Subject\0value\0more\0'],
    ['D', ''],
    ['D', 'Mi\0x'],
    ['D', 'Mi'],
    ['O', '\0\0\0\x06'],
  ])('MIL-13 %s with %j is a fault', (code, payload) => {
    expect(tell(agreed(), mta.packet(code, payload))).toEqual(['fault bad-payload at 17']);
  });

  it('MIL-13 a negotiation cut short is a fault', () => {
    expect(tell(newSession(), mta.packet('O', '\0\0\0\x06\0\0\x01\xff\0\x1f\xff'))).toEqual(['fault bad-payload at 0']);
  });
});
