/** The log of the Postfix at hand: which file it is, and who hears what it says. */
import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { reasonOf } from '../adapters/files/index.ts';
import { findLog, followLog, type FollowedLog, type FoundLog } from '../adapters/postfix-log/index.ts';
import { readMaillogFile } from '../adapters/postfix-control/index.ts';
import type { LogFacts } from '../answers/index.ts';
import type { Log } from '../services/index.ts';
import { parseLogLine } from '../wire/postfix-log/index.ts';
import type { Parts } from './build.ts';
import type { Workspace } from './workspace.ts';

/** The file that Postfix logs to. Errors: PosternError where its configuration cannot be read. */
async function logOf({ operator }: Workspace): Promise<FoundLog> {
  const { configDirectory, logFile } = operator.postfix;
  return findLog({ logFile, maillogFile: logFile === undefined ? await readMaillogFile(configDirectory) : '' });
}

/** Follows the log from the first route on; null where there is no Postfix at hand. */
export function followPostfix(workspace: Workspace, parts: Parts, log: Log): FollowedLog | null {
  if (workspace.postfix === null) return null;
  const { routes, routeWatch, meters } = parts;
  return followLog({
    find: () => logOf(workspace),
    positionFile: join(workspace.operator.state, 'postfix-log.json'),
    isWanted: () => routes.current().installation.routes.size > 0,
    onLine: (line) => {
      const event = parseLogLine(line);
      if (event !== null) routeWatch.failures.note(event);
    },
    onState: (isRead) => {
      meters.setPostfixLogUp(isRead);
    },
    log,
  });
}

/** The log as `postfix doctor` judges it: found, and readable to whoever asks. */
export async function logFactsOf(workspace: Workspace): Promise<LogFacts> {
  const { path, reason } = await logOf(workspace);
  const hasPostlog = workspace.postfix?.services.some(({ command }) => command === 'postlogd') ?? false;
  if (path === null) return { path, reason, hasPostlog };
  const fault = await access(path, constants.R_OK).then(() => null, reasonOf);
  return { path, reason: fault, hasPostlog };
}
