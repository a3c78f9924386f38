/**
 * Whole messages decided with the snapshot that was current when they began; each answer is logged as one line and
 * counted. Decides nothing itself.
 */
import { decideMessage, type MessageDecision, type MessageTransaction } from '../decide/index.ts';
import { formatIpAddress } from '../mail/index.ts';
import type { Snapshot } from '../snapshot/index.ts';
import type { History } from './history.ts';
import type { Clock, Log, Meters } from './ports.ts';

/**
 * How a message was answered. `overlong` names what has a line that smtp(8) breaks in its default configuration: header
 * fields, or `body`. Source: RFC 5322 §2.1.1, postconf(5) smtp_line_length_limit.
 */
export type AnswerContext = {
  readonly queueId: string | null;
  readonly ms: number;
  readonly overlong?: readonly string[];
};

/** Judges messages for the milter door. */
export type MessageJudge = {
  judgeMessage(snapshot: Snapshot, t: Omit<MessageTransaction, 'at'>): MessageDecision;
  /** Logs and counts a message whose answer has been made, `ms` milliseconds after its last octet. */
  reportMessage(
    snapshot: Snapshot,
    decision: MessageDecision,
    t: Omit<MessageTransaction, 'at'>,
    context: AnswerContext,
  ): void;
};

/** The routes that copies of a message go to, each once. */
function routesOf({ routing }: MessageDecision): string[] {
  const deliveries = [...routing.recipients.flatMap(({ routes }) => routes), ...routing.copies];
  return [...new Set(deliveries.map(({ route }) => route))];
}

/** A judge of messages. */
export function createMessageJudge(
  clock: Clock,
  log: Log,
  meters: Meters,
  history?: Pick<History, 'record'>,
): MessageJudge {
  return {
    judgeMessage: (snapshot, t) => decideMessage(snapshot, { ...t, at: clock.now() }),
    reportMessage(snapshot, decision, t, { queueId, ms, overlong = [] }) {
      const { signing, verdict } = decision;
      const signatures = verdict.kind === 'pass' ? signing.signatures : [];
      const decisive = verdict.kind === 'pass' ? signing.reason : (decision.reasons[0] ?? signing.reason);
      const routes = verdict.kind === 'pass' ? routesOf(decision) : [];
      const willBreak = signatures.length > 0 && overlong.length > 0;
      if (willBreak) meters.countOverlong();
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
        ...(willBreak && { remark: `line over 998 octets, signature will break: ${overlong.join(', ')}` }),
        ...(routes.length > 0 && { routes }),
        removed: decision.removed.length,
        added: decision.added.map(({ name }) => name),
        revision: snapshot.revision,
        ms,
      });
      history?.record({
        kind: 'message',
        at: clock.now(),
        snapshot,
        transaction: t,
        queueId,
        trueClient: null,
        decision,
      });
    },
  };
}
