import { describe, expect, it } from 'vitest';
import { compileIpSet, isPrivateAddress, isPrivateSet, parseIpAddress } from '../../../src/mail/index.ts';
import { aRange } from '../../support/builders.ts';

const isPrivate = (text: string): boolean => isPrivateAddress(parseIpAddress(text)!);
const isSetPrivate = (...texts: string[]): boolean =>
  isPrivateSet(compileIpSet(texts.map((text) => ({ range: aRange(text) }))));

describe('isPrivateAddress', () => {
  it.each([
    ...['10.0.0.0', '10.255.255.255', '172.16.0.0', '172.31.255.255', '192.168.0.0', '192.168.255.255'],
    ...['100.64.0.0', '100.127.255.255', '169.254.0.0', '169.254.255.255', '127.0.0.1', '127.255.255.255'],
    ...['fc00::', 'fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff', 'fe80::', 'febf:ffff::1', '::1'],
  ])('%s is', (text) => {
    expect(isPrivate(text)).toBe(true);
  });

  it.each([
    ...['9.255.255.255', '11.0.0.0', '172.15.255.255', '172.32.0.0', '192.167.255.255', '192.169.0.0', '0.0.0.0'],
    ...['100.63.255.255', '100.128.0.0', '169.253.255.255', '169.255.0.0', '126.255.255.255', '128.0.0.0', '192.0.2.1'],
    ...['fbff::', 'fe00::', 'fec0::', '::', '::2', '2001:db8::1'],
  ])('%s is not', (text) => {
    expect(isPrivate(text)).toBe(false);
  });
});

describe('isPrivateSet', () => {
  it.each([
    [['10.9.0.0/20']],
    [['10.0.0.1', '192.168.0.0/24', '172.20.0.1']],
    [['fd00::/64', 'fe80::1']],
    [['10.0.0.1', 'fd00::1']],
  ])('%j holds private addresses only', (texts) => {
    expect(isSetPrivate(...texts)).toBe(true);
  });

  it.each([
    [[]],
    [['192.0.2.1']],
    [['10.0.0.1', '192.0.2.1']],
    [['fd00::1', '2001:db8::1']],
    [['10.0.0.1', '2001:db8::1']],
    [['fd00::1', '192.0.2.1']],
    // Begins private and ends public; all private but not in one block.
    [['172.0.0.0/8']],
    [['8.0.0.0/6']],
    [['fe00::/8']],
    [['::/127']],
  ])('%j does not', (texts) => {
    expect(isSetPrivate(...texts)).toBe(false);
  });
});
