/**
 * What would be decided for a message that is only described, and why: the answer of `postern explain`. Logs and
 * counts nothing.
 */
import { renderTlsPolicy } from '../answers/index.ts';
import {
  decideMessage,
  decideRecipient,
  trustOf,
  type Client,
  type HeaderField,
  type MessageTransaction,
  type Reason,
  type RecipientDecision,
  type RouteDelivery,
  type Routing,
  type Verdict,
} from '../decide/index.ts';
import { authorOf } from './author.ts';
import { formatIpAddress, formatReply, type Address } from '../mail/index.ts';
import type { Snapshot } from '../snapshot/index.ts';

/** The message as described. `at` is in milliseconds since 1970. */
export type Question = {
  readonly client: Client;
  readonly sender: Address | null;
  readonly recipients: readonly Address[];
  readonly saslUsername: string | null;
  readonly encrypted: boolean;
  readonly at: number;
  /** The header fields of the message; null where only the envelope is described. */
  readonly headers: readonly HeaderField[] | null;
};

type Delivery = { readonly to: string; readonly recipient: string; readonly bounces: boolean };
type ExplainedRecipient = {
  readonly address: string;
  readonly mail: 'internal' | 'external';
  readonly verdict: Verdict['kind'];
  readonly reply: string | null;
  readonly deliveries: readonly Delivery[];
  /** Where the own domain is only observed and would have refused. */
  readonly observed?: { readonly verdict: Verdict['kind']; readonly reply: string | null };
};

/** The answer; its form is public, and more fields may be added. */
export type Explanation = {
  readonly trusted: boolean;
  readonly trueClient: string | null;
  readonly revision: string;
  readonly recipients: readonly ExplainedRecipient[];
  readonly message: {
    readonly verdict: 'pass' | 'reject' | 'defer' | 'quarantine' | 'discard';
    readonly reply: string | null;
    readonly spam: boolean;
    readonly bypassSpamFilter: boolean;
    readonly signatures: readonly { readonly domain: string; readonly selector: string; readonly algorithm: string }[];
    readonly added: readonly string[];
    readonly removed: readonly string[];
  };
  readonly tls: readonly { readonly nexthop: string; readonly policy: string | null }[];
  /** `recipient` is null for what is about the whole message. */
  readonly reasons: readonly (Reason & { readonly recipient: string | null })[];
};

/** Explains. Trust in the answer is that for every own domain concerned; the true client null where any is unknown. */
export function explain(snapshot: Snapshot, question: Question): Explanation {
  const { recipients, client, sender, saslUsername, encrypted, at } = question;
  const facts = { client, sender, saslUsername, encrypted, at, daemonName: null };
  const transaction = { ...facts, stage: 'rcpt' as const };
  const decided = recipients.map((recipient) => ({
    recipient,
    decision: decideRecipient(snapshot, { ...transaction, recipient }),
  }));
  const senderDomain = question.sender?.domain ?? null;
  const senderPolicy = senderDomain === null ? undefined : snapshot.domains.get(senderDomain);
  const own = decided.filter(({ decision }) => decision.domain !== null);
  const trusts = own.map(({ decision }) => decision.trust.trusted);
  if (senderPolicy !== undefined || own.length === 0) {
    trusts.push(trustOf(snapshot, senderPolicy ?? null, transaction).trusted);
  }
  const taken = decided.filter(({ decision }) => decision.verdict.kind === 'pass');
  const message = explainMessage(snapshot, facts, taken.length === 0 ? null : question.headers, taken);
  return {
    trusted: trusts.every(Boolean) && trusts.length > 0,
    trueClient: trueClientOf(
      question.client,
      own.map(({ decision }) => decision),
    ),
    revision: snapshot.revision,
    recipients: decided.map((each) => explainRecipient(each, message.deliveries.get(each) ?? [])),
    message: message.answer,
    tls: decided
      .filter(({ decision }) => decision.domain === null && decision.verdict.kind === 'pass')
      .flatMap(({ recipient }) => (recipient.domain === null ? [] : [explainTls(snapshot, recipient.domain)])),
    reasons: [
      ...decided.flatMap((each) =>
        [...each.decision.reasons, ...(message.routed.get(each) ?? [])].map((reason) => ({
          ...reason,
          recipient: each.recipient.text,
        })),
      ),
      ...message.reasons,
    ],
  };
}

type Decided = { readonly recipient: Address; readonly decision: RecipientDecision };

