/**
 * The directory of the maps: made by Postern, listed in a file of its own, and nothing in it touched that is not listed.
 * Refuses a directory that holds other people's files. Never follows a link and never leaves the directory.
 * Source: Postfix DATABASE_README, "Preparing Postfix for LDBM, hash or btree changes"; rename(2).
 */
import { chmod, lstat, mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import { PosternError } from '../../services/index.ts';
import { reasonOf, writeFileAtomically } from '../files/index.ts';
import { RELOAD_MARKER, ReloadNeeds } from './reload-needs.ts';

const LIST = '.postern-maps';
const LIST_HEAD = '# Postern writes the tables named here, and no other file in this directory.\n';
/** What a writer that was killed leaves: its own files aside, those of postmap beside them, and those of a rename. */
const LEFTOVER = /^(?:(?:__db\.)?\.postern-(\d+)-\d+-.*|\.\.postern-maps\.(\d+)\.tmp)$/;
/** A path in main.cf ends at white space or a comma, and a dollar or a brace means something else there. */
const PATH_FOR_MAIN_CF = /^\/[A-Za-z0-9/._+@%=~-]*$/;

/** A directory that is Postern's. */
export class MapDirectory {
  readonly path: string;
  readonly reloads: ReloadNeeds;
  readonly #files: Set<string>;
  #sequence = 0;

  private constructor(path: string, files: Set<string>, reloads: ReloadNeeds) {
    this.path = path;
    this.reloads = reloads;
    this.#files = files;
  }

  /**
   * Takes the directory that Postern made, an empty one, or makes one where there is none.
   * Errors: PosternError where it is somebody else's, open to others, or cannot be used.
   */
  static async open(path: string): Promise<MapDirectory> {
    if (!isAbsolute(path) || !PATH_FOR_MAIN_CF.test(path)) {
      const message = `maps.directory: ${path} cannot be named in main.cf; use an absolute path of letters, digits and ._+@%=~-`;
      throw new PosternError('POSTERN_OPERATOR_FILE_INVALID', message);
    }
    try {
      const files = await takeDirectory(path);
      const names = await readdir(path);
      return new MapDirectory(path, files, new ReloadNeeds(path, names.includes(RELOAD_MARKER)));
    } catch (error) {
      if (error instanceof PosternError) throw error;
      const message = `maps.directory: ${path} cannot be used: ${reasonOf(error)}`;
      throw new PosternError('POSTERN_FILE_UNWRITABLE', message, { cause: error });
    }
  }

  /** A path of one more file to be made and thrown away. */
  aside(name: string): string {
    this.#sequence += 1;
    return join(this.path, `.postern-${process.pid}-${this.#sequence}-${name}`);
  }

  /** Lists a file as Postern's. Errors: there is a file of that name that is not, or something else than a file. */
  async claim(file: string): Promise<void> {
    const stats = await lstat(join(this.path, file)).catch(ignoreMissing);
    if (stats !== null && !stats.isFile()) throw new Error(`${join(this.path, file)} is no ordinary file`);
    if (this.#files.has(file)) return;
    if (stats !== null) throw new Error(`${join(this.path, file)} was not made by Postern; move it away`);
    await writeList(this.path, [...this.#files, file]);
    this.#files.add(file);
  }

  /** Removes what this process or a dead one left, and says how many. Not while this process makes a table. */
  async removeLeftovers(): Promise<number> {
    const leftovers = (await readdir(this.path)).filter(isLeftover);
    for (const name of leftovers) await rm(join(this.path, name), { force: true });
    return leftovers.length;
  }
}

/** A Postern that drains while the next one starts still makes its tables. */
function isLeftover(name: string): boolean {
  const match = LEFTOVER.exec(name);
  if (match === null) return false;
  const pid = Number(match[1] ?? match[2]);
  if (pid === process.pid) return true;
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
}

async function takeDirectory(path: string): Promise<Set<string>> {
  const stats = await lstat(path).catch(ignoreMissing);
  if (stats === null) {
    await mkdir(path, { recursive: true, mode: 0o755 });
    return adopt(path);
  }
  const refuse = (why: string): never => {
    throw new PosternError('POSTERN_WOULD_OVERWRITE', `maps.directory: ${path} ${why}`);
  };
  if (!stats.isDirectory()) refuse('is no directory');
  const user = process.geteuid?.() ?? stats.uid;
  if (stats.uid !== user && stats.uid !== 0) refuse(`belongs to user ${stats.uid}, not to user ${user} or root`);
  if ((stats.mode & 0o022) !== 0) refuse('can be written by others; set its mode to 0755');
  const list = await readFile(join(path, LIST), 'utf8').catch(ignoreMissing);
  if (list !== null) return new Set(list.split('\n').filter((line) => line !== '' && !line.startsWith('#')));
  // A writer that was killed before it had written the list leaves the list's own temporary file.
  const foreign = (await readdir(path)).find((name) => !LEFTOVER.test(name));
  if (foreign !== undefined) refuse(`was not made by Postern: it holds ${foreign}; name a directory of Postern's own`);
  return adopt(path);
}

/** Postfix's daemons and the operator's own look-ups read the tables as other users. */
async function adopt(path: string): Promise<Set<string>> {
  await chmod(path, 0o755);
  await writeList(path, []);
  return new Set();
}

const writeList = (path: string, files: readonly string[]): Promise<void> =>
  writeFileAtomically(join(path, LIST), LIST_HEAD + files.map((file) => `${file}\n`).join(''), 0o644);

function ignoreMissing(error: unknown): null {
  if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
  throw error;
}
