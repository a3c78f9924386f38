import { describe, expect, it } from 'vitest';
import { addressReadings, parseAddress, withoutSourceRoute } from '../../../src/mail/index.ts';

describe('an envelope address', () => {
  it.each([
    ['bob@example.com', 'bob', 'example.com'],
    ['Bob@EXAMPLE.com.', 'Bob', 'example.com'],
    ['bob@bücher.example', 'bob', 'xn--bcher-kva.example'],
    ['"a b"@example.com', '"a b"', 'example.com'],
    ['"a@b"@example.com', '"a@b"', 'example.com'],
    ['a@b@example.com', 'a@b', 'example.com'],
    ['bounce=alice=example.org@lists.example.net', 'bounce=alice=example.org', 'lists.example.net'],
    ['jürgen@example.com', 'jürgen', 'example.com'],
    ['@example.com', '', 'example.com'],
    ['bob%example.com', 'bob', 'example.com'],
    ['a%b%EXAMPLE.com', 'a%b', 'example.com'],
    ['example.com!bob', 'bob', 'example.com'],
    ['mx.example!example.com!bob', 'example.com!bob', 'mx.example'],
    ['example.com!a%b.example', 'a%b.example', 'example.com'],
    ['bob%b.example@example.com', 'bob%b.example', 'example.com'],
    ['b.example!bob@example.com', 'b.example!bob', 'example.com'],
  ])('%s', (text, localPart, domain) => {
    expect(parseAddress(text)).toEqual({ text, localPart, domain });
    expect(parseAddress(`<${text}>`)).toEqual({ text, localPart, domain });
  });

  it.each(['@one.example:', '@one.example,@two.example:', '@[192.0.2.1]:', '@[IPv6:2001:db8::1],@two.example:'])(
    'has no source route: %s (RFC 5321 appendix C)',
    (route) => {
      expect(parseAddress(`<${route}bob@example.com>`)).toEqual(parseAddress('bob@example.com'));
      expect(withoutSourceRoute(`<${route}bob@example.com>`)).toBe('<bob@example.com>');
      expect(withoutSourceRoute(`${route}"a:b"@example.com`)).toBe('"a:b"@example.com');
    },
  );

  it.each(['"@one.example:bob"@example.com', 'a@one.example:bob@example.com', '@one.example:', '<@one.example:>', ''])(
    'is no source route: %s',
    (text) => {
      expect(withoutSourceRoute(text)).toBe(text);
    },
  );

  it.each([
    ['postmaster', 'postmaster'],
    ['bob@', 'bob'],
    ['bob@[192.0.2.1]', 'bob'],
    ['bob@[IPv6:2001:db8::1]', 'bob'],
    ['bob@a..b', 'bob'],
    ['bob@example com', 'bob'],
    ['"a@b"', '"a@b"'],
    ['@', ''],
    ['bob%', 'bob'],
    ['!bob', 'bob'],
    ['bob%[192.0.2.1]', 'bob'],
    ['"bob%example.com"', '"bob%example.com"'],
    ['"example.com!bob"', '"example.com!bob"'],
  ])('%s has no domain', (text, localPart) => {
    expect(parseAddress(text)).toEqual({ text, localPart, domain: null });
  });

  it.each(['', '<>'])('"%s" is the null reverse-path', (text) => {
    expect(parseAddress(text)).toBeNull();
  });

  it.each(['<bob@example.com', '>', '<'])('a bracket alone belongs to the text: %s', (text) => {
    expect(parseAddress(text)?.text).toBe(text);
  });
});

describe('the readings of an address', () => {
  it.each([
    ['bob@example.com', ['example.com', null]],
    ['bob', [null]],
    ['bob%example.com', ['example.com', null]],
    ['bob%example.com@mx.example', ['mx.example', 'example.com', null]],
    ['bob%example.com@[192.0.2.1]', [null, 'example.com', null]],
    ['bob%example.com@', [null, 'example.com', null]],
    ['bob%example.com%[192.0.2.1]', [null, 'example.com', null]],
    ['example.com!bob@[IPv6:::1]', [null, 'example.com', null]],
    ['mx.example!example.com!bob', ['mx.example', 'example.com', null]],
    ['bob@example.com@[192.0.2.1]', [null, 'example.com', null]],
    ['"bob@example.com"', [null, 'example.com', null]],
    ['"bob@example.com"@mx.example', ['mx.example', 'example.com', null]],
    ['"bob%example.com"@mx.example', ['mx.example', 'example.com', null]],
    ['"\\"bob\\"@example.com"@mx.example', ['mx.example', 'example.com', null]],
    ['"a b"@example.com', ['example.com', null]],
    ['"', [null]],
    ['""', [null]],
    ['@example.com', ['example.com']],
  ])('%s', (text, domains) => {
    const address = parseAddress(text);
    expect(address && [...addressReadings(address)].map(({ domain }) => domain)).toEqual(domains);
  });
});
