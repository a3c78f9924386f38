/**
 * Whether a client is trusted for one own domain, and by what proof. Network trust is the weakest: it never holds
 * for the domain's gateway, for a server of its organization's routes, or on a service that takes mail back from a
 * content filter.
 */
import { findInIpSet } from '../mail/index.ts';
import type { DomainPolicy, HostPolicy } from '../snapshot/index.ts';
import type { RecipientTransaction } from './facts.ts';

/** `proof` is null exactly when `trusted` is false. */
export type TrustFinding = {
  readonly trusted: boolean;
  readonly proof: 'sasl' | 'network' | 'local' | null;
  readonly text: string;
};

/** The facts of a session that trust depends on. */
export type TrustFacts = Pick<RecipientTransaction, 'client' | 'saslUsername' | 'daemonName' | 'at'>;

/** The part of a domain's policy that trust depends on. Null stands for a domain that is not ours. */
export type TrustScope = Pick<DomainPolicy, 'organization' | 'gateway' | 'routeServers'> | null;

const untrusted = (text: string): TrustFinding => ({ trusted: false, proof: null, text });

/**
 * Trust for one domain. `saslOrganization` is the organization whose own domain the SASL user name ends in, or null
 * where it ends in none.
 */
export function findTrust(
  host: HostPolicy,
  scope: TrustScope,
  t: TrustFacts,
  saslOrganization: string | null,
): TrustFinding {
  if (t.saslUsername !== null) return findSaslTrust(t.saslUsername, scope, saslOrganization);
  if (t.client.kind === 'local') return { trusted: true, proof: 'local', text: 'local submission, no SMTP client' };
  if (t.client.kind === 'unknown') return untrusted('the client has no IP address');
  const { address } = t.client;
  if (findInIpSet(host.trustedNetworks, address, t.at) < 0)
    return untrusted('not authenticated, not in trustedNetworks');
  if (t.daemonName !== null && host.reinjectionServices.includes(t.daemonName)) {
    return untrusted(`in trustedNetworks, but ${t.daemonName} is a re-injection service`);
  }
  if (scope?.gateway && findInIpSet(scope.gateway.ips, address, t.at) >= 0) {
    return untrusted('in trustedNetworks, but an address of the inbound gateway');
  }
  if (scope !== null && findInIpSet(scope.routeServers, address, t.at) >= 0) {
    return untrusted('in trustedNetworks, but the server of a route');
  }
  return { trusted: true, proof: 'network', text: 'in trustedNetworks' };
}

function findSaslTrust(user: string, scope: TrustScope, saslOrganization: string | null): TrustFinding {
  if (saslOrganization !== null && scope !== null && scope.organization !== saslOrganization) {
    return untrusted(`authenticated as ${user}, who belongs to another organization`);
  }
  return { trusted: true, proof: 'sasl', text: `authenticated as ${user}` };
}
