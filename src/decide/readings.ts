/**
 * Whose mailbox an address is, however it is wrapped. Never decides what becomes of it.
 * Source: RFC 5321 §4.1.2; postconf(5) allow_percent_hack, swap_bangpath, myorigin.
 */
import { addressReadings, type Address } from '../mail/index.ts';
import type { Snapshot } from '../snapshot/index.ts';
import { mailboxOf, type OwnReading } from './rules/routing.ts';

/** The own domain and mailbox that Postfix may deliver to, however the sender has wrapped it, or left the domain out. */
export function ownReading(snapshot: Snapshot, recipient: Address): OwnReading | undefined {
  for (const reading of addressReadings(recipient)) {
    const policy = reading.domain === null ? undefined : snapshot.domains.get(reading.domain);
    const mailbox = mailboxOf(reading);
    if (policy !== undefined && mailbox !== null) return { policy, mailbox };
  }
  const { text, localPart } = recipient;
  const { originDomain } = snapshot.host;
  const isBare = text === localPart || text === `${localPart}@`;
  const policy = isBare && originDomain !== undefined ? snapshot.domains.get(originDomain) : undefined;
  return policy === undefined ? undefined : { policy, mailbox: { localPart, domain: policy.domain } };
}

/**
 * Whose recipient it is. What a wrapped address may reach is refused by the rules of all that it may reach, but it goes
 * one way only, so what Postfix makes of it decides where that is told: `bob%example.com@elsewhere.example` is no
 * mailbox of example.com where Postfix sends it on.
 */
export function recipientReading(
  snapshot: Snapshot,
  address: Address,
  resolved: Address | null,
): OwnReading | undefined {
  const typed = ownReading(snapshot, address);
  if (resolved === null) return typed;
  const policy = resolved.domain === null ? undefined : snapshot.domains.get(resolved.domain);
  const mailbox = policy === typed?.policy ? typed?.mailbox : mailboxOf(resolved);
  return policy === undefined || !mailbox ? undefined : { policy, mailbox };
}
