/**
 * Whole messages decided with the snapshot that was current when they began; each answer is logged as one line and
 * counted. Decides nothing itself.
 */
import { decideMessage, type MessageDecision, type MessageTransaction } from '../decide/index.ts';
import { formatIpAddress } from '../mail/index.ts';
import type { Snapshot } from '../snapshot/index.ts';
import type { Clock, Log, Meters } from './ports.ts';

/** Judges messages for the milter door. */
export type MessageJudge = {
  judgeMessage(snapshot: Snapshot, t: Omit<MessageTransaction, 'at'>): MessageDecision;
  /** Logs and counts a message whose answer has been made, `ms` milliseconds after its last octet. */
  reportMessage(
    snapshot: Snapshot,
    decision: MessageDecision,
    t: Omit<MessageTransaction, 'at'>,
    context: { readonly queueId: string | null; readonly ms: number },
  ): void;
};

/** A judge of messages. */
export function createMessageJudge(clock: Clock, log: Log, meters: Meters): MessageJudge {
  return {
    judgeMessage: (snapshot, t) => decideMessage(snapshot, { ...t, at: clock.now() }),
    reportMessage(snapshot, decision, t, { queueId, ms }) {
      const { signing, verdict } = decision;
      const signatures = verdict.kind === 'pass' ? signing.signatures : [];
      const decisive = verdict.kind === 'pass' ? signing.reason : (decision.reasons[0] ?? signing.reason);
      meters.countMessage({ verdict: verdict.kind, signatures: signatures.length, skipped: signing.skipped });
      log.info('decision', {
        stage: 'message',
        ...(queueId !== null && { queue_id: queueId }),
        client_address: t.client.kind === 'smtp' ? formatIpAddress(t.client.address) : t.client.kind,
        ...(t.saslUsername !== null && { sasl_username: t.saslUsername }),
        sender: t.sender?.text ?? '<>',
        recipients: t.recipients.length,
        verdict: verdict.kind,
        rule: decisive.rule,
        ...(decisive.setting !== null && { setting: decisive.setting }),
        text: decisive.text,
        signatures: signatures.map(({ domain, key }) => `${key.selector}._domainkey.${domain}`),
        removed: decision.removed.length,
        added: decision.added.map(({ name }) => name),
        revision: snapshot.revision,
        ms,
      });
    },
  };
}
