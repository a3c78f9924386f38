/**
 * One writer at a time for a file, between processes: a lock file beside it that exists while somebody writes.
 * A lock whose process died is taken away, not waited for. Says nothing to editors that know no locks.
 */
import { randomUUID } from 'node:crypto';
import { link, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { PosternError } from '../../services/index.ts';
import { reasonOf } from './reason.ts';

const WAIT_AT_MOST_MS = 30_000;
const LOOK_EVERY_MS = 50;
/** A lock this old belongs to a command that died elsewhere (another host or container): no edit takes this long. */
const STALE_MS = 60_000;

/** Does `work` while holding the lock of `path`. Errors: PosternError where it cannot be had; what `work` throws. */
export async function withLock<T>(path: string, work: () => Promise<T>): Promise<T> {
  const lock = join(dirname(path), `.${basename(path)}.lock`);
  const content = `${hostname()} ${process.pid} ${randomUUID()}\n`;
  const deadline = performance.now() + WAIT_AT_MOST_MS;
  while (!(await acquire(lock, content))) {
    const holder = await readIfThere(lock);
    if (holder === null) continue;
    if (await isStale(lock, holder)) {
      await takeAway(lock, holder);
    } else if (performance.now() > deadline) {
      const message = `another command holds ${lock}; wait for it, or remove the file if there is none`;
      throw new PosternError('POSTERN_FILE_LOCKED', message);
    } else {
      await sleep(LOOK_EVERY_MS * (0.5 + Math.random()));
    }
  }
  try {
    return await work();
  } finally {
    if ((await readIfThere(lock)) === content) await rm(lock, { force: true });
  }
}

/** The lock appears with its content: a process killed in between would leave one that says nothing of its holder. */
async function acquire(lock: string, content: string): Promise<boolean> {
  const aside = `${lock}.${randomUUID()}`;
  try {
    await writeFile(aside, content, { flag: 'wx', mode: 0o600 });
    await link(aside, lock);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    const message = `${dirname(lock)} cannot be written: ${reasonOf(error)}`;
    throw new PosternError('POSTERN_FILE_UNWRITABLE', message, { cause: error });
  } finally {
    await rm(aside, { force: true });
  }
}

/** A lock of a process that is gone, or one that is too old to be waited for. */
async function isStale(lock: string, holder: string): Promise<boolean> {
  const [host, pid] = holder.split(' ');
  if (host === hostname() && !isAlive(Number(pid))) return true;
  const age = await stat(lock).then(
    ({ mtimeMs }) => Date.now() - mtimeMs,
    () => 0,
  );
  return age > STALE_MS;
}

/** Removes the lock of a holder that died; if a live one came between, that one is put back. */
async function takeAway(lock: string, holder: string): Promise<void> {
  const taken = `${lock}.${process.pid}.stale`;
  try {
    await rename(lock, taken);
    if ((await readIfThere(taken)) !== holder) await link(taken, lock);
  } catch (error) {
    // ENOENT: somebody else took it away first. EEXIST: the next holder is there already.
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ENOENT' && code !== 'EEXIST') throw error;
  } finally {
    await rm(taken, { force: true });
  }
}

function isAlive(pid: number): boolean {
  if (!Number.isInteger(pid) || pid <= 0) return true;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

async function readIfThere(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    const message = `${path} cannot be read: ${reasonOf(error)}`;
    throw new PosternError('POSTERN_FILE_LOCKED', message, { cause: error });
  }
}
