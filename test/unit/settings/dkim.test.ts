import { describe, expect, it } from 'vitest';
import { aSettings, errorsOf, inDomain, withDomain } from '../../support/builders.ts';

const selectorOf = (dkim: unknown) =>
  [...aSettings(withDomain({ dkim })).organizations.get('acme')!.domains.values()][0]?.dkim?.selector;

describe('SIG-18 selector rules', () => {
  it.each([
    [{ selector: '' }, 'postern'],
    [{}, 'postern'],
    [{ selector: 'naver-2025' }, 'naver-2025'],
    [{ selector: 'A1' }, 'A1'],
    [{ selector: 'a' }, 'a'],
    [{ selector: 'a--b' }, 'a--b'],
    [{ selector: 'a'.repeat(63) }, 'a'.repeat(63)],
  ])('SIG-18 %j gives the selector %s', (dkim, selector) => {
    expect(selectorOf(dkim)).toBe(selector);
  });

  it.each(['-a', 'a-', '-', 'a_b', 'a.b', '셀렉터', 'a'.repeat(64), ' a ', ' ', 'a\n', 'a b'])(
    'SIG-18 "%s" is refused',
    (selector) => {
      const rule = 'must be 1 to 63 letters, digits or hyphens, with no hyphen first or last, not ';
      expect(errorsOf(withDomain({ dkim: { selector } }))).toEqual([
        [inDomain('dkim/selector'), expect.stringContaining(rule)],
      ]);
    },
  );

  it('SIG-18 a selector of digits needs quotes', () => {
    expect(errorsOf(withDomain({ dkim: { selector: 2025 } }))).toEqual([
      [inDomain('dkim/selector'), 'must be text, not the number 2025; put it in quotes'],
    ]);
  });

  it.each([2048, 1024])('%d bits are taken', (bits) => {
    expect(errorsOf(withDomain({ dkim: { bits } }))).toEqual([]);
  });

  it.each([512, 2047, 4096, '2048', null])('%j bits are refused', (bits) => {
    expect(errorsOf(withDomain({ dkim: { bits } })).map(([pointer]) => pointer)).toEqual([inDomain('dkim/bits')]);
  });
});
