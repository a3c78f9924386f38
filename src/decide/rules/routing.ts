/**
 * Where each recipient of a message goes. Order, per recipient: internal mail by its gateway, else the sender's outbound
 * `change`, else the recipient's inbound rule, else here; at most one change of destination per pass. A message that
 * carries a route's mark is never sent to that route again.
 * Whether Postfix can be told so is not known here.
 * Source: RFC 5321 §6.3 (loops), RFC 3463 X.4.6.
 */
import { ipSetHas, isEncodable, permanent, transient, type Address, type IpAddress } from '../../mail/index.ts';
import {
  inboundRuleFor,
  plainRule,
  type DomainPolicy,
  type Existence,
  type MailKind,
  type RouteId,
} from '../../snapshot/index.ts';
import type { Reason, Verdict } from '../decision.ts';
import type { ExistenceFact, HeaderField } from '../facts.ts';
import type { TrustFinding } from '../trust.ts';
import { reason } from './finding.ts';

/** The field that a route's own service puts on the copies that it delivers. */
export const ROUTE_FIELD = 'X-Postern-Route';
const ROUTE_NAME = ROUTE_FIELD.toLowerCase();

const LOOP = permanent('550', '5.4.6', 'Routing loop: the message comes back from the route that it would take again');

const UNKNOWN = permanent('550', '5.1.1', 'Recipient address unknown: there is no such mailbox here');
const NOT_KNOWN_NOW = transient(
  '451',
  '4.3.0',
  'Whether the recipient exists cannot be found out now, try again later',
);

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

/** A verdict that is not `pass`. */
type Refusal = Exclude<Verdict, { kind: 'pass' }>;

/** Where one recipient goes. Neither here nor to a route: it takes no mail, see the reason. */
export type RecipientRouting = {
  /** Delivered as Postfix does without us. */
  readonly here: boolean;
  readonly routes: readonly RouteDelivery[];
  /** Why it takes no mail, at the end of a message the whole message; null where it does. */
  readonly refusal: Refusal | null;
  /** The route whose mark ended a loop; null where there was none. */
  readonly loop: RouteId | null;
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
  /** Null where its domain does not say who exists: then it does. */
  readonly existence: ExistenceFact | null;
};

/** The facts that routing depends on. `sender` is null where it is not ours, or the null sender. */
export type RoutingInput = {
  readonly sender: OwnReading | null;
  /** Trust for the sender's own domain. */
  readonly senderTrust: TrustFinding;
  readonly recipients: readonly RoutedRecipient[];
  /** The SMTP client; null where there is none, or its address is not known. */
  readonly client: IpAddress | null;
  /** Milliseconds since 1970. */
  readonly at: number;
  /** The routes whose servers have had this message. */
  readonly visited: ReadonlySet<RouteId>;
};

const PASS: Verdict = { kind: 'pass' };
const NO_ROUTES: ReadonlySet<RouteId> = new Set();
const NOT_ROUTED: RecipientRouting = {
  here: true,
  routes: [],
  refusal: null,
  loop: null,
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
  const refused = [...recipients, ...copies].filter(({ refusal }) => refusal !== null);
  // What is refused for good is not tried again for the sake of another recipient that has to wait.
  const first = refused.find(({ refusal }) => refusal?.kind === 'reject') ?? refused[0];
  const verdict = first?.refusal ?? PASS;
  return {
    verdict,
    decisive: first?.reasons.at(-1) ?? null,
    recipients,
    copies: verdict.kind === 'pass' ? copies.flatMap(({ routes }) => routes) : [],
    copyReasons: copies.flatMap(({ reasons }) => reasons),
  };
}

/** One recipient before the headers are there: no mark is known yet, and it can be refused alone. */
export const decideRouteAtRcpt = (
  input: Omit<RoutingInput, 'recipients' | 'visited'>,
  recipient: RoutedRecipient,
): RecipientRouting => {
  const whole = { ...input, recipients: [recipient], visited: NO_ROUTES };
  const routed = routeRecipient(whole, outboundOf(whole), recipient);
  const { existence } = recipient;
  // Taken by no rule, it would be delivered here.
  if (existence === null || existence.kind === 'existing' || !routed.here || routed.routes.length > 0) return routed;
  return existence.kind === 'missing' ? unknownOf(existence) : notKnown(existence);
};

/** The sender's domain, where its outbound rules act: for trusted senders, and on the first pass. */
function outboundOf(input: RoutingInput): OwnReading | null {
  const { sender } = input;
  if (sender === null || sender.policy.outboundRoutes.length === 0) return null;
  return isFirstPass(input) ? sender : null;
}

/**
 * Whether a trusted sender hands the message in. That it has been at a route already is believed of a network, and not
 * of a user: who knows a mark could evade the route by it.
 */
const isFirstPass = ({ senderTrust, visited }: RoutingInput): boolean =>
  senderTrust.trusted && (visited.size === 0 || senderTrust.proof === 'sasl');

