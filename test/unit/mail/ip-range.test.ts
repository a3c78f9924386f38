import { describe, expect, it } from 'vitest';
import { formatIpAddress } from '../../../src/mail/ip-address.ts';
import {
  cidrsOfRange,
  ipRangeSize,
  ipRangesOverlap,
  isWiderThan,
  parseIpRange,
  type IpRange,
} from '../../../src/mail/ip-range.ts';
import { quoteEntry } from '../../../src/mail/ip-range-refusal.ts';

const range = (text: string): IpRange => {
  const parsed = parseIpRange(text);
  if (!parsed.ok) throw new Error(parsed.error.message);
  return parsed.value;
};
/** Reason and message of a refusal; a range that was taken shows as such. */
const refusal = (text: string): [string, string] => {
  const parsed = parseIpRange(text);
  return parsed.ok ? ['taken', parsed.value.text] : [parsed.error.reason, parsed.error.message];
};
const ends = ({ first, last }: IpRange): string[] => [formatIpAddress(first), formatIpAddress(last)];

describe('parseIpRange takes', () => {
  it.each([
    ['192.0.2.7', '192.0.2.7', '192.0.2.7', '192.0.2.7'],
    [' 192.0.2.7\t', '192.0.2.7', '192.0.2.7', '192.0.2.7'],
    ['192.0.2.7/32', '192.0.2.7', '192.0.2.7', '192.0.2.7'],
    ['192.0.2.0/24', '192.0.2.0/24', '192.0.2.0', '192.0.2.255'],
    ['0.0.0.0/0', '0.0.0.0/0', '0.0.0.0', '255.255.255.255'],
    ['128.0.0.0/1', '128.0.0.0/1', '128.0.0.0', '255.255.255.255'],
    ['2001:DB8::1', '2001:db8::1', '2001:db8::1', '2001:db8::1'],
    ['[2001:db8::1]', '2001:db8::1', '2001:db8::1', '2001:db8::1'],
    ['[192.0.2.1]', '192.0.2.1', '192.0.2.1', '192.0.2.1'],
    ['2001:db8::/32', '2001:db8::/32', '2001:db8::', '2001:db8:ffff:ffff:ffff:ffff:ffff:ffff'],
    ['2001:db8::/33', '2001:db8::/33', '2001:db8::', '2001:db8:7fff:ffff:ffff:ffff:ffff:ffff'],
    ['2001:db8::10/124', '2001:db8::10/124', '2001:db8::10', '2001:db8::1f'],
    ['2001:db8::1/128', '2001:db8::1', '2001:db8::1', '2001:db8::1'],
    ['::/0', '::/0', '::', 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'],
    ['2001:db8::-2001:db8::ffff', '2001:db8::/112', '2001:db8::', '2001:db8::ffff'],
    ['2001:db8::-2001:db8::1:0', '2001:db8::-2001:db8::1:0', '2001:db8::', '2001:db8::1:0'],
    ['2001:db8::-2001:db9::', '2001:db8::-2001:db9::', '2001:db8::', '2001:db9::'],
    ['192.0.2.0-192.0.2.255', '192.0.2.0/24', '192.0.2.0', '192.0.2.255'],
    ['192.0.2.1-192.0.2.1', '192.0.2.1', '192.0.2.1', '192.0.2.1'],
    ['0.0.0.0-255.255.255.255', '0.0.0.0/0', '0.0.0.0', '255.255.255.255'],
    ['192.0.2.0-192.0.2.254', '192.0.2.0-192.0.2.254', '192.0.2.0', '192.0.2.254'],
  ])('%s as %s', (entry, text, first, last) => {
    const taken = range(entry);
    expect([taken.text, ...ends(taken)]).toEqual([text, first, last]);
  });

  it('IP-01 single zeros stay valid', () => {
    expect(range('0.0.0.0/8').text).toBe('0.0.0.0/8');
    expect(range('10.0.0.0').text).toBe('10.0.0.0');
  });

  it.each([
    ['::ffff:192.0.2.0/120', '192.0.2.0/24'],
    ['::FFFF:c000:200/120', '192.0.2.0/24'],
    ['::ffff:0:0/96', '0.0.0.0/0'],
    ['::ffff:192.0.2.9/128', '192.0.2.9'],
    ['::ffff:192.0.2.9', '192.0.2.9'],
    ['::ffff:192.0.2.1-::ffff:192.0.2.9', '192.0.2.1-192.0.2.9'],
  ])('IP-04 the IPv4-mapped entry %s as %s', (entry, text) => {
    expect(range(entry).text).toBe(text);
  });

  it('IP-07 a dash range as one entry of exactly 9 addresses', () => {
    const taken = range('192.0.2.1-192.0.2.9');
    expect(taken.text).toBe('192.0.2.1-192.0.2.9');
    expect(ipRangeSize(taken)).toBe(9n);
    expect(cidrsOfRange(taken)).toEqual(['192.0.2.1/32', '192.0.2.2/31', '192.0.2.4/30', '192.0.2.8/31']);
  });
});

describe('parseIpRange refuses', () => {
  it.each([
    [
      '010.1.1.1',
      'leading-zero',
      '"010.1.1.1" has a leading zero in "010", which some programs read as octal; write 10.1.1.1 if decimal is meant.',
    ],
    [
      '192.0.2.08',
      'leading-zero',
      '"192.0.2.08" has a leading zero in "08", which some programs read as octal; write 192.0.2.8 if decimal is meant.',
    ],
    ['192.0.2.010', 'leading-zero', 'write 192.0.2.10 if decimal is meant.'],
    ['010.1.1.0/24', 'leading-zero', 'write 10.1.1.0/24 if decimal is meant.'],
    ['192.0.2.01-192.0.2.9', 'leading-zero', 'In "192.0.2.01-192.0.2.9", "192.0.2.01" has a leading zero'],
    ['192.0.2.1-192.0.2.09', 'leading-zero', 'In "192.0.2.1-192.0.2.09", "192.0.2.09" has a leading zero'],
    ['::ffff:192.0.2.010', 'leading-zero', 'write 192.0.2.10 if decimal is meant.'],
    ['010.1', 'leading-zero', 'octal; write it without.'],
    ['01..2.3', 'leading-zero', 'octal; write it without.'],
  ])('IP-01 leading zero in %s', (entry, reason, message) => {
    const [found, text] = refusal(entry);
    expect(found).toBe(reason);
    expect(text).toContain(message);
  });

  it.each([
    ['192.0.2.7/24', 'write 192.0.2.0/24 for the whole network, or 192.0.2.7 for the one address'],
    ['10.0.0.1/20', 'write 10.0.0.0/20 for the whole network, or 10.0.0.1 for the one address'],
    ['0.0.0.1/0', 'write 0.0.0.0/0 for the whole network'],
    ['2001:db8::1/64', 'write 2001:db8::/64 for the whole network, or 2001:db8::1 for the one address'],
    ['::ffff:192.0.2.7/120', 'write 192.0.2.0/24 for the whole network, or 192.0.2.7 for the one address'],
  ])('IP-02 host bits in %s, offering both readings', (entry, offer) => {
    const [reason, message] = refusal(entry);
    expect(reason).toBe('host-bits');
    expect(message).toContain(`"${entry}"`);
    expect(message).toContain(offer);
  });

  it.each([
    ['1.1.1.1/33', 'prefix-length', '0 to 32'],
    ['1.1.1.1/50000000', 'prefix-length', '"50000000"'],
    ['1.1.1.1/-1', 'prefix-length', '"-1"'],
    ['1.1.1.1/', 'prefix-length', 'no prefix length after the slash'],
    ['1.1.1.1/08', 'prefix-length', '"08"'],
    ['1.1.1.1/8.0', 'prefix-length', '"8.0"'],
    ['2001:db8::/129', 'prefix-length', '0 to 128'],
    ['::ffff:192.0.2.0/129', 'prefix-length', '0 to 128'],
    ['999.1.1.1', 'octet-range', '999'],
    ['999.1.1.1/24', 'octet-range', '999'],
    ['1.1.1.1/24/24', 'prefix-length', '"24/24"'],
    ['/24', 'not-an-address', 'has no address'],
  ])('IP-03 %s, named', (entry, reason, part) => {
    const [found, message] = refusal(entry);
    expect(found).toBe(reason);
    expect(message).toContain(`"${entry}"`);
    expect(message).toContain(part);
  });

  it.each([
    ['::ffff:192.0.2.0/95', '192.0.2.0/32'],
    ['::ffff:0:0/0', '0.0.0.0/32'],
  ])('IP-04 %s, a mapped prefix shorter than 96', (entry, offer) => {
    const [reason, message] = refusal(entry);
    expect(reason).toBe('mapped-prefix');
    expect(message).toContain(offer);
  });

  it.each([
    ['192.0.2.9-192.0.2.1', 'reversed', 'write 192.0.2.1-192.0.2.9'],
    ['2001:db8::9-2001:db8::1', 'reversed', 'write 2001:db8::1-2001:db8::9'],
    ['192.0.2.1-2001:db8::1', 'mixed-family', 'one range for each'],
    ['192.0.2.1 - 192.0.2.9', 'dash', 'here 192.0.2.1-192.0.2.9.'],
    ['192.0.2.1- 192.0.2.9', 'dash', 'here 192.0.2.1-192.0.2.9.'],
    ['- 192.0.2.9', 'dash', 'such as 192.0.2.1-192.0.2.9.'],
    ['-', 'dash', '"-" has a "-" that stands alone'],
    ['192.0.2.1-', 'dash', 'is not a range'],
    ['-192.0.2.1', 'dash', 'is not a range'],
    ['192.0.2.1–192.0.2.9', 'dash', 'plain "-"'],
    ['192.0.2.1-192.0.2.9-192.0.2.12', 'dash', 'one dash between'],
    ['192.0.2.1-192.0.2.9/24', 'dash', 'no prefix length'],
    ['192.0.2.0/24-192.0.3.0/24', 'dash', 'mixes a network and a dash'],
    ['192.0.2.1-9', 'short-form', 'such as 192.0.2.1-192.0.2.9.'],
    ['192.0.2.1-999', 'number-form', 'In "192.0.2.1-999", "999" is one number'],
    ['2001:db8::1-9', 'number-form', 'is one number'],
    ['192.0.2.1-x', 'domain-name', 'is a name'],
  ])('IP-07 %s (%s)', (entry, reason, part) => {
    const [found, message] = refusal(entry);
    expect(found).toBe(reason);
    expect(message).toContain(`"${entry}"`);
    expect(message).toContain(part);
  });

  it.each([
    ['192.0.2.*', 'wildcard', 'here 192.0.2.0/24.'],
    ['192.0.2', 'short-form', 'write 192.0.2.0/24 if that is meant.'],
    ['192.0.2.0/255.255.255.0', 'netmask', 'such as 192.0.2.0/24.'],
    ['0x7f.1', 'number-form', 'hexadecimal'],
    ['2130706433', 'number-form', 'here 127.0.0.1.'],
    ['192.0.*.*', 'wildcard', 'here 192.0.0.0/16.'],
    ['10.*', 'wildcard', 'here 10.0.0.0/8.'],
    ['999.0.2.*', 'wildcard', 'such as 192.0.2.0/24.'],
    ['192.*.2.1', 'wildcard', 'such as 192.0.2.0/24.'],
    ['192.0.2.*/24', 'wildcard', 'here 192.0.2.0/24.'],
    ['2001:DB8:*', 'wildcard', 'here 2001:db8::/32.'],
    ['192.0.2.', 'short-form', 'write 192.0.2.0/24'],
    ['10.1', 'short-form', 'has 2 of the four numbers of an address; write 10.1.0.0/16'],
    ['10.1/12', 'short-form', 'write 10.1.0.0/12'],
    ['::ffff:192.0.2', 'short-form', 'write 192.0.2.0 if'],
    ['10', 'number-form', 'such as 192.0.2.7.'],
    ['99999999999', 'number-form', 'such as 192.0.2.7.'],
    ['10.0.0.1/255.255.240.0', 'netmask', 'such as 10.0.0.0/20.'],
    ['10.0.0.0/0.0.255.255', 'netmask', 'such as 192.0.2.0/24.'],
    ['2001:db8::/255.255.255.0', 'netmask', 'such as 192.0.2.0/24.'],
  ])('IP-09 %s (%s), with an offer', (entry, reason, part) => {
    const [found, message] = refusal(entry);
    expect(found).toBe(reason);
    expect(message).toContain(`"${entry}"`);
    expect(message).toContain(part);
  });

  it.each([
    ['', 'empty', 'An entry is empty'],
    [' \t ', 'empty', 'An entry is empty'],
    ['fe80::1%eth0', 'zone', 'leave out the "%"'],
    ['192.0.2.1:25', 'port', 'has a port'],
    ['[2001:db8::1]:25', 'port', 'has a port'],
    ['[2001:db8::/32]', 'brackets', 'without them'],
    ['[192.0.2.1', 'brackets', 'without them'],
    ['IPv6:2001:db8::1', 'not-an-address', 'starts with "IPv6:"'],
    ['2001:db8:::1', 'not-an-address', 'is no IPv6 address'],
    ['2001:db8::mail.example', 'not-an-address', 'is no IPv6 address'],
    ['1.2.3.4::', 'not-an-address', 'is no IPv6 address'],
    ['1:2:3:4:5:6:7:1.2.3.4', 'not-an-address', 'is no IPv6 address'],
    ['192..2.1', 'not-an-address', 'is no IPv4 address'],
    ['192.0.2.1.5', 'not-an-address', 'is no IPv4 address'],
    ['192.0.2.1.', 'not-an-address', 'is no IPv4 address'],
    ['192.0.2.1000000000000000', 'octet-range', 'the number 100000000000;'],
    ['mail.example.com', 'domain-name', 'is a name'],
    ['mail-1.example.com', 'domain-name', 'is a name'],
    ['user@example.com', 'not-an-address', 'is no IP address'],
    ['192.0.2.1;192.0.2.2', 'separator', 'holds ";"'],
    ['192.0.2.1，192.0.2.2', 'separator', 'holds "，"'],
    ['192.0.2.1\u00a0192.0.2.2', 'separator', 'holds "<U+00A0>"'],
    ['192.0.2.1\u200b', 'invisible-character', 'the invisible character U+200B'],
    ['192.0.2.1\u0000', 'invisible-character', 'the invisible character U+0000'],
    ['1'.repeat(200), 'not-an-address', `"${'1'.repeat(60)}…" is longer`],
  ])('"%s" (%s)', (entry, reason, part) => {
    const [found, message] = refusal(entry);
    expect(found).toBe(reason);
    expect(message).toContain(part);
    expect(message).toMatch(/\.$/);
  });
});

it('quotes entries without control characters', () => {
  expect(quoteEntry('a b\u001b[2J\u202e\u3000')).toBe('"a b<U+001B>[2J<U+202E><U+3000>"');
});

describe('IP-16 width', () => {
  const widest = { ipv4Prefix: 20, ipv6Prefix: 64 };
  it.each([
    ['10.0.0.0/20', false],
    ['10.0.0.0/19', true],
    ['10.0.0.1', false],
    ['10.1.1.0/24', false],
    ['192.0.2.0-192.0.63.255', true],
    ['192.0.2.0-192.0.17.255', false],
    ['192.0.2.0-192.0.18.0', true],
    ['2001:db8::/64', false],
    ['2001:db8::/63', true],
    ['2001:db8::-2001:db8::1:0:0:0:0', true],
    ['::/0', true],
  ])('%s is wider than a /20 or /64: %s', (entry, expected) => {
    expect(isWiderThan(range(entry), widest)).toBe(expected);
  });
});

it('counts addresses', () => {
  expect(ipRangeSize(range('0.0.0.0/0'))).toBe(1n << 32n);
  expect(ipRangeSize(range('::/0'))).toBe(1n << 128n);
  expect(ipRangeSize(range('2001:db8::1'))).toBe(1n);
});

it('gives the fewest networks of a range', () => {
  expect(cidrsOfRange(range('0.0.0.0/0'))).toEqual(['0.0.0.0/0']);
  expect(cidrsOfRange(range('255.255.255.254-255.255.255.255'))).toEqual(['255.255.255.254/31']);
  expect(cidrsOfRange(range('::/0'))).toEqual(['::/0']);
  expect(cidrsOfRange(range('::1-ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe'))).toHaveLength(254);
  expect(cidrsOfRange(range('2001:db8::1-2001:db8::4'))).toEqual([
    '2001:db8::1/128',
    '2001:db8::2/127',
    '2001:db8::4/128',
  ]);
});

it('tells overlap', () => {
  const overlap = (a: string, b: string): boolean => ipRangesOverlap(range(a), range(b));
  expect(overlap('192.0.2.0/24', '192.0.2.255')).toBe(true);
  expect(overlap('192.0.2.0/24', '192.0.3.0')).toBe(false);
  expect(overlap('192.0.3.0', '192.0.2.0/24')).toBe(false);
  expect(overlap('::/0', '192.0.2.1')).toBe(false);
});
