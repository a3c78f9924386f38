/** What every `postern postfix` command works out first: the settings, the live files, the record, the plan. */
import {
  readAppliedRecord,
  readConfiguration,
  readDefaults,
  type PostfixFacts,
} from '../../adapters/postfix-control/index.ts';
import {
  fallbackKey,
  NO_NEEDS,
  PARAMETERS_WITH_DEFAULTS,
  planPostfix,
  renderRouteMaps,
  ROUTE_TABLES,
  routeNeeds,
  settlePlan,
  takeBackRecord,
  viewOf,
  type Advice,
  type AppliedRecord,
  type ConfigurationTexts,
  type DoorEndpoints,
  type PostfixNeeds,
  type PostfixPlan,
  type PostfixView,
} from '../../answers/index.ts';
import { faultOfTable } from '../../adapters/map-writer/index.ts';
import { createRouteRegistry } from '../../adapters/route-registry/index.ts';
import { knownRoutesOf, loadSettings, PosternError } from '../../services/index.ts';
import { withInstallation, type Snapshot } from '../../snapshot/index.ts';
import { tableNamesOf } from '../routed-postfix.ts';
import { endpointOf, type Workspace } from '../workspace.ts';
import { complainAbout, EXIT } from './output.ts';

/** The options of the commands; each takes some of them. */
export type PostfixOptions = {
  readonly config?: string;
  readonly json?: true;
  readonly service?: readonly string[];
  readonly dryRun?: true;
};

/** Everything worked out, nothing changed yet. */
export type Prepared = {
  readonly snapshot: Snapshot;
  readonly endpoints: DoorEndpoints;
  readonly texts: ConfigurationTexts;
  readonly record: AppliedRecord | null;
  /** What the files say without us. */
  readonly view: PostfixView;
  readonly plan: PostfixPlan;
  readonly settled: ReturnType<typeof settlePlan>;
  /** What keeps Postfix from being told of the routes that rules use; empty where nothing does. */
  readonly routeFaults: readonly Advice[];
};

/** Where the Postfix at hand reaches the doors. */
export function endpointsOf({ operator, postfix }: Workspace): DoorEndpoints {
  return {
    policy: endpointOf(operator.listen.policy[0], postfix),
    milter: endpointOf(operator.listen.milter[0], postfix),
    socketmap: endpointOf(operator.listen.socketmap[0], postfix),
  };
}

/** The Postfix at hand. Errors: PosternError where there is none. */
export function postfixOf({ postfix, operator }: Workspace): PostfixFacts {
  if (postfix !== null) return postfix;
  throw new PosternError(
    'POSTERN_NO_POSTFIX',
    `there is no Postfix under ${operator.postfix.configDirectory}; set postfix: { configDirectory: … }`,
  );
}

/** The settings with the routes that have a number; null where none has. A serving Postern numbers them. */
async function routedOf({ operator }: Workspace, snapshot: Snapshot): Promise<Snapshot | null> {
  const book = snapshot.routes.size === 0 ? null : await createRouteRegistry(operator.state).read();
  if (book === null) return null;
  const routes = knownRoutesOf(snapshot, book, () => true);
  return withInstallation(snapshot, { routes, isAsked: true, isLive: true });
}

/** What the settings ask of Postfix beyond the doors. Of routes without a number there is nothing to tell it. */
async function needsOf(
  workspace: Workspace,
  snapshot: Snapshot,
  routed: Snapshot | null,
  endpoints: DoorEndpoints,
): Promise<PostfixNeeds> {
  const needs = { ...NO_NEEDS, tlsPolicies: snapshot.tlsAgreed.size > 0 };
  return routed === null ? needs : { ...needs, ...routeNeeds(routed, await tableNamesOf(workspace), endpoints) };
}

const SERVE_FIRST = 'start it, and try again when it is ready:';

