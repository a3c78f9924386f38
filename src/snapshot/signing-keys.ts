/**
 * Which keys may sign for which domain, put into a snapshot. Keys change without the settings, so this is apart from
 * compiling: an activated key acts at once, also while the settings are broken.
 * Source: RFC 6376 §5.1.
 */
import type { Domain } from '../mail/index.ts';
import type { SigningKey, Snapshot } from './snapshot.ts';

/** An active key and the domain that it signs for. */
export type ActiveKey = SigningKey & { readonly domain: string };

/** The snapshot with these active keys, and no others. Domains of an organization that may have no DKIM get none. */
export function withSigningKeys(snapshot: Snapshot, active: readonly ActiveKey[]): Snapshot {
  const byDomain = Map.groupBy(active, ({ domain }) => domain);
  const keysOf = (domain: Domain): SigningKey[] =>
    (byDomain.get(domain) ?? []).map(({ selector, algorithm }) => ({ selector, algorithm }));
  const { providerSigning } = snapshot;
  return {
    ...snapshot,
    domains: new Map(
      [...snapshot.domains].map(([domain, policy]) => [
        domain,
        { ...policy, signing: policy.isProviderShared ? [] : keysOf(domain) },
      ]),
    ),
    providerSigning: providerSigning === null ? null : { ...providerSigning, keys: keysOf(providerSigning.domain) },
  };
}
