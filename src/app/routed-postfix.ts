/**
 * The Postfix at hand as routing needs it: who writes its tables, how main.cf names them, what it is told already.
 */
import { chooseTableType, createMapWriter, readMapTypes, tableName } from '../adapters/map-writer/index.ts';
import { readConfiguration } from '../adapters/postfix-control/index.ts';
import { installedParts, viewOf, type TableName } from '../answers/index.ts';
import { systemClock } from '../adapters/clock/index.ts';
import type { Log, RoutedPostfix } from '../services/index.ts';
import { endpointOf, type Workspace } from './workspace.ts';

/** Null where there is no Postfix. */
export function routedPostfixOf({ operator, postfix }: Workspace, log: Log): RoutedPostfix | null {
  if (postfix === null) return null;
  const { configDirectory, queueDirectory, defaultDatabaseType, hostname } = postfix;
  return {
    hostname,
    openMaps: async (onState) =>
      createMapWriter({
        directory: operator.maps.directory,
        type: operator.maps.type,
        postfix: {
          configDirectory,
          queueDirectory,
          defaultDatabaseType,
          mapTypes: await readMapTypes(configDirectory),
        },
        log,
        clock: systemClock,
        onState,
      }),
    parts: async (transportTable) => {
      const view = viewOf(await readConfiguration(configDirectory), new Map());
      const bySocketmap = operator.listen.socketmap.map(
        (listener) => `socketmap:${endpointOf(listener, postfix) ?? ''}:transport`,
      );
      return installedParts(view, [transportTable, ...bySocketmap]);
    },
  };
}

/** How main.cf names our tables. Errors: PosternError where the Postfix at hand has no type of table that can be used. */
export async function tableNamesOf({ operator, postfix }: Workspace): Promise<TableName> {
  const { directory, type: setting } = operator.maps;
  if (postfix === null) {
    const type = setting === 'auto' ? 'hash' : setting;
    return (name, kind) => tableName(directory, type, name, kind);
  }
  const { configDirectory, defaultDatabaseType } = postfix;
  const type = chooseTableType(setting, { defaultDatabaseType, mapTypes: await readMapTypes(configDirectory) });
  return (name, kind) => tableName(directory, type, name, kind);
}
