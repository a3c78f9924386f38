/**
 * Whole messages decided with the snapshot that was current when they began; each answer is logged as one line and
 * counted, what came from a blocked client or is spam also against the client behind the gateway. Decides nothing itself.
 */
import { decideMessage, type MessageDecision, type MessageTransaction } from '../decide/index.ts';
import { formatIpAddress } from '../mail/index.ts';
import type { Snapshot } from '../snapshot/index.ts';
import type { AutoBlock } from './auto-block.ts';
import { blocksBehindGateways, noteBehindGateways } from './auto-block-events.ts';
import type { History } from './history.ts';
import type { Clock, Log, Meters } from './ports.ts';
import type { SpamPatterns } from './spam-patterns.ts';

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
  /** At once, but where a spam pattern has to be looked for. */
  judgeMessage(snapshot: Snapshot, t: Omit<MessageTransaction, 'at'>): MessageDecision | Promise<MessageDecision>;
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

/** Who is behind the gateways, each once; those that are not known are left out. */
function trueClientsOf({ throughGateways }: MessageDecision): string[] {
  const known = throughGateways.flatMap(({ decision }) => decision.trueClient ?? []);
  return [...new Set(known.map(formatIpAddress))];
}

/** What a judge of messages may have beside it; what is absent is not done. */
export type MessageJudgeParts = {
  readonly history?: Pick<History, 'record'>;
  readonly autoBlock?: AutoBlock;
  readonly spamPatterns?: SpamPatterns;
};

/** A judge of messages. */
export function createMessageJudge(
  clock: Clock,
  log: Log,
  meters: Meters,
  { history, autoBlock, spamPatterns }: MessageJudgeParts = {},
): MessageJudge {
  return {
    judgeMessage(snapshot, t) {
      const at = clock.now();
      const blocks = autoBlock === undefined ? null : blocksBehindGateways(autoBlock, snapshot, t, at);
      const facts = { ...t, at, ...(blocks !== null && { shortTermBlocks: blocks }) };
      const looking = spamPatterns?.look(snapshot, t, at) ?? null;
      if (looking === null) return decideMessage(snapshot, facts);
      return looking.then((spamHits) => decideMessage(snapshot, { ...facts, spamHits }));
    },
    reportMessage(snapshot, decision, t, { queueId, ms, overlong = [] }) {
      const { signing, verdict, observed, decisive, isSpam, throughGateways } = decision;
      const isTaken = verdict.kind === 'pass' || verdict.kind === 'quarantine';
      const signatures = isTaken ? signing.signatures : [];
      const routes = isTaken ? routesOf(decision) : [];
      const trueClient = trueClientsOf(decision);
      const at = clock.now();
      for (const { policy } of throughGateways) meters.noteGatewayMail(policy.domain, at);
      if (autoBlock !== undefined) noteBehindGateways(autoBlock, snapshot, t, decision, at);
      const willBreak = signatures.length > 0 && overlong.length > 0;
      if (willBreak) meters.countOverlong();
      meters.countMessage({ verdict: verdict.kind, signatures: signatures.length, skipped: signing.skipped });
      log.info('decision', {
        stage: 'message',
        ...(queueId !== null && { queue_id: queueId }),
        client_address: t.client.kind === 'smtp' ? formatIpAddress(t.client.address) : t.client.kind,
        ...(trueClient.length > 0 && { true_client: trueClient }),
        ...(t.saslUsername !== null && { sasl_username: t.saslUsername }),
        sender: t.sender?.text ?? '<>',
        recipients: t.recipients.length,
        verdict: verdict.kind,
        ...(observed !== null && { observed: observed.kind }),
        ...(isSpam && { spam: true }),
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
        at,
        snapshot,
        transaction: t,
        queueId,
        decision,
      });
    },
  };
}
