/**
 * What an organization whose primary domain is provider-shared may not have: inbound gateway, inbound routing,
 * outbound routing, routes and DKIM, in none of its domains.
 */
import { isUnder, type Domain } from '../../mail/index.ts';
import type { Draft } from '../draft.ts';
import type { Issues } from '../issue.ts';

/** The settings of a domain that an organization under a provider-shared primary domain may not have. */
const NOT_WHEN_SHARED = ['inboundGateway', 'inboundRouting', 'outboundRouting', 'dkim'] as const;

/** The provider's suffix that `primaryDomain` lies under, or null. */
export const sharedSuffix = (primaryDomain: Domain, sharedDomains: readonly Domain[]): Domain | null =>
  sharedDomains.find((suffix) => isUnder(primaryDomain, suffix)) ?? null;

/** Refuses the five settings where the primary domain is provider-shared. */
export function checkSharedDomains(draft: Draft, issues: Issues): void {
  for (const organization of draft.organizations) {
    const { primaryDomain } = organization;
    if (primaryDomain === undefined) continue;
    const shared = draft.provider?.sharedDomains?.filter((domain) => domain !== undefined) ?? [];
    const suffix = sharedSuffix(primaryDomain, shared);
    if (suffix === null) continue;
    const reason =
      `is not available: the primary domain ${primaryDomain} of organization ${organization.name} is under ` +
      `${suffix}, which belongs to the provider; take it out, or make a domain of its own the primary domain`;
    if (organization.routes.size > 0) issues.errorAtKey([...organization.path, 'routes'], reason);
    for (const { path, present, settings } of organization.domains) {
      for (const key of NOT_WHEN_SHARED) {
        const value = settings[key];
        const isEmptyList = Array.isArray(value) && value.length === 0;
        if (present.includes(key) && !isEmptyList) issues.errorAtKey([...path, key], reason);
      }
    }
  }
}
