import { Buffer } from 'node:buffer';
import { describe, expect, it } from 'vitest';
import { LocalProtocolError, SMFIF, orderHeaderDeletions } from '../../../../src/wire/milter/index.ts';
import type { MilterSession, Modification, SmtpReply, Verdict } from '../../../../src/wire/milter/index.ts';
import * as mta from './mta.ts';
import { agreed, feed, type Setup } from './told.ts';

const withoutSpace = mta.offer(6, 0x1ff, 0xfffff);
const go: Verdict = { kind: 'continue' };

/** A session that owes the answer to the end of a message. */
function atEnd(setup: Setup = {}): MilterSession {
  const session = agreed(setup);
  feed(session, mta.mail('<a@a.example>'), mta.rcpt('<b@b.example>'), mta.endOfMessage);
  return session;
}

const answer = (modifications: readonly Modification[], setup: Setup = {}): Buffer =>
  atEnd(setup).reply(go, modifications);
const said = (...modifications: readonly Modification[]): (string | number)[][] => mta.read(answer(modifications));

function code(call: () => unknown): string {
  try {
    call();
  } catch (error) {
    if (error instanceof LocalProtocolError) return `${error.fault.code} ${error.fault.offset}`;
    throw error;
  }
  return 'none';
}
const refused = (modification: Modification, setup: Setup = {}): string => code(() => answer([modification], setup));
const add = (value: string, name = 'X-A'): Modification => ({ kind: 'addHeader', name, value });

describe('verdicts', () => {
  it.each([
    ['continue', 'c'],
    ['accept', 'a'],
    ['reject', 'r'],
    ['tempfail', 't'],
    ['discard', 'd'],
  ] as const)('%s is %s', (kind, letter) => {
    expect(atEnd().reply({ kind })).toEqual(Buffer.from(`\0\0\0\x01${letter}`));
  });

  it('discard is refused before MAIL and at UNKNOWN', () => {
    const session = agreed({ answers: new Set(['connect', 'helo', 'mail', 'unknown']) });
    for (const packet of [mta.connect(), mta.helo(), mta.unknown('FOO')]) {
      feed(session, packet);
      expect(code(() => session.reply({ kind: 'discard' }))).toBe('verdict-not-here 0');
      session.reply(go);
    }
    feed(session, mta.mail('<a>'));
    expect(mta.read(session.reply({ kind: 'discard' }))).toEqual([['d']]);
  });

  it('skip is for BODY, where SKIP was agreed on', () => {
    const answers = new Set(['rcpt', 'body'] as const);
    const session = agreed({ answers, protocol: 0x400 });
    feed(session, mta.mail('<a>'), mta.rcpt('<b>'));
    expect(code(() => session.reply({ kind: 'skip' }))).toBe('verdict-not-here 0');
    session.reply(go);
    feed(session, mta.body('x'));
    expect(mta.read(session.reply({ kind: 'skip' }))).toEqual([['s']]);
    const other = agreed({ answers });
    feed(other, mta.mail('<a>'), mta.body('x'));
    expect(code(() => other.reply({ kind: 'skip' }))).toBe('verdict-not-here 0');
  });

  it('a change before the end of the message is refused', () => {
    const session = agreed({ answers: new Set(['body']) });
    feed(session, mta.mail('<a>'), mta.body('x'));
    expect(code(() => session.reply(go, [add('v')]))).toBe('modification-not-here 0');
  });

  it('changes and verdict are one buffer, the verdict last', () => {
    const verdict: Verdict = { kind: 'reply', code: 550, enhanced: '5.7.1', lines: ['no'] };
    expect(mta.read(atEnd().reply(verdict, [add('v'), { kind: 'quarantine', reason: 'why' }]))).toEqual([
      ['h', 'X-A', ' v'],
      ['q', 'why'],
      ['y', '550 5.7.1 no'],
    ]);
  });
});

