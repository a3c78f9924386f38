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

const LOOP = permanent('550', '5.4.6', 'Routing loop: the message comes back from the route that it would take again');

const NO_MAILBOX = permanent('553', '5.1.3', 'The recipient address has no proper form');

/** A mailbox as its server sees it: octets as typed, without the wrapping that Postfix takes off. */
export type Mailbox = { readonly localPart: string; readonly domain: string };

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
  readonly reason: Reason;
};

/** Where a message goes; `recipients` in the order given. */
export type Routing = {
  readonly verdict: Verdict;
  readonly recipients: readonly RecipientRouting[];
  /** Copies under the sender's own address. */
  readonly copies: readonly RouteDelivery[];
  readonly copyReasons: readonly Reason[];
};

/** One recipient; `policy` is that of its own domain, null where it is not ours; `mailbox` null where it has no domain. */
export type RoutedRecipient = {
  readonly policy: DomainPolicy | null;
  readonly mailbox: Mailbox | null;
  readonly mail: MailKind;
};

/** The facts that routing depends on. `senderPolicy` is that of the sender's own domain, with the trust for it. */
export type RoutingInput = {
  readonly sender: Address | null;
  readonly senderPolicy: DomainPolicy | null;
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
  reason: reason('routing', null, 'no rule; Postfix decides'),
};

/** The routes whose marks a message carries. `marks` are the values that their services write. */
export function visitedRoutes(
  headers: readonly HeaderField[],
  marks: ReadonlyMap<string, RouteId>,
): ReadonlySet<RouteId> {
  const field = ROUTE_FIELD.toLowerCase();
  return new Set(
    headers.flatMap(({ name, value }) => {
      const route = name.toLowerCase() === field ? marks.get(value.trim()) : undefined;
      return route === undefined ? [] : [route];
    }),
  );
}

/** Decides where a message goes. */
export function decideRouting(input: RoutingInput): Routing {
  const outbound = outboundOf(input);
  const recipients = input.recipients.map((recipient) => routeRecipient(input, outbound, recipient));
  const copies = outbound === null ? [] : copiesOf(input, outbound, recipients);
  const reply = [...recipients, ...copies].find(({ refusal }) => refusal !== null)?.refusal ?? null;
  return {
    verdict: reply === null ? PASS : { kind: 'reject', reply },
    recipients,
    copies: reply === null ? copies.flatMap(({ routes }) => routes) : [],
    copyReasons: copies.map((copy) => copy.reason),
  };
}

type Outbound = { readonly policy: DomainPolicy; readonly sender: Address };

/**
 * The sender's domain, where its outbound rules act: for trusted senders, and on the first pass. That a message has
 * been at a route already is believed of a network, and not of a user: who knows a mark could evade the route by it.
 */
function outboundOf({ sender, senderPolicy, senderTrust, visited }: RoutingInput): Outbound | null {
  if (sender === null || senderPolicy === null || senderPolicy.outboundRoutes.length === 0) return null;
  if (!senderTrust.trusted || (visited.size > 0 && senderTrust.proof !== 'sasl')) return null;
  return { policy: senderPolicy, sender };
}

function routeRecipient(input: RoutingInput, outbound: Outbound | null, recipient: RoutedRecipient): RecipientRouting {
  const { mailbox, policy } = recipient;
  if (mailbox === null) return NOT_ROUTED;
  const kind = mailFor(outbound, policy);
  const change = outbound?.policy.outboundRoutes.find(({ action, mail }) => action === 'change' && mail.includes(kind));
  if (outbound !== null && change !== undefined) {
    const delivery = { route: change.route, mailbox, bounces: true, hasLine: false };
    return settle(input, outbound.policy, change.pointer, delivery, false);
  }
  const rule = policy?.inboundRoutes.find(({ mail }) => mail.includes(recipient.mail));
  if (policy === null || rule === undefined) return NOT_ROUTED;
  const hasLine = plainRule(policy.inboundRoutes, policy.enforcement)?.route === rule.route;
  const delivery = { route: rule.route, mailbox, bounces: !rule.suppressBounces, hasLine };
  return settle(input, policy, rule.pointer, delivery, rule.alsoSave);
}

/** What a recipient is to a trusted sender: internal in the sender's own domain, external in every other. */
const mailFor = (outbound: Outbound | null, policy: DomainPolicy | null): MailKind =>
  outbound !== null && policy?.domain === outbound.policy.domain ? 'internal' : 'external';

function settle(
  { visited }: RoutingInput,
  { enforcement }: DomainPolicy,
  pointer: string,
  delivery: RouteDelivery,
  alsoSave: boolean,
): RecipientRouting {
  const { route, mailbox, hasLine } = delivery;
  const refuse = (refusal: PermanentReply, text: string): RecipientRouting => ({
    ...{ here: false, routes: [], refusal },
    reason: reason('routing', pointer, text),
  });
  if (enforcement === 'observe') {
    return { ...NOT_ROUTED, reason: reason('routing', pointer, `only observed: would go to ${route}`) };
  }
  if (visited.has(route)) return refuse(LOOP, `a loop: ${route} has had the message already`);
  if (!hasLine && !isEncodable(mailbox)) return refuse(NO_MAILBOX, `would go to ${route}, but is no proper address`);
  const silently = delivery.bounces ? '' : ', without bounces';
  const text = `goes to ${route}${silently}${alsoSave ? ', and is delivered here' : ''}`;
  return { here: alsoSave, routes: [delivery], refusal: null, reason: reason('routing', pointer, text) };
}

/** One copy for each route that a rule sends one to, if any recipient is of the kind that the rule is for. */
function copiesOf(input: RoutingInput, outbound: Outbound, routed: readonly RecipientRouting[]): RecipientRouting[] {
  const { policy, sender } = outbound;
  const mailbox = mailboxOf(sender);
  if (mailbox === null) return [];
  const kinds = new Set(input.recipients.map((recipient) => mailFor(outbound, recipient.policy)));
  const copies = new Map<RouteId, RecipientRouting>();
  for (const { action, mail, route, pointer } of policy.outboundRoutes) {
    if (action !== 'additionally' || copies.has(route) || !mail.some((kind) => kinds.has(kind))) continue;
    const delivery = { route, mailbox, bounces: false, hasLine: false };
    // A copy that the server gets anyway, as the recipient's own, is not sent twice.
    if (routed.some(({ routes }) => routes.some((other) => isSame(other, delivery)))) continue;
    const settled = settle(input, policy, pointer, delivery, false);
    const text = `a copy under the sender's address: ${settled.reason.text}`;
    copies.set(route, { ...settled, reason: reason('routing', pointer, text) });
  }
  return [...copies.values()];
}

const isSame = (one: RouteDelivery, other: RouteDelivery): boolean =>
  one.route === other.route &&
  one.mailbox.localPart === other.mailbox.localPart &&
  one.mailbox.domain.toLowerCase() === other.mailbox.domain.toLowerCase();

/** The mailbox of an address as typed; null where it has no domain. */
export function mailboxOf({ text, localPart, domain }: Address): Mailbox | null {
  if (text.startsWith(`${localPart}@`) && text.length > localPart.length + 1) {
    return { localPart, domain: text.slice(localPart.length + 1) };
  }
  return domain === null ? null : { localPart, domain };
}
