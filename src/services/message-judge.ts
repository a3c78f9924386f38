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
import type { RouteReport } from './route-counts.ts';
import { existencesOf, type RecipientDirectory } from './recipient-directory.ts';
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
  /** At once, but where a spam pattern has to be looked for, or a map asked whether a recipient exists. */
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
  readonly directory?: RecipientDirectory;
  readonly reportRoutes?: RouteReport;
};

const isTaken = ({ verdict }: MessageDecision): boolean => verdict.kind === 'pass' || verdict.kind === 'quarantine';

function decisionFields(
  { revision }: Snapshot,
  decision: MessageDecision,
  t: Omit<MessageTransaction, 'at'>,
  { queueId, ms, overlong }: Required<AnswerContext>,
): Record<string, unknown> {
  const { signing, verdict, observed, decisive, isSpam, removed, added } = decision;
  const signatures = isTaken(decision) ? signing.signatures : [];
  const routes = isTaken(decision) ? routesOf(decision) : [];
  const trueClient = trueClientsOf(decision);
  return {
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
    ...(overlong.length > 0 && { remark: `line over 998 octets, signature will break: ${overlong.join(', ')}` }),
    ...(routes.length > 0 && { routes }),
    removed: removed.length,
    added: added.map(({ name }) => name),
    revision,
    ms,
  };
}

/** Decides when all is known that has to be found out first. */
function decideWhenKnown(
  snapshot: Snapshot,
  t: MessageTransaction,
  { autoBlock, spamPatterns, directory }: MessageJudgeParts,
): MessageDecision | Promise<MessageDecision> {
  const blocks = autoBlock === undefined ? null : blocksBehindGateways(autoBlock, snapshot, t, t.at);
  const facts = blocks === null ? t : { ...t, shortTermBlocks: blocks };
  const looking = spamPatterns?.look(snapshot, t, t.at) ?? null;
  const finding = directory === undefined ? null : existencesOf(directory, snapshot, t.recipients);
  if (looking === null && !(finding instanceof Promise)) {
    return decideMessage(snapshot, finding === null ? facts : { ...facts, existences: finding });
  }
  return Promise.all([looking, finding]).then(([spamHits, existences]) =>
    decideMessage(snapshot, {
      ...facts,
      ...(spamHits !== null && { spamHits }),
      ...(existences !== null && { existences }),
    }),
  );
}

/** A judge of messages. */
export function createMessageJudge(
  clock: Clock,
  log: Log,
  meters: Meters,
  parts: MessageJudgeParts = {},
): MessageJudge {
  const { history, autoBlock, reportRoutes } = parts;
  return {
    judgeMessage: (snapshot, t) => decideWhenKnown(snapshot, { ...t, at: clock.now() }, parts),
    reportMessage(snapshot, decision, t, { queueId, ms, overlong = [] }) {
      const { signing, verdict, throughGateways } = decision;
      const signatures = isTaken(decision) ? signing.signatures.length : 0;
      const at = clock.now();
      for (const { policy } of throughGateways) meters.noteGatewayMail(policy.domain, at);
      reportRoutes?.(decision, t, queueId);
      if (autoBlock !== undefined) noteBehindGateways(autoBlock, snapshot, t, decision, at);
      const breaking = signatures > 0 ? overlong : [];
      if (breaking.length > 0) meters.countOverlong();
      meters.countMessage({ verdict: verdict.kind, signatures, skipped: signing.skipped });
      log.info('decision', decisionFields(snapshot, decision, t, { queueId, ms, overlong: breaking }));
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