describe('REPLYCODE', () => {
  const reply = (smtp: SmtpReply): string | number | undefined =>
    mta.read(atEnd().reply({ kind: 'reply', ...smtp }))[0]?.[1];

  it('ends in NUL, and % is doubled', () => {
    const bytes = atEnd().reply({ kind: 'reply', code: 451, enhanced: '4.7.1', lines: ['100% later'] });
    expect(bytes.subarray(4).toString('latin1')).toBe('y451 4.7.1 100%% later\0');
  });

  it('every line carries the codes, CRLF is between lines only', () => {
    expect(reply({ code: 550, enhanced: '5.7.1', lines: ['a', 'b', ''] })).toBe(
      '550-5.7.1 a\r\n550-5.7.1 b\r\n550 5.7.1 ',
    );
    expect(reply({ code: 421, lines: ['x\ty'] })).toBe('421 x\ty');
  });

  it('at most 32 lines of 980 octets, % counted once', () => {
    const line = '%'.repeat(970);
    expect(reply({ code: 550, enhanced: '5.7.1', lines: Array.from({ length: 32 }, () => line) })).toHaveLength(
      32 * (10 + 2 * 970) + 31 * 2,
    );
    const refusal = (lines: string[]): string =>
      code(() => atEnd().reply({ kind: 'reply', code: 550, enhanced: '5.7.1', lines }));
    expect(refusal([`${line}x`])).toBe('reply-line-too-long 980');
    expect(refusal(Array.from({ length: 33 }, () => 'x'))).toBe('reply-lines 0');
    expect(refusal([])).toBe('reply-lines 0');
  });

  it.each([
    [{ code: 250, lines: ['x'] }, 'reply-code 0'],
    [{ code: 560, lines: ['x'] }, 'reply-code 0'],
    [{ code: 5500, lines: ['x'] }, 'reply-code 0'],
    [{ code: 550.5, lines: ['x'] }, 'reply-code 0'],
    [{ code: 550, enhanced: '4.7.1', lines: ['x'] }, 'reply-enhanced-code 0'],
    [{ code: 450, enhanced: '5.7.1', lines: ['x'] }, 'reply-enhanced-code 0'],
    [{ code: 550, enhanced: '2.0.0', lines: ['x'] }, 'reply-enhanced-code 0'],
    [{ code: 550, enhanced: '5.7', lines: ['x'] }, 'reply-enhanced-code 0'],
    [{ code: 550, lines: ['ok', '4.7.1 x'] }, 'reply-enhanced-code 0'],
    [{ code: 550, lines: ['4.7.1'] }, 'reply-enhanced-code 0'],
    [{ code: 550, lines: ['a\r\nb'] }, 'reply-text 1'],
    [{ code: 550, lines: ['a\0'] }, 'reply-text 1'],
    [{ code: 550, lines: ['é'] }, 'reply-text 0'],
  ])('%j is refused: %s', (smtp, expected) => {
    expect(code(() => atEnd().reply({ kind: 'reply', ...smtp }))).toBe(expected);
  });

  it('an enhanced code in the text that agrees, and numbers that are none, are sent', () => {
    expect(reply({ code: 550, lines: ['5.7.1 x'] })).toBe('550 5.7.1 x');
    expect(reply({ code: 550, lines: ['4.7.1.2 is the version'] })).toBe('550 4.7.1.2 is the version');
  });
});

