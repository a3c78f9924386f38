/**
 * What is done to one whole message: where its recipients go, marks taken out and put in, and who signs it. Known at
 * the end of the headers; the bytes are hashed and signed elsewhere.
 * Source: RFC 5321 §3.3, RFC 6376 §5.1 (authority to sign), RFC 8601 §5 (forged fields).
 */
import { transient } from '../mail/index.ts';
import type { RouteId, Snapshot } from '../snapshot/index.ts';
import { decideRecipient, INTERNAL, internalDomainGuard, trustOf } from './decide.ts';
import type { MessageVerdict, Reason, RecipientDecision, Verdict } from './decision.ts';
import type { ExistenceFact, HeaderField, MessageRecipient, MessageTransaction } from './facts.ts';
import { ownReading, recipientReading } from './readings.ts';
import {
  decideBehindGateway,
  type BehindGateway,
  type DecidedRecipient,
  type ThroughGateway,
} from './rules/behind-gateway.ts';
import { decideMarks } from './rules/marks.ts';
import { decideSigning, type Signing } from './rules/dkim-sign.ts';
import { reason } from './rules/finding.ts';
import {
  decideRouting,
  isRouteField,
  mailboxOf,
  visitedRoutes,
  type OwnReading,
  type RecipientRouting,
  type RoutedRecipient,
  type Routing,
} from './rules/routing.ts';

/** The decision about one message. */
export type MessageDecision = {
  /** Where it is neither pass nor quarantine, nothing is changed or signed. */
  readonly verdict: MessageVerdict;
  /** What would have been, where an own domain that blocks the client is only observed. */
  readonly observed: MessageVerdict | null;
  /** The reason that decided: the refusal's, else why it is spam, else why it is signed or not. */
  readonly decisive: Reason;
  /** Fields to take out, by their position in `headers`. */
  readonly removed: readonly number[];
  /** Fields to put on top, the topmost first; values without leading space. */
  readonly added: readonly HeaderField[];
  readonly routing: Routing;
  readonly signing: Signing;
  readonly bypassSpamFilter: boolean;
  /** Whether a gateway called it spam, and the message is marked so. */
  readonly isSpam: boolean;
  /** What the headers made of each recipient, in the order of the recipients. */
  readonly recipients: readonly RecipientDecision[];
  /** One of them for each own domain whose gateway handed the message over; their `trueClient` is who is behind it. */
  readonly throughGateways: readonly ThroughGateway[];
  /** What acted on the whole message; the first is the refusal's, where there is one. */
  readonly reasons: readonly Reason[];
};

const PASS: Verdict = { kind: 'pass' };

/** The later, the gentler. Mail that must wait for its route may not be held meanwhile: let go, it would go past. */
const SEVERITY: readonly MessageVerdict['kind'][] = ['reject', 'discard', 'defer', 'quarantine', 'pass'];

const NOT_BEHIND: BehindGateway = {
  verdict: PASS,
  observed: null,
  isSpam: false,
  added: [],
  through: [],
  reasons: [],
};
const NOT_INSTALLED = transient('451', '4.3.5', 'Mail routing is not ready, try again later');

/**
 * Decides about a message. Its recipients were decided at RCPT; here they say whose rules the marks follow, and what
 * the headers tell of who is behind a gateway.
 */
export function decideMessage(snapshot: Snapshot, t: MessageTransaction): MessageDecision {
  const { headers, author, recipients } = t;
  const decided = decideAgain(snapshot, t);
  const own = decided.flatMap((decision): DecidedRecipient[] => {
    const policy = decision.domain === null ? undefined : snapshot.domains.get(decision.domain);
    return policy === undefined ? [] : [{ policy, decision }];
  });
  const policies = own.map(({ policy }) => policy);
  const authorPolicy = author.domain === null ? null : (snapshot.domains.get(author.domain) ?? null);
  const trust = trustOf(snapshot, authorPolicy, t);
  const concerned = authorPolicy === null ? policies : [...policies, authorPolicy];
  const isReinjection = t.daemonName !== null && snapshot.host.reinjectionServices.includes(t.daemonName);
  const routeMarks = marksFor(snapshot, headers);
  const marks = decideMarks({
    host: snapshot.host,
    headers,
    isStranger: [null, ...policies].some((scope) => !trustOf(snapshot, scope, t).trusted),
    isStrangerToAuthor: !trust.trusted,
    isReinjection,
    isOnlyObserved: concerned.length > 0 && concerned.every(({ enforcement }) => enforcement === 'observe'),
    own: own.map(({ decision }) => decision),
    routeMarks: new Set(routeMarks.keys()),
  });
  const signing = decideSigning({
    author,
    policy: authorPolicy,
    trust,
    headers,
    authservId: snapshot.host.authservId,
    provider: snapshot.providerSigning,
  });
  // What comes back from a content filter was routed before it went there: its recipients are encoded already.
  const routed = isReinjection ? NOTHING_ROUTED(recipients) : route(snapshot, t, routeMarks);
  const behind = isReinjection ? NOT_BEHIND : decideBehindGateway(own, t.spamHits ?? NO_HITS);
  const parts = [behind, routed, marks].toSorted((a, b) => severity(a.verdict) - severity(b.verdict));
  const verdict = parts[0]?.verdict ?? PASS;
  const isTaken = verdict.kind === 'pass' || verdict.kind === 'quarantine';
  const reasons = [...parts.flatMap((part) => part.reasons), signing.reason];
  const isSpam = isTaken && behind.isSpam;
  const decisive = verdict.kind === 'pass' ? (isSpam ? behind.reasons[0] : undefined) : reasons[0];
  return {
    verdict,
    observed: behind.observed,
    decisive: decisive ?? signing.reason,
    removed: isTaken ? marks.removed : [],
    added: isTaken ? [...marks.added, ...behind.added] : [],
    routing: routed.routing,
    signing,
    bypassSpamFilter: isTaken && marks.bypassSpamFilter,
    isSpam,
    recipients: decided,
    throughGateways: behind.through,
    reasons,
  };
}

