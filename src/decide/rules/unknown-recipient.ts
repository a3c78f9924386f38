/**
 * A recipient that does not exist, and that no rule takes elsewhere, is refused; one of whom that cannot be found out,
 * where it matters, has to wait. Where a recipient goes, routing says.
 * Source: RFC 5321 §3.3, RFC 3463 X.1.1, RFC 5321 §4.2.1 (4yz).
 */
import { noObjection, reason, type Finding, type Rule, type RuleInput } from './finding.ts';

function apply({ policy, transaction: { existence }, routed }: RuleInput): Finding {
  if (existence === undefined) {
    const why = policy.recipients === null ? 'the domain does not say who exists' : 'who exists is not asked here';
    return noObjection(reason('unknown-recipient', null, why));
  }
  const { kind, setting, text } = existence;
  const known = reason('unknown-recipient', setting, text);
  if (kind === 'existing') return noObjection(known);
  const { refusal, reasons } = routed(existence);
  if (refusal === null) return noObjection(known, ...reasons.slice(-1));
  return { reasons: [known], refusal, because: known };
}

/** Refuses recipients that do not exist. */
export const unknownRecipient: Rule = { ids: ['unknown-recipient'], apply };