describe('header changes', () => {
  it('are the packets of the protocol', () => {
    expect(
      said(
        add('v'),
        { kind: 'insertHeader', index: 0, name: 'X-B', value: 'b' },
        { kind: 'changeHeader', index: 2, name: 'Subject', value: 's' },
        { kind: 'deleteHeader', index: 3, name: 'X-C' },
      ),
    ).toEqual([['h', 'X-A', ' v'], ['i', 0, 'X-B', ' b'], ['m', 2, 'Subject', ' s'], ['m', 3, 'X-C', ''], ['c']]);
  });

  it('MIL-02 fields 2, 3 and 5 of eight are deleted from the last to the first', () => {
    const fields = Array.from({ length: 8 }, (_, at): [string, string] => [
      'Authentication-Results',
      ` ${at + 1}.example`,
    ]);
    const changes = orderHeaderDeletions([2, 5, 3].map((index) => ({ name: 'Authentication-Results', index })));
    const left = mta.applyHeaderChanges([['From', ' a'], ...fields, ['To', ' b']], answer(changes), true);
    expect(left.map(([, text]) => text)).toEqual([
      ' a',
      ' 1.example',
      ' 4.example',
      ' 6.example',
      ' 7.example',
      ' 8.example',
      ' b',
    ]);
  });

  it('MIL-02 names count by themselves, in any case, and each field is deleted once', () => {
    const places = [
      { name: 'X-A', index: 1 },
      { name: 'X-B', index: 2 },
      { name: 'x-a', index: 2 },
      { name: 'X-A', index: 2 },
    ];
    expect(orderHeaderDeletions(places)).toEqual([
      { kind: 'deleteHeader', name: 'x-a', index: 2 },
      { kind: 'deleteHeader', name: 'X-A', index: 1 },
      { kind: 'deleteHeader', name: 'X-B', index: 2 },
    ]);
    expect(orderHeaderDeletions([])).toEqual([]);
  });

  const sent: [string, string][] = [
    ['Message-ID', '\n <x@example.org>'],
    ['Subject', '  two'],
    ['X', 'none'],
    ['T', '\ttab'],
    ['Empty', ''],
  ];

  it('MIL-04 with the leading space fields are rebuilt octet by octet, and added fields bring one space', () => {
    const session = agreed();
    feed(session, mta.mail('<a>'));
    const events = feed(session, ...sent.map(([name, value]) => mta.header(name, value)), mta.endOfMessage);
    const lines = events.flatMap((event) =>
      event.kind === 'header' ? [[event.name, event.rawValue, event.isExact]] : [],
    );
    expect(lines).toEqual(sent.map(([name, value]) => [name, value, true]));
    expect(mta.applyHeaderChanges([], session.reply(go, [add('v')]), true)).toEqual([['X-A', ' v']]);
  });

  it('MIL-04 without it one space is put back, and the MTA adds that of added fields', () => {
    const session = agreed({ offered: withoutSpace });
    feed(session, mta.mail('<a>'));
    const events = feed(session, mta.header('Subject', ' two'), mta.header('X', 'none'), mta.endOfMessage);
    const lines = events.flatMap((event) =>
      event.kind === 'header' ? [[event.name, event.rawValue, event.isExact]] : [],
    );
    expect(lines).toEqual([
      ['Subject', '  two', false],
      ['X', ' none', false],
    ]);
    const bytes = session.reply(go, [add('v'), { kind: 'changeHeader', index: 1, name: 'X', value: 'w' }]);
    expect(mta.read(bytes)).toEqual([['h', 'X-A', 'v'], ['m', 1, 'X', 'w'], ['c']]);
    expect(mta.applyHeaderChanges([['X', ' none']], bytes, false)).toEqual([
      ['X', ' w'],
      ['X-A', ' v'],
    ]);
  });

  it('MIL-06 folds are LF and white space', () => {
    const signature = `v=1; a=rsa-sha256; d=a.example;\n\tbh=${'A'.repeat(44)};\n b=${'B'.repeat(72)}`;
    const change: Modification = { kind: 'insertHeader', index: 0, name: 'DKIM-Signature', value: signature };
    expect(said(change)).toEqual([['i', 0, 'DKIM-Signature', ` ${signature}`], ['c']]);
    expect(answer([change]).includes('\r')).toBe(false);
  });

  it.each([
    ['a\r\n b', 1],
    ['a\rb', 1],
    ['a\nb', 1],
    ['a\n', 1],
    ['a\n b\n', 4],
    ['a\n \n b', 1],
    ['a\n\t', 1],
    ['a\n\n b', 1],
    ['a\0', 1],
    ['aĀ', 1],
  ])('MIL-06 the value %j is refused', (value, offset) => {
    const expected = `header-value ${offset}`;
    expect(refused(add(value))).toBe(expected);
    expect(refused({ kind: 'insertHeader', index: 0, name: 'X', value })).toBe(expected);
    expect(refused({ kind: 'changeHeader', index: 1, name: 'X', value })).toBe(expected);
  });

  it('any other octet is sent as it is, and an empty field can be added but not changed to', () => {
    expect(said(add('\xc3\xa9\x01\x7f\xff'), add(''))).toEqual([
      ['h', 'X-A', ' \xc3\xa9\x01\x7f\xff'],
      ['h', 'X-A', ''],
      ['c'],
    ]);
    expect(refused({ kind: 'changeHeader', index: 1, name: 'X', value: '' })).toBe('header-value 0');
  });

  it.each([
    ['', 0],
    ['X A', 1],
    ['X:', 1],
    ['X\n', 1],
    ['é', 0],
  ])('the name %j is refused', (name, offset) => {
    expect(refused(add('v', name))).toBe(`header-name ${offset}`);
  });

  it('indexes are whole numbers, from 0 to insert and from 1 to change', () => {
    expect(refused({ kind: 'deleteHeader', index: 0, name: 'X' })).toBe('header-index 0');
    expect(refused({ kind: 'changeHeader', index: 1.5, name: 'X', value: 'v' })).toBe('header-index 0');
    expect(refused({ kind: 'insertHeader', index: -1, name: 'X', value: 'v' })).toBe('header-index 0');
    expect(refused({ kind: 'insertHeader', index: 2 ** 31, name: 'X', value: 'v' })).toBe('header-index 0');
    expect(said({ kind: 'insertHeader', index: 2 ** 31 - 1, name: 'X', value: 'v' })[0]?.[1]).toBe(2 ** 31 - 1);
  });

  it('a packet is at most as long as agreed on', () => {
    const longest = 65_535 - 'X-A\0 \0'.length;
    expect(refused(add('x'.repeat(longest)))).toBe('none');
    expect(refused(add('x'.repeat(longest + 1)))).toBe('packet-too-long 0');
    expect(refused(add('x'.repeat(longest + 1)), { offered: mta.offer(6, 0x1ff, 0x101fffff) })).toBe('none');
  });
});