/** Where it goes, whatever is known of its existence: where that makes no difference, it need not be known. */
function routeRecipient(
  input: RoutingInput,
  outbound: OwnReading | null,
  recipient: RoutedRecipient,
): RecipientRouting {
  const { mailbox, guard } = recipient;
  if (guard !== null) return { here: false, routes: [], refusal: null, loop: null, reasons: [guard] };
  if (mailbox === null) return NOT_ROUTED;
  const existence = recipient.existence ?? EVERYBODY_EXISTS;
  const known = { ...recipient, mailbox, existence };
  if (existence.kind !== 'unknown') return routeKnown(input, outbound, known, existence.kind);
  const [one, other] = [routeKnown(input, outbound, known, 'existing'), routeKnown(input, outbound, known, 'missing')];
  return isSameWay(one, other) ? one : notKnown(existence);
}

const EVERYBODY_EXISTS: ExistenceFact = { kind: 'existing', setting: '', text: '' };

const isSameWay = (one: RecipientRouting, other: RecipientRouting): boolean => {
  const [way, otherWay] = [one.routes[0], other.routes[0]];
  return one.here === other.here && way?.route === otherWay?.route && way?.bounces === otherWay?.bounces;
};

const notKnown = (fact: ExistenceFact): RecipientRouting => ({
  ...{ here: false, routes: [], refusal: { kind: 'defer', reply: NOT_KNOWN_NOW }, loop: null },
  reasons: [told(fact)],
});

type RecipientWithMailbox = RoutedRecipient & { readonly mailbox: Mailbox; readonly existence: ExistenceFact };

function routeKnown(
  input: RoutingInput,
  outbound: OwnReading | null,
  recipient: RecipientWithMailbox,
  existence: Existence,
): RecipientRouting {
  const { mailbox, policy } = recipient;
  const detour = detourOf(input, recipient);
  // It would come back as external mail, and be refused only then: at RCPT it is refused at once, and of what comes
  // without RCPT, Postfix finds it out here.
  const isLost = existence === 'missing' && detour !== null && !inboundRuleFor(detour.policy, 'external', 'missing');
  if (isLost && detour.policy.enforcement === 'enforce') return { ...NOT_ROUTED, reasons: [told(recipient.existence)] };
  const kind = mailFor(outbound, policy);
  const change = outbound?.policy.outboundRoutes.find(({ action, mail }) => action === 'change' && mail.includes(kind));
  const first = detour ?? (outbound === null || change === undefined ? null : { ...change, policy: outbound.policy });
  if (first === null) return routeInbound(input, recipient, existence);
  const delivery = { route: first.route, mailbox, bounces: true, hasLine: false };
  const changed = settle(input, first.policy, first.pointer, delivery, false);
  if (first.policy.enforcement === 'enforce') return changed;
  // A rule that is only observed leaves the recipient to the rules of its own domain.
  const inbound = routeInbound(input, recipient, existence);
  return { ...inbound, reasons: [...changed.reasons, ...(inbound === NOT_ROUTED ? [] : inbound.reasons)] };
}

/** The route by which internal mail goes through the gateway of its domain. */
function detourOf(
  input: RoutingInput,
  { policy, mail }: RoutedRecipient,
): { readonly route: RouteId; readonly pointer: string; readonly policy: DomainPolicy } | null {
  const route = policy?.gateway?.internalRoute ?? null;
  if (!policy?.gateway || route === null || mail !== 'internal' || !isFirstPass(input)) return null;
  return { route, pointer: `${policy.gateway.pointer}/internalThroughGateway`, policy };
}

function routeInbound(
  input: RoutingInput,
  { policy, mailbox, mail, existence: fact }: RecipientWithMailbox,
  existence: Existence,
): RecipientRouting {
  const rule = policy === null ? undefined : inboundRuleFor(policy, mail, existence);
  if (policy === null || rule === undefined) return NOT_ROUTED;
  if (existence === 'missing' && policy.enforcement === 'enforce' && hasBeenAt(rule.route, policy, input)) {
    return { ...unknownOf(fact), loop: rule.route };
  }
  const hasLine = plainRule(policy)?.route === rule.route;
  const delivery = { route: rule.route, mailbox, bounces: !rule.suppressBounces, hasLine };
  return settle(input, policy, rule.pointer, delivery, rule.alsoSave && existence === 'existing');
}

/** Whether the message comes from the route's server: by its mark, or by the client itself. */
const hasBeenAt = (
  route: RouteId,
  { serversOfRoutes }: DomainPolicy,
  { visited, client, at }: RoutingInput,
): boolean => {
  const servers = serversOfRoutes.get(route);
  return visited.has(route) || (client !== null && servers !== undefined && ipSetHas(servers, client, at));
};

const told = ({ setting, text }: ExistenceFact): Reason => reason('unknown-recipient', setting, text);

const unknownOf = (fact: ExistenceFact): RecipientRouting => ({
  here: false,
  routes: [],
  refusal: { kind: 'reject', reply: UNKNOWN },
  loop: null,
  reasons: [told(fact)],
});

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
  const refuse = (reply: Extract<Refusal, { kind: 'reject' }>['reply'], text: string): RecipientRouting => ({
    ...{ here: false, routes: [], refusal: { kind: 'reject', reply }, loop: reply === LOOP ? route : null },
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
  return { here: alsoSave, routes: [delivery], refusal: null, loop: null, reasons: [reason('routing', pointer, text)] };
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
