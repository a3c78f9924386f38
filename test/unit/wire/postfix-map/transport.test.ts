import { describe, expect, it } from 'vitest';
import { encodeTransport, type TransportTarget } from '../../../../src/wire/postfix-map/index.ts';
import { LocalProtocolError } from '../../../../src/wire/protocol-error.ts';

const target = (changes: Partial<TransportTarget>): TransportTarget => ({
  service: 'postern',
  host: 'relay.example.net',
  port: 25,
  mx: false,
  ...changes,
});

describe('encodeTransport', () => {
  it.each([
    [{}, 'postern:[relay.example.net]:25'],
    [{ mx: true, port: 2525 }, 'postern:relay.example.net:2525'],
    [{ host: '192.0.2.7', port: 65_535 }, 'postern:[192.0.2.7]:65535'],
    [{ host: '2001:db8::7', port: 1 }, 'postern:[2001:db8::7]:1'],
    [{ host: '::1' }, 'postern:[::1]:25'],
    [{ host: '2001:db8:0:1:2:3:4:5' }, 'postern:[2001:db8:0:1:2:3:4:5]:25'],
    [{ host: 'localhost', service: 'postern-verify' }, 'postern-verify:[localhost]:25'],
    [{ host: 'xn--bcher-kva.example' }, 'postern:[xn--bcher-kva.example]:25'],
    [{ host: '1and1.example' }, 'postern:[1and1.example]:25'],
  ])('writes %j', (changes, expected) => {
    expect(encodeTransport(target(changes))).toBe(expected);
  });

  it.each([
    'x\n* discard:',
    ' leading',
    'leading ',
    '#c',
    'a b',
    'relay.example.net]:25 #',
    'relay.example.net]:25',
    '[relay.example.net]',
    'relay.example.net:25',
    'relay.example.net,other.example',
    '$myhostname',
    '',
    '.',
    '.example.net',
    'example.net.',
    'a..b',
    '-a.example',
    'a-.example',
    'Relay.example.net',
    'bücher.example',
    'a_b.example',
    '256.0.0.1',
    '192.0.2',
    '192.0.2.07',
    '12345',
    ':',
    ':::',
    '1::2::3',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '2001:db8::12345',
    '2001:DB8::1',
    ':1:2:3:4:5:6:7',
    'fe80::1%eth0',
    `${'a'.repeat(64)}.example`,
    `${'a.'.repeat(127)}example`,
  ])('MAP-06 refuses the host %j', (host) => {
    expect(() => encodeTransport(target({ host }))).toThrow(LocalProtocolError);
    expect(() => encodeTransport(target({ host, mx: true }))).toThrow(LocalProtocolError);
  });

  it.each([
    { service: 'smtp:x' },
    { service: '' },
    { service: 'a b' },
    { service: 'x\ny' },
    { port: 0 },
    { port: 65_536 },
    { port: 2.5 },
    { port: NaN },
    { host: '192.0.2.7', mx: true },
    { host: '2001:db8::7', mx: true },
  ])('MAP-06 refuses %j', (changes) => {
    expect(() => encodeTransport(target(changes))).toThrow(LocalProtocolError);
  });
});