const NO_HITS: NonNullable<MessageTransaction['spamHits']> = new Map();

const severity = ({ kind }: MessageVerdict): number => SEVERITY.indexOf(kind);

/** The recipients once more, now that the headers are there. */
function decideAgain(snapshot: Snapshot, t: MessageTransaction): RecipientDecision[] {
  const { recipients, shortTermBlocks } = t;
  return recipients.map(({ address }): RecipientDecision => {
    const domain = shortTermBlocks === undefined ? undefined : ownReading(snapshot, address)?.policy.domain;
    const block = domain === undefined ? undefined : shortTermBlocks?.get(domain);
    return decideRecipient(snapshot, {
      ...t,
      stage: 'message',
      recipient: address,
      ...(block !== undefined && { shortTermBlock: block }),
    });
  });
}

/** What routing says, with the refusal that it or its installation brings about. */
type Routed = { readonly verdict: Verdict; readonly routing: Routing; readonly reasons: readonly Reason[] };

const kept = (text: string): RecipientRouting => ({
  here: true,
  routes: [],
  refusal: null,
  loop: null,
  reasons: [reason('routing', null, text)],
});

const NOTHING_ROUTED = (recipients: readonly MessageRecipient[]): Routed => ({
  verdict: PASS,
  routing: {
    verdict: PASS,
    decisive: null,
    recipients: recipients.map(() => kept('it comes back from a content filter')),
    copies: [],
    copyReasons: [],
  },
  reasons: [],
});

const NO_MARKS: ReadonlyMap<string, RouteId> = new Map();

/** The values of X-Postern-Route, and whose they are. Not made for mail without the field: a server has many routes. */
const marksFor = ({ installation }: Snapshot, headers: readonly HeaderField[]): ReadonlyMap<string, RouteId> =>
  headers.some(isRouteField) ? new Map([...installation.routes].map(([route, { mark }]) => [mark, route])) : NO_MARKS;

function route(snapshot: Snapshot, t: MessageTransaction, marks: ReadonlyMap<string, RouteId>): Routed {
  const sender = t.sender === null ? null : (ownReading(snapshot, t.sender) ?? null);
  const isLocalBounce = t.client.kind === 'local' && t.sender === null;
  const recipients = t.recipients.map((recipient, index) =>
    // A bounce that Postfix or a local program hands in must not be refused: it would be lost or go round.
    recipientFor(snapshot, t, sender, recipient, isLocalBounce ? null : (t.existences?.[index] ?? null)),
  );
  const routing = decideRouting({
    sender,
    senderTrust: trustOf(snapshot, sender?.policy ?? null, t),
    recipients,
    client: t.client.kind === 'smtp' ? t.client.address : null,
    at: t.at,
    visited: visitedRoutes(t.headers, marks),
  });
  const guarded = recipients.flatMap(({ guard }) => guard ?? []);
  // In such a bounce the recipient is only taken out.
  if (guarded.length > 0 && !isLocalBounce) {
    return { verdict: { kind: 'reject', reply: INTERNAL }, routing, reasons: guarded.slice(0, 1) };
  }
  const { verdict, decisive } = routing;
  const reasons = [...routing.recipients.flatMap((each) => each.reasons), ...routing.copyReasons];
  const acting = reasons.filter((each) => each.setting !== null || guarded.includes(each));
  if (decisive !== null)
    return { verdict, routing, reasons: [decisive, ...acting.filter((each) => each !== decisive)] };
  const missing = notInstalled(snapshot, routing);
  if (missing === null) return { verdict: PASS, routing, reasons: acting };
  return { verdict: { kind: 'defer', reply: NOT_INSTALLED }, routing, reasons: [missing, ...acting] };
}

function recipientFor(
  snapshot: Snapshot,
  t: MessageTransaction,
  sender: OwnReading | null,
  { address, resolved }: MessageRecipient,
  existence: ExistenceFact | null,
): RoutedRecipient {
  const own = recipientReading(snapshot, address, resolved?.address ?? null);
  const policy = own?.policy ?? null;
  const isInternal = policy !== null && policy === sender?.policy && trustOf(snapshot, policy, t).trusted;
  return {
    // By its text, and by what Postfix makes of it.
    guard:
      internalDomainGuard(snapshot, t.sender, address) ??
      (resolved === null ? null : internalDomainGuard(snapshot, t.sender, resolved.address)),
    policy,
    mailbox: own?.mailbox ?? mailboxOf(address),
    mail: isInternal ? 'internal' : 'external',
    existence,
  };
}

/** Why a message must wait: it would go past a route, or under an encoded address to the relay host. */
function notInstalled({ installation }: Snapshot, { recipients, copies }: Routing): Reason | null {
  const wanted = [...recipients.flatMap(({ routes }) => routes), ...copies];
  const missing = wanted.find(
    (each) => !installation.isAsked || installation.routes.get(each.route)?.isInstalled !== true,
  );
  if (missing === undefined) return null;
  const what = installation.isAsked ? `has no service for ${missing.route}` : 'does not ask for routes';
  return reason('routing', null, `Postfix ${what}; run "postern postfix apply"`);
}
