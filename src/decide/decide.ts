/**
 * The one list of precedence: which rules speak about a recipient, in which order; the first refusal decides.
 * Only this file picks the domain whose policy the rules see.
 * Never reads a clock, a file or a socket.
 */
import { addressReadings, isUnder, parseAddress, permanent, type Address, type Domain } from '../mail/index.ts';
import type { DomainPolicy, MailKind, Snapshot } from '../snapshot/index.ts';
import type { Reason, RecipientDecision, Verdict } from './decision.ts';
import type { RecipientTransaction } from './facts.ts';
import { reason, type Rule, type RuleInput } from './rules/finding.ts';
import { gatewayOnly } from './rules/gateway-only.ts';
import { ipAllowBlock } from './rules/ip-allow-block.ts';
import { mayDiffer, ONE_DOMAIN } from './rules/one-domain.ts';
import { ownReading } from './readings.ts';
import { decideRouteAtRcpt, type OwnReading, type RecipientRouting, type RoutedRecipient } from './rules/routing.ts';
import { shortTermBlock } from './rules/short-term-block.ts';
import { tlsRequired } from './rules/tls-required.ts';
import { unknownRecipient } from './rules/unknown-recipient.ts';
import { explainHop, findTrueClient, walkToTrueClient } from './true-client.ts';
import { findTrust, type TrustFacts, type TrustFinding } from './trust.ts';

const RECIPIENT_RULES: readonly Rule[] = [ipAllowBlock, shortTermBlock, gatewayOnly, tlsRequired, unknownRecipient];

const PASS: Verdict = { kind: 'pass' };
/** Said to whoever writes to an encoded recipient. */
export const INTERNAL = permanent('550', '5.7.1', 'This address is internal to the mail system and takes no mail');

/** Decides about one recipient at RCPT. */
export function decideRecipient(snapshot: Snapshot, t: RecipientTransaction): RecipientDecision {
  const own = ownReading(snapshot, t.recipient);
  const policy = own?.policy;
  const trust = trustOf(snapshot, policy ?? null, t);
  const guard = internalDomainGuard(snapshot, t.sender, t.recipient);
  if (guard !== null) return foreign(t, trust, { kind: 'reject', reply: INTERNAL }, guard);
  if (own === undefined || policy === undefined) {
    const text = `${t.recipient.text} is in no own domain; Postfix decides`;
    return foreign(t, trust, PASS, reason('own-domain', null, text));
  }
  const sender = t.sender === null ? undefined : ownReading(snapshot, t.sender);
  const mail = trust.trusted && sender?.policy === policy ? 'internal' : 'external';
  const decision = decideOwn(policy, t, trust, mail, (existence) =>
    routeAtRcpt(snapshot, t, sender ?? null, { guard: null, ...own, mail, existence }),
  );
  return t.earlierDomain === undefined ? decision : aloneOrLater(snapshot, policy, t, t.earlierDomain, decision);
}

/** Trust for the domain of `scope`, or in general where it is null. */
export function trustOf(snapshot: Snapshot, scope: DomainPolicy | null, t: TrustFacts): TrustFinding {
  const userDomain = t.saslUsername === null ? null : (parseAddress(t.saslUsername)?.domain ?? null);
  return findTrust(snapshot.host, scope, t, organizationOf(snapshot, userDomain));
}

/** The organization of the own domain that a name is or ends in; of several the longest. */
function organizationOf(snapshot: Snapshot, name: Domain | null): string | null {
  for (let suffix: string | null = name; suffix !== null; suffix = parentOf(suffix)) {
    const policy = snapshot.domains.get(suffix as Domain);
    if (policy !== undefined) return policy.organization;
  }
  return null;
}

function parentOf(name: string): string | null {
  const dot = name.indexOf('.');
  return dot < 0 ? null : name.slice(dot + 1);
}

