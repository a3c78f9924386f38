import { describe, expect, it } from 'vitest';
import type { TlsDemand } from '../../../src/snapshot/index.ts';
import { aDocument, aDomain, aSnapshot, type Keys } from '../../support/builders.ts';

const PARTNER = aDomain('partner.example');
const A = { title: 'A', applyTo: ['outgoing'], domains: ['partner.example'] };
const B = { ...A, title: 'B', trustedCa: true };
const C = { ...A, title: 'C', hostnameMatch: true };
const D = { ...A, title: 'D', applyTo: ['incoming'] };

const permutations = <T>(items: readonly T[]): T[][] =>
  items.length < 2
    ? [[...items]]
    : items.flatMap((item, at) =>
        permutations(items.filter((_, index) => index !== at)).map((rest) => [item, ...rest]),
      );

const policyOf = (tls: readonly unknown[]) =>
  aSnapshot(aDocument({ 'a.example': { tls } })).domains.get(aDomain('a.example'))!;
const asked = (demand: TlsDemand | undefined) =>
  demand && { trustedCa: demand.trustedCa, hostnameMatch: demand.hostnameMatch };

describe('TLS-04 strictest wins', () => {
  it.each([
    ['A, B, C and D ask for both', [A, B, C, D], { trustedCa: true, hostnameMatch: true }],
    [
      'after B is deleted still both: a name without a trusted CA proves nothing',
      [A, C, D],
      { trustedCa: true, hostnameMatch: true },
    ],
    ['A and B ask for the CA', [A, B, D], { trustedCa: true, hostnameMatch: false }],
    ['A asks for encryption', [A, D], { trustedCa: false, hostnameMatch: false }],
    ['D is about incoming mail only', [D], undefined],
  ])('TLS-04 %s, in every order', (_, policies, demand) => {
    const orders = permutations(policies);
    for (const tls of orders) expect(asked(policyOf(tls).tlsOutgoing.get(PARTNER))).toEqual(demand);
  });

  it('TLS-04 the place named is that of the first policy that lists the peer', () => {
    const other = { ...A, domains: ['other.example'] };
    expect(policyOf([other, D, B, A]).tlsOutgoing.get(PARTNER)?.pointer).toBe(
      '/organizations/acme/domains/a.example/tls/2',
    );
    expect([...policyOf([A, other, D, { ...D, domains: ['partner.example', 'other.example'] }]).tlsIncoming]).toEqual([
      ['partner.example', '/organizations/acme/domains/a.example/tls/2'],
      ['other.example', '/organizations/acme/domains/a.example/tls/3'],
    ]);
  });
});

describe('peers on which every own domain agrees', () => {
  const agreed = (domains: Keys) =>
    [...aSnapshot(aDocument(domains)).tlsAgreed].map(([peer, demand]) => [peer, asked(demand)]);
  const both = { trustedCa: true, hostnameMatch: true };

  it('one own domain agrees with itself', () => {
    expect(agreed({ 'a.example': { tls: [A, C] } })).toEqual([['partner.example', both]]);
  });

  it('two own domains agree where they ask the same, however it is said', () => {
    expect(agreed({ 'a.example': { tls: [C] }, 'b.example': { tls: [B, C] } })).toEqual([['partner.example', both]]);
  });

  it.each([
    ['one asks nothing', { 'a.example': { tls: [A] }, 'b.example': {} }],
    ['the first asks nothing', { 'a.example': {}, 'b.example': { tls: [A] } }],
    ['one asks more', { 'a.example': { tls: [A] }, 'b.example': { tls: [B] } }],
    ['one asks for the name as well', { 'a.example': { tls: [B] }, 'b.example': { tls: [C] } }],
    ['one is only observed', { 'a.example': { tls: [A] }, 'b.example': { tls: [A], enforcement: 'observe' } }],
  ])('they do not where %s', (_, domains) => {
    expect(agreed(domains)).toEqual([]);
  });

  it('without an own domain there is nothing to agree on', () => {
    expect(aSnapshot({ version: 1, organizations: {} }).tlsAgreed.size).toBe(0);
  });

  it('domains of other organizations count too: Postfix asks for the peer only', () => {
    const organization = (domain: string, tls: unknown[]) => ({
      primaryDomain: domain,
      domains: { [domain]: { tls } },
    });
    const both = { one: organization('a.example', [A]), two: organization('b.example', []) };
    expect(aSnapshot({ version: 1, organizations: both }).tlsAgreed.size).toBe(0);
  });
});
