/**
 * Where each recipient of a message goes. Order, per recipient: the sender's outbound `change`, else the recipient's
 * inbound rule, else here; at most one change of destination per pass. A message that carries a route's mark is never
 * sent to that route again.
 * Whether Postfix can be told so is not known here.
 * Source: RFC 5321 §6.3 (loops), RFC 3463 X.4.6.
 */
import { isEncodable, permanent, type Address, type PermanentReply } from '../../mail/index.ts';
import { plainRule, type DomainPolicy, type MailKind, type RouteId } from '../../snapshot/index.ts';
import type { Reason, Verdict } from '../decision.ts';
import type { HeaderField } from '../facts.ts';
import type { TrustFinding } from '../trust.ts';
import { reason } from './finding.ts';

/** The field that a route's own service puts on the copies that it delivers. */
export const ROUTE_FIELD = 'X-Postern-Route';
const ROUTE_NAME = ROUTE_FIELD.toLowerCase();

const LOOP = permanent('550', '5.4.6', 'Routing loop: the message comes back from the route that it would take again');

const NO_MAILBOX = permanent('553', '5.1.3', 'The recipient address has no proper form');
const NO_SENDER_MAILBOX = permanent('553', '5.1.7', 'The sender address has no proper form');

/** A mailbox as its server sees it: octets as typed, without the wrapping that Postfix takes off. */
export type Mailbox = { readonly localPart: string; readonly domain: string };

/** A mailbox in an own domain, with the domain's policy. */
export type OwnReading = { readonly policy: DomainPolicy; readonly mailbox: Mailbox };

/** A copy for the server of a route. */
export type RouteDelivery = {
  readonly route: RouteId;
  readonly mailbox: Mailbox;
  /** False: whatever becomes of this copy, the sender hears nothing of it. */
  readonly bounces: boolean;
  /** Whether a line of the transport table says the same, so that Postfix may know it by itself. */
  readonly hasLine: boolean;
};

/** Where one recipient goes. Neither here nor to a route: it takes no mail, see the reason. */
export type RecipientRouting = {
  /** Delivered as Postfix does without us. */
  readonly here: boolean;
  readonly routes: readonly RouteDelivery[];
  /** Why the whole message is refused for it; null where it is not. */
  readonly refusal: PermanentReply | null;
  /** What was found; the last decided. */
  readonly reasons: readonly Reason[];
};

/** Where a message goes; `recipients` in the order given. */
export type Routing = {
  readonly verdict: Verdict;
  /** Why the message is refused; null where it is not. */
  readonly decisive: Reason | null;
  readonly recipients: readonly RecipientRouting[];
  /** Copies under the sender's own address. */
  readonly copies: readonly RouteDelivery[];
  readonly copyReasons: readonly Reason[];
};

/**
 * One recipient; `policy` is that of its own domain, null where it is not ours; `mailbox` null where it has no domain.
 * `guard` says why it takes no mail whatever the rules say; null for almost all.
 */
export type RoutedRecipient = {
  readonly guard: Reason | null;
  readonly policy: DomainPolicy | null;
  readonly mailbox: Mailbox | null;
  readonly mail: MailKind;
};

/** The facts that routing depends on. `sender` is null where it is not ours, or the null sender. */
export type RoutingInput = {
  readonly sender: OwnReading | null;
  /** Trust for the sender's own domain. */
  readonly senderTrust: TrustFinding;
  readonly recipients: readonly RoutedRecipient[];
  /** The routes whose servers have had this message. */
  readonly visited: ReadonlySet<RouteId>;
};

const PASS: Verdict = { kind: 'pass' };
const NOT_ROUTED: RecipientRouting = {
  here: true,
  routes: [],
  refusal: null,
  reasons: [reason('routing', null, 'no rule; Postfix decides')],
};

/** Whether a field may be a route's mark. */
export const isRouteField = ({ name }: HeaderField): boolean => name.toLowerCase() === ROUTE_NAME;

/** The routes whose marks a message carries. `marks` are the values that their services write. */
export function visitedRoutes(
  headers: readonly HeaderField[],
  marks: ReadonlyMap<string, RouteId>,
): ReadonlySet<RouteId> {
  return new Set(headers.filter(isRouteField).flatMap(({ value }) => marks.get(value.trim()) ?? []));
}

/** Decides where a message goes. */
export function decideRouting(input: RoutingInput): Routing {
  const outbound = outboundOf(input);
  const recipients = input.recipients.map((recipient) => routeRecipient(input, outbound, recipient));
  const copies = outbound === null ? [] : copiesOf(input, outbound, recipients);
  const refused = [...recipients, ...copies].find(({ refusal }) => refusal !== null);
  const reply = refused?.refusal ?? null;
  return {
    verdict: reply === null ? PASS : { kind: 'reject', reply },
    decisive: refused?.reasons.at(-1) ?? null,
    recipients,
    copies: reply === null ? copies.flatMap(({ routes }) => routes) : [],
    copyReasons: copies.flatMap(({ reasons }) => reasons),
  };
}

/**
 * The sender's domain, where its outbound rules act: for trusted senders, and on the first pass. That a message has
 * been at a route already is believed of a network, and not of a user: who knows a mark could evade the route by it.
 */
