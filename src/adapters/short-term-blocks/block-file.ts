/**
 * Automatic blocks in a file of the state directory, written by rename, and the requests to lift them in a directory
 * beside it. Never gives an answer up for a damaged file: that is put aside and said, and mail goes on without it.
 * Source: rename(2), fsync(2).
 */
import { readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { PosternError, type Lift, type ShortTermBlock, type ShortTermBlockStore } from '../../services/index.ts';
import { makePrivateDirectory, reasonOf, writeFileAtomically } from '../files/index.ts';
import { blockFileOf, liftDirectoryOf, requestsAmong } from './places.ts';
import { parseBlocks, parseLift, renderBlocks } from './texts.ts';

/** Opens the blocks in `stateDirectory`; it is made with the first one. */
export const createShortTermBlockFile = (stateDirectory: string): ShortTermBlockStore => new BlockFile(stateDirectory);

const isMissing = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === 'ENOENT';

class BlockFile implements ShortTermBlockStore {
  readonly #state: string;
  readonly #path: string;
  readonly #lifts: string;

  constructor(stateDirectory: string) {
    this.#state = stateDirectory;
    this.#path = blockFileOf(stateDirectory);
    this.#lifts = liftDirectoryOf(stateDirectory);
  }

  async load(): Promise<{ blocks: readonly ShortTermBlock[]; fault: string | null }> {
    let text: string;
    try {
      text = await readFile(this.#path, 'utf8');
    } catch (error) {
      if (isMissing(error)) return { blocks: [], fault: null };
      return this.#putAside(reasonOf(error));
    }
    const parsed = parseBlocks(text);
    return parsed.ok ? { blocks: parsed.value, fault: null } : this.#putAside(parsed.error);
  }

  async save(blocks: readonly ShortTermBlock[]): Promise<void> {
    const pieces: string[] = [];
    for (const piece of renderBlocks(blocks)) {
      pieces.push(piece);
      // Answers come in between.
      await nextTurn();
    }
    try {
      await makePrivateDirectory(this.#state);
      await writeFileAtomically(this.#path, pieces.join(''), 0o600);
    } catch (error) {
      throw this.#unwritable(`${this.#path} cannot be written`, error);
    }
  }

  async waitingLifts(): ReturnType<ShortTermBlockStore['waitingLifts']> {
    try {
      const ids = requestsAmong(await readdir(this.#lifts));
      return await Promise.all(ids.map(async (id) => ({ id, lift: await this.#readLift(id) })));
    } catch (error) {
      if (isMissing(error)) return [];
      const message = `${this.#lifts} cannot be read: ${reasonOf(error)}`;
      throw new PosternError('POSTERN_STATE_UNREADABLE', message, { cause: error });
    }
  }

  async endLift(id: string): Promise<void> {
    const path = join(this.#lifts, id);
    try {
      await rm(path, { force: true });
    } catch (error) {
      throw this.#unwritable(`${path} cannot be removed`, error);
    }
  }

  async #readLift(id: string): Promise<Lift | null> {
    try {
      return parseLift(await readFile(join(this.#lifts, id), 'utf8'));
    } catch {
      // One that cannot be read must not hold up the others; it is said and dropped like one that makes no sense.
      return null;
    }
  }

  /** What was in it may tell somebody something; the next file must not overwrite it. */
  async #putAside(why: string): Promise<{ blocks: readonly ShortTermBlock[]; fault: string }> {
    const aside = `${this.#path}.damaged`;
    const what = `${this.#path} cannot be used: ${why}; no short-term block is taken over`;
    try {
      await rename(this.#path, aside);
    } catch (error) {
      return { blocks: [], fault: `${what}, and it cannot be put aside: ${reasonOf(error)}` };
    }
    return { blocks: [], fault: `${what}, and the file is kept as ${aside}` };
  }

  #unwritable(what: string, error: unknown): PosternError {
    return new PosternError('POSTERN_STATE_UNWRITABLE', `${what}: ${reasonOf(error)}`, { cause: error });
  }
}
