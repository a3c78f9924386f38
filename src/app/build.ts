/** Wires the parts of a serving Postern together. Opens nothing: `run.ts` does. */
import { answerSocketmap } from '../answers/index.ts';
import { systemClock } from '../adapters/clock/index.ts';
import type { Log } from '../services/index.ts';
import { createMeters, type PrometheusMeters } from '../adapters/metrics/index.ts';
import { createLastGood } from '../adapters/store-embedded/index.ts';
import { createJudge, createSnapshots, type Judge, type Snapshots } from '../services/index.ts';
import type { SocketmapReply } from '../wire/socketmap/index.ts';
import type { Workspace } from './workspace.ts';

/** The parts of a serving Postern. */
export type Parts = {
  readonly snapshots: Snapshots;
  readonly judge: Judge;
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
  const current = (): ReturnType<Snapshots['current']> => snapshots.current();
  return {
    snapshots,
    meters,
    judge: createJudge(current, systemClock, log, meters),
    answerSocketmap: (map, key) => answerSocketmap(current(), map, key),
  };
}
