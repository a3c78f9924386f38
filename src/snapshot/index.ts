/** The face of the snapshot: settings compiled for decisions. */
export { compile, listFilesOf, type HostSettings, type Materials, type SmtpdListener } from './compile.ts';
export { checkPattern } from './pattern.ts';
export type {
  DomainPolicy,
  GatewayPolicy,
  HostPolicy,
  ListedIp,
  ListedIps,
  RevisionId,
  Snapshot,
  TlsDemand,
} from './snapshot.ts';
