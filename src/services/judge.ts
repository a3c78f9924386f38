/**
 * One recipient decided with the running snapshot: the answer is given, logged as one line, and counted.
 * Decides nothing itself.
 */
import { formatReply, formatIpAddress } from '../mail/index.ts';
import { decideRecipient, type RecipientDecision, type RecipientTransaction } from '../decide/index.ts';
import type { Snapshot } from '../snapshot/index.ts';
import type { History } from './history.ts';
import type { Clock, Log, MessageContext, Meters } from './ports.ts';

/** Judges recipients for the policy door. */
export type Judge = {
  judgeRecipient(t: Omit<RecipientTransaction, 'at'>, context: MessageContext): RecipientDecision;
};

/** A judge that always uses the snapshot that is current when it is asked. */
export function createJudge(
  current: () => Snapshot,
  clock: Clock,
  log: Log,
  meters: Meters,
  history?: Pick<History, 'record'>,
): Judge {
  return {
    judgeRecipient(t, context) {
      const snapshot = current();
      const startedAt = clock.now();
      const decision = decideRecipient(snapshot, { ...t, at: startedAt });
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
    },
  };
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
