/**
 * What is done at end of message to mail that came through an inbound gateway: only then is its true client known, and
 * whether the gateway called it spam. Mail of an allowed IP is neither marked nor held.
 * A refusal after DATA makes the gateway bounce, so a domain may rather hold such mail, or discard it.
 */
import { formatIpAddress, type Domain } from '../../mail/index.ts';
import type { DomainPolicy, GatewayPolicy } from '../../snapshot/index.ts';
import type { MessageVerdict, Reason, RecipientDecision } from '../decision.ts';
import type { HeaderField, SpamHit } from '../facts.ts';
import { reason } from './finding.ts';
import { BLOCKED } from './ip-allow-block.ts';

/** The field that says that a message is spam, for filters of the mail store. */
const SPAM_FIELD = 'X-Spam-Flag';
const VERDICT_FIELD = 'X-Postern-Verdict';

/** One recipient's own domain with the decision about it, made with the header fields at hand. */
export type DecidedRecipient = { readonly policy: DomainPolicy; readonly decision: RecipientDecision };

/** What follows for the whole message. */
export type BehindGateway = {
  readonly verdict: MessageVerdict;
  /** What would have been, where domains that are only observed block the client; null where none does. */
  readonly observed: MessageVerdict | null;
  readonly isSpam: boolean;
  /** Fields to put on top, the topmost first. */
  readonly added: readonly HeaderField[];
  /** One decision for each own domain whose gateway the client is. */
  readonly through: readonly ThroughGateway[];
  /** What decided first. */
  readonly reasons: readonly Reason[];
};

/** An own domain whose gateway handed a message over. `isHit`: its spam pattern matches, whether or not that marks. */
export type ThroughGateway = DecidedRecipient & { readonly gateway: GatewayPolicy; readonly isHit: boolean };

/** Decides; `hits` are what the spam patterns found, by own domain. */
export function decideBehindGateway(
  decided: readonly DecidedRecipient[],
  hits: ReadonlyMap<Domain, SpamHit>,
): BehindGateway {
  const through = decided.flatMap(({ policy, decision }): ThroughGateway[] =>
    policy.gateway !== null && decision.throughGateway
      ? [{ policy, decision, gateway: policy.gateway, isHit: hits.get(policy.domain)?.kind === 'match' }]
      : [],
  );
  // Recipients of one own domain have the same client, and so the same word about it.
  const domains = [...new Map(through.map((each) => [each.policy.domain, each])).values()];
  const blocked = domains.filter(({ decision }) => isAboutClient(decision) && decision.verdict.kind !== 'pass');
  const observed = domains.filter(({ decision }) => isAboutClient(decision) && decision.observed !== null);
  const hitReasons = domains.flatMap((each) => judgeHit(each, hits.get(each.policy.domain)));
  const isSpam = hitReasons.some((each) => each.isSpam);
  const isAll = (some: readonly ThroughGateway[]): boolean =>
    decided.every(({ policy }) => some.some((each) => each.policy === policy));
  return {
    verdict: verdictFor(blocked, isAll(blocked)),
    observed: observed.length === 0 ? null : verdictFor(observed, isAll(observed)),
    isSpam,
    added: isSpam
      ? [
          { name: SPAM_FIELD, value: 'YES' },
          { name: VERDICT_FIELD, value: 'spam; rule=spam-pattern' },
        ]
      : [],
    through: domains,
    reasons: [
      ...[...blocked, ...observed].map(({ decision }) => decision.decisive),
      ...hitReasons.toSorted((a, b) => Number(b.isSpam) - Number(a.isSpam)).map((each) => each.reason),
    ],
  };
}

const isAboutClient = ({ decisive }: RecipientDecision): boolean =>
  decisive.rule === 'ip-block' || decisive.rule === 'short-term-block';

/**
 * A refusal is the plainest answer, so it wins; mail is discarded only where all its recipients' domains say so. Their
 * domains differ only for trusted clients: others are asked for one message a domain at RCPT.
 */
function verdictFor(blocked: readonly ThroughGateway[], isAll: boolean): MessageVerdict {
  const [first] = blocked;
  if (first === undefined) return { kind: 'pass' };
  const asked = blocked.map(({ gateway }) => gateway.blockedBehindGateway);
  if (asked.includes('reject')) return { kind: 'reject', reply: BLOCKED };
  if (isAll && asked.every((each) => each === 'discard')) return { kind: 'discard' };
  const { trueClient } = first.decision;
  const who = trueClient === null ? 'its client' : formatIpAddress(trueClient);
  return { kind: 'quarantine', reason: `Postern: ${who} is blocked` };
}

type HitReason = { readonly isSpam: boolean; readonly reason: Reason };

function judgeHit({ policy, decision, gateway }: ThroughGateway, hit: SpamHit | undefined): HitReason[] {
  if (gateway.spamPattern === null || hit === undefined) return [];
  const setting = `${gateway.pointer}/spamPattern`;
  const told = (text: string, isSpam = false): HitReason[] => [
    { isSpam, reason: reason('spam-pattern', setting, text) },
  ];
  if (hit.kind === 'unknown') return told('not found out: looking for it took too long');
  if (hit.kind === 'none')
    return told(hit.isCut ? 'no match in the first 64 KiB; the rest was not looked at' : 'no match');
  const what = `the field ${hit.field} matches`;
  if (decision.decisive.rule === 'ip-allow') return told(`${what}, but the client is allowed`);
  if (policy.enforcement === 'observe') return told(`${what}; the domain is only observed`);
  return told(`${what}: marked as spam`, true);
}
