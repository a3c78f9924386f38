/**
 * What a socketmap query is answered, from the snapshot alone: no DNS, no disk.
 * "Not found" is the answer for everything that has no rule: Postfix's own settings stay in force.
 * Source: socketmap_table(5), postconf(5) smtp_tls_policy_maps, TLS_README "Client TLS security levels".
 */
import { parseDomain } from '../mail/index.ts';
import type { Snapshot, TlsDemand } from '../snapshot/index.ts';
import type { SocketmapReply } from '../wire/socketmap/index.ts';

const NOT_FOUND: SocketmapReply = { kind: 'notfound' };

/** The maps that Postern answers for. */
export const SOCKETMAPS = ['transport', 'tls_policy', 'recipients', 'milters'] as const;

/** Answers one query. A map that Postern does not have is a mistake in main.cf: PERM, which Postfix logs and retries. */
export function answerSocketmap(snapshot: Snapshot, map: string, key: string): SocketmapReply {
  if (map === 'tls_policy') return answerTlsPolicy(snapshot, key);
  // Routing does not act in this version, so no route, routed recipient or milter list has an entry.
  if ((SOCKETMAPS as readonly string[]).includes(map)) return NOT_FOUND;
  return { kind: 'perm', reason: `no such map; Postern has ${SOCKETMAPS.join(', ')}` };
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
