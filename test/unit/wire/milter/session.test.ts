import { Buffer } from 'node:buffer';
import { describe, expect, it } from 'vitest';
import { LocalProtocolError, SMFIP } from '../../../../src/wire/milter/index.ts';
import type { AnswerableEvent, MilterEvent, MilterSession } from '../../../../src/wire/milter/index.ts';
import * as mta from './mta.ts';
import { agreed, feed, shown, tell } from './told.ts';

const EVERY: ReadonlySet<AnswerableEvent> = new Set([
  'connect',
  'helo',
  'mail',
  'rcpt',
  'data',
  'header',
  'endOfHeaders',
  'body',
  'unknown',
]);

const conversation = [
  mta.connect(),
  mta.helo(),
  mta.unknown('FOO'),
  mta.mail('<a@a.example>'),
  mta.rcpt('<x@x.example>'),
  mta.data,
  mta.header('Subject', ' one'),
  mta.endOfHeaders,
  mta.body('text\r\n'),
  mta.endOfMessage,
  mta.abort,
  mta.quit,
];

const owing = (session: MilterSession): string[] =>
  feed(session, ...conversation).flatMap((event) => (event.owesReply ? [event.kind] : []));

const code = (call: () => unknown): string => {
  try {
    call();
  } catch (error) {
    if (error instanceof LocalProtocolError) return error.fault.code;
    throw error;
  }
  return 'none';
};

describe('who owes a reply', () => {
  it('with every answer wanted every command does, but ABORT and QUIT', () => {
    expect(owing(agreed({ answers: EVERY }))).toEqual([
      'connect',
      'helo',
      'unknown',
      'mail',
      'rcpt',
      'data',
      'header',
      'endOfHeaders',
      'body',
      'endOfMessage',
    ]);
  });

  it('with silence on all of them only the end of the message does, over TCP also DATA', () => {
    expect(owing(agreed())).toEqual(['endOfMessage']);
    expect(owing(agreed({ transport: 'tcp' }))).toEqual(['data', 'endOfMessage']);
  });

  it.each([...EVERY])('with an answer wanted to %s it does', (event) => {
    expect(owing(agreed({ answers: new Set([event]) }))).toEqual([event, 'endOfMessage']);
  });

  it('an old MTA that offers no silence is answered, but for headers where it can do without', () => {
    expect(owing(agreed({ offered: mta.offer(2, 0x3f, 0x7f), actions: 0 }))).toHaveLength(10);
    expect(owing(agreed({ offered: mta.offer(2, 0x3f, 0xff), actions: 0 }))).toHaveLength(9);
  });
});

describe('reply', () => {
  it('answers are matched with events in order, and none is given that is not owed', () => {
    const session = agreed({ answers: new Set(['mail', 'rcpt']) });
    expect(code(() => session.reply({ kind: 'continue' }))).toBe('no-reply-owed');
    expect(code(() => session.progress())).toBe('no-reply-owed');
    expect(tell(session, mta.mail('<a>'), mta.rcpt('<b>'), mta.data)).toEqual(['mail? <a>', 'rcpt? <b>', 'data']);
    expect(mta.read(session.progress())).toEqual([['p']]);
    expect(mta.read(session.reply({ kind: 'continue' }))).toEqual([['c']]);
    expect(session.isIdle).toBe(false);
    expect(mta.read(session.reply({ kind: 'reject' }))).toEqual([['r']]);
    expect(code(() => session.reply({ kind: 'continue' }))).toBe('no-reply-owed');
  });

  it('none is owed to ABORT, QUIT or MACRO', () => {
    const session = agreed({ answers: EVERY });
    feed(session, mta.macros('C', 'j', 'x'), mta.abort, mta.abort, mta.quit);
    expect(code(() => session.reply({ kind: 'continue' }))).toBe('no-reply-owed');
  });

  it('a refused answer is still owed', () => {
    const session = agreed();
    feed(session, mta.mail('<a>'), mta.endOfMessage);
    expect(code(() => session.reply({ kind: 'skip' }))).toBe('verdict-not-here');
    expect(code(() => session.reply({ kind: 'continue' }, [{ kind: 'quarantine', reason: '' }]))).toBe(
      'quarantine-reason',
    );
    expect(mta.read(session.reply({ kind: 'continue' }, [{ kind: 'quarantine', reason: 'x' }]))).toEqual([
      ['q', 'x'],
      ['c'],
    ]);
    expect(session.isIdle).toBe(true);
  });

  it('what is owed before a fault can still be answered', () => {
    const session = agreed({ answers: EVERY });
    expect(tell(session, mta.helo(), mta.packet('Z'))).toEqual(['helo? client.example', 'fault unknown-command at 37']);
    expect(mta.read(session.reply({ kind: 'continue' }))).toEqual([['c']]);
  });
});

