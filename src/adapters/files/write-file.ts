/**
 * Files by rename: a reader sees the old or the new content, never a part, also after a power cut.
 * A symbolic link stays one: the file that it names is replaced.
 * Source: rename(2), fsync(2).
 */
import { chown, mkdir, open, realpath, rename, rm, stat, type FileHandle } from 'node:fs/promises';
import type { Stats } from 'node:fs';
import { basename, dirname, join } from 'node:path';

/** Whom a file belongs to, by number. */
export type Owner = { readonly uid: number; readonly gid: number };

/**
 * Writes a file aside, syncs it, and moves it into place. Owner and mode of an existing file are kept; a new one has
 * `mode` and, where it is given, `owner`.
 * Errors: those of the file system, and one where the owner cannot be kept; the file is then as before, and nothing
 * is left beside it.
 */
export async function writeFileAtomically(path: string, content: string, mode: number, owner?: Owner): Promise<void> {
  const target = await followLinks(path);
  const directory = dirname(target);
  const before = await statIfThere(target);
  const aside = join(directory, `.${basename(target)}.${process.pid}.tmp`);
  try {
    // What a killed process with this id left behind.
    await rm(aside, { force: true });
    const handle = await open(aside, 'wx', mode);
    try {
      await handle.writeFile(content);
      if (before !== null) await keepOwnerAndMode(handle, aside, before);
      else if (owner !== undefined) await handle.chown(owner.uid, owner.gid);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(aside, target);
  } catch (error) {
    await removeQuietly(aside);
    throw error;
  }
  await syncDirectory(directory);
}

/** Makes a directory that only its owner can enter, where there is none. */
export async function makePrivateDirectory(path: string): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o700 });
}

/** The file behind symbolic links; the path itself where there is nothing behind it. */
export async function followLinks(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (error) {
    if (isCode(error, 'ENOENT')) return path;
    throw error;
  }
}

async function statIfThere(path: string): Promise<Stats | null> {
  try {
    return await stat(path);
  } catch (error) {
    if (isCode(error, 'ENOENT')) return null;
    throw error;
  }
}

/** A file that changed hands could be shut to the service that reads it, so a foreign owner is kept or nothing is done. */
async function keepOwnerAndMode(handle: FileHandle, aside: string, before: Stats): Promise<void> {
  const { uid, gid } = await handle.stat();
  if (uid !== before.uid || gid !== before.gid) {
    try {
      await chown(aside, before.uid, before.gid);
    } catch (cause) {
      const owner = `user ${before.uid}, group ${before.gid}`;
      throw new Error(`the file belongs to ${owner}, which cannot be kept; edit it as that user or as root`, { cause });
    }
  }
  await handle.chmod(before.mode & 0o7777);
}

/** The error that led here says more than one of cleaning up. */
async function removeQuietly(path: string): Promise<void> {
  await rm(path, { force: true }).catch(() => undefined);
}

async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } catch (error) {
    // Some file systems cannot sync a directory; the file itself is in place and synced.
    if (!isCode(error, 'EINVAL') && !isCode(error, 'ENOTSUP')) throw error;
  } finally {
    await handle.close();
  }
}

const isCode = (error: unknown, code: string): boolean => (error as NodeJS.ErrnoException | null)?.code === code;
