/** `postern route add`, `edit` and `remove`: edits of the settings file, saved whole or not at all. */
import { queuedFor } from '../../adapters/postfix-control/index.ts';
import { createRouteRegistry } from '../../adapters/route-registry/index.ts';
import type { SettingsEdit } from '../../adapters/store-embedded/index.ts';
import { knownRoutesOf, PosternError, type LocatedIssue, type SettingsText } from '../../services/index.ts';
import { fromPointer, type Organization } from '../../settings/index.ts';
import type { KnownRoute, RouteId } from '../../snapshot/index.ts';
import { openWorkspace, type Workspace } from '../workspace.ts';
import { editSettings } from './edit-settings.ts';
import { loadGood } from './load.ts';
import { complain, complainAbout, say, sayJson, UsageError } from './output.ts';
import { organizationOf, refuseUnknown, routePointer, usersOf, type RouteUser } from './route-users.ts';

type Options = { readonly config?: string; readonly json?: true; readonly organization?: string };

/** What `add` and `edit` take; an empty text takes an optional key out. */
export type ChangeOptions = Options & {
  readonly host?: string;
  readonly port?: string;
  readonly mx?: boolean;
  readonly tls?: string;
  readonly certificateName?: string;
  readonly description?: string;
};

/** What acts where the document does not have the key. */
const DEFAULTS: Readonly<Record<string, unknown>> = { port: 25, mx: false, tls: 'may' };
const OPTIONAL: readonly string[] = ['certificateName', 'description'];

/** Adds a route. Errors: PosternError, UsageError. */
export async function addRoute(name: string, options: ChangeOptions): Promise<void> {
  if (options.host === undefined) throw new UsageError('a route needs a server; name it with --host');
  const value = Object.fromEntries(given(options).filter(([key, to]) => to !== '' || !OPTIONAL.includes(key)));
  const workspace = await openWorkspace(options.config);
  const warnings = new Warnings();
  const { organization } = await editSettings(
    workspace,
    (settings, text) => {
      const owner = organizationOf(settings, options.organization);
      if (owner.routes.has(name)) {
        const message = `organization ${owner.name} has a route ${name} already; "postern route edit ${name}" changes it`;
        throw new PosternError('POSTERN_ROUTE_EXISTS', message);
      }
      warnings.pointer = routePointer(owner, name);
      const hasRoutes = valueAt(text, routePointer(owner, null)) !== undefined;
      const edit: SettingsEdit = hasRoutes
        ? { kind: 'set', pointer: warnings.pointer, value }
        : { kind: 'set', pointer: routePointer(owner, null), value: { [name]: value } };
      return { edits: [edit], result: { organization: owner.name } };
    },
    warnings.hear,
  );
  if (options.json) sayJson({ organization, name, added: true, needsApply: true });
  else {
    say(`added route ${name} of ${organization}`);
    say('Postfix needs a service for it before mail can go there: "postern postfix apply", while "postern serve" runs');
  }
}

/** Changes what is given of a route. Errors: PosternError, UsageError. */
export async function editRoute(name: string, options: ChangeOptions): Promise<void> {
  const wanted = given(options);
  if (wanted.length === 0)
    throw new UsageError('nothing to change was given; "postern route edit --help" shows what can be');
  const workspace = await openWorkspace(options.config);
  const warnings = new Warnings();
  const { organization, changed } = await editSettings(
    workspace,
    (settings, text) => {
      const owner = organizationOf(settings, options.organization);
      if (!owner.routes.has(name)) refuseUnknown(owner, name);
      warnings.pointer = routePointer(owner, name);
      const present = valueAt(text, warnings.pointer) as Readonly<Record<string, unknown>>;
      const edits = wanted.flatMap(([key, value]) => changeOf(`${warnings.pointer}/${key}`, present[key], key, value));
      return {
        edits,
        result: { organization: owner.name, changed: edits.map(({ pointer }) => fromPointer(pointer).at(-1)) },
      };
    },
    warnings.hear,
  );
  if (options.json) sayJson({ organization, name, changed });
  else
    say(
      changed.length === 0 ? 'nothing to change' : `changed ${changed.join(', ')} of route ${name} of ${organization}`,
    );
}

function changeOf(pointer: string, present: unknown, key: string, value: unknown): SettingsEdit[] {
  if (value === '' && OPTIONAL.includes(key)) return present === undefined ? [] : [{ kind: 'delete', pointer }];
  return (present ?? DEFAULTS[key]) === value ? [] : [{ kind: 'set', pointer, value }];
}

