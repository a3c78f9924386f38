/**
 * Whose address the lists of one own domain are asked about. Before the headers are seen, the client behind a
 * gateway is not known; a gateway's own address is never looked up.
 */
import { findInIpSet, type IpAddress } from '../mail/index.ts';
import type { GatewayPolicy } from '../snapshot/index.ts';
import type { Client } from './facts.ts';

/** `address` is null where the lists must not act; `setting` is the gateway's place where the client is one of its addresses. */
export type TrueClient = {
  readonly address: IpAddress | null;
  readonly throughGateway: boolean;
  readonly setting: string | null;
  readonly text: string;
};

/** The true client as far as the envelope tells it. */
export function findTrueClient(gateway: GatewayPolicy | null, client: Client, at: number): TrueClient {
  if (client.kind !== 'smtp') {
    const text = client.kind === 'local' ? 'local submission' : 'no IP address';
    return { address: null, throughGateway: false, setting: null, text };
  }
  if (gateway !== null && findInIpSet(gateway.ips, client.address, at) >= 0) {
    const text = 'an address of the inbound gateway; who is behind it, only the headers tell';
    return { address: null, throughGateway: true, setting: gateway.pointer, text };
  }
  return { address: client.address, throughGateway: false, setting: null, text: 'the SMTP client' };
}
