/**
 * What a socketmap query is answered, from the snapshot alone: no DNS, no disk.
 * "Not found" is the answer for everything that has no rule: Postfix's own settings stay in force.
 * Source: socketmap_table(5), postconf(5) smtp_tls_policy_maps and smtpd_milter_maps, TLS_README "Client TLS security
 * levels".
 */
import { ipSetHas, isUnder, parseAddress, parseClientAddress, parseDomain, type Address } from '../mail/index.ts';
import type { Domain, IpAddress } from '../mail/index.ts';
import type { ExistenceFact } from '../decide/index.ts';
import {
  plainRule,
  type DomainPolicy,
  type Existence,
  type RouteId,
  type Snapshot,
  type TlsDemand,
} from '../snapshot/index.ts';
import { encodeTransport } from '../wire/postfix-map/index.ts';
import { milterEntry } from './postfix-plan/edits.ts';
import { NO_ROUTE } from './routes/route-maps.ts';
import type { SocketmapReply } from '../wire/socketmap/index.ts';

const NOT_FOUND: SocketmapReply = { kind: 'notfound' };
const ROUTED: SocketmapReply = { kind: 'ok', value: 'routed' };

/** The maps that Postern answers for. */
export const SOCKETMAPS = ['transport', 'tls_policy', 'recipients', 'milters'] as const;

/** What an answer depends on beside the settings. */
export type SocketmapFacts = {
  /** When it is asked, in milliseconds since 1970: entries that have expired by then are void. */
  readonly at: number;
  /** Where Postfix reaches our milter, such as `unix:postern/milter.sock`; null where that door is shut. */
  readonly milter: string | null;
  /** Whether the key of `recipients` exists; absent where its domain does not say, and then it does. */
  readonly existence?: ExistenceFact;
};

/** Answers one query. A map that Postern does not have is a mistake in main.cf: PERM, which Postfix logs and retries. */
export function answerSocketmap(snapshot: Snapshot, map: string, key: string, facts: SocketmapFacts): SocketmapReply {
  if (map === 'tls_policy') return answerTlsPolicy(snapshot, key);
  if (map === 'transport') return answerTransport(snapshot, key);
  if (map === 'recipients') return answerRecipients(snapshot, key, facts.existence ?? null);
  if (map === 'milters') return answerMilters(snapshot, key, facts);
  return { kind: 'perm', reason: `no such map; Postern has ${SOCKETMAPS.join(', ')}` };
}

/** A socketmap is asked for whole addresses only, so domains and labels are looked for here. Source: transport(5). */
function answerTransport(snapshot: Snapshot, key: string): SocketmapReply {
  const domain = parseAddress(key)?.domain ?? null;
  if (domain === null) return NOT_FOUND;
  const policy = snapshot.domains.get(domain);
  const rule = policy === undefined ? null : plainRule(policy);
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
 * The recipient that a key of `recipients` is about; null where it is about none. Postfix asks for the address, for
 * "@domain" where every address of a domain is taken, and for local-parts.
 */
export function recipientOfKey(key: string): Address | null {
  const address = key.startsWith('@') ? null : parseAddress(key);
  return address === null || address.domain === null ? null : address;
}

/**
 * Recipients that a rule may route are taken although the lists of Postfix do not name them; which sender they come
 * from is not asked here. Where it is not known whether one exists, and rules differ, the answer has to wait.
 */
function answerRecipients({ domains }: Snapshot, key: string, existence: ExistenceFact | null): SocketmapReply {
  const domain = recipientOfKey(key)?.domain ?? null;
  const policy = domain === null ? undefined : domains.get(domain);
  if (policy?.enforcement !== 'enforce') return NOT_FOUND;
  const isRouted = (kind: Existence): boolean =>
    policy.inboundRoutes.some(({ recipients }) => recipients.includes(kind));
  const kind = existence?.kind ?? 'existing';
  if (kind !== 'unknown') return isRouted(kind) ? ROUTED : NOT_FOUND;
  if (isRouted('existing') !== isRouted('missing'))
    return { kind: 'temp', reason: 'a source of recipients cannot be asked' };
  return isRouted('existing') ? ROUTED : NOT_FOUND;
}

/**
 * The milters that Postfix asks about a client, in place of all of `smtpd_milters`: Postern alone for a client that
 * every own domain allows. Who the recipients will be is not known yet, so one own domain that does not allow it is
 * enough to ask all. In braces, because what a table names without them fails open where `milter_default_action` does.
 * Source: postconf(5) smtpd_milter_maps, smtpd_milters.
 */
function answerMilters({ domains }: Snapshot, key: string, { at, milter }: SocketmapFacts): SocketmapReply {
  const client = parseClientAddress(key);
  if (client === null || milter === null || domains.size === 0) return NOT_FOUND;
  for (const policy of domains.values()) {
    if (!isAllowedBy(policy, client, at)) return NOT_FOUND;
  }
  return { kind: 'ok', value: milterEntry(milter) };
}

/** A gateway's own address is never looked up in the lists: who is behind it, only the headers tell. */
const isAllowedBy = ({ enforcement, gateway, allowed }: DomainPolicy, client: IpAddress, at: number): boolean =>
  enforcement === 'enforce' &&
  ipSetHas(allowed.set, client, at) &&
  (gateway === null || !ipSetHas(gateway.ips, client, at));

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
