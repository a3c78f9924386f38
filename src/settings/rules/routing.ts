/** Routing rules: the routes that they name exist, `missing` can be known, and no rule says nothing. */
import type { Draft, DraftDomain, DraftOrganization } from '../draft.ts';
import type { Issues, Path } from '../issue.ts';

/** Checks the references to routes and the sense of routing rules. */
export function checkRouting(draft: Draft, issues: Issues): void {
  for (const organization of draft.organizations) {
    for (const domain of organization.domains) {
      const { path, settings } = domain;
      const gateway = settings.inboundGateway?.internalThroughGateway;
      checkRoute(organization, gateway, [...path, 'inboundGateway', 'internalThroughGateway'], issues);
      settings.outboundRouting?.forEach((rule, index) => {
        checkRoute(organization, rule?.route, [...path, 'outboundRouting', index, 'route'], issues);
      });
      settings.inboundRouting?.forEach((rule, index) => {
        const at = [...path, 'inboundRouting', index];
        checkRoute(organization, rule?.route, [...at, 'route'], issues);
        if (rule !== undefined) checkRecipients(rule, domain, at, issues);
      });
    }
  }
}

type InboundRule = NonNullable<NonNullable<DraftDomain['settings']['inboundRouting']>[number]>;

function checkRecipients({ recipients, alsoSave }: InboundRule, domain: DraftDomain, at: Path, issues: Issues): void {
  if (recipients?.includes('missing') !== true) return;
  if (!domain.present.includes('recipients')) {
    const wayOut = 'add recipients: to the domain (files or Postfix maps), or take "missing" out of the rule';
    issues.error([...at, 'recipients'], `names missing recipients, but who exists is not said; ${wayOut}`);
  }
  if (alsoSave === true && !recipients.includes('existing')) {
    const wayOut = 'take it out, or add "existing" to the recipients';
    issues.warning(
      [...at, 'alsoSave'],
      `does nothing, because a missing recipient has no mailbox here to save to; ${wayOut}`,
    );
  }
}

function checkRoute(organization: DraftOrganization, name: string | undefined, path: Path, issues: Issues): void {
  if (name === undefined || organization.routes.has(name)) return;
  const known = [...organization.routes.keys()];
  const wayOut = known.length === 0 ? 'it has none yet; add it under routes:' : `its routes are ${known.join(', ')}`;
  issues.error(path, `is "${name}", which is no route of organization ${organization.name}; ${wayOut}`);
}
