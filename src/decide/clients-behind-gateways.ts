/**
 * Who is behind the inbound gateways that a message came through, by own domain, as its Received fields tell.
 * Never believes a field that no gateway wrote.
 * Source: RFC 5321 §4.4.
 */
import type { IpAddress } from '../mail/index.ts';
import type { DomainPolicy, Snapshot } from '../snapshot/index.ts';
import type { MessageTransaction } from './facts.ts';
import { gatewaysBehind } from './gateways.ts';
import { walkToTrueClient } from './true-client.ts';

/**
 * The true client for each own domain whose gateway handed the message over; a domain is left out where the client is
 * not known. Nothing for mail that came through no gateway.
 */
export function clientsBehindGateways(
  snapshot: Snapshot,
  t: Pick<MessageTransaction, 'recipients' | 'client' | 'headers' | 'at'>,
): readonly { readonly policy: DomainPolicy; readonly address: IpAddress }[] {
  return gatewaysBehind(snapshot, t).flatMap(({ domain, gateway }) => {
    const policy = snapshot.domains.get(domain);
    const { address } = walkToTrueClient(gateway, t.client, t.headers, t.at);
    return policy === undefined || address === null ? [] : [{ policy, address }];
  });
}
