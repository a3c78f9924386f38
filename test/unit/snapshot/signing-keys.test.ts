import { describe, expect, it } from 'vitest';
import { withSigningKeys, type ActiveKey } from '../../../src/snapshot/index.ts';
import { aDocument, aDomain, aSnapshot } from '../../support/builders.ts';

const key = (domain: string, selector: string): ActiveKey => ({ domain, selector, algorithm: 'rsa-sha256' });
const provider = { provider: { signingDomain: 'mail.provider.example', sharedDomains: ['shared.example'] } };

describe('withSigningKeys', () => {
  it('gives each domain its own keys, in their order, and nothing more of them', () => {
    const before = aSnapshot(aDocument({ 'a.example': {}, 'b.example': {} }));
    const after = withSigningKeys(before, [
      { ...key('a.example', 's2'), history: 'x' } as ActiveKey,
      key('a.example', 's1'),
      key('elsewhere.example', 's1'),
    ]);
    expect(after.domains.get(aDomain('a.example'))?.signing).toEqual([
      { selector: 's2', algorithm: 'rsa-sha256' },
      { selector: 's1', algorithm: 'rsa-sha256' },
    ]);
    expect(after.domains.get(aDomain('b.example'))?.signing).toEqual([]);
    expect(after.providerSigning).toBeNull();
    expect(before.domains.get(aDomain('a.example'))?.signing).toEqual([]);
    expect({ ...after, domains: before.domains }).toEqual(before);
  });

  it('no key is left of those that were there before', () => {
    const snapshot = aSnapshot(aDocument({ 'a.example': {} }, {}, provider));
    const keyed = withSigningKeys(snapshot, [key('a.example', 's1'), key('mail.provider.example', 'p1')]);
    expect(keyed.providerSigning?.keys).toEqual([{ selector: 'p1', algorithm: 'rsa-sha256' }]);
    expect(withSigningKeys(keyed, [])).toEqual(snapshot);
  });

  it('ADM-02 an organization under a provider-shared primary domain has no keys in any of its domains', () => {
    const document = aDocument({ 'tenant.shared.example': {}, 'second.example': {} }, {}, provider);
    const keyed = withSigningKeys(aSnapshot(document), [
      key('tenant.shared.example', 's1'),
      key('second.example', 's1'),
    ]);
    expect([...keyed.domains.values()].map(({ signing }) => signing)).toEqual([[], []]);
  });
});
