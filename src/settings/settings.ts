/** Settings that passed every check: what a snapshot is compiled from. */
import type { Domain } from '../mail/index.ts';
import type { DomainSettings, ProviderSettings, RouteSettings } from './schema/index.ts';

/** An own domain. `pointer` is its place in the document (RFC 6901); `name` is its spelling there. */
export type OwnDomain = DomainSettings & { readonly domain: Domain; readonly name: string; readonly pointer: string };

/** A tenant: its domains, and the routes that they share. */
export type Organization = {
  readonly name: string;
  readonly primaryDomain: Domain;
  readonly routes: ReadonlyMap<string, RouteSettings>;
  readonly domains: ReadonlyMap<Domain, OwnDomain>;
};

/** The whole document, checked, with every default filled in. */
export type Settings = {
  readonly provider: ProviderSettings;
  readonly organizations: ReadonlyMap<string, Organization>;
};

/** Every own domain of every organization. */
export function* ownDomains(settings: Settings): Generator<{ organization: Organization; own: OwnDomain }> {
  for (const organization of settings.organizations.values()) {
    for (const own of organization.domains.values()) yield { organization, own };
  }
}
