/** What every rule family is given and gives. */
import type { DomainPolicy } from '../../snapshot/index.ts';
import type { Reason, RuleId, Verdict } from '../decision.ts';
import type { ExistenceFact, RecipientTransaction } from '../facts.ts';
import type { TrueClient } from '../true-client.ts';
import type { TrustFinding } from '../trust.ts';

/** The facts of one recipient that rules may use, beside the policy of its domain. */
export type RuleInput = {
  readonly policy: DomainPolicy;
  readonly transaction: RecipientTransaction;
  readonly trust: TrustFinding;
  readonly trueClient: TrueClient;
  /** Where the recipient goes; asked where that depends on whether it exists. */
  readonly routed: (existence: ExistenceFact) => Pick<Finding, 'reasons' | 'refusal'>;
};

/** A rule's word: reasons always, a refusal where it has one. */
export type Finding = {
  readonly reasons: readonly Reason[];
  readonly refusal: Exclude<Verdict, { kind: 'pass' }> | null;
  /** The reason that decided, where this rule made a difference. */
  readonly because?: Reason;
  /** Later filters need not judge this mail. */
  readonly bypassSpamFilter?: true;
};

/** A rule family: a pure function of one domain's policy and one recipient's facts. */
export type Rule = { readonly ids: readonly RuleId[]; readonly apply: (input: RuleInput) => Finding };

/** A reason of a rule that was looked at. */
export const reason = (rule: RuleId, setting: string | null, text: string): Reason => ({
  rule,
  setting,
  text,
  considered: true,
});

/** No objection. */
export const noObjection = (...reasons: readonly Reason[]): Finding => ({ reasons, refusal: null });
