/** `postern route`: the named routes of an organization, listed, edited in the settings file, and tried. */
import type { Command } from 'commander';
import { createRouteRegistry } from '../../adapters/route-registry/index.ts';
import { knownRoutesOf, PosternError } from '../../services/index.ts';
import type { Organization } from '../../settings/index.ts';
import type { KnownRoute, RouteId, Snapshot } from '../../snapshot/index.ts';
import { openWorkspace, type Workspace } from '../workspace.ts';
import { loadGood } from './load.ts';
import { complain, say, sayJson, table } from './output.ts';
import { addRoute, editRoute, removeRoute, type ChangeOptions } from './route-edit.ts';
import { testRoute } from './route-test.ts';
import { organizationOf, usersOf } from './route-users.ts';

type Options = { readonly config?: string; readonly json?: true };

/** Adds `route list`, `route add`, `route edit`, `route remove` and `route test`. */
export function addRouteCommands(program: Command): void {
  const route = program
    .command('route')
    .summary('list, edit and try routes')
    .description('Routes: named mail servers of an organization, which its routing rules name.');
  const json = ['--json', 'the answer as JSON'] as const;
  const organization = ['--organization <name>', 'whose route; not needed where there is one organization'] as const;
  route
    .command('list')
    .summary('the routes, who uses them, and whether Postfix knows them')
    .argument('[organization]', 'of this organization only')
    .option(...json)
    .action((name: string | undefined, _: unknown, command: Command) => listRoutes(name, command.optsWithGlobals()));
  const change = (name: string, summary: string): Command =>
    route
      .command(name)
      .summary(summary)
      .argument('<name>', 'the route')
      .option(...organization)
      .option('--host <host>', 'the server: a name, an IPv4 or an IPv6 address')
      .option('--port <number>', 'its TCP port')
      .option('--mx', 'look the host up as MX')
      .option('--no-mx', 'connect to the host itself')
      .option('--tls <level>', 'may, none, encrypt, verify, secure or dane')
      .option('--certificate-name <name>', 'the name that the certificate must carry; "" takes it out')
      .option('--description <text>', 'what the route is for; "" takes it out')
      .option(...json);
  change('add', 'add a route; Postfix then needs "postern postfix apply"').action(
    (name: string, _: unknown, command: Command) => addRoute(name, command.optsWithGlobals<ChangeOptions>()),
  );
  change('edit', 'change what is given of a route, and nothing else').action(
    (name: string, _: unknown, command: Command) => editRoute(name, command.optsWithGlobals<ChangeOptions>()),
  );
  route
    .command('remove')
    .summary('remove a route that nothing uses')
    .argument('<name>', 'the route')
    .option(...organization)
    .option(...json)
    .action((name: string, _: unknown, command: Command) => removeRoute(name, command.optsWithGlobals()));
  route
    .command('test')
    .summary('say whether Postfix would deliver to a route')
    .description(
      'Looks the server up and talks to it as Postfix would, up to TLS and its certificate. No mail is sent. Exit code 0: Postfix would deliver; 1: it would not.',
    )
    .argument('<name>', 'the route')
    .option(...organization)
    .option(...json)
    .action((name: string, _: unknown, command: Command) => testRoute(name, command.optsWithGlobals()));
}

async function listRoutes(name: string | undefined, options: Options): Promise<void> {
  const workspace = await openWorkspace(options.config);
  const loaded = await loadGood(workspace.store, workspace);
  if (loaded === null || loaded.settings === null || loaded.snapshot === null) return;
  const { organizations } = loaded.settings;
  const listed = name === undefined ? [...organizations.values()] : [organizationOf(loaded.settings, name)];
  const known = await readNumbers(workspace, loaded.snapshot);
  const rows = listed.flatMap((organization) => rowsOf(organization, known));
  if (options.json) sayJson(rows);
  else if (rows.length > 0) say(table(rows.map((row) => cellsOf(row, listed.length > 1))));
}

/** What Postfix has of the routes, with the numbers that a serving Postern gave; null where that cannot be known. */
async function readNumbers(
  { operator, postfix }: Workspace,
  snapshot: Snapshot,
): Promise<ReadonlyMap<RouteId, KnownRoute> | null> {
  if (postfix === null) return null;
  try {
    const book = await createRouteRegistry(operator.state).read();
    if (book === null) return new Map();
    return knownRoutesOf(snapshot, book, (service) =>
      postfix.services.some(({ name, type }) => name === service && type === 'unix'),
    );
  } catch (error) {
    if (!(error instanceof PosternError)) throw error;
    complain(`note: whether Postfix knows the routes cannot be told: ${error.message}`);
    return null;
  }
}

type Row = {
  readonly organization: string;
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly mx: boolean;
  readonly tls: string;
  readonly certificateName: string | undefined;
  readonly description: string | undefined;
  /** JSON pointers of the settings that name it. */
  readonly users: readonly string[];
  /** Its service in master.cf; null where it has none, or that is not known. */
  readonly service: string | null;
  /** Null where it is not known. */
  readonly isInstalled: boolean | null;
};

function rowsOf(organization: Organization, known: ReadonlyMap<RouteId, KnownRoute> | null): Row[] {
  return [...organization.routes].map(([name, { host, port, mx, tls, certificateName, description }]) => {
    const knownRoute = known?.get(`${organization.name}/${name}` as RouteId);
    return {
      ...{ organization: organization.name, name, host, port, mx, tls, certificateName, description },
      users: usersOf(organization, name).map(({ pointer }) => pointer),
      service: knownRoute?.service ?? null,
      isInstalled: known === null ? null : (knownRoute?.isInstalled ?? false),
    };
  });
}

function cellsOf(row: Row, withOrganization: boolean): string[] {
  const { host, port, users, isInstalled } = row;
  const server = `${host.includes(':') ? `[${host}]` : host}:${port}`;
  const used = users.length === 0 ? 'not used' : `${users.length} ${users.length === 1 ? 'use' : 'uses'}`;
  const installed = isInstalled === null ? '' : isInstalled ? 'installed' : 'not installed';
  return [
    ...(withOrganization ? [row.organization] : []),
    ...[row.name, server, row.mx ? 'mx' : '', row.tls, used, installed, row.description ?? ''],
  ];
}
