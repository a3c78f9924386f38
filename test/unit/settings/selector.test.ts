import { describe, expect, it } from 'vitest';
import { DEFAULT_SELECTOR, isSelector } from '../../../src/settings/index.ts';
import { aSettings, errorsOf, withDomain } from '../../support/builders.ts';

describe('selectors', () => {
  it.each(['naver-2025', 'A1', 'a', 'a'.repeat(63), 'a-b', '1'])('SIG-18 %j is one, in the file too', (selector) => {
    expect(isSelector(selector)).toBe(true);
    expect(errorsOf(withDomain({ dkim: { selector } }))).toEqual([]);
  });

  it.each(['-a', 'a-', 'a_b', 'a.b', '셀렉터', 'a'.repeat(64), ' a ', 'a\n', 'a\0'])(
    'SIG-18 %j is none, in the file neither',
    (selector) => {
      expect(isSelector(selector)).toBe(false);
      expect(errorsOf(withDomain({ dkim: { selector } }))).toHaveLength(1);
    },
  );

  it('SIG-18 the empty one is the default in the file', () => {
    const [own] =
      aSettings(withDomain({ dkim: { selector: '' } }))
        .organizations.get('acme')
        ?.domains.values() ?? [];
    expect(own?.dkim?.selector).toBe(DEFAULT_SELECTOR);
  });
});
