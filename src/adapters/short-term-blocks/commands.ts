/**
 * Automatic blocks as commands see them, whether or not a Postern serves: read from the state directory, and lifted by a
 * request that is left there. Never writes the file of the blocks: that is the serving Postern's.
 */
import { randomUUID } from 'node:crypto';
import { chown, readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { PosternError, type Lift, type ShortTermBlock } from '../../services/index.ts';
import { compileIpSet, ipSetOverlaps } from '../../mail/index.ts';
import { makePrivateDirectory, reasonOf, writeFileAtomically } from '../files/index.ts';
import { blockFileOf, liftDirectoryOf, requestsAmong } from './places.ts';
import { parseBlocks, parseLift, renderLift } from './texts.ts';

/**
 * The blocks that act at `now` (milliseconds since 1970), the newest first, without those that wait to be lifted. A
 * block that was made in the last seconds may be missing. Errors: PosternError where they cannot be read.
 */
export async function readShortTermBlocks(stateDirectory: string, now: number): Promise<readonly ShortTermBlock[]> {
  const path = blockFileOf(stateDirectory);
  // First the requests: one that is done meanwhile is in the file then, or in both.
  const lifts = await waitingLifts(liftDirectoryOf(stateDirectory));
  const text = await whereThere(path, () => readFile(path, 'utf8'));
  const parsed = text === null ? ({ ok: true, value: [] } as const) : parseBlocks(text);
  if (!parsed.ok) throw new PosternError('POSTERN_STATE_UNREADABLE', `${path} cannot be used: ${parsed.error}`);
  const wanted = lifts.map((lift) => ({ ...lift, set: compileIpSet(lift.ranges.map((range) => ({ range }))) }));
  const isLifted = ({ domain, range, since }: ShortTermBlock): boolean =>
    wanted.some((lift) => lift.domain === domain && since <= lift.at && ipSetOverlaps(lift.set, range));
  return parsed.value.filter((block) => now < block.until && !isLifted(block)).sort((a, b) => b.since - a.since);
}

/** Leaves a request, which a serving Postern heeds within a second, and one that starts at its start. Errors: PosternError. */
export async function requestLift(stateDirectory: string, lift: Lift): Promise<void> {
  const directory = liftDirectoryOf(stateDirectory);
  const path = join(directory, `${String(lift.at).padStart(16, '0')}-${randomUUID()}.json`);
  try {
    await makePrivateDirectory(directory);
    // A command that is run as root leaves all to the user that serves: the owner of the state directory.
    const owner = process.getuid?.() === 0 ? await stat(stateDirectory) : undefined;
    if (owner !== undefined) await chown(directory, owner.uid, owner.gid);
    await writeFileAtomically(path, renderLift(lift), 0o600, owner);
  } catch (error) {
    const message = `${directory} cannot be written: ${reasonOf(error)}; nothing was lifted`;
    throw new PosternError('POSTERN_STATE_UNWRITABLE', message, { cause: error });
  }
}

async function waitingLifts(directory: string): Promise<readonly Lift[]> {
  const names = (await whereThere(directory, () => readdir(directory))) ?? [];
  const lifts = await Promise.all(
    requestsAmong(names).map(async (name) => {
      const path = join(directory, name);
      const text = await whereThere(path, () => readFile(path, 'utf8'));
      return text === null ? null : parseLift(text);
    }),
  );
  return lifts.filter((lift) => lift !== null);
}

/** Null where there is no such file. */
async function whereThere<T>(path: string, read: () => Promise<T>): Promise<T | null> {
  try {
    return await read();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw new PosternError('POSTERN_STATE_UNREADABLE', `${path} cannot be read: ${reasonOf(error)}`, { cause: error });
  }
}
