import { describe, expect, it } from 'vitest';
import { aDocument, errorsOf, type Keys } from '../../support/builders.ts';

const PRIMARY = 'tenant.shared.example';
const SECONDARY = 'secondary.example';
const ROUTES = { gw: { host: 'gw.example.net' } };
const REASON =
  'is not available: the primary domain tenant.shared.example of organization acme is under shared.example, which ' +
  'belongs to the provider; take it out, or make a domain of its own the primary domain';

const tenant = (domains: Keys, organization: Keys = {}, sharedDomains: unknown = ['shared.example']) =>
  errorsOf(aDocument(domains, organization, { provider: { sharedDomains } }));

const FORBIDDEN: [setting: string, value: unknown][] = [
  ['inboundGateway', {}],
  ['inboundGateway', { enabled: true, ips: ['192.0.2.1'] }],
  ['inboundRouting', [{ mail: ['external'], route: 'gw' }]],
  ['outboundRouting', [{ mail: ['external'], action: 'change', route: 'gw' }]],
  ['dkim', {}],
];

describe('ADM-02 an organization whose primary domain is provider-shared', () => {
  it.each(FORBIDDEN)('ADM-02 has no %s: %j', (key, value) => {
    const refused = tenant({ [PRIMARY]: { [key]: value }, [SECONDARY]: { [key]: value } }, { routes: ROUTES });
    expect(refused).toEqual([
      ['/organizations/acme/routes', REASON],
      [`/organizations/acme/domains/${PRIMARY}/${key}`, REASON],
      [`/organizations/acme/domains/${SECONDARY}/${key}`, REASON],
    ]);
  });

  it('ADM-02 has no routes', () => {
    expect(tenant({ [PRIMARY]: {} }, { routes: ROUTES })).toEqual([['/organizations/acme/routes', REASON]]);
    expect(tenant({ [PRIMARY]: {} }, { routes: {} })).toEqual([]);
  });

  it('ADM-02 is refused a setting that is broken as well', () => {
    expect(tenant({ [PRIMARY]: { dkim: { bits: 1 } } })).toContainEqual([
      `/organizations/acme/domains/${PRIMARY}/dkim`,
      REASON,
    ]);
  });

  it('ADM-02 keeps allowed IPs, blocked IPs and TLS policies, and empty lists', () => {
    const allowed = {
      allowedIps: ['192.0.2.1'],
      blockedIps: ['192.0.2.2'],
      tls: [{ title: 'Bank', applyTo: ['outgoing'], domains: ['bank.example'] }],
      inboundRouting: [],
      outboundRouting: [],
    };
    expect(tenant({ [PRIMARY]: allowed, [SECONDARY]: allowed })).toEqual([]);
  });

  it('ADM-02 the suffix counts at a label boundary, in any spelling, and itself', () => {
    const dkim = { dkim: {} };
    expect(tenant({ 'notshared.example': dkim })).toEqual([]);
    expect(tenant({ 'shared.example.net': dkim })).toEqual([]);
    expect(tenant({ 'a.b.Shared.Example': dkim })).toHaveLength(1);
    expect(tenant({ 'shared.example': dkim })).toHaveLength(1);
    expect(tenant({ 'a.bücher.example': dkim }, {}, ['xn--bcher-kva.example'])).toHaveLength(1);
  });

  it('ADM-02 a secondary domain under the suffix changes nothing', () => {
    expect(tenant({ [SECONDARY]: { dkim: {} }, [PRIMARY]: { dkim: {} } })).toEqual([]);
  });

  it('ADM-02 other organizations are not touched', () => {
    const shared = { primaryDomain: PRIMARY, domains: { [PRIMARY]: {} } };
    const other = { primaryDomain: SECONDARY, domains: { [SECONDARY]: { dkim: {} } } };
    const provider = { sharedDomains: ['other.example', 'shared.example'] };
    expect(errorsOf({ version: 1, provider, organizations: { shared, other } })).toEqual([]);
  });

  it('ADM-02 a good suffix counts beside a broken one', () => {
    expect(tenant({ [PRIMARY]: { dkim: {} } }, {}, ['*', 'shared.example']).map(([pointer]) => pointer)).toEqual([
      '/provider/sharedDomains/0',
      `/organizations/acme/domains/${PRIMARY}/dkim`,
    ]);
  });

  it('ADM-02 an organization whose primary domain could not be read is judged once it can', () => {
    expect(tenant({ [PRIMARY]: { dkim: {} } }, { primaryDomain: 'a..b' }).map(([pointer]) => pointer)).toEqual([
      '/organizations/acme/primaryDomain',
    ]);
  });
});
