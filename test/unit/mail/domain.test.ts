import { describe, expect, it } from 'vitest';
import { displayDomain, isUnder, parseDomain } from '../../../src/mail/index.ts';
import { aDomain } from '../../support/builders.ts';

const LABEL_63 = 'a'.repeat(63);
const LONGEST = `${LABEL_63}.${LABEL_63}.${LABEL_63}.${'a'.repeat(61)}`;

describe('a domain name', () => {
  it.each([
    ['example.com', 'example.com'],
    ['EXAMPLE.Com', 'example.com'],
    ['example.com.', 'example.com'],
    ['localhost', 'localhost'],
    ['_dmarc.example.com', '_dmarc.example.com'],
    ['a-b.c--d.example', 'a-b.c--d.example'],
    ['1und1.example', '1und1.example'],
    ['123.example', '123.example'],
    ['bücher.example', 'xn--bcher-kva.example'],
    ['BÜCHER.example.', 'xn--bcher-kva.example'],
    ['xn--bcher-kva.example', 'xn--bcher-kva.example'],
    ['XN--BCHER-KVA.example', 'xn--bcher-kva.example'],
    ['straße.example', 'xn--strae-oqa.example'],
    ['ｅｘａｍｐｌｅ.com', 'example.com'],
    ['bücher。example', 'xn--bcher-kva.example'],
    [LONGEST, LONGEST],
  ])('%s is %s', (text, domain) => {
    expect(parseDomain(text)).toEqual({ ok: true, value: domain });
  });

  it.each([
    ['', 'is empty; a domain looks like example.com'],
    ['*', 'has a wildcard; name each domain itself'],
    ['*.example.com', 'has a wildcard; name each domain itself'],
    [' example.com', 'has white space in it'],
    ['example.com\n', 'has white space in it'],
    ['example\u00a0.com', 'has white space in it'],
    ['bob@example.com', 'has an "@"; give the domain alone'],
    ['.', 'has an empty label (two dots together, or a dot at the start)'],
    ['a..b', 'has an empty label (two dots together, or a dot at the start)'],
    ['.example.com', 'has an empty label (two dots together, or a dot at the start)'],
    ['example.com..', 'has an empty label (two dots together, or a dot at the start)'],
    ['ö..example', 'has an empty label (two dots together, or a dot at the start)'],
    ['-a.example', 'has the label "-a"; letters, digits and inner hyphens are allowed'],
    ['a-.example', 'has the label "a-"; letters, digits and inner hyphens are allowed'],
    ['a,b.example', 'has the label "a,b"; letters, digits and inner hyphens are allowed'],
    ['a/b', 'has the label "a/b"; letters, digits and inner hyphens are allowed'],
    ['%41.example', 'has the label "%41"; letters, digits and inner hyphens are allowed'],
    ['[192.0.2.1]', 'has the label "[192"; letters, digits and inner hyphens are allowed'],
    ['192.0.2.1', 'ends in a number, as only an IP address does'],
    ['127.1', 'ends in a number, as only an IP address does'],
    ['１２７.0.0.1', 'ends in a number, as only an IP address does'],
    [`${LABEL_63}a.example`, `has the label "${'a'.repeat(20)}…", which is longer than 63 octets`],
    [`${'ü'.repeat(60)}.example`, 'has the label "xn--tdaaaaaaaaaaaaaa…", which is longer than 63 octets'],
    [`${LONGEST}a`, 'is longer than 253 octets'],
    ['xn--ü.example', 'is not a valid internationalized domain name'],
    ['\u200b', 'is not a valid internationalized domain name'],
  ])('"%s" is none: it %s', (text, error) => {
    expect(parseDomain(text)).toEqual({ ok: false, error });
  });

  it.each(['/x', '?x', '#x', '\\x', ':25', '%41', ';', '<', '"', '\0'])(
    'a U-label with "%s" behind it is refused, never cut or decoded',
    (tail) => {
      expect(parseDomain(`bücher.example${tail}`)).toEqual({
        ok: false,
        error: `has "${tail.slice(0, 1)}" in it; letters, digits and inner hyphens are allowed`,
      });
    },
  );

  it.each([
    ['example.com', 'example.com'],
    ['xn--bcher-kva.example', 'bücher.example'],
    ['xn--a.example', 'xn--a.example'],
  ])('%s is shown as %s', (domain, shown) => {
    expect(displayDomain(aDomain(domain))).toBe(shown);
  });

  it.each([
    ['example.com', 'example.com', true],
    ['a.b.example.com', 'example.com', true],
    ['notexample.com', 'example.com', false],
    ['example.com', 'a.example.com', false],
    ['example.com.evil.example', 'example.com', false],
  ])('%s under %s: %s', (domain, suffix, answer) => {
    expect(isUnder(aDomain(domain), aDomain(suffix))).toBe(answer);
  });
});
