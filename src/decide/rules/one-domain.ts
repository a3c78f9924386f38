/**
 * One message is decided as a whole at its end, so recipients of two own domains that may decide differently there are
 * taken in two messages: the later one's client is asked to come again with it. Never asked of a trusted client, and
 * not where the end of the message cannot make a difference.
 * Source: RFC 5321 §4.5.3.1.10 (452, the rest of the recipients in another transaction), RFC 3463 §3.6 (4.5.3).
 */
import { findInIpSet, sameIpSet, transient, type TransientReply } from '../../mail/index.ts';
import type { DomainPolicy, GatewayPolicy } from '../../snapshot/index.ts';
import type { Client } from '../facts.ts';
import { findTrueClient } from '../true-client.ts';

/** Said for a recipient that must come in a message of its own. */
export const ONE_DOMAIN: TransientReply = transient(
  '452',
  '4.5.3',
  'Recipients of this domain are taken in a message of their own, send it again',
);

/** What the end of a message may do for one own domain. `gateway` is null for mail that did not come through it. */
type Outlook = { readonly gateway: GatewayPolicy | null; readonly isAllowed: boolean };

const NOTHING: Outlook = { gateway: null, isAllowed: false };

/** True where the two own domains may decide differently at the end of a message of this client. */
export function mayDiffer(one: DomainPolicy, other: DomainPolicy, client: Client, at: number): boolean {
  const [first, second] = [outlook(one, client, at), outlook(other, client, at)];
  if (first.gateway !== null && second.gateway !== null) return !isAlike(one, first.gateway, other, second.gateway);
  if (first.gateway !== null) return mayAct(one) || first.gateway.skipSpamFilter !== second.isAllowed;
  if (second.gateway !== null) return mayAct(other) || second.gateway.skipSpamFilter !== first.isAllowed;
  return first.isAllowed !== second.isAllowed;
}

function outlook({ enforcement, gateway, allowed }: DomainPolicy, client: Client, at: number): Outlook {
  if (enforcement === 'observe' || client.kind !== 'smtp') return NOTHING;
  if (gateway !== null && findTrueClient(gateway, client, at).throughGateway) return { gateway, isAllowed: false };
  return { gateway: null, isAllowed: findInIpSet(allowed.set, client.address, at) >= 0 };
}

/** Whether the client behind the gateway, or what the gateway says of the message, can make a difference. */
const mayAct = ({ allowed, blocked, autoBlock, gateway }: DomainPolicy): boolean =>
  allowed.set.size > 0 || blocked.set.size > 0 || autoBlock !== null || (gateway?.spamPattern ?? null) !== null;

/** Automatic blocks are each domain's own, so two domains that have any are never alike. */
function isAlike(one: DomainPolicy, a: GatewayPolicy, other: DomainPolicy, b: GatewayPolicy): boolean {
  return (
    one.autoBlock === null &&
    other.autoBlock === null &&
    a.skipSpamFilter === b.skipSpamFilter &&
    a.blockedBehindGateway === b.blockedBehindGateway &&
    a.spamPattern?.pattern === b.spamPattern?.pattern &&
    // Who is behind it is found by its addresses.
    sameIpSet(a.ips, b.ips) &&
    sameIpSet(one.allowed.set, other.allowed.set) &&
    sameIpSet(one.blocked.set, other.blocked.set)
  );
}