function outboundOf({ sender, senderTrust, visited }: RoutingInput): OwnReading | null {
  if (sender === null || sender.policy.outboundRoutes.length === 0) return null;
  return senderTrust.trusted && (visited.size === 0 || senderTrust.proof === 'sasl') ? sender : null;
}

function routeRecipient(
  input: RoutingInput,
  outbound: OwnReading | null,
  recipient: RoutedRecipient,
): RecipientRouting {
  const { mailbox, policy, guard } = recipient;
  if (guard !== null) return { here: false, routes: [], refusal: null, reasons: [guard] };
  if (mailbox === null) return NOT_ROUTED;
  const kind = mailFor(outbound, policy);
  const change = outbound?.policy.outboundRoutes.find(({ action, mail }) => action === 'change' && mail.includes(kind));
  if (outbound === null || change === undefined) return routeInbound(input, recipient, mailbox);
  const delivery = { route: change.route, mailbox, bounces: true, hasLine: false };
  const changed = settle(input, outbound.policy, change.pointer, delivery, false);
  if (outbound.policy.enforcement === 'enforce') return changed;
  // A rule that is only observed leaves the recipient to the rules of its own domain.
  const inbound = routeInbound(input, recipient, mailbox);
  return { ...inbound, reasons: [...changed.reasons, ...(inbound === NOT_ROUTED ? [] : inbound.reasons)] };
}

function routeInbound(input: RoutingInput, recipient: RoutedRecipient, mailbox: Mailbox): RecipientRouting {
  const { policy } = recipient;
  const rule = policy?.inboundRoutes.find(({ mail }) => mail.includes(recipient.mail));
  if (policy === null || rule === undefined) return NOT_ROUTED;
  const hasLine = plainRule(policy.inboundRoutes, policy.enforcement)?.route === rule.route;
  const delivery = { route: rule.route, mailbox, bounces: !rule.suppressBounces, hasLine };
  return settle(input, policy, rule.pointer, delivery, rule.alsoSave);
}

/** What a recipient is to a trusted sender: internal in the sender's own domain, external in every other. */
const mailFor = (outbound: OwnReading | null, policy: DomainPolicy | null): MailKind =>
  outbound !== null && policy?.domain === outbound.policy.domain ? 'internal' : 'external';

function settle(
  { visited }: RoutingInput,
  { enforcement }: DomainPolicy,
  pointer: string,
  delivery: RouteDelivery,
  alsoSave: boolean,
  noMailbox = NO_MAILBOX,
): RecipientRouting {
  const { route, mailbox } = delivery;
  const refuse = (refusal: PermanentReply, text: string): RecipientRouting => ({
    ...{ here: false, routes: [], refusal },
    reasons: [reason('routing', pointer, text)],
  });
  if (enforcement === 'observe') {
    return { ...NOT_ROUTED, reasons: [reason('routing', pointer, `only observed: would go to ${route}`)] };
  }
  if (visited.has(route)) return refuse(LOOP, `a loop: ${route} has had the message already`);
  // Also where a line would do: Postfix may not have it yet.
  if (!isEncodable(mailbox)) return refuse(noMailbox, `would go to ${route}, but is no proper address`);
  const silently = delivery.bounces ? '' : ', without bounces';
  const text = `goes to ${route}${silently}${alsoSave ? ', and is delivered here' : ''}`;
  return { here: alsoSave, routes: [delivery], refusal: null, reasons: [reason('routing', pointer, text)] };
}

/** One copy for each route that a rule sends one to, if any recipient is of the kind that the rule is for. */
function copiesOf(input: RoutingInput, outbound: OwnReading, routed: readonly RecipientRouting[]): RecipientRouting[] {
  const { policy, mailbox } = outbound;
  const kinds = new Set(input.recipients.map((recipient) => mailFor(outbound, recipient.policy)));
  const copies = new Map<RouteId, RecipientRouting>();
  for (const { action, mail, route, pointer } of policy.outboundRoutes) {
    if (action !== 'additionally' || copies.has(route) || !mail.some((kind) => kinds.has(kind))) continue;
    const delivery = { route, mailbox, bounces: false, hasLine: false };
    // A copy that the server gets anyway, as the recipient's own, is not sent twice.
    if (routed.some(({ routes }) => routes.some((other) => isSame(other, delivery)))) continue;
    const settled = settle(input, policy, pointer, delivery, false, NO_SENDER_MAILBOX);
    const reasons = settled.reasons.map((each) => ({
      ...each,
      text: `a copy under the sender's address: ${each.text}`,
    }));
    copies.set(route, { ...settled, reasons });
  }
  return [...copies.values()];
}

const isSame = (one: RouteDelivery, other: RouteDelivery): boolean =>
  one.route === other.route &&
  one.mailbox.localPart === other.mailbox.localPart &&
  one.mailbox.domain.toLowerCase() === other.mailbox.domain.toLowerCase();

/**
 * The mailbox of an address as typed, but for a final dot, which Postfix takes off and no server takes; null where it
 * has no domain. Source: RFC 5321 §2.3.5.
 */
export function mailboxOf({ text, localPart, domain }: Address): Mailbox | null {
  if (text.startsWith(`${localPart}@`) && text.length > localPart.length + 1) {
    return { localPart, domain: text.slice(localPart.length + 1).replace(/(?<=[^.])\.$/, '') };
  }
  return domain === null ? null : { localPart, domain };
}
