import { describe, expect, it } from 'vitest';
import type { IpAddress } from '../../../src/mail/index.ts';
import { compile } from '../../../src/snapshot/index.ts';
import { isOurAddress, isOurName, type Ourselves } from '../../../src/snapshot/ourselves.ts';
import { aDomain, aHost, aRange, aSettings, REVISION, someMaterials, withDomain } from '../../support/builders.ts';

const at = (text: string): IpAddress => aRange(text).first;
const ourselves = (...listeners: readonly (readonly [string | null, number])[]): Ourselves => ({
  smtpdListeners: listeners.map(([address, port]) => ({ address: address === null ? null : at(address), port })),
  localAddresses: ['127.0.0.1', '::1', '192.0.2.25'].map(at),
  proxyAddresses: [at('203.0.113.25')],
  hostName: aDomain('mx.example.com'),
  loopbackNames: [aDomain('localhost'), aDomain('localhost.example.com')],
});
const EVERYWHERE = ourselves([null, 25], [null, 587]);
const INSIDE = ourselves(['127.0.0.1', 10_025]);

describe('addresses of this Postfix', () => {
  it.each([
    ['192.0.2.25', 25, true],
    ['192.0.2.25', 587, true],
    ['192.0.2.25', 2525, false],
    ['192.0.2.26', 25, false],
    // The whole of 127.0.0.0/8 is this host, whatever addresses its interfaces have.
    ['127.3.2.1', 25, true],
    ['203.0.113.25', 25, true],
    ['203.0.113.25', 2525, false],
    ['203.0.113.26', 25, false],
  ])('%s port %d where it listens everywhere: %s', (address, port, isOurs) => {
    expect(isOurAddress(at(address), port, EVERYWHERE)).toBe(isOurs);
  });

  it('a listener on one address is at that one only', () => {
    expect(isOurAddress(at('127.0.0.1'), 10_025, INSIDE)).toBe(true);
    expect(isOurAddress(at('127.0.0.2'), 10_025, INSIDE)).toBe(false);
    expect(isOurAddress(at('192.0.2.25'), 10_025, INSIDE)).toBe(false);
  });
});

describe('names of this Postfix', () => {
  it.each([
    ['mx.example.com', 25, true],
    ['mx.example.com', 2525, false],
    ['localhost', 25, true],
    ['localhost.example.com', 25, true],
    ['localhost.example.net', 25, false],
    ['example.com', 25, false],
  ])('%s port %d: %s', (name, port, isOurs) => {
    expect(isOurName(name, port, false, EVERYWHERE)).toBe(isOurs);
  });

  it('localhost is not where smtpd listens on another interface alone', () => {
    const outside = ourselves(['192.0.2.25', 25]);
    expect(isOurName('localhost', 25, false, outside)).toBe(false);
    expect(isOurName('mx.example.com', 25, false, outside)).toBe(true);
    expect(isOurName('localhost', 10_025, false, INSIDE)).toBe(true);
    expect(isOurName('localhost', 25, false, ourselves(['::1', 25]))).toBe(true);
  });

  it('by MX, the name of the host may lead elsewhere; localhost may not', () => {
    expect(isOurName('mx.example.com', 25, true, EVERYWHERE)).toBe(false);
    expect(isOurName('localhost', 25, true, EVERYWHERE)).toBe(true);
  });

  it('without a Postfix at hand nothing is ours', () => {
    const nobody = { smtpdListeners: [], localAddresses: [at('192.0.2.25')] };
    expect(isOurName('localhost', 25, false, nobody)).toBe(false);
    expect(isOurAddress(at('192.0.2.25'), 25, nobody)).toBe(false);
  });
});

it('compile refuses a route by a name of ours, at its host, and takes it at another port', () => {
  const compiled = (route: object): unknown => {
    const settings = aSettings(withDomain({}, { routes: { r: route } }));
    const result = compile(settings, { ...someMaterials(), ...EVERYWHERE }, aHost(), REVISION);
    return result.ok ? [] : result.error.map(({ pointer, message }) => [pointer, message]);
  };
  const why = 'where this Postfix itself listens: mail would go round in a circle; name the other server';
  expect(compiled({ host: 'MX.Example.Com', port: 587 })).toEqual([
    ['/organizations/acme/routes/r/host', `is mx.example.com port 587, ${why}`],
  ]);
  expect(compiled({ host: 'localhost', port: 10_026 })).toEqual([]);
  expect(compiled({ host: '203.0.113.25' })).toEqual([
    ['/organizations/acme/routes/r/host', `is 203.0.113.25 port 25, ${why}`],
  ]);
});
