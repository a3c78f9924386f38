import { describe, expect, it } from 'vitest';
import { trustOf } from '../../../src/decide/index.ts';
import { parseIpAddress, type IpAddress } from '../../../src/mail/index.ts';
import { createRouteServers, type AddressResolver } from '../../../src/services/index.ts';
import type { Snapshot } from '../../../src/snapshot/index.ts';
import { aSnapshot } from '../../support/builders.ts';
import { FakeLog } from '../../support/fake-log.ts';

const ip = (text: string): IpAddress => parseIpAddress(text) as IpAddress;

/** Two organizations; the first has a route by name and one by MX. */
function twoOrganizations(): Snapshot {
  const routes = { dlp: { host: 'dlp.example.net' }, archive: { host: 'archive.example', mx: true } };
  const document = {
    version: 1,
    organizations: {
      acme: { primaryDomain: 'example.com', routes, domains: { 'example.com': {} } },
      other: { primaryDomain: 'b.example', domains: { 'b.example': {} } },
    },
  };
  return aSnapshot(document, { trustedNetworks: ['10.0.0.0/8'] });
}

function resolverOf(answers: Record<string, readonly string[] | null>): AddressResolver & { answers: typeof answers } {
  return {
    answers,
    addresses(name, mx) {
      const found = this.answers[mx ? `mx ${name}` : name] ?? null;
      return Promise.resolve(found?.map(ip) ?? null);
    },
  };
}

describe('servers of routes given by name', () => {
  const trusts = (snapshot: Snapshot, domain: string, client: string): boolean => {
    const scope = [...snapshot.domains.values()].find((policy) => policy.domain === domain) ?? null;
    const facts = {
      client: { kind: 'smtp' as const, address: ip(client) },
      saslUsername: null,
      daemonName: null,
      at: 0,
    };
    return trustOf(snapshot, scope, facts).trusted;
  };

  it('network trust never holds for them, in their organization only', async () => {
    const base = twoOrganizations();
    const servers = createRouteServers(
      () => base,
      resolverOf({ 'dlp.example.net': ['10.0.0.7'], 'mx archive.example': ['10.0.0.8', '10.0.0.9'] }),
      new FakeLog(),
    );
    expect(trusts(servers.current(), 'example.com', '10.0.0.7')).toBe(true);
    await servers.refresh();
    expect(
      ['10.0.0.7', '10.0.0.8', '10.0.0.9'].map((client) => trusts(servers.current(), 'example.com', client)),
    ).toEqual([false, false, false]);
    expect(trusts(servers.current(), 'example.com', '10.0.0.6')).toBe(true);
    expect(trusts(servers.current(), 'b.example', '10.0.0.7')).toBe(true);
  });

  it('a look-up that fails keeps what was known, and is said', async () => {
    const base = twoOrganizations();
    const log = new FakeLog();
    const resolver = resolverOf({ 'dlp.example.net': ['10.0.0.7'], 'mx archive.example': [] });
    const servers = createRouteServers(() => base, resolver, log);
    await servers.refresh();
    expect(log.messages('warn')).toEqual([]);
    resolver.answers['dlp.example.net'] = null;
    await servers.refresh();
    expect(trusts(servers.current(), 'example.com', '10.0.0.7')).toBe(false);
    expect(log.messages('warn')).toEqual([expect.stringContaining('dlp.example.net; the known addresses stay')]);
  });

  it('the same snapshot and addresses give the same value: a look-up costs nothing between changes', async () => {
    const base = twoOrganizations();
    const servers = createRouteServers(
      () => base,
      resolverOf({ 'dlp.example.net': ['10.0.0.7'], 'mx archive.example': [] }),
      new FakeLog(),
    );
    await servers.refresh();
    expect(servers.current()).toBe(servers.current());
  });
});
