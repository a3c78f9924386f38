/**
 * Whether a document is good settings: unknown in, Settings or every fault out, all in one answer.
 * Never reads files and never asks DNS: what needs the world is checked by `compile` and the services.
 */
import { parseDomain, type Domain } from '../mail/index.ts';
import type { Draft, DraftDomain, DraftOrganization } from './draft.ts';
import { Issues, toPointer, type Path, type SettingsIssue } from './issue.ts';
import { isRecord, readObject, readValue, type Readable } from './read-object.ts';
import { checkIpLists } from './rules/ip-lists.ts';
import { checkNames } from './rules/names.ts';
import { checkPatterns, type PatternCheck } from './rules/patterns.ts';
import { checkRoutes } from './rules/routes.ts';
import { checkRouting } from './rules/routing.ts';
import { checkSharedDomains } from './rules/shared-domain.ts';
import { checkTls } from './rules/tls.ts';
import {
  domainSettings,
  organizationSettings,
  providerSettings,
  settingsDocument,
  type DomainSettings,
  type ProviderSettings,
  type RouteSettings,
} from './schema/index.ts';
import type { Organization, OwnDomain, Settings } from './settings.ts';
import { notThisValue } from './zod-issues.ts';

const RULES = [checkNames, checkSharedDomains, checkRoutes, checkRouting, checkIpLists, checkTls];

/** `settings` is null when at least one issue is an error. */
export type Validation = { readonly settings: Settings | null; readonly issues: readonly SettingsIssue[] };

/**
 * Checks a document as parsed from YAML or JSON. `checkPattern` is the check of the engine that runs patterns, so
 * that their faults come in the same answer; without it only `compile` finds them.
 */
export function validate(raw: unknown, checkPattern?: PatternCheck): Validation {
  const issues = new Issues();
  const draft = readDraft(raw, issues);
  for (const rule of RULES) rule(draft, issues);
  if (checkPattern !== undefined) checkPatterns(draft, issues, checkPattern);
  return { settings: issues.hasErrors ? null : finish(draft), issues: issues.list };
}

function readDraft(raw: unknown, issues: Issues): Draft {
  readObject(settingsDocument, raw, [], issues, ['provider', 'organizations']);
  if (!isRecord(raw)) return { organizations: [] };
  const provider =
    raw['provider'] === undefined ? null : readObject(providerSettings, raw['provider'], ['provider'], issues);
  const organizations = readMembers(raw, 'organizations', [], issues, 'a group of organizations by name').map(
    ([name, value]) => readOrganization(name, value, issues),
  );
  return { provider: provider ?? undefined, organizations };
}

/** The members of the object at `key`; none where it is missing or no object, which is reported. */
function readMembers(
  parent: Record<string, unknown>,
  key: string,
  path: Path,
  issues: Issues,
  what: string,
): [string, unknown][] {
  const value = parent[key];
  if (isRecord(value)) return Object.entries(value);
  if (value === undefined) issues.errorAtKey([...path, key], `is missing; it must be ${what}`);
  else issues.error([...path, key], notThisValue(`must be ${what}`, value));
  return [];
}

function readOrganization(name: string, raw: unknown, issues: Issues): DraftOrganization {
  const path: Path = ['organizations', name];
  const known = readObject(organizationSettings, raw, path, issues, ['routes', 'domains']);
  if (!isRecord(raw)) return { name, path, routes: new Map(), domains: [] };
  const routeSchema = organizationSettings.shape.routes.unwrap().valueType;
  const routes = new Map<string, Readable<RouteSettings> | undefined>();
  if (raw['routes'] !== undefined) {
    for (const [route, value] of readMembers(raw, 'routes', path, issues, 'a group of routes by name')) {
      routes.set(route, readValue(routeSchema, value, [...path, 'routes', route], issues));
    }
  }
  const domains = readMembers(raw, 'domains', path, issues, 'a group of domains by name').map(([key, value]) =>
    readDomain(key, value, [...path, 'domains', key], issues),
  );
  if (isRecord(raw['domains']) && domains.length === 0)
    issues.error([...path, 'domains'], 'is empty; an organization has at least its primary domain');
  return { name, path, primaryDomain: known?.primaryDomain, routes, domains };
}

function readDomain(key: string, raw: unknown, path: Path, issues: Issues): DraftDomain {
  const domain = parseDomain(key);
  if (!domain.ok) issues.errorAtKey(path, `is no domain: it ${domain.error}`);
  const settings = readObject(domainSettings, raw, path, issues) ?? {};
  const present = isRecord(raw) ? Object.keys(raw) : [];
  return { key, path, domain: domain.ok ? domain.value : null, present, settings };
}

/** The draft without its "perhaps": called only when nothing was faulty, so that everything in it is there. */
function finish(draft: Draft): Settings {
  const organizations = draft.organizations.map((organization): [string, Organization] => {
    const domains = organization.domains.map((draftDomain): [Domain, OwnDomain] => {
      const domain = draftDomain.domain as Domain;
      const checked = draftDomain.settings as DomainSettings;
      return [domain, { ...checked, domain, name: draftDomain.key, pointer: toPointer(draftDomain.path) }];
    });
    return [
      organization.name,
      {
        name: organization.name,
        primaryDomain: organization.primaryDomain as Domain,
        routes: organization.routes as ReadonlyMap<string, RouteSettings>,
        domains: new Map(domains),
      },
    ];
  });
  const provider = (draft.provider as ProviderSettings | undefined) ?? { sharedDomains: [] };
  return { provider, organizations: new Map(organizations) };
}
