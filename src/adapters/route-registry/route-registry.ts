/**
 * The registry of route numbers: one file in the state directory, only for its owner. Queued mail names routes by their
 * numbers and by labels made with the key, so what cannot be read is never begun afresh, and no name is ever taken out.
 * Source: rename(2), fsync(2).
 */
import { randomBytes } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { PosternError, type RouteBook, type RouteRegistry } from '../../services/index.ts';
import { makePrivateDirectory, reasonOf, withLock, writeFileAtomically } from '../files/index.ts';
import { parseBook, renderBook } from './book.ts';

const KEY_OCTETS = 32;

/** Opens the registry in `stateDirectory`; both are made with the first number. */
export function createRouteRegistry(stateDirectory: string): RouteRegistry {
  return new RouteFile(stateDirectory);
}

class RouteFile implements RouteRegistry {
  readonly #directory: string;
  readonly #path: string;

  constructor(stateDirectory: string) {
    this.#directory = stateDirectory;
    this.#path = join(stateDirectory, 'routes.json');
  }

  async read(): Promise<RouteBook | null> {
    const book = await this.#load();
    return book === null || book.numbers.size === 0 ? null : book;
  }

  async assign(names: readonly string[]): Promise<RouteBook> {
    const known = await this.#load();
    // Without the lock: no name is ever taken out, and a start where nothing is new needs no right to write.
    if (known !== null && names.every((name) => known.numbers.has(name))) return known;
    return this.#whileLocked(async () => {
      const before = await this.#load();
      const numbers = new Map(before?.numbers);
      let last = Math.max(0, ...numbers.values());
      for (const name of names) if (!numbers.has(name)) numbers.set(name, (last += 1));
      const after = { key: before?.key ?? randomBytes(KEY_OCTETS).toString('hex'), numbers };
      // Another process may have done it all between the two looks.
      if (before?.numbers.size !== numbers.size) await this.#save(after);
      return after;
    });
  }

  /** Errors: PosternError where it is there but of no use. */
  async #load(): Promise<RouteBook | null> {
    let text: string;
    try {
      text = await readFile(this.#path, 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
      const message = `${this.#path} cannot be read: ${reasonOf(error)}`;
      throw new PosternError('POSTERN_STATE_UNREADABLE', message, { cause: error });
    }
    const book = parseBook(text);
    if (book.ok) return book.value;
    const way =
      'restore it from a backup, or start the Postern that wrote it; with other numbers queued mail would lose its way';
    const message = `${this.#path}, which says what number each route has, cannot be used: ${book.error}; ${way}`;
    throw new PosternError('POSTERN_STATE_UNREADABLE', message);
  }

  async #save(book: RouteBook): Promise<void> {
    try {
      // A command that is run as root leaves the file to the user that serves: the owner of the state directory.
      const owner = process.getuid?.() === 0 ? await stat(this.#directory) : undefined;
      await writeFileAtomically(this.#path, renderBook(book), 0o600, owner);
    } catch (error) {
      const message = `${this.#path} cannot be written: ${reasonOf(error)}`;
      throw new PosternError('POSTERN_STATE_UNWRITABLE', message, { cause: error });
    }
  }

  async #whileLocked<T>(work: () => Promise<T>): Promise<T> {
    try {
      await makePrivateDirectory(this.#directory);
    } catch (error) {
      const message = `${this.#directory} cannot be made: ${reasonOf(error)}`;
      throw new PosternError('POSTERN_STATE_UNWRITABLE', message, { cause: error });
    }
    return withLock(this.#path, work);
  }
}
