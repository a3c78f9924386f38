/**
 * What is done to one whole message: where its recipients go, marks taken out and put in, and who signs it. Known at
 * the end of the headers; the bytes are hashed and signed elsewhere.
 * Source: RFC 5321 §3.3, RFC 6376 §5.1 (authority to sign), RFC 8601 §5 (forged fields).
 */
import { transient } from '../mail/index.ts';
import type { DomainPolicy, RouteId, Snapshot } from '../snapshot/index.ts';
import { decideRecipient, INTERNAL, internalDomainGuard, ownReading, trustOf } from './decide.ts';
import type { Reason, RecipientDecision, Verdict } from './decision.ts';
import type { HeaderField, MessageRecipient, MessageTransaction } from './facts.ts';
import { decideMarks } from './rules/marks.ts';
import { decideSigning, type Signing } from './rules/dkim-sign.ts';
import { reason } from './rules/finding.ts';
import {
  decideRouting,
  mailboxOf,
  visitedRoutes,
  type RecipientRouting,
  type RoutedRecipient,
  type Routing,
} from './rules/routing.ts';

/** The decision about one message. */
export type MessageDecision = {
  /** Where it is no pass, nothing is changed or signed. */
  readonly verdict: Verdict;
  /** Fields to take out, by their position in `headers`. */
  readonly removed: readonly number[];
  /** Fields to put on top, the topmost first; values without leading space. */
  readonly added: readonly HeaderField[];
  readonly routing: Routing;
  readonly signing: Signing;
  readonly bypassSpamFilter: boolean;
  /** What decided; the first is the refusal's, where there is one. */
  readonly reasons: readonly Reason[];
};

const PASS: Verdict = { kind: 'pass' };
const NOT_INSTALLED = transient('451', '4.3.5', 'Mail routing is not ready, try again later');

/** Decides about a message. Its recipients were decided at RCPT; here they say whose rules the marks follow. */
export function decideMessage(snapshot: Snapshot, t: MessageTransaction): MessageDecision {
  const { recipients, headers, author, ...facts } = t;
  const decided = recipients.map(({ address }): RecipientDecision =>
    decideRecipient(snapshot, { ...facts, stage: 'message', recipient: address }),
  );
  const policies = decided.flatMap(({ domain }): DomainPolicy[] => {
    const policy = domain === null ? undefined : snapshot.domains.get(domain);
    return policy === undefined ? [] : [policy];
  });
  const authorPolicy = author.domain === null ? null : (snapshot.domains.get(author.domain) ?? null);
  const trust = trustOf(snapshot, authorPolicy, facts);
  const concerned = authorPolicy === null ? policies : [...policies, authorPolicy];
  const isReinjection = facts.daemonName !== null && snapshot.host.reinjectionServices.includes(facts.daemonName);
  const routeMarks = marksOf(snapshot);
  const marks = decideMarks({
    host: snapshot.host,
    headers,
    isStranger: [null, ...policies].some((scope) => !trustOf(snapshot, scope, facts).trusted),
    isStrangerToAuthor: !trust.trusted,
    isReinjection,
    isOnlyObserved: concerned.length > 0 && concerned.every(({ enforcement }) => enforcement === 'observe'),
    own: decided.filter(({ domain }) => domain !== null),
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
  const routed = isReinjection ? NOTHING_ROUTED(recipients) : route(snapshot, t, decided, routeMarks);
  const refusal = [routed, marks].find(({ verdict }) => verdict.kind !== 'pass');
  return {
    verdict: refusal?.verdict ?? PASS,
    removed: marks.removed,
    added: marks.added,
    routing: routed.routing,
    signing,
    bypassSpamFilter: marks.bypassSpamFilter,
    reasons: [
      ...(refusal?.reasons ?? []),
      ...[routed, marks].filter((each) => each !== refusal).flatMap(({ reasons }) => reasons),
      signing.reason,
    ],
  };
}

/** What routing says, with the refusal that it or its installation brings about. */
type Routed = { readonly verdict: Verdict; readonly routing: Routing; readonly reasons: readonly Reason[] };

const kept = (text: string): RecipientRouting => ({
  here: true,
  routes: [],
  refusal: null,
  reason: reason('routing', null, text),
});

const NOTHING_ROUTED = (recipients: readonly MessageRecipient[]): Routed => ({
  verdict: PASS,
  routing: {
    verdict: PASS,
    recipients: recipients.map(() => kept('it comes back from a content filter')),
    copies: [],
    copyReasons: [],
  },
  reasons: [],
});

/** The values of X-Postern-Route, and whose they are. */
const marksOf = ({ installation }: Snapshot): ReadonlyMap<string, RouteId> =>
  new Map([...installation.routes].map(([route, { mark }]) => [mark, route]));

function route(
  snapshot: Snapshot,
  t: MessageTransaction,
  decided: readonly RecipientDecision[],
  marks: ReadonlyMap<string, RouteId>,
): Routed {
  const senderReading = t.sender === null ? undefined : ownReading(snapshot, t.sender);
  const senderPolicy = senderReading?.policy ?? null;
  const routing = decideRouting({
    sender: t.sender,
    senderPolicy,
    senderTrust: trustOf(snapshot, senderPolicy, t),
    recipients: t.recipients.map(({ address }, index) => recipientFor(snapshot, address, decided[index])),
    visited: visitedRoutes(t.headers, marks),
  });
  const guarded = guard(snapshot, t, routing);
  if (guarded !== null) return guarded;
  const reasons = [...routing.recipients.map((each) => each.reason), ...routing.copyReasons];
  const acting = reasons.filter(({ setting }) => setting !== null);
  if (routing.verdict.kind !== 'pass') {
    const refused = routing.recipients.find(({ refusal }) => refusal !== null)?.reason ?? routing.copyReasons[0];
    return { verdict: routing.verdict, routing, reasons: [...(refused === undefined ? [] : [refused]), ...acting] };
  }
  const missing = notInstalled(snapshot, routing);
  if (missing === null) return { verdict: PASS, routing, reasons: acting };
  return { verdict: { kind: 'defer', reply: NOT_INSTALLED }, routing, reasons: [missing, ...acting] };
}

function recipientFor(
  snapshot: Snapshot,
  address: MessageRecipient['address'],
  decision: RecipientDecision | undefined,
): RoutedRecipient {
  const own = ownReading(snapshot, address);
  return {
    policy: own?.policy ?? null,
    mailbox: own?.mailbox ?? mailboxOf(address),
    mail: decision?.mail ?? 'external',
  };
}

/**
 * Recipients under the internal domain, by their text or by what Postfix makes of it. A bounce that Postfix or a local
 * program hands in must not be refused (it would be lost or go round), so there such a recipient is taken out.
 */
function guard(snapshot: Snapshot, t: MessageTransaction, routing: Routing): Routed | null {
  const found = t.recipients.map(
    ({ address, resolved }) =>
      internalDomainGuard(snapshot, t.sender, address) ??
      (resolved === null ? null : internalDomainGuard(snapshot, t.sender, resolved.address)),
  );
  const first = found.find((each) => each !== null) ?? null;
  if (first === null) return null;
  if (t.client.kind !== 'local' || t.sender !== null) {
    return { verdict: { kind: 'reject', reply: INTERNAL }, routing, reasons: [first] };
  }
  const recipients = routing.recipients.map((each, index): RecipientRouting => {
    const why = found[index] ?? null;
    return why === null ? each : { here: false, routes: [], refusal: null, reason: why };
  });
  return { verdict: PASS, routing: { ...routing, recipients }, reasons: [first] };
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
