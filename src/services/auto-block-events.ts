/**
 * What the milter door tells automatic blocks and asks of them: recipients that Postfix has refused as unknown, what
 * the end of a message found out, and whether the clients behind gateways are blocked.
 * Never counts a trusted client, nor a content filter that hands mail back.
 */
import {
  clientsBehindGateways,
  ownReading,
  trustOf,
  type MessageDecision,
  type MessageTransaction,
  type RecipientTransaction,
} from '../decide/index.ts';
import type { Domain } from '../mail/index.ts';
import type { Snapshot } from '../snapshot/index.ts';
import type { AutoBlock } from './auto-block.ts';
import type { ShortTermBlock } from './ports.ts';

/** A recipient that Postfix has refused with 5.1.1, and who named it. */
export type UnknownRecipient = Pick<RecipientTransaction, 'client' | 'saslUsername' | 'daemonName' | 'recipient'>;

/** Counts a recipient of an own domain that does not exist against its SMTP client; a gateway's client is not known yet. */
export function noteUnknownRecipient(
  autoBlock: AutoBlock,
  snapshot: Snapshot,
  { recipient, ...session }: UnknownRecipient,
  at: number,
): void {
  const { client, daemonName } = session;
  const policy = ownReading(snapshot, recipient)?.policy;
  if (policy === undefined || policy.autoBlock === null || client.kind !== 'smtp') return;
  if (daemonName !== null && snapshot.host.reinjectionServices.includes(daemonName)) return;
  if (trustOf(snapshot, policy, { ...session, at }).trusted) return;
  autoBlock.note({ policy, address: client.address, kind: 'unknown-recipient', at });
}

/**
 * The blocks of the clients behind the gateways that a message came through, by own domain, for the decision at its
 * end; null where there are none, at once where nobody is blocked.
 */
export function blocksBehindGateways(
  autoBlock: AutoBlock,
  snapshot: Snapshot,
  t: Pick<MessageTransaction, 'recipients' | 'client' | 'headers'>,
  at: number,
): ReadonlyMap<Domain, ShortTermBlock> | null {
  if (!autoBlock.hasBlocks) return null;
  const found = new Map<Domain, ShortTermBlock>();
  for (const { policy, address } of clientsBehindGateways(snapshot, { ...t, at })) {
    const block = policy.autoBlock === null ? null : autoBlock.find(policy.domain, address, at);
    if (block !== null) found.set(policy.domain, block);
  }
  return found.size === 0 ? null : found;
}

/**
 * Counts against the clients behind gateways: a match of the spam pattern, mail that the block list refuses, and
 * recipients beside the ones that were taken that do not exist.
 */
export function noteBehindGateways(
  autoBlock: AutoBlock,
  snapshot: Snapshot,
  t: Omit<MessageTransaction, 'at'>,
  { throughGateways }: MessageDecision,
  at: number,
): void {
  for (const recipient of t.unknownRecipients ?? []) {
    const [behind] = clientsBehindGateways(snapshot, {
      ...t,
      recipients: [{ address: recipient, resolved: null }],
      at,
    });
    if (behind === undefined || trustOf(snapshot, behind.policy, { ...t, at }).trusted) continue;
    autoBlock.note({ ...behind, kind: 'unknown-recipient', at });
  }
  for (const { policy, decision, isHit } of throughGateways) {
    const { trueClient: address, trust, decisive } = decision;
    if (address === null || trust.trusted) continue;
    if (isHit) autoBlock.note({ policy, address, kind: 'spam-pattern', at });
    if (decisive.rule === 'ip-block') autoBlock.note({ policy, address, kind: 'blocked', at });
  }
}
