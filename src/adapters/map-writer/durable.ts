/** Directories that survive a power cut. Source: fsync(2). */
import { open } from 'node:fs/promises';

/** Syncs what a directory lists: a file that was moved in it or out of it is there, or gone, for good. */
export async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } catch (error) {
    // Some file systems cannot sync a directory; the files themselves are in place and synced.
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'EINVAL' && code !== 'ENOTSUP') throw error;
  } finally {
    await handle.close();
  }
}
