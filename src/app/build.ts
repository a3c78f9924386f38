/** Wires the parts of a serving Postern together. Opens nothing: `run.ts` does. */
import { systemClock } from '../adapters/clock/index.ts';
import type { Log } from '../services/index.ts';
import { createMeters, type PrometheusMeters } from '../adapters/metrics/index.ts';
import { createResolver } from '../adapters/dns/index.ts';
import { createHistoryStore } from '../adapters/history-sqlite/index.ts';
import { createKeyFiles } from '../adapters/key-files/index.ts';
import { createShortTermBlockFile } from '../adapters/short-term-blocks/index.ts';
import { createPatternSearch } from '../adapters/pattern-search/index.ts';
import { createRecipientMaps, openQueue } from '../adapters/postfix-control/index.ts';
import { createRouteRegistry } from '../adapters/route-registry/index.ts';
import { createSettingsThread } from '../adapters/store-embedded/index.ts';
import {
  createAutoBlock,
  createGatewayHealth,
  createHistory,
  createJudge,
  createKeyedSnapshots,
  createMessageJudge,
  createRecipientDirectory,
  createRoutedSnapshots,
  createRouteFailures,
  createRouteQueue,
  createRouteReport,
  createRouteServers,
  createSigner,
  createSocketmapAnswers,
  createSnapshots,
  createSpamPatterns,
  NO_RECIPIENT_MAPS,
  type AutoBlock,
  type GatewayHealth,
  type History,
  type Judge,
  type KeyedSnapshots,
  type MessageJudge,
  type PatternSearch,
  type RoutedSnapshots,
  type RouteFailures,
  type RouteQueue,
  type RouteReport,
  type RouteServers,
  type Signer,
  type SocketmapAnswers,
  type Snapshots,
} from '../services/index.ts';
import type { Snapshot } from '../snapshot/index.ts';
import { routedPostfixOf } from './routed-postfix.ts';
import { endpointOf, type Workspace } from './workspace.ts';

/**
 * At most 2,000 decisions a second over time, far above what one Postfix asks: writing more would take the processor from
 * the answers, which in a flood is worth more than the record of it. What is not kept is counted.
 */
const HISTORY_LIMITS = { pauseMs: 250 };

/** The parts of a serving Postern. */
export type Parts = {
  readonly snapshots: Snapshots;
  readonly routeServers: RouteServers;
  readonly routes: RoutedSnapshots;
  readonly routeWatch: RouteWatch;
  readonly keys: KeyedSnapshots;
  readonly history: History;
  readonly autoBlock: AutoBlock;
  readonly gatewayHealth: GatewayHealth;
  readonly patternSearch: PatternSearch;
  readonly judge: Judge;
  readonly messageJudge: MessageJudge;
  readonly signer: Signer;
  readonly meters: PrometheusMeters;
  readonly answerSocketmap: SocketmapAnswers;
};

/** How routes fare: what goes to them, what failed there, what waits. */
type RouteWatch = {
  readonly failures: RouteFailures;
  readonly queue: RouteQueue;
  readonly report: RouteReport;
};

/** Builds the parts for a workspace. */
export function build(workspace: Workspace, log: Log): Parts {
  const meters = createMeters(systemClock);
  const snapshots = createSnapshots({
    loader: createSettingsThread({
      settings: workspace.settingsFile,
      name: workspace.settingsName,
      state: workspace.operator.state,
    }),
    surroundings: workspace.surroundings,
    clock: systemClock,
    log,
    meters,
  });
  const vault = createKeyFiles(workspace.operator.state);
  const resolver = createResolver(workspace.operator.dns?.servers);
  const routeServers = createRouteServers(() => snapshots.current(), resolver, log);
  const routes = createRoutedSnapshots({
    base: () => routeServers.current(),
    registry: createRouteRegistry(workspace.operator.state),
    postfix: routedPostfixOf(workspace, log),
    clock: systemClock,
    log,
    meters,
  });
  const keys = createKeyedSnapshots(() => routes.current(), vault, log, meters);
  const history = buildHistory(workspace, log, meters);
  const current = (): Snapshot => keys.current();
  const patternSearch = createPatternSearch(log);
  const spamPatterns = createSpamPatterns(patternSearch);
  const autoBlock = buildAutoBlock(workspace, current, log, meters);
  const { postfix } = workspace;
  const recipientMaps = postfix === null ? NO_RECIPIENT_MAPS : createRecipientMaps(postfix.configDirectory);
  const directory = createRecipientDirectory(recipientMaps, systemClock, log);
  const routeWatch = buildRouteWatch(workspace, current, { log, meters, history });
  const judging = { history, autoBlock, spamPatterns, directory, reportRoutes: routeWatch.report };
  const milter = endpointOf(workspace.operator.listen.milter[0], workspace.postfix);
  return {
    snapshots,
    meters,
    routeServers,
    routes,
    routeWatch,
    history,
    autoBlock,
    gatewayHealth: createGatewayHealth({
      current: () => snapshots.current(),
      resolver,
      meters,
      clock: systemClock,
      log,
    }),
    patternSearch,
    keys,
    messageJudge: createMessageJudge(systemClock, log, meters, judging),
    signer: createSigner(vault, systemClock),
    judge: createJudge(current, systemClock, log, meters, history, autoBlock, directory),
    answerSocketmap: createSocketmapAnswers(current, systemClock, directory, milter),
  };
}

function buildHistory({ operator }: Workspace, log: Log, meters: PrometheusMeters): History {
  const store = createHistoryStore(operator.state, log);
  return createHistory({ store, clock: systemClock, log, meters, limits: HISTORY_LIMITS });
}

function buildRouteWatch(
  { postfix }: Workspace,
  current: () => Snapshot,
  parts: { readonly log: Log; readonly meters: PrometheusMeters; readonly history: History },
): RouteWatch {
  const common = { ...parts, current, clock: systemClock };
  const failures = createRouteFailures(common);
  return {
    failures,
    queue: createRouteQueue({ ...common, queue: postfix === null ? null : openQueue(postfix.configDirectory) }),
    report: createRouteReport(parts.meters, failures),
  };
}

function buildAutoBlock(
  { operator }: Workspace,
  current: () => Snapshot,
  log: Log,
  meters: PrometheusMeters,
): AutoBlock {
  const store = createShortTermBlockFile(operator.state);
  const autoBlock = createAutoBlock({ current, store, clock: systemClock, log });
  meters.watchShortTermClients(() => autoBlock.held());
  return autoBlock;
}
