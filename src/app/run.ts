/**
 * A serving Postern from start to drain: loads, opens the doors, says `ready`, watches the files, heeds signals.
 * SIGHUP reads both files again; SIGTERM and SIGINT drain for at most ten seconds.
 */
import { dirname, resolve } from 'node:path';
import { keyIndexOf } from '../adapters/key-files/index.ts';
import { setTimeout as sleep } from 'node:timers/promises';
import { createLog } from '../adapters/log/index.ts';
import { openMetricsDoor, type Readiness } from '../adapters/metrics/index.ts';
import { openMilterDoor } from '../adapters/milter-server/index.ts';
import { openPolicyDoor } from '../adapters/policy-server/index.ts';
import { openSocketmapDoor } from '../adapters/socketmap-server/index.ts';
import type { OpenDoor, UnixSocketOptions } from '../adapters/socket/index.ts';
import { watchFiles } from '../adapters/store-embedded/index.ts';
import { formatListener, type Listener } from '../operator/index.ts';
import { noteUnknownRecipient, PosternError, type Log } from '../services/index.ts';
import { build, type Parts } from './build.ts';
import { followPostfix } from './postfix-log.ts';
import { openWorkspace, type Workspace } from './workspace.ts';

const DRAIN_MS = 10_000;
/** How long the start waits for the first look-up of route servers. */
const ROUTE_WAIT_MS = 1000;
/** How often names of route servers are looked up again: about what their records live. */
const ROUTE_REFRESH_MS = 5 * 60_000;
/** The doors that answer Postfix in this version. */
const DOORS = ['socketmap', 'policy', 'milter'] as const;
type ServedDoor = (typeof DOORS)[number] | 'metrics';

type Phase = 'starting' | 'running' | 'draining';

/** Serves until told to stop; gives the exit code. Errors: PosternError where it cannot start. */
export async function serve(config: string | undefined, logLevel: string): Promise<number> {
  const log = createLog({ level: logLevel });
  const workspace = await openWorkspace(config);
  for (const remark of workspace.remarks) log.warn(remark);
  const parts = build(workspace, log);
  let phase: Phase = 'starting';
  const stopped = untilStopped(log);
  /** The doors for health open first and close last: they tell that the others drain. */
  const health: OpenDoor[] = [];
  const doors: OpenDoor[] = [];
  const openAll = async (door: ServedDoor, opened: OpenDoor[]): Promise<void> => {
    for (const listener of workspace.operator.listen[door]) {
      opened.push(await openOne(door, listener, workspace, parts, log, () => phase));
    }
  };
  const closeAll = async (graceMs: number): Promise<void> => {
    for (const opened of [doors, health]) await Promise.all(opened.map((door) => door.close(graceMs)));
  };
  try {
    // Health can be asked while a long list is still being read; the others open once there is something to answer.
    await openAll('metrics', health);
    await parts.snapshots.start();
    await parts.keys.start();
    // A dead DNS must not hold up the start; the names are looked up again later.
    await Promise.race([parts.routeServers.refresh(), sleep(ROUTE_WAIT_MS, undefined, { ref: false })]);
    await parts.routes.refresh();
    await parts.autoBlock.start();
    for (const door of DOORS) await openAll(door, doors);
  } catch (error) {
    await closeAll(0);
    throw error;
  }
  const endWatching = watch(config, workspace, parts, log);
  const followed = followPostfix(workspace, parts, log);
  parts.routeWatch.queue.start();
  parts.gatewayHealth.refresh();
  phase = 'running';
  log.info('ready', {
    revision: parts.snapshots.current().revision,
    doors: [...health, ...doors].map(({ listener }) => formatListener(listener)),
  });
  const signal = await stopped;
  phase = 'draining';
  log.info('draining', { signal, at_most_ms: DRAIN_MS });
  endWatching();
  parts.gatewayHealth.stop();
  await closeAll(DRAIN_MS);
  await Promise.all([followed?.stop(), parts.routeWatch.queue.stop()]);
  await parts.routes.stop();
  await parts.history.stop();
  await parts.autoBlock.stop();
  await parts.patternSearch.stop();
  log.info('stopped');
  return 0;
}

