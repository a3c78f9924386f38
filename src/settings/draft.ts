/**
 * A settings document as far as it could be read: what is broken is left out, so that the rules can look at the
 * rest and one answer can hold every fault.
 */
import type { Domain } from '../mail/index.ts';
import type { Path } from './issue.ts';
import type { Readable } from './read-object.ts';
import type { DomainSettings, ProviderSettings, RouteSettings } from './schema/index.ts';

/** One own domain. `domain` is null where its name is no domain. `present` are the keys as written. */
export type DraftDomain = {
  readonly key: string;
  readonly path: Path;
  readonly domain: Domain | null;
  readonly present: readonly string[];
  readonly settings: Readable<DomainSettings>;
};

/** One organization. A route that could not be read at all is present with the value undefined. */
export type DraftOrganization = {
  readonly name: string;
  readonly path: Path;
  readonly primaryDomain?: Domain | undefined;
  readonly routes: ReadonlyMap<string, Readable<RouteSettings> | undefined>;
  readonly domains: readonly DraftDomain[];
};

/** The document. */
export type Draft = {
  readonly provider?: Readable<ProviderSettings> | undefined;
  readonly organizations: readonly DraftOrganization[];
};
