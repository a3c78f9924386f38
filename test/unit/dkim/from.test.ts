import { describe, expect, it } from 'vitest';
import { authorDomain, type HeaderField } from '../../../src/dkim/index.ts';

const latin1 = (text: string): string => Buffer.from(text, 'utf8').toString('latin1');
const from = (...values: readonly string[]): readonly HeaderField[] => [
  { name: 'To', value: ' c@third.example' },
  ...values.map((value) => ({ name: 'From', value: ` ${latin1(value)}` })),
];

describe('SIG-10 the author domain', () => {
  it.each<[string, string]>([
    ['(c) two authors of one domain', 'a@example.com, b@example.com'],
    ['(c) two authors of one domain in another spelling', 'a@example.com, B <b@EXAMPLE.com>'],
    ['(d) a quoted address as display name', '"x@other.example" <a@example.com>'],
    ['(e) a group', 'Team: a@example.com, B <b@example.com>;'],
    ['(e) a group among mailboxes', 'a@example.com, Team:; , b@example.com'],
    ['(e) a comment with an address', 'a@example.com (b@other.example, <c@other.example>)'],
    ['(e) a comment first, nested, with a quoted pair', '(x@other (y@other) \\) z) a@example.com'],
    ['(e) comments everywhere', 'A (x) <(y)a(z)@(x)example(y).(z)com(x)> (y)'],
    ['an address in brackets', '<a@example.com>'],
    ['a quoted local-part with @', '"x@other.example"@example.com'],
    ['a quoted local-part with quoted pairs', '"x\\"@other.example, y"@example.com'],
    ['a dotted local-part', 'a.b."c".d@example.com'],
    ['a display name with dots', 'John Q. Public Jr. <a@example.com>'],
    ['a display name with an encoded word', '=?utf-8?Q?x=40other.example?= <a@example.com>'],
    ['a display name in UTF-8', 'Jürgen <a@example.com>'],
    ['folds', 'A\n B\n\t<a@example.com>\n '],
    ['empty list members', ', a@example.com,, b@example.com,'],
    ['an obsolete source route', '<@relay.example,@other.example:a@example.com>'],
    ['an obsolete source route with an empty member', '<@relay.example,,@other.example:a@example.com>'],
    ['an obsolete spaced domain', 'a @ example . com'],
    ['a final dot is not there, capital letters are', 'a@Example.COM'],
  ])('SIG-10 %s', (_, value) => {
    expect(authorDomain(from(value))).toEqual({ kind: 'domain', domain: 'example.com' });
  });

  it('SIG-10 a domain in U-labels is the one in A-labels', () => {
    expect(authorDomain(from('a@bücher.example, b@xn--bcher-kva.example'))).toEqual({
      kind: 'domain',
      domain: 'xn--bcher-kva.example',
    });
  });

  it('SIG-10 (a) two From fields, in any spelling of the name', () => {
    expect(authorDomain(from('a@example.com', 'b@other.example'))).toMatchObject({ kind: 'none', reason: '2 From' });
    const odd = [...from('a@example.com'), { name: 'FROM\t', value: 'a@example.com' }];
    expect(authorDomain(odd)).toMatchObject({ kind: 'none', reason: '2 From' });
    expect(authorDomain(from('a@a.example', 'a@a.example', 'a@a.example'))).toMatchObject({
      detail: 'The message has 3 From fields; exactly one is allowed.',
    });
  });

  it('SIG-10 (b) no From field', () => {
    expect(authorDomain(from())).toMatchObject({ kind: 'none', reason: 'no From' });
  });

  it('SIG-10 authors of several domains', () => {
    expect(authorDomain(from('a@example.com, B: b@other.example, c@example.com;'))).toEqual({
      kind: 'none',
      reason: 'several domains',
      detail: 'The From field has authors in several domains: example.com, other.example.',
    });
  });

  it.each([
    '',
    'root',
    'A B',
    'Undisclosed:;',
    'a@',
    '@example.com',
    'a@example..com',
    'a@.example.com',
    'a..b@example.com',
    '.a@example.com',
    'a@example.com b@other.example',
    'a@example.com <b@other.example>',
    'A <a@example.com',
    'A a@example.com>',
    'A <a@example.com> B',
    'A <>',
    'A <<a@example.com>>',
    '"A <a@example.com>',
    'A (b <a@example.com>',
    'A b) <a@example.com>',
    'A [b] <a@example.com>',
    'a@[192.0.2.1]',
    'a@[192.0.2.1',
    'a@"example.com"',
    'a@example.com; b@example.com',
    'Team: a@example.com',
    'Team: Inner: a@example.com;;',
    ': a@example.com;',
    'a@-example.com',
    'a@exa\0mple.com',
    'a\\@example.com',
    '<@relay.example a@example.com>',
    '<@:a@example.com>',
    'a@b@example.com',
    'a@example.com@other.example',
  ])('SIG-10 %j has no author domain', (value) => {
    expect(authorDomain(from(value))).toMatchObject({ kind: 'none', reason: 'unparsable' });
  });

  it('SIG-10 a domain that is not UTF-8 has no author domain', () => {
    expect(authorDomain([{ name: 'From', value: 'a@b\u00fc.example' }])).toMatchObject({ reason: 'unparsable' });
  });

  it('SIG-10 a hostile field costs little time', () => {
    const start = performance.now();
    for (const part of ['(', '"', '<', 'a@', 'a:', '\\', '[', ',', 'a.', ' ', '"\\"'])
      authorDomain(from(part.repeat(30_000)));
    expect(performance.now() - start).toBeLessThan(2000);
  });
});
