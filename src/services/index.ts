/** The face of the services: use cases whose effects go through ports only. */
export { ERROR_CODES, PosternError, type ErrorCode } from './errors.ts';
export { createHistory, type History, type HistoryLimits } from './history.ts';
export type { HistoryEvent } from './history-record.ts';
export { createJudge, type Judge } from './judge.ts';
export {
  formatIssue,
  loadSettings,
  locateIssues,
  syntaxIssues,
  type Loaded,
  type LocatedIssue,
  type Surroundings,
} from './load-settings.ts';
export { authorOf } from './author.ts';
export { createKeyedSnapshots, type KeyedSnapshots } from './signing-keys.ts';
export { checkKeyDomain, createDkimKeys, type DkimKeys, type DnsCheck, type KeyKind } from './dkim-keys.ts';
export { createMessageJudge, type MessageJudge } from './message-judge.ts';
export { createRoutedSnapshots, type RoutedPostfix, type RoutedSnapshots } from './routed-snapshots.ts';
export { knownRoutesOf } from './route-numbers.ts';
export { createSigner, type Signer } from './signer.ts';
export { createRouteServers, type RouteServers } from './route-servers.ts';
export type {
  AddressResolver,
  Clock,
  DecisionLabels,
  Door,
  EntryHit,
  EntryHits,
  GoodSettings,
  HistoryAddition,
  HistoryLoss,
  HistoryMeters,
  HistoryQuery,
  HistoryReader,
  HistoryRecord,
  HistoryStore,
  KeyFacts,
  KeyState,
  KeyVault,
  LastGood,
  Log,
  MapOutcome,
  MapsState,
  MapState,
  MapWriter,
  MessageContext,
  Meters,
  Place,
  PublishResult,
  RouteBook,
  RouteRegistry,
  SettingsStore,
  SettingsText,
  SnapshotState,
  TableType,
  TxtAnswer,
  TxtResolver,
} from './ports.ts';
export { createSnapshots, type Problem, type Snapshots } from './snapshots.ts';
export { explain, type Explanation, type Question } from './explain.ts';
