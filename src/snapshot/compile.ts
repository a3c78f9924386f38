/**
 * Settings and what they name (list files, this server's own listeners) made into a snapshot, or the reasons why not.
 * Deterministic: the same input gives the same snapshot. Reads nothing itself.
 */
import { compileIpSet, fail, isUnder, ok, type Domain, type IpList, type IpRange, type Result } from '../mail/index.ts';
import {
  Issues,
  ownDomains,
  sharedSuffix,
  type IpEntry,
  type Organization,
  type OwnDomain,
  type Settings,
  type SettingsIssue,
} from '../settings/index.ts';
import { checkRoutesToOurselves, type Ourselves } from './ourselves.ts';
import { checkPattern } from './pattern.ts';
import { literalPrefix } from './pattern-prefix.ts';
import { compileRecipients, type RecipientLists } from './recipients.ts';
import { compileRouteServers, compileServersOfRoutes } from './route-servers.ts';
import { compileInbound, compileOutbound, compileRoutes, NO_INSTALLATION, routeId } from './routes.ts';
import type {
  AutoBlockPolicy,
  DomainPolicy,
  HostPolicy,
  ListedIps,
  RevisionId,
  Route,
  RouteHost,
  Snapshot,
} from './snapshot.ts';
import { agreedTls, incomingTls, outgoingTls } from './tls-merge.ts';

/** What the operator's file says, beside the settings. */
export type HostSettings = Omit<HostPolicy, 'trustedNetworks'> & { readonly trustedNetworks: readonly IpRange[] };

/** What was read from outside for the settings to be complete. */
export type Materials = Ourselves & {
  /** List files by the path that the settings name them by. */
  readonly lists: ReadonlyMap<string, IpList>;
  /** Files of recipients, in the same way. */
  readonly recipientLists: RecipientLists;
};

/** Compiles checked settings. Errors: what only now can be known to be wrong, as settings issues. */
export function compile(
  settings: Settings,
  materials: Materials,
  host: HostSettings,
  revision: RevisionId,
): Result<Snapshot, readonly SettingsIssue[]> {
  const issues = new Issues();
  const domains = new Map<Domain, DomainPolicy>();
  const routes: Route[] = [];
  for (const organization of settings.organizations.values()) {
    checkRoutesToOurselves(organization, materials, issues);
    routes.push(...compileRoutes(organization));
    const routeHosts = [...organization.routes].map(([name, { host, mx }]): RouteHost => ({
      route: routeId(organization.name, name),
      host,
      mx,
    }));
    const isProviderShared = sharedSuffix(organization.primaryDomain, settings.provider.sharedDomains) !== null;
    for (const own of organization.domains.values()) {
      checkDomain(own, host, issues);
      domains.set(own.domain, { ...compileDomain(own, organization, routeHosts, materials), isProviderShared });
    }
  }
  if (issues.hasErrors) return fail(issues.list);
  const hostPolicy = { ...host, trustedNetworks: compileIpSet(host.trustedNetworks.map((range) => ({ range }))) };
  const { signingDomain } = settings.provider;
  const providerSigning = signingDomain === undefined ? null : { domain: signingDomain, keys: [] };
  return ok({
    revision,
    host: hostPolicy,
    domains,
    routes: new Map(routes.map((route) => [route.id, route])),
    installation: NO_INSTALLATION,
    tlsAgreed: agreedTls(domains),
    providerSigning,
  });
}

/** The list files that the settings name, each once, with the place that names it first. */
export function listFilesOf(settings: Settings): ReadonlyMap<string, string> {
  const files = new Map<string, string>();
  for (const { own } of ownDomains(settings)) {
    for (const key of ['allowedIps', 'blockedIps'] as const) {
      own[key].forEach((entry, index) => {
        if (entry.kind === 'file' && !files.has(entry.file)) files.set(entry.file, `${own.pointer}/${key}/${index}`);
      });
    }
  }
  return files;
}

function compileDomain(
  own: OwnDomain,
  organization: Organization,
  routeHosts: readonly RouteHost[],
  materials: Materials,
): Omit<DomainPolicy, 'isProviderShared'> {
  const gateway = own.inboundGateway;
  return {
    domain: own.domain,
    organization: organization.name,
    enforcement: own.enforcement,
    allowed: compileList(own.allowedIps, `${own.pointer}/allowedIps`, materials),
    blocked: compileList(own.blockedIps, `${own.pointer}/blockedIps`, materials),
    autoBlock: compileAutoBlock(own),
    recipients: compileRecipients(own, materials.recipientLists),
    gateway:
      gateway?.enabled === true
        ? {
            ips: compileIpSet(gateway.ips.map((range) => ({ range }))),
            onlyFromGateway: gateway.onlyFromGateway,
            skipSpamFilter: gateway.skipSpamFilter,
            spamPattern:
              gateway.spamPattern === undefined
                ? null
                : { pattern: gateway.spamPattern, prefix: literalPrefix(gateway.spamPattern) },
            blockedBehindGateway: gateway.blockedBehindGateway,
            internalRoute:
              gateway.internalThroughGateway === undefined
                ? null
                : routeId(organization.name, gateway.internalThroughGateway),
            pointer: `${own.pointer}/inboundGateway`,
          }
        : null,
    routeHosts,
    routeServers: compileRouteServers(routeHosts, new Map()),
    serversOfRoutes: compileServersOfRoutes(routeHosts, new Map()),
    inboundRoutes: compileInbound(own, organization.name),
    outboundRoutes: compileOutbound(own, organization.name),
    tlsIncoming: incomingTls(own),
    tlsOutgoing: outgoingTls(own),
    signing: [],
    pointer: own.pointer,
  };
}

function compileAutoBlock({ autoBlock, pointer }: OwnDomain): AutoBlockPolicy | null {
  if (autoBlock === undefined) return null;
  const { after, within: withinMs, for: forMs } = autoBlock;
  return { after, withinMs, forMs, pointer: `${pointer}/autoBlock` };
}

function compileList(entries: readonly IpEntry[], pointer: string, materials: Materials): ListedIps {
  return {
    set: compileIpSet(
      entries.map((entry) =>
        entry.kind === 'range'
          ? { range: entry.range, expiresAt: entry.expiresAt }
          : { list: materials.lists.get(entry.file) ?? missingList(entry.file) },
      ),
    ),
    entries: entries.map((entry) => ({
      text: entry.kind === 'range' ? entry.range.text : entry.file,
      ...(entry.note !== undefined && { note: entry.note }),
      ...(entry.kind === 'file' && { file: entry.file }),
    })),
    pointer,
  };
}

function missingList(file: string): never {
  throw new Error(`list file ${file} was not given to compile`);
}

function checkDomain(own: OwnDomain, host: HostSettings, issues: Issues): void {
  const path = own.pointer;
  const pattern = own.inboundGateway?.spamPattern;
  const fault = pattern === undefined ? null : checkPattern(pattern);
  if (fault !== null) issues.errorAt(`${path}/inboundGateway/spamPattern`, fault);
  if (isUnder(own.domain, host.internalDomain)) {
    const which = `under ${host.internalDomain}, the internalDomain of the operator's file`;
    issues.errorAt(path, `is ${which}, which no mail may be addressed to; choose another internalDomain`);
  }
}
