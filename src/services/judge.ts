/**
 * One recipient decided with the running snapshot, the automatic blocks, what was taken before in the same message, and
 * whether it exists:
 * the answer is given, logged as one line, and counted, a refusal also against the client. Decides nothing itself.
 */
import { LRUCache } from 'lru-cache';
import { formatReply, formatIpAddress, type Domain } from '../mail/index.ts';
import {
  decideRecipient,
  ownReading,
  type ExistenceFact,
  type RecipientDecision,
  type RecipientTransaction,
} from '../decide/index.ts';
import type { Snapshot } from '../snapshot/index.ts';
import type { AutoBlock } from './auto-block.ts';
import type { History } from './history.ts';
import type { RecipientDirectory } from './recipient-directory.ts';
import type { Clock, Log, MessageContext, Meters, ShortTermBlock } from './ports.ts';

/** Judges recipients for the policy door. */
export type Judge = {
  /** At once, but where a map has to be asked whether the recipient exists. */
  judgeRecipient(
    t: Omit<RecipientTransaction, 'at'>,
    context: MessageContext,
  ): RecipientDecision | Promise<RecipientDecision>;
};

/** Messages whose first own domain is remembered at a time: far more than one Postfix has sessions. */
const MOST_MESSAGES = 20_000;

/** A judge that always uses the snapshot that is current when it is asked. `autoBlock` is null where nobody is counted. */
export function createJudge(
  current: () => Snapshot,
  clock: Clock,
  log: Log,
  meters: Meters,
  history?: Pick<History, 'record'>,
  autoBlock: AutoBlock | null = null,
  directory: RecipientDirectory | null = null,
): Judge {
  const firstDomains = new LRUCache<string, Domain>({ max: MOST_MESSAGES });
  type Asked = {
    readonly t: Omit<RecipientTransaction, 'at'>;
    readonly context: MessageContext;
    readonly snapshot: Snapshot;
  };
  const judge = ({ t, context, snapshot }: Asked, existence: ExistenceFact | null): RecipientDecision => {
    const startedAt = clock.now();
    const shortTermBlock = autoBlock?.hasBlocks === true ? blockOf(autoBlock, snapshot, t, startedAt) : null;
    // With one own domain alone all recipients are decided alike.
    const message = t.stage === 'rcpt' && snapshot.domains.size > 1 ? context.instance : null;
    const earlierDomain = message === null ? undefined : firstDomains.get(message);
    const facts: RecipientTransaction = { ...t, at: startedAt };
    const decision = decideRecipient(
      snapshot,
      shortTermBlock === null && earlierDomain === undefined && existence === null
        ? facts
        : {
            ...facts,
            ...(shortTermBlock !== null && { shortTermBlock }),
            ...(earlierDomain !== undefined && { earlierDomain }),
            ...(existence !== null && { existence }),
          },
    );
    const isFirst = message !== null && earlierDomain === undefined;
    if (isFirst && decision.domain !== null && decision.verdict.kind === 'pass') {
      firstDomains.set(message, decision.domain);
    }
    if (autoBlock !== null) noteRefusal(autoBlock, snapshot, decision, startedAt);
    meters.countDecision({
      stage: t.stage,
      verdict: (decision.observed ?? decision.verdict).kind,
      rule: decision.decisive.rule,
      enforcement: decision.observed === null ? 'enforce' : 'observe',
      domain: decision.domain,
    });
    log.info('decision', decisionFields(t, context, decision, snapshot, clock.now() - startedAt));
    history?.record({ kind: 'recipient', at: startedAt, snapshot, transaction: t, context, decision });
    return decision;
  };
  return {
    judgeRecipient(t, context) {
      const asked = { t, context, snapshot: current() };
      const own = directory === null ? undefined : ownReading(asked.snapshot, t.recipient);
      const existence = own === undefined ? null : (directory?.find(asked.snapshot, own) ?? null);
      return existence instanceof Promise ? existence.then((fact) => judge(asked, fact)) : judge(asked, existence);
    },
  };
}

function blockOf(
  autoBlock: AutoBlock,
  snapshot: Snapshot,
  { client, recipient }: Omit<RecipientTransaction, 'at'>,
  at: number,
): ShortTermBlock | null {
  if (client.kind !== 'smtp') return null;
  const policy = ownReading(snapshot, recipient)?.policy;
  if (policy === undefined || policy.autoBlock === null) return null;
  return autoBlock.find(policy.domain, client.address, at);
}

/** A refusal, or one that would have been, counts against a client that is known and not trusted. */
function noteRefusal(
  autoBlock: AutoBlock,
  snapshot: Snapshot,
  { verdict, observed, decisive: { rule }, domain, trust, trueClient: address }: RecipientDecision,
  at: number,
): void {
  if ((observed ?? verdict).kind !== 'reject' || domain === null || address === null || trust.trusted) return;
  if (rule !== 'ip-block' && rule !== 'gateway-only') return;
  const policy = snapshot.domains.get(domain);
  if (policy !== undefined) autoBlock.note({ policy, address, kind: rule === 'ip-block' ? 'blocked' : rule, at });
}

function decisionFields(
  t: Omit<RecipientTransaction, 'at'>,
  context: MessageContext,
  decision: RecipientDecision,
  snapshot: Snapshot,
  ms: number,
): Record<string, unknown> {
  const { verdict, observed, decisive } = decision;
  const { client } = t;
  // Built by assignment: spreads of conditional parts cost more than the decision itself.
  const fields: Record<string, unknown> = { stage: t.stage };
  if (context.queueId !== null) fields['queue_id'] = context.queueId;
  if (context.instance !== null) fields['instance'] = context.instance;
  fields['client_address'] = client.kind === 'smtp' ? formatIpAddress(client.address) : client.kind;
  if (t.saslUsername !== null) fields['sasl_username'] = t.saslUsername;
  fields['sender'] = t.sender?.text ?? '<>';
  fields['recipient'] = t.recipient.text;
  fields['verdict'] = verdict.kind;
  if (verdict.kind !== 'pass') fields['reply'] = formatReply(verdict.reply);
  if (observed !== null) fields['observed'] = observed.kind;
  fields['mail'] = decision.mail;
  fields['rule'] = decisive.rule;
  if (decisive.setting !== null) fields['setting'] = decisive.setting;
  fields['text'] = decisive.text;
  fields['revision'] = snapshot.revision;
  fields['ms'] = ms;
  return fields;
}
