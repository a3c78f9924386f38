/** Wires the parts of a serving Postern together. Opens nothing: `run.ts` does. */
import { answerSocketmap } from '../answers/index.ts';
import { systemClock } from '../adapters/clock/index.ts';
import type { Log } from '../services/index.ts';
import { createMeters, type PrometheusMeters } from '../adapters/metrics/index.ts';
import { createResolver } from '../adapters/dns/index.ts';
import { createKeyFiles } from '../adapters/key-files/index.ts';
import { createRouteRegistry } from '../adapters/route-registry/index.ts';
import { createLastGood } from '../adapters/store-embedded/index.ts';
import {
  createJudge,
  createKeyedSnapshots,
  createMessageJudge,
  createRoutedSnapshots,
  createRouteServers,
  createSigner,
  createSnapshots,
  type Judge,
  type KeyedSnapshots,
  type MessageJudge,
  type RoutedSnapshots,
  type RouteServers,
  type Signer,
  type Snapshots,
} from '../services/index.ts';
import type { Snapshot } from '../snapshot/index.ts';
import type { SocketmapReply } from '../wire/socketmap/index.ts';
import { routedPostfixOf } from './routed-postfix.ts';
import type { Workspace } from './workspace.ts';

/** The parts of a serving Postern. */
export type Parts = {
  readonly snapshots: Snapshots;
  readonly routeServers: RouteServers;
  readonly routes: RoutedSnapshots;
  readonly keys: KeyedSnapshots;
  readonly judge: Judge;
  readonly messageJudge: MessageJudge;
  readonly signer: Signer;
  readonly meters: PrometheusMeters;
  readonly answerSocketmap: (map: string, key: string) => SocketmapReply;
};

/** Builds the parts for a workspace. */
export function build(workspace: Workspace, log: Log): Parts {
  const meters = createMeters(systemClock);
  const snapshots = createSnapshots({
    store: workspace.store,
    lastGood: createLastGood(workspace.operator.state, () => systemClock.now()),
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
    log,
    meters,
  });
  const keys = createKeyedSnapshots(() => routes.current(), vault, log, meters);
  const current = (): Snapshot => keys.current();
  return {
    snapshots,
    meters,
    routeServers,
    routes,
    keys,
    messageJudge: createMessageJudge(systemClock, log, meters),
    signer: createSigner(vault, systemClock),
    judge: createJudge(current, systemClock, log, meters),
    answerSocketmap: (map, key) => answerSocketmap(current(), map, key),
  };
}
