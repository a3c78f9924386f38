/**
 * The addresses of the servers of an organization's routes: clients there are never trusted by their network. Names
 * are looked up elsewhere and put into a snapshot here, because they change without the settings.
 */
import { compileIpSet, parseIpAddress, type IpAddress, type IpSet } from '../mail/index.ts';
import type { DomainPolicy, RouteHost, RouteId, Snapshot } from './snapshot.ts';

/** The addresses that names of route servers have now; a name that is not in it is not known. */
export type RouteAddresses = ReadonlyMap<string, readonly IpAddress[]>;

/** How a route's server is looked up: the key of {@link RouteAddresses}. */
export const routeHostKey = ({ host, mx }: Pick<RouteHost, 'host' | 'mx'>): string => (mx ? `mx ${host}` : host);

/** The servers of these routes: addresses as written, and those that are known of names. */
export function compileRouteServers(hosts: readonly RouteHost[], known: RouteAddresses): IpSet {
  const addresses = hosts.flatMap((host) => {
    const literal = parseIpAddress(host.host);
    return literal === null ? (known.get(routeHostKey(host)) ?? []) : [literal];
  });
  return compileIpSet(addresses.map((address) => ({ range: { first: address, last: address, text: '' } })));
}

/** The servers of each of these routes. */
export const compileServersOfRoutes = (
  hosts: readonly RouteHost[],
  known: RouteAddresses,
): ReadonlyMap<RouteId, IpSet> => new Map(hosts.map((host) => [host.route, compileRouteServers([host], known)]));

/** The snapshot with the addresses that are known now. */
export function withRouteServers(snapshot: Snapshot, known: RouteAddresses): Snapshot {
  // The same sets for all domains of an organization, as their routes are.
  type Servers = Pick<DomainPolicy, 'routeServers' | 'serversOfRoutes'>;
  const servers = new Map<string, Servers>();
  const serversFor = ({ organization, routeHosts }: DomainPolicy): Servers => {
    const made = servers.get(organization) ?? {
      routeServers: compileRouteServers(routeHosts, known),
      serversOfRoutes: compileServersOfRoutes(routeHosts, known),
    };
    servers.set(organization, made);
    return made;
  };
  const domains = [...snapshot.domains].map(
    ([domain, policy]) => [domain, { ...policy, ...serversFor(policy) }] as const,
  );
  return { ...snapshot, domains: new Map(domains) };
}

/** The servers of all routes that are given by name, each once. */
export function namedRouteHosts(snapshot: Snapshot): readonly RouteHost[] {
  const hosts = new Map<string, RouteHost>();
  for (const { routeHosts } of snapshot.domains.values()) {
    for (const host of routeHosts) if (parseIpAddress(host.host) === null) hosts.set(routeHostKey(host), host);
  }
  return [...hosts.values()];
}
