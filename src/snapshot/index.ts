/** The face of the snapshot: settings compiled for decisions. */
export { compile, listFilesOf, type HostSettings, type Materials, type SmtpdListener } from './compile.ts';
export { namedRouteHosts, routeHostKey, withRouteServers, type RouteAddresses } from './route-servers.ts';
export { withSigningKeys, type ActiveKey } from './signing-keys.ts';
export { dependsOnWhoExists, NO_INSTALLATION, plainRule, withInstallation } from './routes.ts';
export { checkPattern } from './pattern.ts';
export type {
  AutoBlockPolicy,
  DomainPolicy,
  GatewayPolicy,
  HostPolicy,
  InboundRule,
  KnownRoute,
  ListedIp,
  ListedIps,
  MailKind,
  OutboundRule,
  ProviderSigning,
  RevisionId,
  Route,
  RouteId,
  RouteInstallation,
  SigningKey,
  Snapshot,
  TlsDemand,
} from './snapshot.ts';
