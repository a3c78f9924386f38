/** Names: an own domain belongs to one organization, the primary domain is among its domains, names are usable. */
import type { Domain } from '../../mail/index.ts';
import type { Draft } from '../draft.ts';
import { toPointer, type Issues } from '../issue.ts';
import { NAME, NAME_RULE } from '../schema/values.ts';

/** The deliveries of a decision say "here" for this server, so no route may be called that. */
const RESERVED_ROUTE = 'here';

/** Checks the names of organizations, routes and own domains. */
export function checkNames(draft: Draft, issues: Issues): void {
  const owner = new Map<Domain, string>();
  for (const organization of draft.organizations) {
    if (!NAME.test(organization.name))
      issues.errorAtKey(organization.path, `is no name for an organization; it ${NAME_RULE}`);
    for (const name of organization.routes.keys()) {
      const path = [...organization.path, 'routes', name];
      if (!NAME.test(name)) issues.errorAtKey(path, `is no name for a route; it ${NAME_RULE}`);
      if (name === RESERVED_ROUTE) issues.errorAtKey(path, 'means this server itself; give the route another name');
    }
    for (const { domain, path } of organization.domains) {
      if (domain === null) continue;
      const first = owner.get(domain);
      if (first === undefined) owner.set(domain, toPointer(path));
      else issues.errorAtKey(path, `stands at ${first} already; an own domain has one place`);
    }
    const { primaryDomain, domains } = organization;
    // Where there are no domains at all, that is said already.
    if (primaryDomain === undefined || domains.length === 0) continue;
    if (!domains.some(({ domain }) => domain === primaryDomain)) {
      issues.error(
        [...organization.path, 'primaryDomain'],
        `is ${primaryDomain}, which is not among the domains of this organization; add "${primaryDomain}: {}" to its domains`,
      );
    }
  }
}
