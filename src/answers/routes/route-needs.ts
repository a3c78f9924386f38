/**
 * What routes need in main.cf and master.cf: our transport table, the map of routed recipients, a service for each
 * route. Source: transport(5), master(5), postconf(5) smtp_generic_maps, smtp_header_checks, smtp_fallback_relay.
 */
import type { KnownRoute, Snapshot } from '../../snapshot/index.ts';
import type { MapFile } from '../../wire/postfix-map/index.ts';
import type { DoorEndpoints, NeededService, PostfixNeeds } from '../postfix-plan/plan.ts';
import { expand, type PostfixView } from '../postfix-plan/view.ts';
import { splitList } from '../postfix-plan/list-edit.ts';
import { knownRoutes, ROUTE_TABLES } from './route-maps.ts';

/** How main.cf names a table of ours: `lmdb:/var/lib/postern/maps/transport`. */
export type TableName = (name: string, kind: MapFile['kind']) => string;

/** What the routes of a snapshot need; nothing where none of them has a number. */
export function routeNeeds(
  snapshot: Snapshot,
  table: TableName,
  { socketmap }: DoorEndpoints,
): Pick<PostfixNeeds, 'transportMaps' | 'recipientMap' | 'services'> {
  const known = knownRoutes(snapshot);
  const isInbound = [...snapshot.domains.values()].some(({ inboundRoutes }) => inboundRoutes.length > 0);
  return {
    transportMaps: known.length === 0 ? [] : [table(ROUTE_TABLES.transport, 'indexed')],
    recipientMap: socketmap !== null && isInbound ? `socketmap:${socketmap}:recipients` : null,
    services: known.map(({ route, known: each }) => serviceFor(each, route.id, table)),
  };
}

function serviceFor(known: KnownRoute, id: string, table: TableName): NeededService {
  return {
    name: known.service,
    like: 'smtp',
    options: [
      { name: 'syslog_name', value: `postfix/${known.service}` },
      { name: 'smtp_generic_maps', value: table(ROUTE_TABLES.decode(known), 'regexp'), keepsOthers: true },
      { name: 'smtp_header_checks', value: table(ROUTE_TABLES.mark(known), 'regexp'), keepsOthers: true },
      { name: 'smtp_tls_policy_maps', value: table(ROUTE_TABLES.tls, 'indexed'), keepsOthers: true },
      // A relay of last resort would take mail past the route while its server is down.
      { name: 'smtp_fallback_relay', value: '' },
    ],
    comment: `Route ${id}: decodes its recipients and marks its copies.`,
  };
}

/** What of it Postfix has: whether it asks one of our transport maps, and which services it knows. */
export function installedParts(
  view: PostfixView,
  transportMaps: readonly string[],
): { readonly isAsked: boolean; readonly services: ReadonlySet<string> } {
  const maps = splitList(expand(view.main.get('transport_maps') ?? '', view), 'words');
  const services = view.services.filter(({ id }) => id.endsWith('/unix')).map(({ name }) => name);
  return { isAsked: maps.some((map) => transportMaps.includes(map)), services: new Set(services) };
}
