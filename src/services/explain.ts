/**
 * What would be decided for a message that is only described, and why: the answer of `postern explain`. Logs and
 * counts nothing.
 */
import { renderTlsPolicy } from '../answers/index.ts';
import {
  clientsBehindGateways,
  decideMessage,
  decideRecipient,
  ownReading,
  trustOf,
  type Client,
  type ExistenceFact,
  type HeaderField,
  type MessageTransaction,
  type MessageVerdict,
  type Reason,
  type RecipientDecision,
  type RouteDelivery,
  type Routing,
  type ShortTermBlockFact,
  type Verdict,
} from '../decide/index.ts';
import { authorOf } from './author.ts';
import { formatIpAddress, formatReply, type Address, type Domain, type IpAddress } from '../mail/index.ts';
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
  /** What the spam patterns found; absent where none was looked for. */
  readonly spamHits?: MessageTransaction['spamHits'];
  /** Whether each recipient exists, in their order; absent where no domain says so. */
  readonly existences?: readonly (ExistenceFact | null)[];
  /** The automatic block of a client by an own domain; absent where none is known of. */
  readonly blockOf?: (domain: Domain, address: IpAddress) => ShortTermBlockFact | null;
};

type Delivery = { readonly to: string; readonly recipient: string; readonly bounces: boolean };
type ExplainedRecipient = {
  readonly address: string;
  readonly mail: 'internal' | 'external';
  readonly verdict: Verdict['kind'];
  readonly reply: string | null;
  readonly deliveries: readonly Delivery[];
  /** Who the lists of its own domain are asked about; null where that is not known. */
  readonly trueClient: string | null;
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

/** The message of a question as one transaction, as if every recipient were taken. */
export function messageOf(question: Question, recipients = question.recipients): MessageTransaction {
  const { client, sender, saslUsername, encrypted, at, spamHits } = question;
  const existences = recipients.map((recipient) => existenceOf(question, recipient));
  const headers = question.headers ?? [];
  return {
    ...{ client, sender, saslUsername, encrypted, at, headers, daemonName: null },
    recipients: recipients.map((address) => ({ address, resolved: null })),
    author: authorOf(headers),
    ...(spamHits !== undefined && { spamHits }),
    ...(question.existences !== undefined && { existences }),
  };
}

/**
 * Explains. Trust in the answer is that for every own domain concerned; the true client null where any is unknown, or
 * they differ.
 */
export function explain(snapshot: Snapshot, question: Question): Explanation {
  const { recipients, client, sender, saslUsername, encrypted, at } = question;
  const facts = { client, sender, saslUsername, encrypted, at, daemonName: null };
  const transaction = { ...facts, stage: 'rcpt' as const };
  const decided = decideInOrder(snapshot, question, recipients);
  const senderDomain = question.sender?.domain ?? null;
  const senderPolicy = senderDomain === null ? undefined : snapshot.domains.get(senderDomain);
  const own = decided.filter(({ decision }) => decision.domain !== null);
  const trusts = own.map(({ decision }) => decision.trust.trusted);
  if (senderPolicy !== undefined || own.length === 0) {
    trusts.push(trustOf(snapshot, senderPolicy ?? null, transaction).trusted);
  }
  const taken = decided.filter(({ decision }) => decision.verdict.kind === 'pass');
  const message = explainMessage(
    snapshot,
    { ...question, headers: taken.length === 0 ? null : question.headers },
    taken,
  );
  // What the headers tell, where they were given.
  const known = (each: Decided): RecipientDecision => message.known.get(each) ?? each.decision;
  return {
    trusted: trusts.every(Boolean) && trusts.length > 0,
    trueClient: trueClientOf(question.client, own.map(known)),
    revision: snapshot.revision,
    recipients: decided.map((each) =>
      explainRecipient(each, message.deliveries.get(each) ?? [], known(each).trueClient),
    ),
    message: message.answer,
    tls: decided
      .filter(({ decision }) => decision.domain === null && decision.verdict.kind === 'pass')
      .flatMap(({ recipient }) => (recipient.domain === null ? [] : [explainTls(snapshot, recipient.domain)])),
    reasons: [
      ...decided.flatMap((each) =>
        [...known(each).reasons, ...(message.routed.get(each) ?? [])].map((reason) => ({
          ...reason,
          recipient: each.recipient.text,
        })),
      ),
      ...message.reasons,
    ],
  };
}

const existenceOf = ({ recipients, existences }: Question, recipient: Address): ExistenceFact | null =>
  existences?.[recipients.indexOf(recipient)] ?? null;

type Decided = { readonly recipient: Address; readonly decision: RecipientDecision };

/** The recipients one after the other, as one message names them. */
function decideInOrder(snapshot: Snapshot, question: Question, recipients: readonly Address[]): Decided[] {
  const { client, sender, saslUsername, encrypted, at, blockOf } = question;
  let earlierDomain: Domain | null = null;
  return recipients.map((recipient) => {
    const policy = ownReading(snapshot, recipient)?.policy;
    const block =
      policy === undefined || client.kind !== 'smtp' ? null : (blockOf?.(policy.domain, client.address) ?? null);
    // Mail of sendmail(1) is not asked about at RCPT: Postfix itself finds out who is unknown.
    const existence = client.kind === 'local' ? null : existenceOf(question, recipient);
    const decision = decideRecipient(snapshot, {
      ...{ stage: 'rcpt', client, sender, saslUsername, encrypted, at, daemonName: null, recipient },
      ...(block !== null && { shortTermBlock: block }),
      ...(earlierDomain !== null && { earlierDomain }),
      ...(existence !== null && { existence }),
    });
    if (decision.verdict.kind === 'pass') earlierDomain ??= decision.domain;
    return { recipient, decision };
  });
}

type ExplainedMessage = {
  readonly answer: Explanation['message'];
  /** What is about the whole message. */
  readonly reasons: Explanation['reasons'];
  readonly deliveries: ReadonlyMap<Decided, readonly Delivery[]>;
  readonly routed: ReadonlyMap<Decided, readonly Reason[]>;
  /** What the headers make of recipients behind a gateway. */
  readonly known: ReadonlyMap<Decided, RecipientDecision>;
};

/** What would be done to the message. Without its headers, or a recipient, nothing is known of marks and signatures. */
function explainMessage(snapshot: Snapshot, question: Question, taken: readonly Decided[]): ExplainedMessage {
  const { headers } = question;
  const t = messageOf(
    question,
    taken.map(({ recipient }) => recipient),
  );
  const fields = t.headers;
  const decision = decideMessage(snapshot, { ...t, shortTermBlocks: blocksOf(snapshot, question, t) });
  const { verdict, routing } = decision;
  const placed = {
    // Of a message that is refused or thrown away nothing goes anywhere; one that must wait, or is held, may.
    deliveries:
      verdict.kind === 'reject' || verdict.kind === 'discard'
        ? new Map<Decided, Delivery[]>()
        : new Map(taken.map((each, index) => [each, deliveriesOf(snapshot, routing, index, each.recipient)])),
    routed: new Map(taken.map((each, index) => [each, reasonsOf(routing, index)])),
    known: new Map(
      taken.flatMap((each, index): [Decided, RecipientDecision][] => {
        const known = decision.recipients[index];
        return headers !== null && known?.throughGateway === true ? [[each, known]] : [];
      }),
    ),
  };
  const ofRecipients = new Set([...placed.routed.values()].flat());
  const ofMessage = decision.reasons
    .filter((reason) => !ofRecipients.has(reason))
    .map((reason) => ({ ...reason, recipient: null }));
  const nothing = { verdict: verdict.kind, reply: replyOf(verdict), spam: decision.isSpam } as const;
  if (headers === null) {
    const own = taken.filter((each) => each.decision.domain !== null);
    const bypassSpamFilter = own.length > 0 && own.every((each) => each.decision.bypassSpamFilter);
    const answer = { ...nothing, bypassSpamFilter, signatures: [], added: [], removed: [] };
    return { answer, reasons: ofMessage.filter(({ rule }) => rule === 'routing'), ...placed };
  }
  const line = ({ name, value }: HeaderField): string => `${name}: ${value.replace(/\n[\t ]*/g, ' ').trim()}`;
  const isTaken = verdict.kind === 'pass' || verdict.kind === 'quarantine';
  const signatures = isTaken ? decision.signing.signatures : [];
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

function blocksOf(
  snapshot: Snapshot,
  { blockOf }: Question,
  t: MessageTransaction,
): NonNullable<MessageTransaction['shortTermBlocks']> {
  const blocks = new Map<Domain, ShortTermBlockFact>();
  for (const { policy, address } of blockOf === undefined ? [] : clientsBehindGateways(snapshot, t)) {
    const block = blockOf?.(policy.domain, address) ?? null;
    if (block !== null) blocks.set(policy.domain, block);
  }
  return blocks;
}

const replyOf = (verdict: MessageVerdict): string | null => ('reply' in verdict ? formatReply(verdict.reply) : null);

function explainRecipient(
  { recipient, decision }: Decided,
  deliveries: readonly Delivery[],
  trueClient: IpAddress | null,
): ExplainedRecipient {
  const { verdict, observed } = decision;
  return {
    address: recipient.text,
    mail: decision.mail,
    verdict: verdict.kind,
    reply: replyOf(verdict),
    deliveries,
    trueClient: trueClient === null ? null : formatIpAddress(trueClient),
    ...(observed !== null && { observed: { verdict: observed.kind, reply: replyOf(observed) } }),
  };
}

function trueClientOf(client: Client, own: readonly RecipientDecision[]): string | null {
  if (client.kind !== 'smtp') return null;
  const known = new Set(own.map(({ trueClient }) => (trueClient === null ? null : formatIpAddress(trueClient))));
  if (known.size === 0) return formatIpAddress(client.address);
  return known.size === 1 ? ([...known][0] ?? null) : null;
}

function explainTls(snapshot: Snapshot, domain: NonNullable<Address['domain']>): Explanation['tls'][number] {
  const demand = snapshot.tlsAgreed.get(domain);
  return { nexthop: domain, policy: demand === undefined ? null : renderTlsPolicy(demand) };
}
