/**
 * Who signs a message: mail of a trusted client whose single From domain is own, with the domain's active keys; until
 * there is one, with the provider's. What came from outside before is signed only where DMARC passed then: else a
 * forgery that was handed in again would leave with our signature.
 * Source: RFC 6376 §5.1, §8.15.
 */
import { authservIdOf, dmarcPassDomain, type Domain } from '../../mail/index.ts';
import type { DomainPolicy, ProviderSigning, SigningKey } from '../../snapshot/index.ts';
import type { Reason } from '../decision.ts';
import type { Author, HeaderField } from '../facts.ts';
import type { TrustFinding } from '../trust.ts';
import { reason } from './finding.ts';

/** Why a message is not signed; a metric label. */
export type NotSigned =
  'no_author' | 'not_our_domain' | 'not_trusted' | 'came_from_outside' | 'observe' | 'no_active_key';

/** The signatures to make, each by one key, or why there is none. */
export type Signing = {
  readonly signatures: readonly { readonly domain: Domain; readonly key: SigningKey }[];
  readonly skipped: NotSigned | null;
  readonly reason: Reason;
};

/** The facts that signing depends on. `policy` is that of the From domain, null where it is not ours. */
export type SigningInput = {
  readonly author: Author;
  readonly policy: DomainPolicy | null;
  readonly trust: TrustFinding;
  readonly headers: readonly HeaderField[];
  readonly authservId: string;
  readonly provider: ProviderSigning | null;
};

/** Decides who signs. */
export function decideSigning(input: SigningInput): Signing {
  const { author, policy, trust, provider } = input;
  const skip = (skipped: NotSigned, text: string): Signing => ({
    signatures: [],
    skipped,
    reason: reason('dkim-sign', policy?.pointer ?? null, `not signed: ${text}`),
  });
  if (author.domain === null) return skip('no_author', author.reason);
  if (policy === null) return skip('not_our_domain', `From is in ${author.domain}, which is not ours`);
  if (!trust.trusted) return skip('not_trusted', trust.text);
  if (trust.proof !== 'sasl' && cameFromOutside(input, author.domain)) {
    return skip('came_from_outside', `it came from outside before, and not with dmarc=pass for ${author.domain}`);
  }
  if (policy.enforcement === 'observe') return skip('observe', 'the domain is only observed');
  if (policy.signing.length > 0) {
    const signatures = policy.signing.map((key) => ({ domain: policy.domain, key }));
    const names = policy.signing.map(({ selector }) => selector).join(', ');
    return {
      signatures,
      skipped: null,
      reason: reason('dkim-sign', policy.pointer, `signed by ${policy.domain} (${names})`),
    };
  }
  if (provider === null || provider.keys.length === 0)
    return skip('no_active_key', `${policy.domain} has no active key`);
  return {
    signatures: provider.keys.map((key) => ({ domain: provider.domain, key })),
    skipped: null,
    reason: reason(
      'dkim-sign',
      '/provider/signingDomain',
      `signed by ${provider.domain}, because ${policy.domain} has no active key`,
    ),
  };
}

/** Whether a field of ours says that the message came in before, and does not say that DMARC passed for this domain. */
function cameFromOutside({ headers, authservId }: SigningInput, domain: Domain): boolean {
  const ours = headers.filter(
    ({ name, value }) => name.toLowerCase() === 'authentication-results' && authservIdOf(value) === authservId,
  );
  return ours.some(({ value }) => dmarcPassDomain(value) !== domain);
}
