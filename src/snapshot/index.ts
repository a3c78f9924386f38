/** The face of the snapshot: settings compiled for decisions. */
export { compile, listFilesOf, type HostSettings, type Materials } from './compile.ts';
export { isOurAddress, type Ourselves, type SmtpdListener } from './ourselves.ts';
export { namedRouteHosts, routeHostKey, withRouteServers, type RouteAddresses } from './route-servers.ts';
export { withSigningKeys, type ActiveKey } from './signing-keys.ts';
export { recipientFilesOf, type RecipientLists } from './recipients.ts';
export { inboundRuleFor, NO_INSTALLATION, plainRule, withInstallation } from './routes.ts';
export { checkPattern } from './pattern.ts';
export type {
  AutoBlockPolicy,
  DomainPolicy,
  Existence,
  GatewayPolicy,
  HostPolicy,
  InboundRule,
  KnownRoute,
  ListedIp,
  ListedIps,
  MailKind,
  OutboundRule,
  ProviderSigning,
  RecipientSource,
  RevisionId,
  Route,
  RouteId,
  RouteInstallation,
  SigningKey,
  Snapshot,
  TlsDemand,
} from './snapshot.ts';
