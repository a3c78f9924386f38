/** Which organization a route command means, and which settings use a route. */
import { PosternError } from '../../services/index.ts';
import { toPointer, type Organization, type RouteSettings, type Settings } from '../../settings/index.ts';
import type { Workspace } from '../workspace.ts';
import { loadGood } from './load.ts';
import { UsageError } from './output.ts';

/** A setting that names a route. `text` continues "… uses the route". */
export type RouteUser = { readonly pointer: string; readonly text: string };

/** Where a route stands in the document, or with null all routes of its organization. */
export const routePointer = ({ name }: Organization, route: string | null): string =>
  toPointer(['organizations', name, 'routes', ...(route === null ? [] : [route])]);

/** Every setting that names a route, in the order of the document. */
export function usersOf({ domains }: Organization, route: string): RouteUser[] {
  return [...domains.values()].flatMap(({ pointer, name, inboundGateway, inboundRouting, outboundRouting }) => {
    const rules = [
      ['inboundRouting', 'inbound', inboundRouting],
      ['outboundRouting', 'outbound', outboundRouting],
    ] as const;
    const gateway = {
      pointer: `${pointer}/inboundGateway/internalThroughGateway`,
      text: `internalThroughGateway of ${name}`,
    };
    return [
      ...(inboundGateway?.internalThroughGateway === route ? [gateway] : []),
      ...rules.flatMap(([key, kind, list]) =>
        list.flatMap((rule, index): RouteUser[] =>
          rule.route === route
            ? [{ pointer: `${pointer}/${key}/${index}/route`, text: `${kind} rule ${index + 1} of ${name}` }]
            : [],
        ),
      ),
    ];
  });
}

/** The organization by its name, or the only one. Errors: UsageError where there are several, PosternError for none. */
export function organizationOf({ organizations }: Settings, name: string | undefined): Organization {
  const [only, ...others] = organizations.values();
  const known = [...organizations.keys()].join(', ');
  if (name === undefined && only !== undefined && others.length === 0) return only;
  if (name === undefined && only !== undefined) {
    throw new UsageError(`there are several organizations (${known}); name one with --organization`);
  }
  const found = name === undefined ? undefined : organizations.get(name);
  if (found !== undefined) return found;
  const message =
    name === undefined
      ? 'these settings have no organization'
      : `${name} is no organization of these settings; they have ${known === '' ? 'none' : known}`;
  throw new PosternError('POSTERN_NOT_FOUND', message);
}

/** Errors: PosternError, as the organization has no such route. */
export function refuseUnknown(organization: Organization, route: string): never {
  const known = [...organization.routes.keys()];
  const wayOut = known.length === 0 ? 'it has none' : `its routes are ${known.join(', ')}`;
  throw new PosternError('POSTERN_NOT_FOUND', `${route} is no route of organization ${organization.name}; ${wayOut}`);
}

/** A route of settings that are good; null where they are not, which was then said. Errors: as the others here. */
export async function readGoodRoute(
  workspace: Workspace,
  name: string,
  wanted: string | undefined,
): Promise<{ readonly organization: string; readonly route: RouteSettings } | null> {
  const loaded = await loadGood(workspace.store, workspace);
  if (loaded === null || loaded.settings === null) return null;
  const organization = organizationOf(loaded.settings, wanted);
  const route = organization.routes.get(name);
  if (route === undefined) refuseUnknown(organization, name);
  return { organization: organization.name, route };
}
