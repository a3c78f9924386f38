import { describe, expect, it } from 'vitest';
import { adviseOnDomainClasses, keysOf, matchesDomain, parseDomainPattern } from '../../../src/answers/index.ts';

const inNone = { domain: 'example.net', classes: [], unreadable: [] };
const lineFor = (main: Record<string, string>): string | null | undefined =>
  adviseOnDomainClasses(new Map(Object.entries(main)), [inNone])[0]?.line;

describe('an own domain in no class of Postfix', () => {
  it('is named with the line to type, in the class that is in use', () => {
    expect(lineFor({})).toBe("postconf -e 'mydestination = $myhostname, localhost.$mydomain, localhost, example.net'");
    expect(lineFor({ mydestination: '$myhostname' })).toBe("postconf -e 'mydestination = $myhostname, example.net'");
    expect(lineFor({ mydestination: '' })).toBe("postconf -e 'relay_domains = example.net'");
    expect(lineFor({ relay_domains: 'hash:/r' })).toBe("postconf -e 'relay_domains = hash:/r, example.net'");
    expect(lineFor({ relay_domains: 'a', virtual_mailbox_domains: 'mysql:/v' })).toBe(
      "postconf -e 'virtual_mailbox_domains = mysql:/v, example.net'",
    );
  });

  it('several are one finding with one line, so that no line undoes another; the text names ten of them', () => {
    const domains = Array.from({ length: 12 }, (_, index) => ({ ...inNone, domain: `d${index}.example` }));
    const advice = adviseOnDomainClasses(new Map([['relay_domains', 'a']]), domains);
    expect(advice).toHaveLength(1);
    expect(advice[0]?.text).toMatch(/^d0\.example, .*d9\.example and 2 more are in none of/);
    expect(advice[0]?.line).toBe(`postconf -e 'relay_domains = a, ${domains.map(({ domain }) => domain).join(', ')}'`);
  });

  it('all classes are named, and nothing is said of a domain that is in one', () => {
    const [advice] = adviseOnDomainClasses(new Map(), [inNone]);
    expect(advice?.severity).toBe('error');
    for (const name of ['mydestination', 'virtual_mailbox_domains', 'virtual_alias_domains', 'relay_domains'])
      expect(advice?.text).toContain(name);
    expect(adviseOnDomainClasses(new Map(), [{ ...inNone, classes: ['relay_domains'], unreadable: ['x'] }])).toEqual(
      [],
    );
  });

  it('where a table cannot be asked, that is the reason and no line is given', () => {
    const unreadable = ['relay_domains has hash:/r: no such file'];
    expect(adviseOnDomainClasses(new Map(), [{ ...inNone, unreadable }])).toEqual([
      {
        severity: 'error',
        text: 'whether Postfix takes mail for example.net is not known: relay_domains has hash:/r: no such file',
        line: null,
      },
    ]);
  });
});

describe('patterns of domain lists', () => {
  it('keys: the domain, and in a domain list its parents in the style of the list', () => {
    expect(keysOf('a.b.c', false, true)).toEqual(['a.b.c']);
    expect(keysOf('a.b.c', true, true)).toEqual(['a.b.c', 'b.c', 'c']);
    expect(keysOf('a.b.c', true, false)).toEqual(['a.b.c', '.b.c', '.c']);
  });

  it.each([
    ['a.example', 'A.Example', true, true, true],
    ['a.example', 'example', true, true, true],
    ['a.example', 'example', false, true, false],
    ['a.example', '.example', true, false, true],
    ['a.example', '.example', true, true, false],
    ['a.example', 'b.example', true, true, false],
    ['xa.example', 'a.example', true, true, false],
  ])('%s, pattern %s (domain list %s, parent style %s): %s', (domain, pattern, isList, isParent, expected) => {
    expect(matchesDomain(domain, pattern, isList, isParent)).toBe(expected);
  });

  it.each([
    ['a', false],
    ['!a', true],
    ['!!a', false],
  ])('%s excludes: %s', (word, isExcluding) => {
    expect(parseDomainPattern(word)).toEqual({ text: 'a', isExcluding });
  });
});
