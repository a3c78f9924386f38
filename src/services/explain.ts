/**
 * What would be decided for a message that is only described, and why: the answer of `postern explain`. Logs and
 * counts nothing.
 */
import { renderTlsPolicy } from '../answers/index.ts';
import {
  decideRecipient,
  trustOf,
  type Client,
  type Reason,
  type RecipientDecision,
  type Verdict,
} from '../decide/index.ts';
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
  readonly reasons: readonly (Reason & { readonly recipient: string })[];
};

/** Explains. Trust in the answer is that for every own domain concerned; the true client null where any is unknown. */
export function explain(snapshot: Snapshot, question: Question): Explanation {
  const { recipients, ...rest } = question;
  const transaction = { ...rest, stage: 'rcpt' as const, daemonName: null };
  const decided = recipients.map((recipient) => ({
    recipient,
    decision: decideRecipient(snapshot, { ...transaction, recipient }),
  }));
  const senderDomain = question.sender?.domain ?? null;
  const senderPolicy = senderDomain === null ? undefined : snapshot.domains.get(senderDomain);
  const own = decided.filter(({ decision }) => decision.domain !== null);
  const accepted = own.filter(({ decision }) => decision.verdict.kind === 'pass');
  const trusts = own.map(({ decision }) => decision.trust.trusted);
  const [first] = recipients;
  if (first !== undefined && (senderPolicy !== undefined || own.length === 0)) {
    trusts.push(trustOf(snapshot, senderPolicy ?? null, { ...transaction, recipient: first }).trusted);
  }
  return {
    trusted: trusts.every(Boolean) && trusts.length > 0,
    trueClient: trueClientOf(
      question.client,
      own.map(({ decision }) => decision),
    ),
    revision: snapshot.revision,
    recipients: decided.map(({ recipient, decision }) => explainRecipient(recipient, decision)),
    message: {
      verdict: 'pass',
      reply: null,
      spam: false,
      bypassSpamFilter: accepted.length > 0 && accepted.every(({ decision }) => decision.bypassSpamFilter),
      signatures: [],
      added: [],
      removed: [],
    },
    tls: decided
      .filter(({ decision }) => decision.domain === null && decision.verdict.kind === 'pass')
      .flatMap(({ recipient }) => (recipient.domain === null ? [] : [explainTls(snapshot, recipient.domain)])),
    reasons: decided.flatMap(({ recipient, decision }) =>
      decision.reasons.map((reason) => ({ ...reason, recipient: recipient.text })),
    ),
  };
}

function explainRecipient(recipient: Address, decision: RecipientDecision): ExplainedRecipient {
  const replyOf = (verdict: Verdict): string | null => (verdict.kind === 'pass' ? null : formatReply(verdict.reply));
  const { verdict, observed } = decision;
  return {
    address: recipient.text,
    mail: decision.mail,
    verdict: verdict.kind,
    reply: replyOf(verdict),
    deliveries: verdict.kind === 'pass' ? [{ to: 'here', recipient: recipient.text, bounces: true }] : [],
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
