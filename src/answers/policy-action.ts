/**
 * A decision as an access(5) action for smtpd. `pass` is DUNNO, never OK: Postfix's own restrictions go on.
 * Source: Postfix SMTPD_POLICY_README, access(5).
 */
import type { Verdict } from '../decide/index.ts';
import { formatReply } from '../mail/index.ts';

/** The action text, without `action=`. */
export function renderPolicyAction(verdict: Verdict): string {
  return verdict.kind === 'pass' ? 'DUNNO' : formatReply(verdict.reply);
}

/** What is answered when Postern itself failed: the client tries again, nothing is let past a rule. */
export const POLICY_FAILURE_ACTION = '451 4.3.0 Mail system temporarily unavailable';
