import { describe, expect, it } from 'vitest';
import { macro, macroNames } from '../../../../src/wire/milter/index.ts';
import type { MilterEvent, MilterSession } from '../../../../src/wire/milter/index.ts';
import * as mta from './mta.ts';
import { agreed, feed, shown } from './told.ts';

const noMail = 0x04;
const ofKind = (events: readonly MilterEvent[], kind: MilterEvent['kind']): MilterEvent | undefined =>
  events.findLast((event) => event.kind === kind);

/** The values of macros at the last event of a batch. */
function at(events: readonly MilterEvent[], ...names: readonly string[]): (string | undefined)[] {
  const event = events.at(-1);
  if (event === undefined || !('macros' in event)) throw new Error('the last event has no macros');
  return names.map((name) => macro(event, name));
}

function connected(session: MilterSession): MilterSession {
  feed(session, mta.macros('C', 'j', 'mx.example', '{daemon_name}', 'ORIGINATING'), mta.connect());
  feed(session, mta.macros('H', '{tls_version}', 'TLSv1.3'), mta.helo());
  return session;
}

describe('macros', () => {
  it('MIL-07 absent, empty and unknown macros', () => {
    const session = connected(agreed());
    const events = feed(
      session,
      mta.macros('M', '{auth_type}', '', '{auth_authen}', 'alice', '{foo}', 'bar'),
      mta.mail('<a@a.example>'),
    );
    expect(at(events, '{auth_type}', '{auth_authen}', '{foo}', '{auth_author}', macroNames.queueId)).toEqual([
      '',
      'alice',
      'bar',
      undefined,
      undefined,
    ]);
    expect(at(events, 'j', '{daemon_name}', macroNames.tlsVersion)).toEqual(['mx.example', 'ORIGINATING', 'TLSv1.3']);
  });

  it('MIL-07 the queue id that comes at DATA is there from then on, and not before', () => {
    const session = connected(agreed());
    const first = feed(
      session,
      mta.macros('M'),
      mta.mail('<>'),
      mta.macros('R', '{rcpt_addr}', 'b@b.example'),
      mta.rcpt('<b@b.example>'),
    );
    expect(at(first, 'i', '{i}')).toEqual([undefined, undefined]);
    const i = ['i', '2F29821035E'];
    const rest = [mta.macros('T', ...i), mta.data, mta.macros('L', ...i), mta.header('A', ' 1'), mta.header('A', ' 2')];
    expect(at(feed(session, ...rest), 'i', '{i}', '{rcpt_addr}')).toEqual([
      '2F29821035E',
      '2F29821035E',
      'b@b.example',
    ]);
    const end = [
      mta.macros('N', ...i),
      mta.endOfHeaders,
      mta.macros('B', ...i),
      mta.body('x'),
      mta.macros('E', ...i),
      mta.endOfMessage,
    ];
    expect(at(feed(session, ...end), 'i')).toEqual(['2F29821035E']);
  });

  it('MIL-07 an odd tail is ignored and noticed, every time', () => {
    const session = connected(agreed());
    const odd = mta.packet('D', 'M{auth_authen}\0alice\0i\0');
    const events = feed(session, odd, mta.mail('<>'), odd, mta.mail('<>'));
    expect(events.map(shown)).toEqual([
      'notice macro-tail',
      'mail <>',
      'notice macro-tail',
      'abort implicit',
      'mail <>',
    ]);
    expect(at(events, '{auth_authen}', 'i')).toEqual(['alice', undefined]);
  });

  it('MIL-07 macros of a command without macros are noticed, and of a name given twice the first counts', () => {
    const session = connected(agreed());
    const events = feed(session, mta.macros('A', 'i', 'x'), mta.macros('M', 'a', '1', '{a}', '2'), mta.mail('<>'));
    expect(events.map(shown)).toEqual(['notice macro-unknown', 'mail <>']);
    expect(at(events, 'i', 'a', '{a}', '{ab}')).toEqual([undefined, '1', '1', undefined]);
  });

  it('an event keeps the macros of its moment', () => {
    const session = connected(agreed());
    const events = feed(
      session,
      mta.mail('<>'),
      mta.macros('R', '{rcpt_addr}', 'one'),
      mta.rcpt('<one>'),
      mta.macros('R', '{rcpt_addr}', 'two'),
      mta.rcpt('<two>'),
      mta.rcpt('<three>'),
    );
    const seen = events.map((event) => ('macros' in event ? macro(event, '{rcpt_addr}') : undefined));
    expect(seen).toEqual([undefined, 'one', 'two', undefined]);
  });

  it.each([
    ['ABORT', [mta.abort]],
    ['the end of the message', [mta.endOfMessage]],
    ['the next MAIL, without macros', []],
    ['a command out of order', [mta.data, mta.rcpt('<x>')]],
  ])('MIL-01 %s clears the macros of the message, not those of the client', (_, packets) => {
    const session = connected(agreed());
    feed(
      session,
      mta.macros('M', '{auth_authen}', 'alice'),
      mta.mail('<>'),
      mta.macros('R', 'i', 'Q1'),
      mta.rcpt('<b>'),
    );
    const events = feed(session, ...packets, mta.mail('<c>'));
    expect(at(events, '{auth_authen}', 'i', 'j', '{tls_version}')).toEqual([
      undefined,
      undefined,
      'mx.example',
      'TLSv1.3',
    ]);
  });

  it('MIL-01 macros that came ahead of a MAIL without ABORT are those of the new message', () => {
    const session = connected(agreed());
    feed(
      session,
      mta.macros('M', '{auth_authen}', 'alice'),
      mta.mail('<a>'),
      mta.macros('R', 'i', 'Q1'),
      mta.rcpt('<b>'),
    );
    const events = feed(session, mta.macros('M', '{auth_authen}', 'bob'), mta.mail('<c>'));
    expect(events.map(shown)).toEqual(['abort implicit', 'mail <c>']);
    expect(at(events, '{auth_authen}', 'i', 'j')).toEqual(['bob', undefined, 'mx.example']);
  });

  it('the next HELO replaces the TLS macros, and ends those of the message', () => {
    const session = connected(agreed());
    feed(session, mta.macros('M', '{auth_authen}', 'alice'), mta.mail('<a>'));
    expect(at(feed(session, mta.helo('again')), '{tls_version}', '{auth_authen}', 'j')).toEqual([
      undefined,
      undefined,
      'mx.example',
    ]);
    expect(at(feed(session, mta.macros('H', '{cipher}', 'X'), mta.helo('again')), '{cipher}')).toEqual(['X']);
  });

  it('QUIT_NC clears all', () => {
    const session = connected(agreed());
    expect(at(feed(session, mta.quitNewConnection, mta.connect('192.0.2.10')), 'j', '{tls_version}')).toEqual([
      undefined,
      undefined,
    ]);
  });

  it('macros of UNKNOWN hold for it alone', () => {
    const session = connected(agreed());
    expect(at(feed(session, mta.macros('U', 'x', '1'), mta.unknown('FOO')), 'x', 'j')).toEqual(['1', 'mx.example']);
    expect(at(feed(session, mta.mail('<>')), 'x')).toEqual([undefined]);
    expect(at(feed(session, mta.unknown('FOO')), 'x')).toEqual([undefined]);
  });

  it('macros of events that were switched off count: Postfix sends them all the same', () => {
    const session = connected(agreed({ protocol: noMail }));
    const events = feed(
      session,
      mta.macros('M', '{mail_addr}', 'a@a.example'),
      mta.macros('R', 'i', 'Q1'),
      mta.rcpt('<b>'),
    );
    expect(events.map(shown)).toEqual(['rcpt <b>']);
    expect(at(events, '{mail_addr}', 'i')).toEqual(['a@a.example', 'Q1']);
  });

  it('with RCPT_REJ a recipient that the MTA has refused is flagged', () => {
    const refused = [
      mta.macros('R', '{rcpt_mailer}', 'error', '{rcpt_host}', '5.1.1', '{rcpt_addr}', 'User unknown'),
      mta.rcpt('<nobody@b.example>'),
    ];
    const taken = [mta.macros('R', '{rcpt_mailer}', 'smtp'), mta.rcpt('<b@b.example>')];
    const asked = agreed({ protocol: 0x800 });
    const events = feed(asked, mta.mail('<>'), ...refused, ...taken);
    expect(events.map(shown)).toEqual(['mail <>', 'rcpt <nobody@b.example> (rejected)', 'rcpt <b@b.example>']);
    const event = ofKind(feed(agreed(), mta.mail('<>'), ...refused), 'rcpt');
    expect(event && shown(event)).toBe('rcpt <nobody@b.example>');
  });
});
