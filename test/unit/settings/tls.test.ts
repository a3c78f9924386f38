import { describe, expect, it } from 'vitest';
import { aSettings, errorsOf, inDomain, warningsOf, withDomain, type Keys } from '../../support/builders.ts';

const policy = (over: Keys = {}) => ({ title: 'Bank', applyTo: ['outgoing'], domains: ['bank.example'], ...over });
const peers = (count: number) => Array.from({ length: count }, (_, index) => `p${index}.example`);

describe('ADM-09 TLS policy limits', () => {
  it('ADM-09 30 policies are taken, the 31st refused', () => {
    expect(errorsOf(withDomain({ tls: Array.from({ length: 30 }, () => policy()) }))).toEqual([]);
    expect(errorsOf(withDomain({ tls: Array.from({ length: 31 }, () => policy()) }))).toEqual([
      [inDomain('tls'), 'holds more than 30 policies; put domains that need the same into one'],
    ]);
  });

  it('ADM-09 the 31st is refused beside a broken policy', () => {
    const tls: unknown[] = [...Array.from({ length: 30 }, () => policy()), policy({ domains: ['a..b'] })];
    expect(errorsOf(withDomain({ tls })).map(([pointer]) => pointer)).toEqual([
      inDomain('tls'),
      inDomain('tls/30/domains/0'),
    ]);
  });

  it('ADM-09 100 peers are taken, the 101st refused', () => {
    expect(errorsOf(withDomain({ tls: [policy({ domains: peers(100) })] }))).toEqual([]);
    expect(errorsOf(withDomain({ tls: [policy({ domains: peers(101) })] }))).toEqual([
      [inDomain('tls/0/domains'), 'holds 101 domains, and the limit is 100; split it into several policies'],
    ]);
    expect(
      errorsOf(withDomain({ tls: [policy({ domains: [...peers(101), '*'] })] })).map(([pointer]) => pointer),
    ).toEqual([inDomain('tls/0/domains/101'), inDomain('tls/0/domains')]);
  });

  it('ADM-09 a duplicate is folded and does not count', () => {
    const [own] = aSettings(withDomain({ tls: [policy({ domains: ['EXAMPLE.org', 'example.org.', 'EXAMPLE.org'] })] }))
      .organizations.get('acme')!
      .domains.values();
    expect(own?.tls[0]?.domains).toEqual(['example.org']);
    expect(errorsOf(withDomain({ tls: [policy({ domains: [...peers(100), 'P0.example'] })] }))).toEqual([]);
  });

  it.each([
    ['no title', { title: undefined }, 'title', 'is missing; it must be text; put it in quotes'],
    ['a blank title', { title: ' ' }, 'title', 'is empty; give the policy a title'],
    ['no peer', { domains: [] }, 'domains', 'is empty; name the domains that the policy is for'],
    ['no peers at all', { domains: undefined }, 'domains', 'is missing; it must be a list of domains'],
    ['no target', { applyTo: undefined }, 'applyTo', 'is missing; it must be a list of incoming or outgoing'],
    ['an empty target', { applyTo: [] }, 'applyTo', 'must name at least one of incoming, outgoing'],
    [
      'CA with only incoming',
      { applyTo: ['incoming'], trustedCa: true },
      'trustedCa',
      'is about the server that we send to; add outgoing to applyTo, or take it out',
    ],
    [
      'host name with only incoming',
      { applyTo: ['incoming'], hostnameMatch: true },
      'hostnameMatch',
      'is about the server that we send to; add outgoing to applyTo, or take it out',
    ],
    [
      'a..b',
      { domains: ['a..b'] },
      'domains/0',
      '"a..b" has an empty label (two dots together, or a dot at the start)',
    ],
  ])('ADM-09 %s is refused', (_, over, place, message) => {
    expect(errorsOf(withDomain({ tls: [policy(over)] }))).toEqual([[inDomain(`tls/0/${place}`), message]]);
  });

  it('ADM-09 the boxes belong to outgoing: with both targets they are taken, and a target that is misspelt is one fault', () => {
    const boxes = { trustedCa: true, hostnameMatch: true };
    expect(errorsOf(withDomain({ tls: [policy({ ...boxes, applyTo: ['incoming', 'outgoing'] })] }))).toEqual([]);
    expect(errorsOf(withDomain({ tls: [policy({ ...boxes, applyTo: ['incoming', 'outgoin'] })] }))).toHaveLength(1);
  });

  it('ADM-09 an internationalized name is kept as A-labels', () => {
    const [own] = aSettings(withDomain({ tls: [policy({ domains: ['bücher.example'] })] }))
      .organizations.get('acme')!
      .domains.values();
    expect(own?.tls[0]?.domains).toEqual(['xn--bcher-kva.example']);
  });
});

describe('a route under a TLS policy', () => {
  const document = (
    tls: string | undefined,
    rule: Keys = {},
    policies: unknown[] = [policy({ applyTo: ['incoming'] }), policy()],
  ) =>
    withDomain(
      { tls: policies, outboundRouting: [{ mail: ['external'], action: 'change', route: 'dlp', ...rule }] },
      { routes: { dlp: { host: 'dlp.example', ...(tls !== undefined && { tls }) } } },
    );
  const at = inDomain('outboundRouting/0/route');
  const asks = 'and the TLS policy "Bank" asks for encryption';

  it('in clear is refused', () => {
    expect(errorsOf(document('none'))).toEqual([
      [at, `is "dlp" with tls: none, ${asks}; set tls: encrypt or stricter on the route`],
    ]);
  });

  it.each([
    [undefined, 'may', 'encrypt'],
    ['encrypt', 'encrypt', 'encrypt'],
    ['secure', 'secure', 'secure'],
  ])('with tls: %s is warned of, with the level that holds', (tls, written, level) => {
    expect(errorsOf(document(tls))).toEqual([]);
    expect(warningsOf(document(tls))).toEqual([
      [
        at,
        `is "dlp" with tls: ${written}, ${asks}: mail to its domains takes this route with ${level}, and is not checked beyond it`,
      ],
    ]);
  });

  it.each([
    ['copies go to the route, not the mail itself', { action: 'additionally' }, undefined],
    ['internal mail has no listed peer', { mail: ['internal'] }, undefined],
    ['the policy is about incoming mail', {}, [policy({ applyTo: ['incoming'] })]],
    ['there is no policy', {}, []],
  ])('is fine where %s', (_, rule, policies) => {
    expect(errorsOf(document('none', rule, policies))).toEqual([]);
    expect(warningsOf(document('may', rule, policies))).toEqual([]);
  });

  it('is judged beside other faults: a policy without a title, a rule that could not be read', () => {
    const faulty = document('none', {}, [null, policy({ title: undefined })]);
    expect(errorsOf(faulty)).toContainEqual([at, expect.stringContaining('the TLS policy "" asks for encryption')]);
    expect(errorsOf(document('none', { mail: 'external' })).map(([pointer]) => pointer)).toEqual([
      inDomain('outboundRouting/0/mail'),
    ]);
    expect(errorsOf(document('none', { route: 5 })).map(([pointer]) => pointer)).toEqual([at]);
    expect(errorsOf(document('soft')).map(([pointer]) => pointer)).toEqual(['/organizations/acme/routes/dlp/tls']);
  });
});
