/**
 * Decisions, and deliveries that failed, as history keeps them: plain texts, and the list entries that the client met. What is made here holds on to
 * no snapshot and no message. Decides nothing.
 */
import type {
  Client,
  MessageDecision,
  MessageTransaction,
  MessageVerdict,
  Reason,
  RecipientDecision,
  RecipientTransaction,
} from '../decide/index.ts';
import { formatIpAddress, formatReply, parseDomain, type Domain, type IpAddress } from '../mail/index.ts';
import type { DomainPolicy, ListedIp, ListedIps, RouteId, Snapshot } from '../snapshot/index.ts';
import type { EntryHit, HistoryAddition, MessageContext } from './ports.ts';

/** A decision that was made. `at` is in milliseconds since 1970. */
export type HistoryEvent =
  | {
      readonly kind: 'recipient';
      readonly at: number;
      readonly snapshot: Snapshot;
      readonly transaction: Omit<RecipientTransaction, 'at'>;
      readonly context: Pick<MessageContext, 'queueId' | 'instance'>;
      readonly decision: RecipientDecision;
    }
  | {
      readonly kind: 'message';
      readonly at: number;
      readonly snapshot: Snapshot;
      readonly transaction: Omit<MessageTransaction, 'at'>;
      readonly queueId: string | null;
      readonly decision: MessageDecision;
    }
  | {
      readonly kind: 'delivery';
      readonly at: number;
      readonly snapshot: Snapshot;
      readonly delivery: FailedDelivery;
    };

/** A delivery to a route that failed for good. What is null is not known. */
export type FailedDelivery = {
  readonly queueId: string;
  readonly route: RouteId;
  /** `<>` for the null sender. */
  readonly sender: string | null;
  /** As the route's server sees it. */
  readonly recipient: string;
  readonly clientAddress: string | null;
  /** What the route's server answered. */
  readonly reply: string | null;
  readonly text: string;
};

/** What history keeps of a decision, or of what became of it. */
export function additionOf(event: HistoryEvent): HistoryAddition {
  switch (event.kind) {
    case 'recipient':
      return ofRecipient(event);
    case 'message':
      return ofMessage(event);
    case 'delivery':
      return ofDelivery(event);
  }
}

function ofRecipient({
  at,
  snapshot,
  transaction: t,
  context,
  decision,
}: Extract<HistoryEvent, { kind: 'recipient' }>): HistoryAddition {
  const { verdict, observed, decisive, domain, trueClient, reasons } = decision;
  const policy = domain === null ? undefined : snapshot.domains.get(domain);
  return {
    at,
    stage: t.stage,
    queueId: context.queueId,
    instance: context.instance,
    clientAddress: clientText(t.client),
    trueClient: trueClientText(trueClient, t.client),
    saslUsername: t.saslUsername,
    sender: t.sender?.text ?? '<>',
    recipients: [t.recipient.text],
    domains: domain === null ? [] : [domain],
    verdict: verdict.kind,
    observed: observed?.kind ?? null,
    reply: replyText(observed ?? verdict),
    rule: decisive.rule,
    setting: decisive.setting,
    text: decisive.text,
    revision: snapshot.revision,
    hits: policy === undefined || trueClient === null ? [] : hitsOf(reasons, [policy], trueClient),
  };
}

