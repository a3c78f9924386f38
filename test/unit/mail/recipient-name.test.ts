import { describe, expect, it } from 'vitest';
import { isNeverMissing, recipientLocalName, recipientNames } from '../../../src/mail/recipient-name.ts';
import { aDomain } from '../../support/builders.ts';

const names = (localPart: string, delimiters = '', domain = 'example.com'): string[] =>
  recipientNames({ localPart, domain: aDomain(domain) }, delimiters);

describe('the names of a recipient', () => {
  it('the address first, then the local-part alone, then the whole domain', () => {
    expect(names('bob')).toEqual(['bob@example.com', 'bob', '@example.com']);
  });

  it('with an address extension before without', () => {
    expect(names('bob+news', '+')).toEqual([
      ...['bob+news@example.com', 'bob@example.com'],
      ...['bob+news', 'bob', '@example.com'],
    ]);
  });

  it.each([
    ['Bob', '', ['bob']],
    ['JÜRGEN', '', ['jürgen']],
    ['"bob"', '', ['bob']],
    ['"b\\ob"', '', ['bob']],
    ['bob+news', '', ['bob+news']],
    ['bob+news', '-', ['bob+news']],
    ['bob+news+more', '+', ['bob+news+more', 'bob']],
    ['bob-news+more', '+-', ['bob-news+more', 'bob']],
    ['bob+news-more', '+-', ['bob+news-more', 'bob']],
    ['bob+', '+', ['bob+', 'bob']],
    // What would leave nothing is no extension.
    ['+news', '+', ['+news']],
    ['+bob+news', '+', ['+bob+news']],
    ['+', '+', ['+']],
  ])('%s with the delimiters "%s" is %j', (localPart, delimiters, locals) => {
    expect(names(localPart, delimiters)).toEqual([
      ...locals.map((each) => `${each}@example.com`),
      ...locals,
      '@example.com',
    ]);
  });

  it.each([
    ['"a b"', ['a b', '"a b"']],
    ['"A\\"b"', ['a"b', '"a\\"b"']],
    ['"a\\\\b"', ['a\\b', '"a\\\\b"']],
    ['"a@b"', ['a@b', '"a@b"']],
    ['".a"', ['.a', '".a"']],
    ['a..b', ['a..b', '"a..b"']],
    ['"', ['"', '"\\""']],
  ])('%s needs quotes, and is looked for without and with them: Postfix maps may have either', (localPart, locals) => {
    expect(names(localPart)).toEqual([...locals.map((each) => `${each}@example.com`), ...locals, '@example.com']);
  });

  it('a domain in A-labels and in U-labels', () => {
    expect(names('bob', '', 'bücher.example')).toEqual([
      ...['bob@xn--bcher-kva.example', 'bob@bücher.example', 'bob'],
      ...['@xn--bcher-kva.example', '@bücher.example'],
    ]);
  });
});

describe('never missing', () => {
  it.each([
    ...['postmaster', 'PostMaster', '"postmaster"', 'postmaster+x'],
    ...['SRS0=abcd=x7=partner.example=carol', 'srs0+abcd=x7=partner.example=carol', 'srs0-abcd'],
    ...['srs1=hash=mx.example==abcd=x7=partner.example=carol', 'SRS1-x'],
    ...['prvs=1234abcdef=bob', 'PRVS=0=b', 'btv1==abcdef==bob'],
  ])('%s', (localPart) => {
    expect(isNeverMissing(localPart, '+')).toBe(true);
  });

  it.each([
    ...['bob', '', 'postmaster2', 'xpostmaster', 'bob+postmaster', 'postmaster.x', 'abuse', 'mailer-daemon'],
    ...['srs', 'srs0', 'srs0abc', 'srs2=abc', 'xsrs0=abc', 'prvs=', 'prvs=abc', 'prvs=abc=', 'prvs==bob', 'xprvs=a=b'],
    ...['btv1', 'btv1=a', 'btv1==', 'prvs'],
  ])('not "%s"', (localPart) => {
    expect(isNeverMissing(localPart, '+')).toBe(false);
  });

  it('postmaster with an extension only where the delimiter makes one', () => {
    expect(isNeverMissing('postmaster+x', '')).toBe(false);
    expect(isNeverMissing('postmaster-x', '+-')).toBe(true);
  });
});

describe('the local-part as it is compared', () => {
  it.each([
    ['Bob', 'bob'],
    ['"Bob"', 'bob'],
    ['"a\\ b\\\\"', 'a b\\'],
    ['""', ''],
    ['"', '"'],
    ['a"b"', 'a"b"'],
    ['"a\nb"', 'a\nb'],
  ])('%j is %j', (localPart, name) => {
    expect(recipientLocalName(localPart)).toBe(name);
  });
});
