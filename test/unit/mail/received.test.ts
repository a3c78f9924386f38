import { describe, expect, it } from 'vitest';
import { formatIpAddress, readReceived, type ReceivedHop } from '../../../src/mail/index.ts';
import { PEER, RECEIVED_FORMS } from './received-forms.ts';
import { RECEIVED_LINES } from './received-lines.ts';

const texts = ({ address, ...rest }: ReceivedHop) => ({
  address: address === null ? null : formatIpAddress(address),
  ...rest,
});
const peerIn = (value: string) => texts(readReceived(value)).address;

describe('readReceived', () => {
  it.each(RECEIVED_LINES)('$server', ({ value, address, by, isInternal }) => {
    expect(texts(readReceived(value))).toEqual({ address, by, isInternal: isInternal === true });
  });

  it.each([
    '',
    ' ',
    ';',
    'from',
    'by',
    'from by',
    'garbage',
    'garbage (203.0.113.66)',
    '[203.0.113.66]',
    '(203.0.113.66) by',
    '; Mon, 2 Nov 2026 12:00:00 +0100',
  ])('"%s" names no server and no peer, and is not internal', (value) => {
    expect(readReceived(value)).toEqual({ address: null, by: null, isInternal: false });
  });

  it.each([
    ['a comment that does not end', 'from x ([203.0.113.66]) by gw (a'],
    ['a comment that did not begin', 'from x ([203.0.113.66]) a) by gw'],
    ['a quoted string that does not end', 'from x ([203.0.113.66]) by gw for "a'],
    ['a quoted address that does not end', 'from x ([203.0.113.66]) by gw (<"a)'],
    ['a second by', 'from x ([203.0.113.66]) by gw (x) by gw.example.net'],
    ['a second by after the date', 'from x ([203.0.113.66]) by gw; (x) by gw.example.net'],
    ['a second by in a local line', 'from x by gw with local by gw.example.net with SMTP'],
  ])('%s makes the whole field unreadable', (_, value) => {
    expect(readReceived(value)).toEqual({ address: null, by: null, isInternal: false });
  });

  it.each([
    ['two in brackets', 'from x ([203.0.113.66] [198.51.100.9]) by gw'],
    ['two comments', 'from x ([203.0.113.66]) (198.51.100.9) by gw'],
    ['a comment and a word', 'from x ([203.0.113.66]) [198.51.100.9] by gw'],
    ['an ident answer that looks like Exim', 'from [192.0.2.1] (helo=x@mx7 [203.0.113.66]) by gw (8.18.1/8.18.1)'],
    ['a HELO name that closes the comment', 'from [203.0.113.66] (helo=x) ([192.0.2.1]) by gw with esmtp (Exim 4.98)'],
    ['a HELO name of two words', 'from [203.0.113.66] (helo=x [192.0.2.1]) by gw with esmtp (Exim 4.98)'],
  ])('addresses that differ, %s: none is taken', (_, value) => {
    expect(peerIn(value)).toBeNull();
  });

  it.each([
    ['a claim after helo= in the same comment', 'from mx7 ([203.0.113.66] helo=x [192.0.2.1]) by gw (Exim 4.98)'],
    ['a claim after HELO in the same comment', 'from mx7 ([203.0.113.66], HELO [192.0.2.1]) by gw'],
    ['a name that looks like an address', 'from x (192.0.2.1 [203.0.113.66]) by gw'],
    ['a comment within', 'from x (mx7 ([192.0.2.1] (a) b) [203.0.113.66] (c)) by gw'],
    ['an escaped parenthesis', 'from x (a\\) [203.0.113.66]) by gw'],
    ['an attribute', 'from x (a=[192.0.2.1] [203.0.113.66]) by gw'],
    ['a proxy for another', 'from x (mx7 [203.0.113.66]) (proxying for 192.0.2.1) by gw'],
    ['an empty comment', 'from x () ([203.0.113.66]) by gw'],
    ['a quoted name', 'from "x ([192.0.2.1]) by gw" ([203.0.113.66]) by gw.example.net'],
  ])('%s does not hide the peer', (_, value) => {
    expect(peerIn(value)).toBe('203.0.113.66');
  });

  it.each([
    ...['0.0.0.0', '0.1.2.3', '224.0.0.1', '255.255.255.255', '::', 'ff02::1', 'IPv6:::', '203.0.113.066', '203.0.113'],
    ...[
      '203.0.113.66.25',
      '265.6.8.1',
      '203.0.113.66]:x',
      '203.0.113.66]:123456',
      '2001:db8::1%3',
      '',
      'a'.repeat(200),
    ],
  ])('[%s] is the address of no SMTP client', (text) => {
    expect(peerIn(`from x (mx7 [${text}]) by gw`)).toBeNull();
    expect(peerIn(`from x (${text}) by gw`)).toBeNull();
  });

  /** Names that a server passes on as they are: of one word, and with nothing that ends a comment. */
  const NAMES = [
    '[198.51.100.7]',
    '198.51.100.7',
    '[127.0.0.1]',
    '[IPv6:::1]',
    '[198.51.100.7]:25',
    'x[198.51.100.7]',
    'by',
    'local',
  ];
  /** Names that only a server that checks nothing passes on. */
  const FORGERIES = [
    ...[
      'x ([198.51.100.7])',
      'x (y [198.51.100.7])',
      'x (198.51.100.7)',
      'x [198.51.100.7]',
      '[198.51.100.7] (HELO x)',
    ],
    ...[
      'x) ([198.51.100.7]',
      'x) [198.51.100.7] (',
      'x) (HELO y',
      'x ([127.0.0.1])',
      'x) ([127.0.0.1]) (y',
      'x (y [local])',
    ],
    ...[
      'x ([198.51.100.7]) by gw with SMTP; Mon',
      'x by gw with local',
      'x) by gw with LMTP (',
      'x (helo=[198.51.100.7])',
    ],
    ...['[198.51.100.7] (helo=x)', '[198.51.100.7] (port=1)', 'x" ([198.51.100.7]) "', 'x\\', '(', 'x) (Exim 4.98', ''],
  ];
  it.each(RECEIVED_FORMS)('%s: a name that it passes on never hides the peer', (_, form) => {
    for (const name of NAMES) expect([name, peerIn(form(name))]).toEqual([name, PEER]);
  });

  it.each(RECEIVED_FORMS)('%s: a name that it should not have passed on never tells another peer', (_, form) => {
    for (const name of FORGERIES) {
      const { address, isInternal } = texts(readReceived(form(name)));
      expect([name, address === PEER ? null : address]).toEqual([name, null]);
      if (!form('x').includes('with LMTP')) expect([name, isInternal]).toEqual([name, false]);
    }
  });

  it.each([
    ['in brackets', '[203.0.113.66.63559]'],
    ['in brackets, with words behind', '[203.0.113.66]:smtp'],
    ['cut off', '[203.0.113.66'],
  ])('where the peer cannot be read, %s, a claim is not taken in its place', (_, peer) => {
    expect(readReceived(`from x ([198.51.100.7]) (mx7 ${peer}) by gw with SMTP`)).toMatchObject({ address: null });
    expect(readReceived(`from x ([127.0.0.1]) (mx7 ${peer}) by gw with SMTP`)).toMatchObject({ isInternal: false });
  });

  it('the longest field that is read has 16,384 octets', () => {
    const start = 'from x ([203.0.113.66]) by gw ';
    expect(peerIn(start.padEnd(16_384, 'x'))).toBe('203.0.113.66');
    expect(readReceived(start.padEnd(16_385, 'x'))).toEqual({ address: null, by: null, isInternal: false });
  });

  it('private addresses are addresses', () => {
    for (const address of [
      '10.9.1.2',
      '172.16.0.1',
      '192.168.0.1',
      '100.64.0.1',
      '169.254.1.1',
      'fd00::1',
      'fe80::1',
    ]) {
      expect(peerIn(`from x (mx7 [${address}]) by gw`)).toBe(address);
      expect(peerIn(`from x (${address}) by gw with Microsoft SMTP Server id 15.2`)).toBe(address);
    }
  });

  it('a field with an address is internal over loopback only, whatever the protocol', () => {
    expect(readReceived('from x ([10.0.0.5]) by gw with LMTP').isInternal).toBe(false);
    expect(readReceived('from x ([127.8.9.1]) by gw with ESMTPSA').isInternal).toBe(true);
  });

  it.each(['SMTP', 'ESMTP', 'esmtps', 'UTF8SMTP', 'UTF8SMTPS', 'LMTP', 'local', 'local-bsmtp', 'QMQP', 'PIPE'])(
    'without a from clause "with %s" is internal',
    (protocol) => {
      expect(readReceived(`by gw.example.net with ${protocol} id 1`).isInternal).toBe(true);
    },
  );

  it.each([
    'ESMTPA',
    'ESMTPSA',
    'UTF8SMTPSA',
    'LMTPA',
    'SMTPS',
    'HTTP',
    'HTTPS',
    'HTTPREST',
    'mapi',
    '(x)',
    '',
    'Internet Mail',
  ])('without a from clause "with %s" is not: anybody may have handed it in', (protocol) => {
    expect(readReceived(`by gw.example.net with ${protocol}`).isInternal).toBe(false);
  });

  it('a HELO name in the place of the protocol or of qmail-queue makes no field internal', () => {
    expect(readReceived('from (qmail 1 invoked from network)').isInternal).toBe(false);
    expect(readReceived('from with local by gw.example.net').isInternal).toBe(false);
    expect(readReceived('from x (with local) by gw.example.net with SMTP').isInternal).toBe(false);
    expect(readReceived('Message by gw.example.net with SMTP').isInternal).toBe(false);
    expect(readReceived('(mail 1 invoked from network)').isInternal).toBe(false);
  });
});
