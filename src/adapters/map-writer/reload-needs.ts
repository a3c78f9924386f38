/**
 * Which tables Postfix has still to be reloaded for, kept over a restart by a marker file: a writer that is killed
 * between the replacing of a table and the reload would otherwise leave Postfix with the old one for good.
 */
import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { syncDirectory } from './durable.ts';

/** The name of the marker in the directory of the maps. */
export const RELOAD_MARKER = '.reload-needed';

/** The needs of one directory. */
export class ReloadNeeds {
  readonly #directory: string;
  readonly #versions = new Map<string, number>();
  #lastVersion = 0;
  #isInherited: boolean;
  #isMarked: boolean;
  #writing: Promise<void> = Promise.resolve();

  /** `isMarked`: the marker is there, left by an earlier process. */
  constructor(directory: string, isMarked: boolean) {
    this.#directory = directory;
    this.#isInherited = isMarked;
    this.#isMarked = isMarked;
  }

  /** Whether an earlier process left a need, of which only the existence is known. */
  get isInherited(): boolean {
    return this.#isInherited;
  }

  /** Before a table is replaced. Gives the version that done() must name. */
  async add(name: string): Promise<number> {
    this.#lastVersion += 1;
    this.#versions.set(name, this.#lastVersion);
    const version = this.#lastVersion;
    await this.#write();
    return version;
  }

  /** Postfix has read the table that was replaced after add() gave this version; a later need stays. */
  async done(name: string, version: number): Promise<void> {
    if (this.#versions.get(name) !== version) return;
    this.#versions.delete(name);
    await this.#write();
  }

  /** The tables that an inherited need may mean have needs of their own now. */
  async endInheritance(): Promise<void> {
    this.#isInherited = false;
    await this.#write();
  }

  /** One after the other: what is wanted at the end counts. */
  async #write(): Promise<void> {
    const write = this.#writing.then(() => this.#writeMarker());
    this.#writing = write.catch(() => undefined);
    await write;
  }

  async #writeMarker(): Promise<void> {
    const isNeeded = this.#isInherited || this.#versions.size > 0;
    if (isNeeded === this.#isMarked) return;
    const marker = join(this.#directory, RELOAD_MARKER);
    if (isNeeded) await (await open(marker, 'w', 0o644)).close();
    else await rm(marker, { force: true });
    await syncDirectory(this.#directory);
    this.#isMarked = isNeeded;
  }
}
