/** The face of the services: use cases whose effects go through ports only. */
export { createAutoBlock, type AutoBlock, type AutoBlockParts, type Hit, type HitKind } from './auto-block.ts';
export { blocksBehindGateways, noteUnknownRecipient, type UnknownRecipient } from './auto-block-events.ts';
export { ERROR_CODES, PosternError, type ErrorCode } from './errors.ts';
export { createGatewayHealth, type GatewayHealth, type GatewayHealthParts } from './gateway-health.ts';
export {
  domainsWithGateway,
  explainGatewayMx,
  explainGatewaysMx,
  judgeGatewayMx,
  type DomainWithGateway,
  type GatewayMx,
  type GatewayMxHost,
  type GatewayMxVerdict,
} from './gateway-mx.ts';
export { createHistory, type History, type HistoryLimits } from './history.ts';
export type { HistoryEvent } from './history-record.ts';
export { createJudge, type Judge } from './judge.ts';
export {
  formatIssue,
  loadSettings,
  locateIssues,
  readSettings,
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
export { createSpamPatterns, type SpamPatterns } from './spam-patterns.ts';
export { createSocketmapAnswers, type SocketmapAnswers } from './socketmap-answers.ts';
export { createSigner, type Signer } from './signer.ts';
export { createRouteReport, routeCounts, type RouteReport } from './route-counts.ts';
export { createRouteFailures, type RouteFailures } from './route-failures.ts';
export type { PostfixQueue, QueuedMessage, RouteMeters, WaitingForRoute } from './route-ports.ts';
export { createRouteQueue, type RouteQueue } from './route-queue.ts';
export { createRecipientDirectory, existencesOf, type RecipientDirectory } from './recipient-directory.ts';
export { NO_RECIPIENT_MAPS, type RecipientMaps } from './recipient-ports.ts';
export { createRouteServers, type RouteServers } from './route-servers.ts';
export type {
  AddressResolver,
  Clock,
  DecisionLabels,
  Door,
  EntryHit,
  EntryHits,
  GatewayMeters,
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
  Lift,
  Log,
  MailHost,
  MailHostResolver,
  MailHosts,
  MapOutcome,
  MapsState,
  MapState,
  MapWriter,
  MessageContext,
  Meters,
  PatternSearch,
  Place,
  PublishResult,
  RouteBook,
  RouteRegistry,
  SettingsStore,
  SettingsText,
  ShortTermBlock,
  ShortTermBlockStore,
  ShortTermMeters,
  SnapshotState,
  TableType,
  TxtAnswer,
  TxtResolver,
} from './ports.ts';
export { createSettingsLoader, type LoadReport, type LoadResult, type SettingsLoader } from './settings-loader.ts';
export { createSnapshots, type Problem, type Snapshots } from './snapshots.ts';
export { explain, messageOf, type Explanation, type Question } from './explain.ts';
