/**
 * What a socketmap query is answered, from the snapshot alone: no DNS, no disk.
 * "Not found" is the answer for everything that has no rule: Postfix's own settings stay in force.
 * Source: socketmap_table(5), postconf(5) smtp_tls_policy_maps, TLS_README "Client TLS security levels".
 */
import { isUnder, parseAddress, parseDomain, type Domain } from '../mail/index.ts';
import { plainRule, type RouteId, type Snapshot, type TlsDemand } from '../snapshot/index.ts';
import { encodeTransport } from '../wire/postfix-map/index.ts';
import { NO_ROUTE } from './routes/route-maps.ts';
import type { SocketmapReply } from '../wire/socketmap/index.ts';

const NOT_FOUND: SocketmapReply = { kind: 'notfound' };

/** The maps that Postern answers for. */
export const SOCKETMAPS = ['transport', 'tls_policy', 'recipients', 'milters'] as const;

/** Answers one query. A map that Postern does not have is a mistake in main.cf: PERM, which Postfix logs and retries. */
export function answerSocketmap(snapshot: Snapshot, map: string, key: string): SocketmapReply {
  if (map === 'tls_policy') return answerTlsPolicy(snapshot, key);
  if (map === 'transport') return answerTransport(snapshot, key);
  if (map === 'recipients') return answerRecipients(snapshot, key);
  // No client is spared another milter in this version.
  if ((SOCKETMAPS as readonly string[]).includes(map)) return NOT_FOUND;
  return { kind: 'perm', reason: `no such map; Postern has ${SOCKETMAPS.join(', ')}` };
}

/** A socketmap is asked for whole addresses only, so domains and labels are looked for here. Source: transport(5). */
function answerTransport(snapshot: Snapshot, key: string): SocketmapReply {
  const domain = parseAddress(key)?.domain ?? null;
  if (domain === null) return NOT_FOUND;
  const policy = snapshot.domains.get(domain);
  const rule = policy === undefined ? null : plainRule(policy.inboundRoutes, policy.enforcement);
  if (rule !== null) return { kind: 'ok', value: transportOf(snapshot, rule.route) };
  const { internalDomain } = snapshot.host;
  if (!isUnder(domain, internalDomain)) return NOT_FOUND;
  const route = routeOfLabel(snapshot, domain);
  return { kind: 'ok', value: route === undefined ? NO_ROUTE : transportOf(snapshot, route) };
}

function routeOfLabel({ installation, host }: Snapshot, domain: Domain): RouteId | undefined {
  for (const [route, { label }] of installation.routes) {
    if (domain === `${label}.${host.internalDomain}`) return route;
  }
  return undefined;
}

function transportOf({ routes, installation }: Snapshot, id: RouteId): string {
  const route = routes.get(id);
  const service = installation.routes.get(id)?.service;
  return route === undefined || service === undefined ? NO_ROUTE : encodeTransport({ ...route, service });
}

/**
 * Recipients that a rule may route are taken although the lists of Postfix do not name them; which sender they come
 * from is not asked here. Postfix asks for the address, and for "@domain".
 */
function answerRecipients({ domains }: Snapshot, key: string): SocketmapReply {
  const name = key.startsWith('@') ? parseDomain(key.slice(1)) : null;
  const domain = name === null ? (parseAddress(key)?.domain ?? null) : name.ok ? name.value : null;
  const policy = domain === null ? undefined : domains.get(domain);
  const isRouted = policy?.enforcement === 'enforce' && policy.inboundRoutes.length > 0;
  return isRouted ? { kind: 'ok', value: 'routed' } : NOT_FOUND;
}

/** The key is the next hop as Postfix writes it; only a plain domain can be a peer of a policy. */
function answerTlsPolicy(snapshot: Snapshot, nexthop: string): SocketmapReply {
  const domain = parseDomain(nexthop);
  const demand = domain.ok ? snapshot.tlsAgreed.get(domain.value) : undefined;
  return demand === undefined ? NOT_FOUND : { kind: 'ok', value: renderTlsPolicy(demand) };
}

/**
 * A demand as a Postfix level, never weaker than asked. Postfix has no level that checks the CA and not the name, so
 * `trustedCa` alone checks a name too; and a name without a trusted CA proves nothing, so `hostnameMatch` alone is
 * the same as both.
 * Source: TLS_README, "Mandatory server certificate verification", "Secure server certificate verification".
 */
export function renderTlsPolicy(demand: Pick<TlsDemand, 'trustedCa' | 'hostnameMatch'>): string {
  if (demand.hostnameMatch) return 'secure match=nexthop:dot-nexthop';
  return demand.trustedCa ? 'verify match=hostname:nexthop:dot-nexthop' : 'encrypt';
}
