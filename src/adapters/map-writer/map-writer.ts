/**
 * The map writer: takes whole maps, makes the tables that differ, and says how each of them stands.
 * Many publications in a row become few writings. Never decides what a map holds and never changes main.cf.
 * Source: Postfix postmap(1), DATABASE_README.
 */
import { LocalProtocolError } from '../../wire/protocol-error.ts';
import { postfixCommands } from './commands.ts';
import { MapDirectory } from './directory.ts';
import { Gather } from './gather.ts';
import { MapFiles, type Saved } from './save-map.ts';
import { Settling } from './settling.ts';
import { chooseTableType, needsReload, typeOf } from './table-type.ts';
import type { MapOutcome, MapsState, MapState, MapWriter, PublishResult, TableType } from '../../services/index.ts';
import type { MapFile } from '../../wire/postfix-map/index.ts';
import type { MapWriterOptions, MapWriterTiming } from './types.ts';

const TIMING: MapWriterTiming = {
  // Ten seconds of edits become six writings.
  gatherMs: 2_000,
  reloadEveryMs: 10_000,
  // Postfix looks every 10 s.
  noticeMs: 12_000,
  afterReloadMs: 3_000,
  retryMs: 10_000,
};
const NAME = /^[a-z0-9][a-z0-9-]{0,63}$/;

/**
 * Takes the directory and removes what a killed writer left there.
 * Errors: PosternError where the directory is not Postern's to use, or Postfix does not have the type of table.
 */
export async function createMapWriter(options: MapWriterOptions): Promise<MapWriter> {
  const type = chooseTableType(options.type, options.postfix);
  const directory = await MapDirectory.open(options.directory);
  const removed = await directory.removeLeftovers();
  if (removed > 0) options.log.info('leftovers of a map writer removed', { directory: directory.path, files: removed });
  const writer = new Writer(options, directory, type);
  return {
    type,
    publish: (maps) => writer.publish(maps),
    state: () => writer.state(),
    table: (name, kind) => writer.table(name, kind),
    stop: () => writer.stop(),
  };
}

class Writer {
  readonly #options: MapWriterOptions;
  readonly #timing: MapWriterTiming;
  readonly #directory: MapDirectory;
  readonly #type: TableType;
  readonly #files: MapFiles;
  readonly #settling: Settling;
  readonly #gather: Gather<readonly MapFile[], PublishResult>;
  readonly #states = new Map<string, MapState>();
  #latest: readonly MapFile[] = [];
  #retry: NodeJS.Timeout | null = null;
  #isStopped = false;

  constructor(options: MapWriterOptions, directory: MapDirectory, type: TableType) {
    const { log } = options;
    const commands = postfixCommands(options.postfix.configDirectory, options.postfix.queueDirectory);
    this.#options = options;
    this.#timing = { ...TIMING, ...options.timing };
    this.#directory = directory;
    this.#type = type;
    this.#files = new MapFiles(directory, commands, type);
    const events = {
      onLive: (name: string) => {
        this.#settle(name, 'live', null);
      },
      onWaiting: (name: string, reason: string) => {
        this.#settle(name, 'saved-not-yet-live', reason);
      },
    };
    this.#settling = new Settling({ commands, log, timing: this.#timing, events });
    this.#gather = new Gather((maps) => this.#write(maps), this.#timing.gatherMs);
  }

  table(name: string, kind: MapFile['kind']): string {
    return this.#files.table(name, kind);
  }

