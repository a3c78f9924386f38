/**
 * main.cf and master.cf as bytes, read and replaced whole. Another writer's change is never written over.
 * Source: rename(2), fsync(2).
 */
import { chown, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { ConfigurationTexts } from '../../answers/index.ts';
import { PosternError } from '../../services/index.ts';
import { followLinks, reasonOf } from '../files/index.ts';

/** The names of the files. */
export const FILES = { main: 'main.cf', master: 'master.cf' } as const;

/** Reads both files, bytes as Latin-1, so that any encoding survives. */
export async function readConfiguration(configDirectory: string): Promise<ConfigurationTexts> {
  const [main, master] = await Promise.all([
    readBytes(join(configDirectory, FILES.main)),
    readBytes(join(configDirectory, FILES.master)),
  ]);
  return { main, master };
}

async function readBytes(path: string): Promise<string> {
  try {
    return await readFile(path, 'latin1');
  } catch (error) {
    const message = `${path} cannot be read: ${reasonOf(error)}`;
    throw new PosternError('POSTERN_POSTFIX_UNREADABLE', message, { cause: error });
  }
}

/**
 * Replaces the files that differ. Where one cannot be replaced, the other is put back.
 * Errors: PosternError where a file cannot be written, or is no longer what it was when `before` was read.
 */
export async function writeConfiguration(
  configDirectory: string,
  before: ConfigurationTexts,
  after: ConfigurationTexts,
): Promise<void> {
  const done: (keyof ConfigurationTexts)[] = [];
  try {
    for (const file of ['master', 'main'] as const) {
      if (before[file] === after[file]) continue;
      await replaceFile(join(configDirectory, FILES[file]), before[file], after[file]);
      done.push(file);
    }
  } catch (error) {
    for (const file of done) await replaceFile(join(configDirectory, FILES[file]), after[file], before[file]);
    throw error;
  }
}

/** Aside, synced, owner and mode kept, and moved into place if nobody changed the file meanwhile. */
async function replaceFile(path: string, before: string, after: string): Promise<void> {
  const target = await followLinks(path);
  const aside = join(dirname(target), `.${basename(target)}.${process.pid}.tmp`);
  try {
    const { uid, gid, mode } = await stat(target);
    // What a killed process with this id left behind.
    await rm(aside, { force: true });
    const handle = await open(aside, 'wx', 0o600);
    try {
      await handle.writeFile(after, 'latin1');
      const made = await handle.stat();
      if (made.uid !== uid || made.gid !== gid) await chown(aside, uid, gid);
      await handle.chmod(mode & 0o7777);
      // Postfix's programs wait, each for seconds, for a main.cf that was changed just now to settle; this one is whole.
      const settled = new Date(Date.now() - 5_000);
      await handle.utimes(settled, settled);
      await handle.sync();
    } finally {
      await handle.close();
    }
    if ((await readFile(target, 'latin1')) !== before) {
      const message = `${path} was changed by somebody else just now; nothing was written, try again`;
      throw new PosternError('POSTERN_FILE_LOCKED', message);
    }
    await rename(aside, target);
  } catch (error) {
    // The error that led here says more than one of cleaning up.
    await rm(aside, { force: true }).catch(() => undefined);
    if (error instanceof PosternError) throw error;
    const message = `${path} cannot be written: ${reasonOf(error)}`;
    throw new PosternError('POSTERN_FILE_UNWRITABLE', message, { cause: error });
  }
}
