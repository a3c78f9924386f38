/**
 * What several TLS policies for one peer ask together: the union, so that the strictest wins whatever their order.
 */
import type { Domain } from '../mail/index.ts';
import type { OwnDomain } from '../settings/index.ts';
import type { DomainPolicy, TlsDemand } from './snapshot.ts';

/** Sender domains whose mail this own domain takes over TLS only, with the place of the first policy that says so. */
export function incomingTls(own: OwnDomain): ReadonlyMap<Domain, string> {
  const peers = new Map<Domain, string>();
  own.tls.forEach((policy, index) => {
    if (!policy.applyTo.includes('incoming')) return;
    for (const peer of policy.domains) if (!peers.has(peer)) peers.set(peer, `${own.pointer}/tls/${index}`);
  });
  return peers;
}

/** Peers that mail from this own domain reaches over TLS only. */
export function outgoingTls(own: OwnDomain): ReadonlyMap<Domain, TlsDemand> {
  const peers = new Map<Domain, TlsDemand>();
  own.tls.forEach((policy, index) => {
    if (!policy.applyTo.includes('outgoing')) return;
    for (const peer of policy.domains) {
      const before = peers.get(peer);
      // A name without a trusted CA proves nothing, so asking for the name asks for both.
      peers.set(peer, {
        trustedCa: policy.trustedCa || policy.hostnameMatch || before?.trustedCa === true,
        hostnameMatch: policy.hostnameMatch || before?.hostnameMatch === true,
        pointer: before?.pointer ?? `${own.pointer}/tls/${index}`,
      });
    }
  });
  return peers;
}

/** Peers for which every own domain asks the same. A domain that is only observed asks nothing. */
export function agreedTls(domains: ReadonlyMap<Domain, DomainPolicy>): ReadonlyMap<Domain, TlsDemand> {
  const demands = [...domains.values()].map((policy): ReadonlyMap<Domain, TlsDemand> =>
    policy.enforcement === 'observe' ? new Map() : policy.tlsOutgoing,
  );
  const [first, ...others] = demands;
  const agreed = new Map<Domain, TlsDemand>();
  for (const [peer, demand] of first ?? []) {
    const all = others.every((peers) => {
      const other = peers.get(peer);
      return other?.trustedCa === demand.trustedCa && other.hostnameMatch === demand.hostnameMatch;
    });
    if (all) agreed.set(peer, demand);
  }
  return agreed;
}