function decideOwn(
  policy: DomainPolicy,
  t: RecipientTransaction,
  trust: TrustFinding,
  mail: MailKind,
  routed: RuleInput['routed'],
): RecipientDecision {
  const { gateway } = policy;
  const walk =
    gateway === null || t.headers === undefined ? null : walkToTrueClient(gateway, t.client, t.headers, t.at);
  const trueClient = walk ?? findTrueClient(gateway, t.client, t.at);
  const input: RuleInput = { policy, transaction: t, trust, trueClient, routed };
  const reasons: Reason[] = [
    reason('own-domain', policy.pointer, `${policy.domain} is an own domain of ${policy.organization}`),
    reason('trust', null, `${trust.trusted ? 'trusted' : 'not trusted'}: ${trust.text}`),
    ...(walk?.hops ?? []).map((hop) => reason('true-client', trueClient.setting, explainHop(hop, t.headers ?? []))),
    reason('true-client', trueClient.setting, trueClient.text),
  ];
  let refusal: Exclude<Verdict, { kind: 'pass' }> | null = null;
  let decisive: Reason | null = null;
  let bypassSpamFilter = trueClient.throughGateway && policy.gateway?.skipSpamFilter === true;
  for (const rule of RECIPIENT_RULES) {
    if (refusal !== null) {
      for (const id of rule.ids) reasons.push({ rule: id, setting: null, text: 'not reached', considered: false });
      continue;
    }
    const finding = rule.apply(input);
    reasons.push(...finding.reasons);
    bypassSpamFilter ||= finding.bypassSpamFilter === true;
    refusal = finding.refusal;
    // A refusal decides; of rules that pass, the first that made a difference.
    if (refusal !== null || decisive === null) decisive = finding.because ?? decisive;
  }
  const observe = policy.enforcement === 'observe' && refusal !== null;
  if (policy.enforcement === 'observe') {
    reasons.push(
      reason('enforcement', `${policy.pointer}/enforcement`, 'observe: decided and logged, nothing is refused'),
    );
  }
  return {
    verdict: observe || refusal === null ? PASS : refusal,
    observed: observe ? refusal : null,
    decisive: decisive ?? reason('own-domain', policy.pointer, 'no rule objects'),
    reasons,
    domain: policy.domain,
    mail,
    trust,
    trueClient: trueClient.address,
    throughGateway: trueClient.throughGateway,
    // Observed mail is not touched, so nothing is told to later filters either.
    bypassSpamFilter: bypassSpamFilter && refusal === null && policy.enforcement === 'enforce',
  };
}

function routeAtRcpt(
  snapshot: Snapshot,
  t: RecipientTransaction,
  sender: OwnReading | null,
  recipient: RoutedRecipient,
): RecipientRouting {
  const senderTrust = trustOf(snapshot, sender?.policy ?? null, t);
  const client = t.client.kind === 'smtp' ? t.client.address : null;
  return decideRouteAtRcpt({ sender, senderTrust, client, at: t.at }, recipient);
}

/** Also where the later domain is only observed: what the earlier one decides would act on its recipients. */
function aloneOrLater(
  snapshot: Snapshot,
  policy: DomainPolicy,
  t: RecipientTransaction,
  earlierDomain: Domain,
  decision: RecipientDecision,
): RecipientDecision {
  const earlier = snapshot.domains.get(earlierDomain);
  if (decision.verdict.kind !== 'pass' || earlier === undefined || earlier === policy) return decision;
  const told = (text: string): Reason => reason('one-domain', null, text);
  if (decision.trust.trusted || !mayDiffer(policy, earlier, t.client, t.at)) {
    const why = decision.trust.trusted ? 'the client is trusted' : `${policy.domain} decides as it does`;
    return { ...decision, reasons: [...decision.reasons, told(`together with ${earlierDomain}: ${why}`)] };
  }
  const because = told(`the message is for ${earlierDomain} already, which may decide otherwise at its end`);
  return {
    ...decision,
    verdict: { kind: 'defer', reply: ONE_DOMAIN },
    decisive: because,
    reasons: [...decision.reasons, because],
    bypassSpamFilter: false,
  };
}

/** A decision about a recipient that is in no own domain. */
function foreign(t: RecipientTransaction, trust: TrustFinding, verdict: Verdict, decisive: Reason): RecipientDecision {
  return {
    verdict,
    observed: null,
    decisive,
    reasons: [decisive],
    domain: null,
    mail: 'external',
    trust,
    trueClient: t.client.kind === 'smtp' ? t.client.address : null,
    throughGateway: false,
    bypassSpamFilter: false,
  };
}

/** Encoded recipients are made by Postern alone: nobody may send to, or as, an address of the internal domain. */
export function internalDomainGuard(snapshot: Snapshot, sender: Address | null, recipient: Address): Reason | null {
  const { internalDomain } = snapshot.host;
  const isInternal = (address: Address): boolean => {
    for (const { domain } of addressReadings(address)) {
      if (domain !== null && isUnder(domain, internalDomain)) return true;
    }
    return false;
  };
  if (isInternal(recipient)) return reason('internal-domain', null, `the recipient is under ${internalDomain}`);
  if (sender !== null && isInternal(sender))
    return reason('internal-domain', null, `the sender is under ${internalDomain}`);
  return null;
}
