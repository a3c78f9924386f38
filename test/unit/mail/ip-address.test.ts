import { describe, expect, it } from 'vitest';
import {
  addressWords,
  compareIpAddresses,
  formatIpAddress,
  isLoopback,
  parseClientAddress,
  parseIpAddress,
} from '../../../src/mail/ip-address.ts';
import { isMapped, scanIpv4, scanIpv6, wordMask } from '../../../src/mail/ip-scan.ts';

const canonical = (text: string): string | null => {
  const address = parseIpAddress(text);
  return address === null ? null : formatIpAddress(address);
};

describe('parseIpAddress', () => {
  it.each(['0.0.0.0', '192.0.2.9', '255.255.255.255', '10.0.0.1'])('takes %s as it is', (text) => {
    expect(canonical(text)).toBe(text);
  });

  it.each([
    ['2001:DB8::1', '2001:db8::1'],
    ['2001:0db8:0000:0000:0000:0000:0000:0001', '2001:db8::1'],
    ['::', '::'],
    ['::1', '::1'],
    ['1::', '1::'],
    ['1:2:3:4:5:6:7:8', '1:2:3:4:5:6:7:8'],
    ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0'],
    ['::2:3:4:5:6:7:8', '0:2:3:4:5:6:7:8'],
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['64:ff9b::192.0.2.33', '64:ff9b::c000:221'],
    ['1:2:3:4:5:6:192.0.2.33', '1:2:3:4:5:6:c000:221'],
    ['ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff', 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'],
    ['::192.0.2.1', '::c000:201'],
  ])('reads %s as %s (RFC 5952)', (text, expected) => {
    expect(canonical(text)).toBe(expected);
  });

  it.each(['::ffff:192.0.2.9', '0:0:0:0:0:ffff:c000:209', '::FFFF:192.0.2.9', '::ffff:c000:209'])(
    'IP-04 the IPv4-mapped %s is 192.0.2.9',
    (text) => {
      expect(parseIpAddress(text)).toEqual({ family: 4, value: 0xc0000209 });
    },
  );

  it.each([
    '',
    '192.0.2',
    '192.0.2.',
    '192.0.2.1.',
    '192.0.2.1.1',
    '192.0.2.256',
    '192.0.2.1000',
    '192..2.1',
    '.192.0.2.1',
    '192,0,2,1',
    '010.1.1.1',
    '192.0.2.00',
    '192.0.2.08',
    '192.0.2.1 ',
    ' 192.0.2.1',
    '192.0.2.x',
    '192.0.2.-1',
    '0x7f.1',
    '2130706433',
    'unknown',
    ':',
    ':1',
    ':::',
    '1',
    '1:',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:',
    '1:2:3:4:5:6:7:8:9',
    '1:2:3:4:5:6:7:8::',
    '1::2::3',
    '1:::2',
    '12345::',
    'g::',
    '::1%eth0',
    '[::1]',
    '1.2.3.4::',
    '::1.2.3',
    '::1.2.3.04',
    '::1.2.3.4:5',
    '1:2:3:4:5:6:7:1.2.3.4',
    '1:2:3:4:5:6:7:8.1.1.1',
    '::/0',
    'IPv6:::1',
    '1 :2:3:4:5:6:7:8',
  ])('refuses "%s"', (text) => {
    expect(parseIpAddress(text)).toBeNull();
  });
});

describe('parseClientAddress', () => {
  it.each(['IPv6:2001:db8::1', '2001:db8::1', '[2001:db8::1]', '[IPv6:2001:db8::1]', 'ipv6:2001:DB8::1'])(
    'MIL-11 %s is 2001:db8::1',
    (text) => {
      expect(parseClientAddress(text)).toEqual(parseIpAddress('2001:db8::1'));
    },
  );

  it.each(['192.0.2.9', '[192.0.2.9]', '::ffff:192.0.2.9', 'IPv6:::ffff:192.0.2.9'])('MIL-11 %s is IPv4', (text) => {
    expect(parseClientAddress(text)).toEqual({ family: 4, value: 0xc0000209 });
  });

  it.each(['unknown', '', '/var/run/socket', '[', '[]', 'IPv6:', '[IPv6:]', 'IPv6:192.0.2.9', '[192.0.2.9', '::1%lo'])(
    'MIL-11 "%s" is no address',
    (text) => {
      expect(parseClientAddress(text)).toBeNull();
    },
  );
});

describe('scanning inside a longer text', () => {
  it('keeps to its bounds', () => {
    const words = new Uint32Array(4);
    expect(scanIpv4('x192.0.2.19', 1, 10)).toBe(0xc0000201);
    expect(scanIpv6('::1', 0, 1, words)).toBe(false);
    expect(scanIpv6('1::23', 0, 4, words)).toBe(true);
    expect([...words]).toEqual([0x10000, 0, 0, 2]);
    expect(isMapped(words)).toBe(false);
  });
});

it('orders IPv4 before IPv6, and each by number', () => {
  const texts = ['2001:db8::', '255.255.255.255', '::1', '1::', '9.9.9.9', '2001:db8:0:1::', '10.0.0.0', '::1:0:0'];
  const sorted = texts
    .map((text) => parseIpAddress(text)!)
    .sort(compareIpAddresses)
    .map(formatIpAddress);
  expect(sorted).toEqual([
    '9.9.9.9',
    '10.0.0.0',
    '255.255.255.255',
    '::1',
    '::1:0:0',
    '1::',
    '2001:db8::',
    '2001:db8:0:1::',
  ]);
});

it('knows loopback addresses', () => {
  const loopback = (text: string): boolean => isLoopback(parseIpAddress(text)!);
  expect(['127.0.0.1', '127.255.255.255', '::1', '::ffff:127.0.0.1'].map(loopback)).toEqual([true, true, true, true]);
  const others = ['128.0.0.1', '126.255.255.255', '::', '::2', '1::1', '0:0:1::1', '::1:0:1'];
  expect(others.map(loopback)).toEqual(others.map(() => false));
});

it('gives words and masks', () => {
  expect(addressWords(parseIpAddress('192.0.2.1')!)).toEqual([0xc0000201]);
  expect(addressWords(parseIpAddress('1:2:3:4:5:6:7:8')!)).toEqual([0x10002, 0x30004, 0x50006, 0x70008]);
  expect([-5, 0, 1, 24, 32, 40].map(wordMask)).toEqual([0, 0, 0x80000000, 0xffffff00, 0xffffffff, 0xffffffff]);
});
