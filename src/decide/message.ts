/**
 * What is done to one whole message: where its recipients go, marks taken out and put in, and who signs it. Known at
 * the end of the headers; the bytes are hashed and signed elsewhere.
 * Source: RFC 5321 §3.3, RFC 6376 §5.1 (authority to sign), RFC 8601 §5 (forged fields).
 */
import { transient, type Address } from '../mail/index.ts';
import type { DomainPolicy, RouteId, Snapshot } from '../snapshot/index.ts';
import { decideRecipient, INTERNAL, internalDomainGuard, ownReading, trustOf } from './decide.ts';
import type { Reason, RecipientDecision, Verdict } from './decision.ts';
import type { HeaderField, MessageRecipient, MessageTransaction } from './facts.ts';
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
  const routeMarks = marksFor(snapshot, headers);
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
  const routed = isReinjection ? NOTHING_ROUTED(recipients) : route(snapshot, t, routeMarks);
  const refusal = [routed, marks].find(({ verdict }) => verdict.kind !== 'pass');
  return {
    verdict: refusal?.verdict ?? PASS,
    removed: refusal === undefined ? marks.removed : [],
    added: refusal === undefined ? marks.added : [],
    routing: routed.routing,
    signing,
    bypassSpamFilter: refusal === undefined && marks.bypassSpamFilter,
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
  const recipients = t.recipients.map((recipient) => recipientFor(snapshot, t, sender, recipient));
  const routing = decideRouting({
    sender,
    senderTrust: trustOf(snapshot, sender?.policy ?? null, t),
    recipients,
    visited: visitedRoutes(t.headers, marks),
  });
  const guarded = recipients.flatMap(({ guard }) => guard ?? []);
  // A bounce that Postfix or a local program hands in must not be refused: it would be lost or go round. So there such
  // a recipient is only taken out.
  const isLocalBounce = t.client.kind === 'local' && t.sender === null;
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
  };
}

/**
 * Whose recipient it is. What a wrapped address may reach is refused by the rules of all that it may reach, but it goes
 * one way only, so what Postfix makes of it decides where that is told: `bob%example.com@elsewhere.example` is no
 * mailbox of example.com where Postfix sends it on.
 */
function recipientReading(snapshot: Snapshot, address: Address, resolved: Address | null): OwnReading | undefined {
  const typed = ownReading(snapshot, address);
  if (resolved === null) return typed;
  const policy = resolved.domain === null ? undefined : snapshot.domains.get(resolved.domain);
  const mailbox = policy === typed?.policy ? typed?.mailbox : mailboxOf(resolved);
  return policy === undefined || !mailbox ? undefined : { policy, mailbox };
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