describe('body and envelope changes', () => {
  it('a body is cut at 65,535 octets', () => {
    const whole = Buffer.alloc(140_000, 'line\r\n');
    const replies = mta.packets(answer([{ kind: 'replaceBody', body: whole }]));
    expect(replies.map(({ code: letter, payload }) => [letter, payload.length])).toEqual([
      ['b', 65_535],
      ['b', 65_535],
      ['b', 8930],
      ['c', 0],
    ]);
    expect(Buffer.concat(replies.map(({ payload }) => payload)).equals(whole)).toBe(true);
  });

  it.each([
    [0, [0]],
    [65_535, [65_535]],
    [65_536, [65_535, 1]],
  ])('a body of %i octets', (length, expected) => {
    const replies = mta.packets(answer([{ kind: 'replaceBody', body: new Uint8Array(length) }])).slice(0, -1);
    expect(replies.map(({ payload }) => payload.length)).toEqual(expected);
  });

  it('parts of a body come in a row', () => {
    const part = (text: string): Modification => ({ kind: 'replaceBody', body: Buffer.from(text) });
    expect(said(add('v'), part('a'), part('b'), add('w')).map(([letter]) => letter)).toEqual(['h', 'b', 'b', 'h', 'c']);
    expect(code(() => answer([part('a'), add('v'), part('b')]))).toBe('body-not-consecutive 0');
  });

  it('addresses are sent in angle brackets, with or without parameters', () => {
    expect(
      said(
        { kind: 'changeSender', sender: '' },
        { kind: 'changeSender', sender: 'a@a.example', args: ['SIZE=1', 'BODY=8BITMIME'] },
        { kind: 'addRecipient', recipient: 'b@b.example' },
        { kind: 'addRecipient', recipient: '<c@c.example>', args: ['NOTIFY=NEVER'] },
        { kind: 'addRecipient', recipient: 'd@d.example', args: [] },
        { kind: 'deleteRecipient', recipient: '\xe9>@e.example' },
        { kind: 'quarantine', reason: 'spam \xe9' },
      ),
    ).toEqual([
      ['e', '<>'],
      ['e', '<a@a.example>', 'SIZE=1 BODY=8BITMIME'],
      ['+', '<b@b.example>'],
      ['2', '<c@c.example>', 'NOTIFY=NEVER'],
      ['+', '<d@d.example>'],
      ['-', '<\xe9>@e.example>'],
      ['q', 'spam \xe9'],
      ['c'],
    ]);
    expect(said({ kind: 'deleteRecipient', recipient: '<a' })).toEqual([['-', '<<a>'], ['c']]);
  });

  it.each<[Modification, string]>([
    [{ kind: 'addRecipient', recipient: '' }, 'address 0'],
    [{ kind: 'addRecipient', recipient: '<>', args: ['X'] }, 'address 0'],
    [{ kind: 'deleteRecipient', recipient: '' }, 'address 0'],
    [{ kind: 'deleteRecipient', recipient: 'a\0b' }, 'address 1'],
    [{ kind: 'changeSender', sender: 'a\nb' }, 'address 1'],
    [{ kind: 'changeSender', sender: 'Ω@a.example' }, 'address 0'],
    [{ kind: 'changeSender', sender: 'a', args: ['A=1', 'B\r'] }, 'esmtp-args 5'],
    [{ kind: 'quarantine', reason: 'a\0' }, 'quarantine-reason 1'],
  ])('%j is refused: %s', (modification, expected) => {
    expect(refused(modification)).toBe(expected);
  });

  it.each<[Modification, number]>([
    [add('v'), SMFIF.ADDHDRS],
    [{ kind: 'insertHeader', index: 0, name: 'X', value: 'v' }, SMFIF.ADDHDRS],
    [{ kind: 'changeHeader', index: 1, name: 'X', value: 'v' }, SMFIF.CHGHDRS],
    [{ kind: 'deleteHeader', index: 1, name: 'X' }, SMFIF.CHGHDRS],
    [{ kind: 'replaceBody', body: Buffer.from('x') }, SMFIF.CHGBODY],
    [{ kind: 'changeSender', sender: 'a' }, SMFIF.CHGFROM],
    [{ kind: 'addRecipient', recipient: 'a' }, SMFIF.ADDRCPT],
    [{ kind: 'addRecipient', recipient: 'a', args: ['X=1'] }, SMFIF.ADDRCPT_PAR],
    [{ kind: 'deleteRecipient', recipient: 'a' }, SMFIF.DELRCPT],
    [{ kind: 'quarantine', reason: 'x' }, SMFIF.QUARANTINE],
  ])('%j needs the action %i', (modification, action) => {
    expect(refused(modification, { actions: 0xff & ~action })).toBe('action-not-agreed 0');
    expect(refused(modification, { actions: action })).toBe('none');
  });
});
