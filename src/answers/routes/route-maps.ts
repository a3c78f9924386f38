/**
 * The tables that make Postfix know the routes: where labels and own domains lead, how an encoded recipient is decoded,
 * which mark a route's copies carry, how the connection is protected. Writes nothing.
 * Source: transport(5), generic(5), header_checks(5), postconf(5) smtp_tls_policy_maps, TLS_README.
 */
import { decodeRules, decodeSamples } from '../../mail/index.ts';
import { ROUTE_FIELD } from '../../decide/index.ts';
import { plainRule, type KnownRoute, type Route, type RouteId, type Snapshot } from '../../snapshot/index.ts';
import { encodeTransport, escapeRegexp, type MapFile, type TableEntry } from '../../wire/postfix-map/index.ts';
import { nexthopOf } from './nexthop.ts';

/** The names of the tables; those of one route end in its number. */
export const ROUTE_TABLES = {
  transport: 'transport',
  tls: 'route-tls',
  decode: ({ number }: KnownRoute): string => `decode-r${number}`,
  mark: ({ number }: KnownRoute): string => `mark-r${number}`,
} as const;

/** A key that the transport table always holds: whoever reads it knows that the table is there. */
export const fallbackKey = ({ host }: Snapshot): string => `.${host.internalDomain}`;

/** Where mail waits that no route line takes. Source: error(8), as the service `retry`. */
export const NO_ROUTE = 'retry:4.3.5 Postern route not installed';

/** All tables, the transport table last: what it leads to is there first. `hostname` is Postfix's `myhostname`. */
export function renderRouteMaps(snapshot: Snapshot, hostname: string): MapFile[] {
  const known = knownRoutes(snapshot);
  return [
    ...known.flatMap(({ known: route }) => [decodeMap(snapshot, route), markMap(route, hostname)]),
    { name: ROUTE_TABLES.tls, kind: 'indexed', entries: tlsEntries(known.map(({ route }) => route)) },
    { name: ROUTE_TABLES.transport, kind: 'indexed', entries: transportEntries(snapshot, known) },
  ];
}

type Known = { readonly route: Route; readonly known: KnownRoute };

/** The routes that have a number, in its order. */
export function knownRoutes({ routes, installation }: Snapshot): Known[] {
  return [...routes.values()]
    .flatMap((route): Known[] => {
      const known = installation.routes.get(route.id);
      return known === undefined ? [] : [{ route, known }];
    })
    .sort((one, other) => one.known.number - other.known.number);
}

function transportEntries(snapshot: Snapshot, known: readonly Known[]): TableEntry[] {
  const { internalDomain } = snapshot.host;
  const lines = new Map<RouteId, string>();
  const labels = known.map(({ route, known: { label, service } }): TableEntry => {
    const value = encodeTransport({ ...route, service });
    lines.set(route.id, value);
    return { key: `${label}.${internalDomain}`, value };
  });
  const own = [...snapshot.domains.values()].flatMap((policy): TableEntry[] => {
    const { domain } = policy;
    const rule = plainRule(policy);
    // A route without a number leads nowhere yet, and mail for it waits rather than be delivered here.
    return rule === null ? [] : [{ key: domain, value: lines.get(rule.route) ?? NO_ROUTE }];
  });
  const fallback = [internalDomain, fallbackKey(snapshot)].map((key): TableEntry => ({ key, value: NO_ROUTE }));
  return [...labels, ...own, ...fallback];
}

function decodeMap({ host }: Snapshot, route: KnownRoute): MapFile {
  return {
    name: ROUTE_TABLES.decode(route),
    kind: 'regexp',
    entries: decodeRules(route.label, host.internalDomain),
    samples: decodeSamples(route.label, host.internalDomain),
  };
}

/** Each message has a Received of ours, and smtp(8) puts what a check prepends above the line that it is about. */
function markMap(route: KnownRoute, hostname: string): MapFile {
  const value = `PREPEND ${ROUTE_FIELD}: ${route.mark}`;
  return {
    name: ROUTE_TABLES.mark(route),
    kind: 'regexp',
    entries: [{ key: `^Received:.*[[:space:]]by ${escapeRegexp(hostname)} \\(`.replaceAll(' ', '[[:space:]]'), value }],
    samples: [{ key: `Received: from a (b [192.0.2.1])\tby ${hostname} (Postfix)`, value }],
  };
}

const LEVELS = ['none', 'may', 'encrypt', 'verify', 'secure', 'dane'] as const;

/** One line a next hop; where routes share one, the strictest level. `may` says nothing, so Postfix's own level acts. */
function tlsEntries(routes: readonly Route[]): TableEntry[] {
  const strictest = new Map<string, Route>();
  for (const route of routes) {
    const nexthop = nexthopOf(route);
    const other = strictest.get(nexthop);
    if (other === undefined || LEVELS.indexOf(route.tls) > LEVELS.indexOf(other.tls)) strictest.set(nexthop, route);
  }
  return [...strictest].flatMap(([key, route]): TableEntry[] => {
    const value = tlsLevel(route);
    return value === null ? [] : [{ key, value }];
  });
}

function tlsLevel({ tls, certificateName }: Route): string | null {
  switch (tls) {
    case 'may':
      return null;
    case 'none':
    case 'encrypt':
      return tls;
    case 'verify':
      return `verify match=${certificateName ?? 'hostname:nexthop:dot-nexthop'}`;
    case 'secure':
      return `secure match=${certificateName ?? 'nexthop:dot-nexthop'}`;
    case 'dane':
      // Plain `dane` goes on in clear where no validated record is found, and the setting promises more.
      return 'dane-only';
  }
}