describe('state', () => {
  /** What a caller knows who forgets the message at `abort` and the client at `quitNewConnection`. */
  function known(events: readonly MilterEvent[]): {
    client: string;
    sender: string;
    recipients: string[];
    headers: string[];
  } {
    const facts = { client: '', sender: '', recipients: [] as string[], headers: [] as string[] };
    for (const event of events) {
      if (event.kind === 'connect' && event.family !== 'unknown') facts.client = event.address;
      if (event.kind === 'quitNewConnection') facts.client = '';
      if (event.kind === 'abort') Object.assign(facts, { sender: '', recipients: [], headers: [] });
      if (event.kind === 'mail') facts.sender = event.sender;
      if (event.kind === 'rcpt') facts.recipients.push(event.recipient);
      if (event.kind === 'header') facts.headers.push(`${event.name}:${event.rawValue}`);
    }
    return facts;
  }
  const second = [mta.mail('<b>'), mta.rcpt('<y>'), mta.header('Subject', ' two'), mta.endOfMessage];
  const first = [mta.connect(), mta.mail('<a>'), mta.rcpt('<x>'), mta.header('Subject', ' one')];

  it.each([
    ['one ABORT', [mta.abort]],
    ['several ABORTs', [mta.abort, mta.abort, mta.abort]],
    ['a second HELO and then ABORT', [mta.helo('again'), mta.abort]],
    ['no ABORT at all', []],
  ])('MIL-01 after %s the second message knows the client and nothing of the first message', (_, between) => {
    const events = feed(agreed(), ...first, ...between, ...second);
    expect(known(events)).toEqual({ client: '192.0.2.9', sender: 'b', recipients: ['y'], headers: ['Subject: two'] });
    expect(events.filter((event) => event.owesReply).map((event) => event.kind)).toEqual(['endOfMessage']);
  });

  it('MIL-01 QUIT_NC ends the client and keeps the negotiation; CONNECT is next', () => {
    const session = agreed();
    expect(tell(session, ...first, mta.quitNewConnection, mta.connect('192.0.2.10'), ...second)).toEqual([
      'connect [192.0.2.9] inet 192.0.2.9 1234',
      'mail <a>',
      'rcpt <x>',
      'header Subject: one',
      'abort implicit',
      'quitNewConnection',
      'connect [192.0.2.10] inet 192.0.2.10 1234',
      'mail <b>',
      'rcpt <y>',
      'header Subject: two',
      'endOfMessage?',
    ]);
  });

  it('a second HELO inside a transaction comes at once, and the ABORT after it is harmless', () => {
    const session = agreed();
    feed(session, mta.connect(), mta.mail('<a>'));
    expect(tell(session, mta.helo('again'), mta.abort)).toEqual(['abort implicit', 'helo again', 'abort']);
  });

  it.each([
    ['RCPT without MAIL', [], mta.rcpt('<x>'), ['notice out-of-order']],
    ['BODYEOB without MAIL', [], mta.endOfMessage, ['notice out-of-order']],
    ['RCPT after DATA', [mta.mail('<a>'), mta.data], mta.rcpt('<x>'), ['abort implicit', 'notice out-of-order']],
    ['a second CONNECT', [mta.connect()], mta.connect(), ['notice out-of-order']],
    [
      'CONNECT in a message',
      [mta.connect(), mta.mail('<a>')],
      mta.connect(),
      ['abort implicit', 'notice out-of-order'],
    ],
    ['CONNECT after HELO', [mta.helo()], mta.connect(), ['notice out-of-order']],
    ['UNKNOWN after DATA', [mta.mail('<a>'), mta.data], mta.unknown('FOO'), ['abort implicit', 'unknown? FOO']],
    ['UNKNOWN after RCPT', [mta.mail('<a>'), mta.rcpt('<x>')], mta.unknown('FOO'), ['unknown? FOO']],
  ])('%s is handled as libmilter does', (_, before, packet, expected) => {
    const session = agreed({ answers: EVERY });
    feed(session, ...before);
    expect(tell(session, packet)).toEqual(expected);
  });

  it('after a command out of order the next message is taken', () => {
    const session = agreed();
    feed(session, mta.rcpt('<x>'));
    expect(tell(session, mta.mail('<a>'), mta.rcpt('<b>'))).toEqual(['mail <a>', 'rcpt <b>']);
  });

  it('without MAIL and CONNECT, which were switched off, a message begins with what comes first', () => {
    const session = agreed({ protocol: SMFIP.NOCONNECT | SMFIP.NOMAIL });
    expect(tell(session, mta.rcpt('<a>'), mta.rcpt('<b>'), mta.data, mta.rcpt('<c>'), mta.endOfMessage)).toEqual([
      'rcpt <a>',
      'rcpt <b>',
      'data',
      'abort implicit',
      'rcpt <c>',
      'endOfMessage?',
    ]);
  });

  it('QUIT ends the connection, an open message before it', () => {
    const session = agreed();
    expect(tell(session, mta.mail('<a>'), mta.quit, mta.mail('<b>'))).toEqual(['mail <a>', 'abort implicit', 'quit']);
    expect(tell(session, mta.mail('<b>'))).toEqual([]);
    expect(session.end()).toEqual([]);
  });

  it('the end of the connection is valid at any time and ends an open message', () => {
    const session = agreed();
    feed(session, mta.mail('<a>'), Buffer.of(0, 0));
    expect(session.isIdle).toBe(false);
    expect(session.end().map(shown)).toEqual(['abort implicit']);
    expect(session.end()).toEqual([]);
    expect(tell(session, mta.mail('<b>'))).toEqual([]);
    expect(agreed().end()).toEqual([]);
  });

  it('a fault in a message ends it first', () => {
    expect(tell(agreed(), mta.mail('<a>'), mta.packet('Z'))).toEqual([
      'mail <a>',
      'abort implicit',
      'fault unknown-command at 26',
    ]);
  });
});
