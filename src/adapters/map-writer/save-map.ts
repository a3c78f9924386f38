/**
 * One map on disk: made aside, read back line by line, synced, and only then moved into place.
 * A reader sees the old or the new table, never a part, also when this process or the machine dies in between.
 * Source: Postfix postmap(1); DATABASE_README; rename(2), fsync(2).
 */
import { createHash } from 'node:crypto';
import { open, readFile, rename, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { TableType } from '../../services/index.ts';
import { encodeIndexedTable, encodeRegexpTable, type MapFile, type TableEntry } from '../../wire/postfix-map/index.ts';
import type { PostfixCommands } from './commands.ts';
import type { MapDirectory } from './directory.ts';
import { syncDirectory } from './durable.ts';
import { canBeListed, needsReload, suffixOf, typeOf } from './table-type.ts';

/** A key that no map holds: asked so that Postfix opens a table in which there is nothing to ask for. */
const PROBE = 'probe.postern.invalid';

const SETTLED_MS = 5_000;

/** What saving did. */
export type Saved = {
  readonly wrote: boolean;
  /** When the table was put in place, in milliseconds since 1970. */
  readonly replacedAt: number;
  /** The need in ReloadNeeds, for a table that Postfix must be reloaded for; null for one that it need not. */
  readonly reloadVersion: number | null;
};

/** How main.cf names a map of a directory. */
export const tableName = (directory: string, type: TableType, name: string, kind: MapFile['kind']): string =>
  `${typeOf(kind, type)}:${join(directory, name)}`;

/** The maps of one directory, all indexed ones of one type. */
export class MapFiles {
  readonly #directory: MapDirectory;
  readonly #commands: PostfixCommands;
  readonly #type: TableType;
  /** What each file holds, so that equal content costs no command: digest of the text, and the file's own marks. */
  readonly #known = new Map<string, string>();

  constructor(directory: MapDirectory, commands: PostfixCommands, type: TableType) {
    this.#directory = directory;
    this.#commands = commands;
    this.#type = type;
  }

  /** How main.cf names the map. */
  table(name: string, kind: MapFile['kind']): string {
    return tableName(this.#directory.path, this.#type, name, kind);
  }

  /**
   * Makes the table on disk hold the map. Errors: LocalProtocolError for an entry that no table can hold; an Error with
   * the reason where postmap complains, a line reads back wrong, or a file cannot be written. The old table stays then.
   */
  async save(map: MapFile): Promise<Saved> {
    const text = map.kind === 'regexp' ? encodeRegexpTable(map.entries) : encodeIndexedTable(map.entries);
    const type = typeOf(map.kind, this.#type);
    const file = `${map.name}${suffixOf(type)}`;
    const target = join(this.#directory.path, file);
    await this.#directory.claim(file);
    const { reloads } = this.#directory;
    if (await this.#holds(map, text, target)) {
      const { ctimeMs } = await stat(target);
      const isNeeded = needsReload(type) && reloads.isInherited;
      return { wrote: false, replacedAt: ctimeMs, reloadVersion: isNeeded ? await reloads.add(map.name) : null };
    }
    const aside = this.#directory.aside(map.name);
    let reloadVersion: number | null = null;
    try {
      await writeText(aside, text);
      if (suffixOf(type) !== '') await this.#commands.build(type, aside);
      const made = `${aside}${suffixOf(type)}`;
      if (!canBeListed(type) && (await sameBytes(made, target))) {
        this.#known.set(map.name, markOf(text, await stat(target)));
        return { wrote: false, replacedAt: (await stat(target)).ctimeMs, reloadVersion: null };
      }
      await this.#readBack(`${type}:${aside}`, map);
      await makeReadableAndDurable(made);
      if (needsReload(type)) reloadVersion = await reloads.add(map.name);
      await rename(made, target);
      await syncDirectory(this.#directory.path);
    } finally {
      // postmap may have left more beside it, when it failed.
      await this.#directory.removeLeftovers();
    }
    const stats = await stat(target);
    this.#known.set(map.name, markOf(text, stats));
    return { wrote: true, replacedAt: stats.ctimeMs, reloadVersion };
  }

  /** Asks Postfix's own reader whether the table in place gives every line. Errors: an Error that says what it gives. */
  verify(map: MapFile): Promise<void> {
    return this.#readBack(this.table(map.name, map.kind), map);
  }

  async #holds(map: MapFile, text: string, target: string): Promise<boolean> {
    const stats = await stat(target).catch(() => null);
    if (stats === null) return false;
    const mark = markOf(text, stats);
    if (this.#known.get(map.name) === mark) return true;
    const type = typeOf(map.kind, this.#type);
    if (!canBeListed(type)) return false;
    const isSame =
      suffixOf(type) === ''
        ? (await readFile(target, 'utf8')) === text
        : sameLines(await this.#commands.list(this.table(map.name, map.kind)).catch(() => null), map.entries);
    if (isSame) this.#known.set(map.name, mark);
    return isSame;
  }

  async #readBack(table: string, map: MapFile): Promise<void> {
    const asked = map.kind === 'regexp' ? (map.samples ?? []) : map.entries;
    const lines = await this.#commands.lookUp(table, asked.length === 0 ? [PROBE] : asked.map(({ key }) => key));
    if (map.kind === 'regexp' && asked.length === 0) return;
    const wrong = asked.findIndex((entry, index) => lines[index] !== lineOf(entry));
    if (wrong === -1 && lines.length === asked.length) return;
    const key = asked[wrong]?.key ?? PROBE;
    const got = lines[Math.max(wrong, 0)];
    throw new Error(`reading back ${table} for ${key} gave ${got === undefined ? 'nothing' : JSON.stringify(got)}`);
  }
}

const lineOf = ({ key, value }: TableEntry): string => `${key}\t${value}`;

/** An indexed table that cannot be listed holds nothing that counts: it is written anew. */
function sameLines(lines: string[] | null, entries: readonly TableEntry[]): boolean {
  if (lines?.length !== entries.length) return false;
  const wanted = entries.map(lineOf).sort();
  return lines.sort().every((line, index) => line === wanted[index]);
}

/** A table that postmap cannot list is made aside and compared; the same text makes the same cdb file. */
async function sameBytes(made: string, target: string): Promise<boolean> {
  const old = await readFile(target).catch(() => null);
  return old?.equals(await readFile(made)) ?? false;
}

function markOf(text: string, stats: { ino: number; size: number; mtimeMs: number }): string {
  return [createHash('sha256').update(text).digest('hex'), stats.ino, stats.size, stats.mtimeMs].join(' ');
}

/**
 * Postfix reads a texthash file again and again, for two seconds in which mail waits, while its time is not older than
 * that: it might be written just now. This one is whole before anybody can see it.
 */
async function writeText(path: string, text: string): Promise<void> {
  const handle = await open(path, 'wx', 0o644);
  try {
    await handle.writeFile(text);
    const settled = new Date(Date.now() - SETTLED_MS);
    await handle.utimes(settled, settled);
  } finally {
    await handle.close();
  }
}

/** The umask of this process must not shut Postfix's daemons out. */
async function makeReadableAndDurable(path: string): Promise<void> {
  const handle = await open(path, 'r+');
  try {
    await handle.chmod(0o644);
    await handle.sync();
  } finally {
    await handle.close();
  }
}
