/** The face of the snapshot: settings compiled for decisions. */
export { compile, listFilesOf, type HostSettings, type Materials, type SmtpdListener } from './compile.ts';
export { namedRouteHosts, routeHostKey, withRouteServers, type RouteAddresses } from './route-servers.ts';
export { withSigningKeys, type ActiveKey } from './signing-keys.ts';
export { checkPattern } from './pattern.ts';
export type {
  DomainPolicy,
  GatewayPolicy,
  HostPolicy,
  ListedIp,
  ListedIps,
  ProviderSigning,
  RevisionId,
  SigningKey,
  Snapshot,
  TlsDemand,
} from './snapshot.ts';
