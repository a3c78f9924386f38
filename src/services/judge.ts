/**
 * One recipient decided with the running snapshot: the answer is given, logged as one line, and counted.
 * Decides nothing itself.
 */
import { formatReply, formatIpAddress } from '../mail/index.ts';
import { decideRecipient, type RecipientDecision, type RecipientTransaction } from '../decide/index.ts';
import type { Snapshot } from '../snapshot/index.ts';
import type { Clock, Log, Meters } from './ports.ts';

/** What names the message in Postfix's log, and how it came. */
export type MessageContext = {
  readonly queueId: string | null;
  readonly instance: string | null;
  readonly clientName: string | null;
};

/** Judges recipients for the policy door. */
export type Judge = {
  judgeRecipient(t: Omit<RecipientTransaction, 'at'>, context: MessageContext): RecipientDecision;
};

/** A judge that always uses the snapshot that is current when it is asked. */
export function createJudge(current: () => Snapshot, clock: Clock, log: Log, meters: Meters): Judge {
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
      log.info('decision', { ...decisionFields(t, context, decision, snapshot), ms: clock.now() - startedAt });
      return decision;
    },
  };
}

function decisionFields(
  t: Omit<RecipientTransaction, 'at'>,
  context: MessageContext,
  decision: RecipientDecision,
  snapshot: Snapshot,
): Record<string, unknown> {
  const { verdict, observed, decisive } = decision;
  return {
    stage: t.stage,
    ...(context.queueId !== null && { queue_id: context.queueId }),
    ...(context.instance !== null && { instance: context.instance }),
    client_address: t.client.kind === 'smtp' ? formatIpAddress(t.client.address) : t.client.kind,
    ...(t.saslUsername !== null && { sasl_username: t.saslUsername }),
    sender: t.sender?.text ?? '<>',
    recipient: t.recipient.text,
    verdict: verdict.kind,
    ...(verdict.kind !== 'pass' && { reply: formatReply(verdict.reply) }),
    ...(observed !== null && { observed: observed.kind }),
    mail: decision.mail,
    rule: decisive.rule,
    ...(decisive.setting !== null && { setting: decisive.setting }),
    text: decisive.text,
    revision: snapshot.revision,
  };
}
