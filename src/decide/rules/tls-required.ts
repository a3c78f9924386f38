/**
 * Mail from a sender domain that an incoming TLS policy lists is taken over TLS only. Judged on our own hop; trusted
 * clients are exempt. Sub-domains and the null sender are not meant.
 * Source: RFC 3207 §4 (a server may refuse plaintext mail).
 */
import { permanent } from '../../mail/index.ts';
import { noObjection, reason, type Finding, type Rule, type RuleInput } from './finding.ts';

const ENCRYPTION_REQUIRED = permanent('550', '5.7.1', 'Session encryption is required for this sender domain');

function apply({ policy, transaction, trust }: RuleInput): Finding {
  const peer = transaction.sender?.domain ?? null;
  const setting = peer === null ? undefined : policy.tlsIncoming.get(peer);
  if (peer === null || setting === undefined)
    return noObjection(reason('tls-required', null, 'no policy for this sender domain'));
  if (transaction.encrypted) return noObjection(reason('tls-required', setting, 'the session is encrypted'));
  if (trust.trusted) return noObjection(reason('tls-required', setting, `exempt: ${trust.text}`));
  const because = reason(
    'tls-required',
    setting,
    `mail from ${peer} is taken over TLS only, and the session is in clear`,
  );
  return {
    reasons: [because],
    because,
    refusal: { kind: 'reject', reply: ENCRYPTION_REQUIRED },
  };
}

/** Incoming TLS policies. */
export const tlsRequired: Rule = { ids: ['tls-required'], apply };