/** What the command line says of the route, in the order of the manual. */
function given({ host, port, mx, tls, certificateName, description }: ChangeOptions): [string, unknown][] {
  if (port !== undefined && !/^[0-9]{1,6}$/.test(port)) throw new UsageError(`--port "${port}" is no port number`);
  const values = { host, port: port === undefined ? undefined : Number(port), mx, tls, certificateName, description };
  return Object.entries(values).filter(([, value]) => value !== undefined);
}

/** What the check found of the route that was edited: said when it is saved. */
class Warnings {
  pointer = '';
  readonly hear = (issues: readonly LocatedIssue[]): void => {
    const isAbout = (pointer: string): boolean => pointer === this.pointer || pointer.startsWith(`${this.pointer}/`);
    complainAbout(issues.filter(({ pointer }) => pointer !== undefined && this.pointer !== '' && isAbout(pointer)));
  };
}

const valueAt = ({ raw }: SettingsText, pointer: string): unknown =>
  fromPointer(pointer).reduce<unknown>((at, key) => (at as Record<string, unknown> | undefined)?.[key], raw);

/** Removes a route that nothing uses. Errors: PosternError with the users of the route, UsageError. */
export async function removeRoute(name: string, options: Options): Promise<void> {
  const workspace = await openWorkspace(options.config);
  const known = await knownOf(workspace, name, options.organization);
  if (known === null) return;
  const { organization, users } = await editSettings(workspace, (settings, text) => {
    const owner = organizationOf(settings, options.organization);
    if (!owner.routes.has(name)) refuseUnknown(owner, name);
    const found = usersOf(owner, name).map((user) => located(text, user));
    const edits: SettingsEdit[] = found.length > 0 ? [] : [{ kind: 'delete', pointer: routePointer(owner, name) }];
    return { edits, result: { organization: owner.name, users: found } };
  });
  if (users.length > 0) refuse(name, organization, users, options);
  const queued = await queuedIds(workspace, known.route);
  if (options.json) sayJson({ organization, name, removed: true, queued });
  else say(`removed route ${name} of ${organization}`);
  if (queued !== null && queued.length > 0) warnOfQueued(name, queued);
}

type LocatedUser = RouteUser & { readonly file: string; readonly line: number; readonly column: number };

const located = (text: SettingsText, user: RouteUser): LocatedUser => ({
  ...user,
  file: text.name,
  ...text.locate(user.pointer, false),
});

function refuse(name: string, organization: string, users: readonly LocatedUser[], { json }: Options): never {
  for (const { file, line, column, text } of users) complain(`${file}:${line}:${column}: ${text} uses the route`);
  if (json) sayJson({ organization, name, removed: false, users });
  const count = users.length === 1 ? 'once' : `${users.length} times`;
  const message = `the route ${name} of ${organization} is used ${count}, and was not removed; take it out there first`;
  throw new PosternError('POSTERN_ROUTE_IN_USE', message);
}

/** How Postfix knows the route; `route` is null where it does not. Null where the settings are not good. */
async function knownOf(
  workspace: Workspace,
  name: string,
  wanted: string | undefined,
): Promise<{ readonly route: KnownRoute | null } | null> {
  const loaded = await loadGood(workspace.store, workspace);
  if (loaded === null || loaded.settings === null || loaded.snapshot === null) return null;
  const owner: Organization = organizationOf(loaded.settings, wanted);
  const book = await createRouteRegistry(workspace.operator.state).read();
  if (book === null) return { route: null };
  const known = knownRoutesOf(loaded.snapshot, book, () => true);
  return { route: known.get(`${owner.name}/${name}` as RouteId) ?? null };
}

/** Queue ids of mail for the route; null where that cannot be known. */
async function queuedIds(
  { operator, postfix }: Workspace,
  route: KnownRoute | null,
): Promise<readonly string[] | null> {
  if (route === null || postfix === null) return [];
  try {
    return await queuedFor(postfix.configDirectory, `${route.label}.${operator.internalDomain}`);
  } catch (error) {
    if (!(error instanceof PosternError)) throw error;
    complain(`note: whether mail for the route is queued cannot be told: ${error.message}`);
    return null;
  }
}

function warnOfQueued(name: string, queued: readonly string[]): void {
  const some = `${queued.slice(0, 5).join(', ')}${queued.length > 5 ? ', …' : ''}`;
  const what = queued.length === 1 ? '1 queued message is' : `${queued.length} queued messages are`;
  complain(
    `warning: ${what} for the route (${some}): kept, and delivered when a route named ${name} is added again; ` +
      'otherwise it bounces at the end of maximal_queue_lifetime',
  );
}
