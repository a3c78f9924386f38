/**
 * Whose address the lists of one own domain are asked about. Before the headers are seen, the client behind a
 * gateway is not known; a gateway's own address is never looked up.
 * Never believes a Received field that no gateway wrote. That a gateway writes one for each hop is taken for granted:
 * behind one that writes none, or takes out those of its submission service, anybody may write what it then vouches for.
 * Source: RFC 5321 §4.4 (each server puts its field on top).
 */
import {
  findInIpSet,
  formatIpAddress,
  isLoopback,
  isPrivateAddress,
  readReceived,
  type IpAddress,
  type ReceivedHop,
} from '../mail/index.ts';
import type { GatewayPolicy } from '../snapshot/index.ts';
import type { Client, HeaderField } from './facts.ts';

/** `address` is null where the lists must not act; `setting` is the gateway's place where the client is one of its addresses. */
export type TrueClient = {
  readonly address: IpAddress | null;
  readonly throughGateway: boolean;
  readonly setting: string | null;
  readonly text: string;
};

/** One Received field that was believed. */
export type Hop = {
  /** Its position among all header fields of the message, from 0. */
  readonly position: number;
  /** Who handed the message over; null where the field does not say. */
  readonly address: IpAddress | null;
  /** Whether that was a gateway, so that the next field is believed too: a listed address, or its own loopback or program. */
  readonly isGateway: boolean;
  /** What it means, in printable ASCII; not the field itself. */
  readonly text: string;
};

/** The true client, and the fields that were looked at, the topmost first; none where the SMTP client is no gateway. */
export type TrueClientWalk = TrueClient & { readonly hops: readonly Hop[] };

/** How many Received fields are looked at. Postfix bounces above 50 (`hopcount_limit`). */
const MAX_HOPS = 100;

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

/**
 * The true client as the headers tell it: the first address that is no gateway's, going down the Received fields from
 * the top. `received` may hold other fields too; they are stepped over. Postfix's own field for this hop may stand on
 * top (a stored message) or not (a milter does not see it).
 * A field is believed because the host that it hands over to is a gateway: the SMTP client for the first, the peer in
 * the field above for each other. Three things end the walk: an address that is not listed, private ones included
 * (that is the true client; those of the gateway's own network belong in its list); a field that names no peer (the
 * true client is then unknown); the last field (likewise). A handover inside a gateway host ends nothing: its loopback
 * address is its own, so that a content filter on it needs no entry.
 */
export function walkToTrueClient(
  gateway: GatewayPolicy,
  client: Client,
  received: readonly HeaderField[],
  at: number,
): TrueClientWalk {
  const direct = findTrueClient(gateway, client, at);
  const hops: Hop[] = [];
  const found = (address: IpAddress | null, text: string): TrueClientWalk => ({ ...direct, address, text, hops });
  if (!direct.throughGateway) return { ...direct, hops };
  for (const [position, { name, value }] of received.entries()) {
    if (name.toLowerCase() !== 'received') continue;
    if (hops.length === MAX_HOPS) return found(null, `unknown: more than ${MAX_HOPS} Received fields`);
    const said = readReceived(value);
    const { address } = said;
    const isListed = address !== null && findInIpSet(gateway.ips, address, at) >= 0;
    const isGateway = isListed || said.isInternal;
    hops.push({ position, address, isGateway, text: describeHop(said, isListed) });
    if (isGateway) continue;
    const field = `the Received field ${writtenBy(said)}, header field ${position + 1},`;
    if (address === null) return found(null, `unknown: ${field} does not clearly name its peer`);
    return found(
      address,
      `${formatIpAddress(address)} is behind the gateway: ${field} names it${privateHint(address)}`,
    );
  }
  return found(null, `unknown: ${hops.length === 0 ? 'no Received field' : 'the Received fields name gateways only'}`);
}

/** One line about a hop with the field that it came from, unfolded, in printable ASCII and cut to a screenful. */
export function explainHop(hop: Hop, headers: readonly HeaderField[]): string {
  const field = headers[hop.position];
  const line =
    field === undefined
      ? ''
      : `${field.name}: ${field.value
          .slice(0, 2000)
          .replace(/[\t\n\r ]+/g, ' ')
          .trim()}`;
  return `header field ${hop.position + 1}: ${hop.text} -- ${printable(line, 500)}`;
}

function describeHop(said: ReceivedHop, isListed: boolean): string {
  const writer = writtenBy(said);
  if (said.address === null) {
    return said.isInternal ? `within the gateway, ${writer}` : `no peer that can be believed, ${writer}`;
  }
  const address = formatIpAddress(said.address);
  if (isListed) return `${address} is an address of the inbound gateway, ${writer}`;
  if (isLoopback(said.address)) return `${address} is the gateway host itself, ${writer}`;
  return `${address} is the first that is no gateway, ${writer}`;
}

const writtenBy = ({ by }: ReceivedHop): string =>
  by === null ? 'written by a server that does not name itself' : `written by ${printable(by, 100)}`;

const printable = (text: string, maxLength: number): string => {
  const safe = text.replace(/[^\x20-\x7e]/g, '?');
  return safe.length > maxLength ? `${safe.slice(0, maxLength)}...` : safe;
};

const privateHint = (address: IpAddress): string =>
  isPrivateAddress(address) ? '; it is not public: if it is of the gateway, add it to its ips' : '';
