import { describe, expect, it } from 'vitest';
import { decideRecipient, trustOf } from '../../../src/decide/index.ts';
import { aDomain, aSnapshot, aTransaction, type TransactionTexts } from '../../support/builders.ts';

const snapshot = aSnapshot(
  {
    version: 1,
    organizations: {
      acme: {
        primaryDomain: 'a.example',
        routes: { dlp: { host: '10.0.0.30' }, relay: { host: 'relay.example.net' } },
        domains: {
          'a.example': { inboundGateway: { enabled: true, ips: ['10.0.0.20'] } },
          'second.example': { inboundGateway: { ips: ['10.0.0.20'] } },
        },
      },
      other: { primaryDomain: 'b.example', domains: { 'b.example': {} } },
    },
  },
  { trustedNetworks: ['127.0.0.0/8', '::1', '10.0.0.0/24'], reinjectionServices: ['reinject'] },
);

/** The proof, or "none", for a recipient. */
const proof = (recipient: string, texts: TransactionTexts): string =>
  decideRecipient(snapshot, aTransaction({ recipient, ...texts })).trust.proof ?? 'none';

describe('trust', () => {
  it.each<[string, string, TransactionTexts, string]>([
    ['a stranger', 'bob@a.example', { client: '203.0.113.9' }, 'none'],
    ['a client in trustedNetworks', 'bob@a.example', { client: '10.0.0.5' }, 'network'],
    ['the same as an IPv4-mapped address', 'bob@a.example', { client: '::ffff:10.0.0.5' }, 'network'],
    ['loopback', 'bob@a.example', { client: '::1' }, 'network'],
    ['local submission', 'bob@a.example', { client: 'local' }, 'local'],
    ['a client without an address', 'bob@a.example', { client: 'unknown' }, 'none'],
    ['an authenticated client', 'bob@a.example', { client: '203.0.113.9', user: 'alice' }, 'sasl'],
    ['an authenticated client without an address', 'bob@a.example', { client: 'unknown', user: 'alice' }, 'sasl'],
    ['a user of this domain', 'bob@a.example', { user: 'alice@A.Example' }, 'sasl'],
    ['a user of another domain of the organization', 'bob@a.example', { user: 'alice@second.example' }, 'sasl'],
    ['a user of another organization', 'bob@a.example', { user: 'eve@b.example' }, 'none'],
    [
      'a user of another organization in trustedNetworks',
      'bob@a.example',
      { user: 'eve@b.example', client: '10.0.0.5' },
      'none',
    ],
    ['a user of another organization, for its own', 'bob@b.example', { user: 'eve@b.example' }, 'sasl'],
    ['a user of a domain that is not ours', 'bob@a.example', { user: 'alice@elsewhere.example' }, 'sasl'],
    ["a user below another organization's own domain", 'bob@a.example', { user: 'eve@x.sub.b.example' }, 'none'],
    ['a user below an own domain of this organization', 'bob@a.example', { user: 'alice@sub.a.example' }, 'sasl'],
    ['a user of a longer name', 'bob@a.example', { user: 'eve@notb.example' }, 'sasl'],
    [
      'a user of another organization, for a recipient elsewhere',
      'bob@elsewhere.example',
      { user: 'eve@b.example' },
      'sasl',
    ],
    ['the gateway in trustedNetworks', 'bob@a.example', { client: '10.0.0.20' }, 'none'],
    ['the gateway of another domain', 'bob@b.example', { client: '10.0.0.20' }, 'network'],
    ['a gateway that is switched off', 'bob@second.example', { client: '10.0.0.20' }, 'network'],
    ['the gateway, authenticated', 'bob@a.example', { client: '10.0.0.20', user: 'alice' }, 'sasl'],
    ['a route server in trustedNetworks', 'bob@a.example', { client: '10.0.0.30' }, 'none'],
    ['a route server, for another domain of the organization', 'bob@second.example', { client: '10.0.0.30' }, 'none'],
    ["another organization's route server", 'bob@b.example', { client: '10.0.0.30' }, 'network'],
    ['a route server, authenticated', 'bob@a.example', { client: '10.0.0.30', user: 'alice' }, 'sasl'],
    ['a re-injection service in trustedNetworks', 'bob@a.example', { client: '127.0.0.1', daemon: 'reinject' }, 'none'],
    ['another service in trustedNetworks', 'bob@a.example', { client: '127.0.0.1', daemon: 'smtpd' }, 'network'],
    [
      'local submission through a re-injection service',
      'bob@a.example',
      { client: 'local', daemon: 'reinject' },
      'local',
    ],
  ])('of %s (to %s)', (_, recipient, texts, expected) => {
    expect(proof(recipient, texts)).toBe(expected);
  });

  it('is there exactly with a proof, and says why', () => {
    for (const texts of [
      { client: '203.0.113.9' },
      { client: '10.0.0.5' },
      { user: 'eve@b.example' },
      { client: '10.0.0.30' },
    ]) {
      const { trust } = decideRecipient(snapshot, aTransaction({ recipient: 'bob@a.example', ...texts }));
      expect(trust.trusted).toBe(trust.proof !== null);
      expect(trust.text).not.toBe('');
    }
  });

  it('for no own domain in particular leaves gateways and route servers aside', () => {
    const t = aTransaction({ client: '10.0.0.30' });
    expect(trustOf(snapshot, null, t).proof).toBe('network');
    expect(trustOf(snapshot, snapshot.domains.get(aDomain('a.example'))!, t).proof).toBeNull();
  });
});

describe('RT-14 internal and external mail', () => {
  it.each<[string, string, TransactionTexts, 'internal' | 'external']>([
    [
      'RT-14 (a) authenticated, same own domain',
      'bob@a.example',
      { sender: 'alice@a.example', user: 'alice' },
      'internal',
    ],
    ['RT-14 (b) the same sender, a stranger', 'bob@a.example', { sender: 'alice@a.example' }, 'external'],
    [
      "RT-14 (c) the same sender, through a route's server",
      'bob@a.example',
      { sender: 'alice@a.example', client: '10.0.0.30' },
      'external',
    ],
    ['RT-14 through the gateway', 'bob@a.example', { sender: 'alice@a.example', client: '10.0.0.20' }, 'external'],
    ['trusted by network', 'bob@a.example', { sender: 'Alice@A.EXAMPLE', client: '10.0.0.5' }, 'internal'],
    ['local submission', 'bob@a.example', { sender: 'alice@a.example', client: 'local' }, 'internal'],
    [
      'another own domain of the organization',
      'bob@a.example',
      { sender: 'alice@second.example', user: 'alice' },
      'external',
    ],
    ['an own domain of another organization', 'bob@a.example', { sender: 'eve@b.example', user: 'eve' }, 'external'],
    ['the null sender', 'bob@a.example', { sender: '<>', user: 'alice' }, 'external'],
    ['a sender without a domain', 'bob@a.example', { sender: 'alice', user: 'alice' }, 'external'],
    [
      'a recipient elsewhere',
      'bob@elsewhere.example',
      { sender: 'alice@elsewhere.example', user: 'alice' },
      'external',
    ],
    ['a recipient without a domain', 'postmaster', { sender: 'postmaster', client: 'local' }, 'external'],
  ])('%s: to %s', (_, recipient, texts, mail) => {
    expect(decideRecipient(snapshot, aTransaction({ recipient, ...texts })).mail).toBe(mail);
  });
});