function ofMessage({
  at,
  snapshot,
  transaction: t,
  queueId,
  decision,
}: Extract<HistoryEvent, { kind: 'message' }>): HistoryAddition {
  const { verdict, observed, decisive, throughGateways } = decision;
  const policies = policiesOf(t, snapshot);
  // Own domains with different gateways may see different clients; history has room for one.
  const trueClient = throughGateways.find(({ decision: { trueClient: known } }) => known !== null)?.decision.trueClient;
  return {
    at,
    stage: 'message',
    queueId,
    instance: null,
    clientAddress: clientText(t.client),
    trueClient: trueClientText(trueClient ?? null, t.client),
    saslUsername: t.saslUsername,
    sender: t.sender?.text ?? '<>',
    recipients: t.recipients.map(({ address }) => address.text),
    domains: policies.map(({ domain }) => domain),
    verdict: verdict.kind,
    observed: observed?.kind ?? null,
    reply: replyText(observed ?? verdict),
    rule: decisive.rule,
    setting: decisive.setting,
    text: decisive.text,
    revision: snapshot.revision,
    // A client that is no gateway was looked up, and its hits were counted, at RCPT.
    hits: throughGateways.flatMap(({ policy, decision: { reasons, trueClient: known } }) =>
      known === null ? [] : hitsOf(reasons, [policy], known),
    ),
  };
}

function ofDelivery({ at, snapshot, delivery }: Extract<HistoryEvent, { kind: 'delivery' }>): HistoryAddition {
  const { queueId, route, sender, recipient, clientAddress, reply, text } = delivery;
  const names = [recipient, sender ?? ''].map((address) => parseDomain(address.slice(address.lastIndexOf('@') + 1)));
  const own = names.flatMap((name) => (name.ok && snapshot.domains.has(name.value) ? name.value : []));
  return {
    at,
    stage: 'delivery',
    queueId,
    instance: null,
    clientAddress: clientAddress ?? 'unknown',
    trueClient: null,
    saslUsername: null,
    sender: sender ?? 'unknown',
    recipients: [recipient],
    domains: [...new Set(own)],
    verdict: 'failed',
    observed: null,
    reply,
    rule: 'routing',
    setting: snapshot.routes.get(route)?.pointer ?? null,
    text,
    revision: snapshot.revision,
    hits: [],
  };
}

/** The own domains of a message: its recipients', its author's and its sender's, each once. */
function policiesOf(
  { recipients, author, sender }: Omit<MessageTransaction, 'at'>,
  snapshot: Snapshot,
): DomainPolicy[] {
  const names = new Set<Domain | null>([author.domain, sender?.domain ?? null]);
  for (const { address } of recipients) names.add(address.domain);
  return [...names].flatMap((name): DomainPolicy[] => {
    const policy = name === null ? undefined : snapshot.domains.get(name);
    return policy === undefined ? [] : [policy];
  });
}

/** A reason of a list names the entry that was met by its place; without one it names the list as a whole. */
function hitsOf(reasons: readonly Reason[], policies: readonly DomainPolicy[], address: IpAddress): EntryHit[] {
  const hits: EntryHit[] = [];
  for (const { rule, setting } of reasons) {
    if (setting === null || (rule !== 'ip-allow' && rule !== 'ip-block')) continue;
    const list = rule === 'ip-allow' ? 'allow' : 'block';
    for (const { domain, allowed, blocked } of policies) {
      const met = entryAt(list === 'allow' ? allowed : blocked, setting);
      if (met === undefined) continue;
      const entry = met.file === undefined ? met.text : `file ${met.file}`;
      hits.push({ domain, list, entry, address: formatIpAddress(address) });
    }
  }
  return hits;
}

function entryAt({ entries, pointer }: ListedIps, setting: string): ListedIp | undefined {
  const { length } = pointer;
  if (setting.length < length + 2 || setting[length] !== '/' || !setting.startsWith(pointer)) return undefined;
  return entries[Number(setting.slice(length + 1))];
}

/** A client as history and logs name it. */
export const clientText = (client: Client): string =>
  client.kind === 'smtp' ? formatIpAddress(client.address) : client.kind;

function trueClientText(trueClient: IpAddress | null, client: Client): string | null {
  if (trueClient === null) return null;
  const text = formatIpAddress(trueClient);
  return text === clientText(client) ? null : text;
}

const replyText = (verdict: MessageVerdict): string | null => ('reply' in verdict ? formatReply(verdict.reply) : null);
