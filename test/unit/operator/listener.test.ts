import { describe, expect, it } from 'vitest';
import { checkDnsServer } from '../../../src/operator/listener.ts';
import { formatListener, parseListener } from '../../../src/operator/index.ts';

describe('a listener', () => {
  it.each([
    ['127.0.0.1:10040', { kind: 'tcp', host: '127.0.0.1', port: 10_040 }],
    ['0.0.0.0:1', { kind: 'tcp', host: '0.0.0.0', port: 1 }],
    ['localhost:65535', { kind: 'tcp', host: 'localhost', port: 65_535 }],
    ['[::1]:10040', { kind: 'tcp', host: '::1', port: 10_040 }],
    ['[::]:25', { kind: 'tcp', host: '::', port: 25 }],
    ['unix:/var/spool/postfix/postern/policy.sock', { kind: 'unix', path: '/var/spool/postfix/postern/policy.sock' }],
    ['unix:run/policy.sock', { kind: 'unix', path: 'run/policy.sock' }],
    [`unix:/${'x'.repeat(106)}`, { kind: 'unix', path: `/${'x'.repeat(106)}` }],
  ])('%s is read and written back', (text, listener) => {
    const parsed = parseListener(text);
    expect(parsed).toEqual({ ok: true, value: listener });
    expect(parsed.ok && formatListener(parsed.value)).toBe(text);
  });

  it.each([
    ['', /is no place to listen/],
    ['10040', /is no place to listen/],
    ['127.0.0.1', /is no place to listen/],
    ['[::1]', /is no place to listen/],
    ['::1:10040', /is no place to listen/],
    ['127.0.0.1:10040/x', /is no place to listen/],
    ['127.0.0.1:123456', /is no place to listen/],
    ['[127.0.0.1]:10040', /is no place to listen/],
    ['[]:10040', /is no place to listen/],
    ['[::x]:10040', /is no place to listen/],
    [':10040', /has no usable host/],
    ['*:10040', /has no usable host/],
    ['127.1:10040', /has no usable host/],
    ['a b:10040', /has no usable host/],
    ['127.0.0.1:0', /has port 0; ports go from 1 to 65535/],
    ['127.0.0.1:65536', /has port 65536/],
    ['unix:', /names no path; write unix:/],
    ['unix:/a\0b', /has a path with a NUL/],
    [`unix:/${'x'.repeat(107)}`, /^has a path of 108 octets, and unix sockets allow 107/],
    [`unix:/${'é'.repeat(54)}`, /^has a path of 109 octets/],
  ])('"%s" is refused', (text, message) => {
    expect(parseListener(text)).toEqual({ ok: false, error: expect.stringMatching(message) as unknown });
  });
});

describe('the address of a DNS server', () => {
  it.each(['127.0.0.1', '127.0.0.1:53', '::1', '2001:db8::53', '[::1]', '[2001:db8::53]:5353'])(
    '%s is taken',
    (text) => {
      expect(checkDnsServer(text)).toBeNull();
    },
  );

  it.each([
    '',
    'ns.example',
    'ns.example:53',
    '999.0.0.1',
    '....',
    ':::',
    '[127.0.0.1]:53',
    '1.1.1.1:dns',
    'tls://1.1.1.1',
  ])('"%s" is refused', (text) => {
    expect(checkDnsServer(text)).toBe(
      `"${text}" is no address of a DNS server; write an address such as 127.0.0.1, 127.0.0.1:53 or [::1]:53`,
    );
  });

  it.each(['127.0.0.1:0', '[::1]:65536'])('"%s" has no port', (text) => {
    expect(checkDnsServer(text)).toMatch(/has a port that is not from 1 to 65535/);
  });
});