/** Whether the tables are there that the lines would name: Postfix takes or sends no mail where one cannot be read. */
async function routeFaultsOf(
  workspace: Workspace,
  snapshot: Snapshot,
  routed: Snapshot | null,
): Promise<readonly Advice[]> {
  const fault = (text: string): Advice[] => [{ severity: 'error', text, line: 'postern serve' }];
  const unknown = [...snapshot.routes.keys()].filter((id) => routed?.installation.routes.has(id) !== true);
  if (unknown.length > 0) {
    const which = `${unknown.join(', ')} ${unknown.length === 1 ? 'has' : 'have'} none yet`;
    return fault(`a serving Postern gives routes their numbers, and ${which}; ${SERVE_FIRST}`);
  }
  const { postfix, operator } = workspace;
  if (routed === null || postfix === null) return [];
  const tableOf = await tableNamesOf(workspace);
  for (const { name, kind, samples, entries } of renderRouteMaps(routed, postfix.hostname)) {
    const known = samples?.[0]?.key ?? entries[0]?.key;
    const key = name === ROUTE_TABLES.transport ? fallbackKey(routed) : known;
    if (key === undefined) continue;
    const table = tableOf(name, kind);
    const why = await faultOfTable(operator.postfix.configDirectory, table, key);
    if (why !== null) return fault(`${table} cannot be used (${why}); a serving Postern writes it; ${SERVE_FIRST}`);
  }
  return [];
}

const NO_TEXTS: ConfigurationTexts = { main: '', master: '' };

/**
 * Works it out. Null where the settings are broken: they were complained about, and which lines are needed is not known.
 * Errors: PosternError where a service that was named is not there, a name is taken, or a file cannot be read.
 */
export async function prepare(workspace: Workspace, options: PostfixOptions): Promise<Prepared | null> {
  const { operator, postfix } = workspace;
  const { snapshot, issues } = await loadSettings(workspace.store, workspace.surroundings);
  if (snapshot === null) {
    complainAbout(issues);
    process.exitCode = EXIT.refused;
    return null;
  }
  const { configDirectory } = operator.postfix;
  const texts = postfix === null ? NO_TEXTS : await readConfiguration(configDirectory);
  const record = postfix === null ? null : await recordFor(operator.state, configDirectory);
  const base = record === null ? texts : takeBackRecord(texts, record).texts;
  const defaults = postfix === null ? new Map<string, string>() : await readDefaults(PARAMETERS_WITH_DEFAULTS);
  const view = viewOf(base, defaults);
  const isThere = (service: string): boolean => view.services.some(({ id }) => id === service);
  const endpoints = endpointsOf(workspace);
  const services = [...(options.service ?? []), ...(record?.services.filter(isThere) ?? [])];
  const routed = await routedOf(workspace, snapshot);
  const plan = planPostfix(
    view,
    endpoints,
    { services, reinjectionServices: operator.reinjectionServices },
    await needsOf(workspace, snapshot, routed, endpoints),
  );
  refuseUnfit(plan, configDirectory);
  const settled = settlePlan(texts, plan, record, configDirectory);
  const routeFaults = await routeFaultsOf(workspace, snapshot, routed);
  return { snapshot, endpoints, texts, record, view, plan, settled, routeFaults };
}

function refuseUnfit({ unknown, taken }: PostfixPlan, configDirectory: string): void {
  if (unknown.length > 0) {
    const message = `${unknown.join(', ')}: no such smtpd service in ${configDirectory}/master.cf; nothing was changed`;
    throw new PosternError('POSTERN_NOT_FOUND', message);
  }
  if (taken.length > 0) {
    const message = `${configDirectory}/master.cf has ${taken.join(', ')} already, which Postern needs for itself; nothing was changed`;
    throw new PosternError('POSTERN_WOULD_OVERWRITE', message);
  }
}

/** The record of this configuration. Errors: PosternError where it speaks of another one. */
export async function recordFor(stateDirectory: string, configDirectory: string): Promise<AppliedRecord | null> {
  const record = await readAppliedRecord(stateDirectory);
  if (record === null || record.configDirectory === configDirectory) return record;
  const message =
    `apply changed ${record.configDirectory}, not ${configDirectory}; ` +
    `run "postern postfix undo" with postfix: { configDirectory: ${record.configDirectory} } first`;
  throw new PosternError('POSTERN_STATE_UNREADABLE', message);
}