  state(): MapsState {
    const maps = [...this.#states.values()];
    const isLive = maps.length > 0 && maps.every(({ state }) => state === 'live');
    return { directory: this.#directory.path, type: this.#type, maps, isLive };
  }

  publish(maps: readonly MapFile[]): Promise<PublishResult> {
    this.#latest = maps;
    return this.#gather.submit(maps);
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    if (this.#retry !== null) clearTimeout(this.#retry);
    await this.#gather.drain();
    await this.#settling.stop();
  }

  /** One writing of all maps. A map that fails does not keep the others from being written. */
  async #write(maps: readonly MapFile[]): Promise<PublishResult> {
    if (this.#retry !== null) clearTimeout(this.#retry);
    const written = new Set<MapFile>();
    const faults: unknown[] = [];
    for (const [index, map] of maps.entries()) {
      try {
        checkName(map, maps.slice(0, index));
        if (await this.#writeOne(map)) written.add(map);
      } catch (error) {
        faults.push(error);
        this.#fail(map, error);
      }
    }
    if (faults.length === 0) {
      await this.#directory.reloads.endInheritance().catch((error: unknown) => faults.push(error));
    }
    await this.#settling.look();
    // An entry that no table can hold stays one; a full disk or a missing command may be over soon.
    if (faults.some((error) => !(error instanceof LocalProtocolError))) this.#tryAgainLater();
    return { maps: maps.map((map) => this.#outcome(map, written.has(map))) };
  }

  #tryAgainLater(): void {
    if (this.#isStopped) return;
    this.#retry = setTimeout(() => void this.publish(this.#latest), this.#timing.retryMs).unref();
  }

  /** Whether the table on disk was replaced. */
  async #writeOne(map: MapFile): Promise<boolean> {
    const started = performance.now();
    const saved = await this.#files.save(map);
    const known = this.#states.get(map.name);
    if (saved.wrote || saved.reloadVersion !== null || known === undefined) {
      this.#follow(map, saved);
    } else if (known.state === 'failed') {
      const isOnItsWay = this.#settling.has(map.name);
      this.#set(map, isOnItsWay ? 'saved-not-yet-live' : 'live', isOnItsWay ? 'Postfix may not have it yet' : null);
    }
    if (!saved.wrote) return false;
    const ms = Math.round(performance.now() - started);
    this.#options.log.info('map saved', { table: this.#tableOf(map), entries: map.entries.length, ms });
    return true;
  }

  #follow(map: MapFile, saved: Saved): void {
    const isText = needsReload(typeOf(map.kind, this.#type));
    this.#set(map, 'saved-not-yet-live', 'Postfix may not have it yet');
    this.#settling.add({
      name: map.name,
      needsReload: saved.reloadVersion !== null,
      // A text table found in place, of which no need is known, was read by every process that runs.
      ageMs:
        isText && saved.reloadVersion === null ? Infinity : Math.max(0, this.#options.clock.now() - saved.replacedAt),
      verify: () => this.#files.verify(map),
      reloaded: async () => {
        if (saved.reloadVersion !== null) await this.#directory.reloads.done(map.name, saved.reloadVersion);
      },
    });
  }

  #fail(map: MapFile, error: unknown): void {
    const reason = error instanceof Error ? error.message : String(error);
    const known = this.#states.get(map.name);
    this.#set(map, 'failed', reason);
    if (known?.state === 'failed' && known.reason === reason) return;
    this.#options.log.error('map not written, the old one stays', { table: this.#tableOf(map), reason });
  }

  /** What is heard of the table in place says nothing of the one that could not be written. */
  #settle(name: string, state: 'live' | 'saved-not-yet-live', reason: string | null): void {
    const known = this.#states.get(name);
    if (known === undefined || known.state === 'failed') return;
    if (state === 'live') this.#options.log.info('map live', { table: known.table });
    this.#change(known, state, reason);
  }

  #set(map: MapFile, state: MapState['state'], reason: string | null): void {
    const table = this.#tableOf(map);
    const known = this.#states.get(map.name) ?? { name: map.name, table, state: null, since: 0, reason: null };
    this.#change({ ...known, table }, state, reason);
  }

  #change(
    known: Pick<MapState, 'name' | 'table' | 'since' | 'reason'> & { readonly state: MapState['state'] | null },
    state: MapState['state'],
    reason: string | null,
  ): void {
    if (known.state === state && known.reason === reason) return;
    const since = known.state === state ? known.since : this.#options.clock.now();
    this.#states.set(known.name, { name: known.name, table: known.table, state, since, reason });
    this.#options.onState?.(this.state());
  }

  #outcome(map: MapFile, wasWritten: boolean): MapOutcome {
    const { name, table, state, reason } = this.#states.get(map.name) ?? {
      ...map,
      table: this.#tableOf(map),
      state: 'failed' as const,
      reason: 'it was not looked at',
    };
    return { name, table, status: state === 'live' && !wasWritten ? 'unchanged' : state, reason };
  }

  #tableOf(map: MapFile): string {
    return this.#files.table(map.name, map.kind);
  }
}

function checkName(map: MapFile, before: readonly MapFile[]): void {
  const fault = { code: 'TABLE_NAME', protocol: 'Postfix table', offset: 0 };
  if (!NAME.test(map.name)) {
    throw new LocalProtocolError('a map is named by small letters, digits and hyphens, at most 64', fault);
  }
  if (before.some(({ name }) => name === map.name)) {
    throw new LocalProtocolError(`the map ${map.name} is published twice at a time`, fault);
  }
}
