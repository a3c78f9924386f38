/**
 * TLS policies: what only outgoing mail can ask, how many peers, and routes that take over a listed domain's mail,
 * which must not carry it in clear.
 */
import type { Draft, DraftDomain, DraftOrganization } from '../draft.ts';
import type { Issues } from '../issue.ts';
import { LIMITS } from '../limits.ts';

/** Checks TLS policies by themselves and against the routes of outgoing mail. */
export function checkTls(draft: Draft, issues: Issues): void {
  for (const organization of draft.organizations) {
    for (const domain of organization.domains) {
      checkPolicies(domain, issues);
      checkAgainstRoutes(organization, domain, issues);
    }
  }
}

function checkPolicies({ path, settings }: DraftDomain, issues: Issues): void {
  settings.tls?.forEach((policy, index) => {
    const at = [...path, 'tls', index];
    const peers = new Set(policy?.domains?.filter((peer) => peer !== undefined)).size;
    if (peers > LIMITS.tlsPeerDomains) {
      const wayOut = 'split it into several policies';
      issues.error([...at, 'domains'], `holds ${peers} domains, and the limit is ${LIMITS.tlsPeerDomains}; ${wayOut}`);
    }
    const applyTo = policy?.applyTo ?? [];
    // A word that could not be read may have meant outgoing.
    if (policy === undefined || applyTo.length === 0 || applyTo.some((word) => word !== 'incoming')) return;
    for (const key of ['trustedCa', 'hostnameMatch'] as const) {
      if (policy[key] !== true) continue;
      issues.error([...at, key], 'is about the server that we send to; add outgoing to applyTo, or take it out');
    }
  });
}

function checkAgainstRoutes({ routes }: DraftOrganization, { path, settings }: DraftDomain, issues: Issues): void {
  const outgoing = settings.tls?.find((policy) => policy?.applyTo?.includes('outgoing'));
  if (outgoing === undefined) return;
  settings.outboundRouting?.forEach((rule, index) => {
    if (rule?.action !== 'change' || rule.mail?.includes('external') !== true || rule.route === undefined) return;
    const tls = routes.get(rule.route)?.tls;
    if (tls === undefined) return;
    const at = [...path, 'outboundRouting', index, 'route'];
    const route = `is "${rule.route}" with tls: ${tls}, and the TLS policy "${outgoing.title ?? ''}" asks for encryption`;
    if (tls === 'none') {
      issues.error(at, `${route}; set tls: encrypt or stricter on the route`);
    } else {
      const level = tls === 'may' ? 'encrypt' : tls;
      issues.warning(at, `${route}: mail to its domains takes this route with ${level}, and is not checked beyond it`);
    }
  });
}
