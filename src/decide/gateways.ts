/** Through which inbound gateways a message came: what must be looked for in its header follows from that. */
import type { Domain } from '../mail/index.ts';
import type { GatewayPolicy, Snapshot } from '../snapshot/index.ts';
import { ownReading } from './readings.ts';
import type { MessageTransaction } from './facts.ts';
import { findTrueClient } from './true-client.ts';

/** The own domains with a recipient whose gateway the client is, each once. */
export function gatewaysBehind(
  snapshot: Snapshot,
  { recipients, client, at }: Pick<MessageTransaction, 'recipients' | 'client' | 'at'>,
): readonly { readonly domain: Domain; readonly gateway: GatewayPolicy }[] {
  const found = new Map<Domain, GatewayPolicy>();
  for (const { address } of recipients) {
    const policy = ownReading(snapshot, address)?.policy;
    if (policy === undefined || policy.gateway === null) continue;
    if (findTrueClient(policy.gateway, client, at).throughGateway) found.set(policy.domain, policy.gateway);
  }
  return [...found].map(([domain, gateway]) => ({ domain, gateway }));
}