function openOne(
  door: ServedDoor,
  listener: Listener,
  workspace: Workspace,
  parts: Parts,
  log: Log,
  phase: () => Phase,
): Promise<OpenDoor> {
  const { group, mode } = workspace.operator.socket;
  const unix: UnixSocketOptions = { mode: Number.parseInt(mode, 8), group: group ?? null };
  const common = { listener, unix, log, meters: parts.meters };
  switch (door) {
    case 'policy':
      return openPolicyDoor({ ...common, judge: parts.judge });
    case 'milter': {
      const { messageJudge, signer, keys, autoBlock } = parts;
      return openMilterDoor({
        ...common,
        judge: messageJudge,
        signer,
        current: () => keys.current(),
        onUnknownRecipient: (snapshot, unknown) => {
          noteUnknownRecipient(autoBlock, snapshot, unknown, Date.now());
        },
      });
    }
    case 'socketmap':
      return openSocketmapDoor({ ...common, answer: parts.answerSocketmap });
    case 'metrics':
      return openMetricsDoor({ ...common, health: () => readiness(parts, phase()) });
  }
}

function readiness({ snapshots, keys, routes, autoBlock }: Parts, phase: Phase): Readiness {
  const mapsNotLive = (routes.maps()?.maps ?? []).filter(({ state }) => state !== 'live');
  if (phase !== 'running') return { status: phase, revision: null, problems: snapshots.problems(), mapsNotLive };
  const problems = [...snapshots.problems(), keys.problem(), ...routes.problems(), autoBlock.problem()].filter(
    (each) => each !== null,
  );
  const status = problems.length === 0 ? 'ready' : 'degraded';
  return { status, revision: snapshots.current().revision, problems, mapsNotLive };
}

/** Watches the settings and what they name, and heeds SIGHUP. Gives the way to end both. */
function watch(
  config: string | undefined,
  workspace: Workspace,
  { snapshots, keys, routes, routeServers, gatewayHealth }: Parts,
  log: Log,
): () => void {
  const base = dirname(workspace.settingsFile);
  const files = (): string[] => [workspace.settingsFile, ...snapshots.listFiles().map((file) => resolve(base, file))];
  const watching = watchFiles(
    files,
    () => {
      void snapshots.reload().then(() => {
        gatewayHealth.refresh();
        return Promise.all([routeServers.refresh(), routes.refresh()]);
      });
    },
    () => {
      snapshots.expectChange();
    },
  );
  const { configDirectory } = workspace.operator.postfix;
  const watchingPostfix = watchFiles(
    () => ['main.cf', 'master.cf'].map((name) => resolve(configDirectory, name)),
    () => void routes.refresh(),
  );
  const refreshing = setInterval(() => void routeServers.refresh(), ROUTE_REFRESH_MS);
  const watchingKeys = watchFiles(
    () => [keyIndexOf(workspace.operator.state)],
    () => void keys.reload(),
  );
  const onHangUp = (): void => {
    void reread(config, workspace, snapshots, log).then(() => {
      gatewayHealth.refresh();
      return routes.refresh();
    });
  };
  process.on('SIGHUP', onHangUp);
  return () => {
    clearInterval(refreshing);
    watching.stop();
    watchingKeys.stop();
    watchingPostfix.stop();
    process.off('SIGHUP', onHangUp);
  };
}

/** SIGHUP: trust and names of the operator's file act at once; doors and paths only after a restart, which is said. */
async function reread(
  config: string | undefined,
  running: Workspace,
  snapshots: Parts['snapshots'],
  log: Log,
): Promise<void> {
  try {
    const now = await openWorkspace(config);
    for (const remark of now.remarks) log.warn(remark);
    const fixed = ({ operator }: Workspace): string =>
      JSON.stringify([operator.listen, operator.settings, operator.state, operator.socket]);
    if (fixed(now) !== fixed(running))
      log.warn("listen, settings, state and socket of the operator's file take effect after a restart");
    await snapshots.reload(now.surroundings);
  } catch (error) {
    if (!(error instanceof PosternError)) throw error;
    log.error(`the operator's file is not good, the running values stay: ${error.message}`, { code: error.code });
  }
}

/** Resolves with the first signal to stop. A second one ends the process at once. */
function untilStopped(log: Log): Promise<NodeJS.Signals> {
  return new Promise((stop) => {
    let isTold = false;
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.on(signal, () => {
        if (isTold) process.exit(1);
        isTold = true;
        stop(signal);
      });
    }
    process.on('uncaughtException', (error) => {
      log.error('an error that nothing caught; draining', { err: error });
      process.exitCode = 1;
      stop('SIGTERM');
    });
  });
}