type ExplainedMessage = {
  readonly answer: Explanation['message'];
  /** What is about the whole message. */
  readonly reasons: Explanation['reasons'];
  readonly deliveries: ReadonlyMap<Decided, readonly Delivery[]>;
  readonly routed: ReadonlyMap<Decided, readonly Reason[]>;
};

/** What would be done to the message. Without its headers, or a recipient, nothing is known of marks and signatures. */
function explainMessage(
  snapshot: Snapshot,
  facts: Omit<MessageTransaction, 'recipients' | 'headers' | 'author'>,
  headers: readonly HeaderField[] | null,
  taken: readonly Decided[],
): ExplainedMessage {
  const fields = headers ?? [];
  const recipients = taken.map(({ recipient }) => ({ address: recipient, resolved: null }));
  const decision = decideMessage(snapshot, { ...facts, recipients, headers: fields, author: authorOf(fields) });
  const { verdict, routing } = decision;
  const placed = {
    // Of a message that is refused nothing goes anywhere; one that must wait will.
    deliveries:
      verdict.kind === 'reject'
        ? new Map<Decided, Delivery[]>()
        : new Map(taken.map((each, index) => [each, deliveriesOf(snapshot, routing, index, each.recipient)])),
    routed: new Map(taken.map((each, index) => [each, reasonsOf(routing, index)])),
  };
  const ofRecipients = new Set([...placed.routed.values()].flat());
  const ofMessage = decision.reasons
    .filter((reason) => !ofRecipients.has(reason))
    .map((reason) => ({ ...reason, recipient: null }));
  const nothing = { verdict: verdict.kind, reply: replyOf(verdict), spam: false } as const;
  if (headers === null) {
    const own = taken.filter((each) => each.decision.domain !== null);
    const bypassSpamFilter = own.length > 0 && own.every((each) => each.decision.bypassSpamFilter);
    const answer = { ...nothing, bypassSpamFilter, signatures: [], added: [], removed: [] };
    return { answer, reasons: ofMessage.filter(({ rule }) => rule === 'routing'), ...placed };
  }
  const line = ({ name, value }: HeaderField): string => `${name}: ${value.replace(/\n[\t ]*/g, ' ').trim()}`;
  const signatures = verdict.kind === 'pass' ? decision.signing.signatures : [];
  return {
    answer: {
      ...nothing,
      bypassSpamFilter: decision.bypassSpamFilter,
      signatures: signatures.map(({ domain, key }) => ({ domain, ...key })),
      added: decision.added.map(line),
      removed: decision.removed.flatMap((position) => fields[position] ?? []).map(line),
    },
    reasons: ofMessage,
    ...placed,
  };
}

/** Copies under the sender's own address are told with the first recipient: they are no recipient's. */
function deliveriesOf(snapshot: Snapshot, routing: Routing, index: number, recipient: Address): Delivery[] {
  const routed = routing.recipients[index];
  const named = ({ route, mailbox, bounces }: RouteDelivery): Delivery => ({
    to: snapshot.routes.get(route)?.name ?? route,
    recipient: `${mailbox.localPart}@${mailbox.domain}`,
    bounces,
  });
  return [
    ...(routed?.here === true ? [{ to: 'here', recipient: recipient.text, bounces: true }] : []),
    ...(routed?.routes ?? []).map(named),
    ...(index === 0 ? routing.copies.map(named) : []),
  ];
}

const reasonsOf = (routing: Routing, index: number): Reason[] => [
  ...(routing.recipients[index]?.reasons ?? []),
  ...(index === 0 ? routing.copyReasons : []),
];

const replyOf = (verdict: Verdict): string | null => (verdict.kind === 'pass' ? null : formatReply(verdict.reply));

function explainRecipient({ recipient, decision }: Decided, deliveries: readonly Delivery[]): ExplainedRecipient {
  const { verdict, observed } = decision;
  return {
    address: recipient.text,
    mail: decision.mail,
    verdict: verdict.kind,
    reply: replyOf(verdict),
    deliveries,
    ...(observed !== null && { observed: { verdict: observed.kind, reply: replyOf(observed) } }),
  };
}

function trueClientOf(client: Client, own: readonly RecipientDecision[]): string | null {
  if (client.kind !== 'smtp') return null;
  return own.every((decision) => decision.trueClient !== null) ? formatIpAddress(client.address) : null;
}

function explainTls(snapshot: Snapshot, domain: NonNullable<Address['domain']>): Explanation['tls'][number] {
  const demand = snapshot.tlsAgreed.get(domain);
  return { nexthop: domain, policy: demand === undefined ? null : renderTlsPolicy(demand) };
}
