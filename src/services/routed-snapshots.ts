/**
 * The running snapshot with what Postfix knows of its routes: numbers are given and remembered, tables published,
 * main.cf and master.cf looked at. Until Postfix is known to have them, routed mail waits or is encoded; it is never
 * delivered past its route.
 */
import { renderRouteMaps, ROUTE_TABLES } from '../answers/index.ts';
import { NO_INSTALLATION, withInstallation, type RouteInstallation, type Snapshot } from '../snapshot/index.ts';
import type { Log, MapsState, MapWriter, Meters, RouteBook, RouteRegistry } from './ports.ts';
import { knownRoutesOf } from './route-numbers.ts';
import type { Problem } from './snapshots.ts';

/** The snapshot that decisions use. */
export type RoutedSnapshots = {
  current(): Snapshot;
  /** Numbers new routes, publishes the tables of the settings as they are now, looks at Postfix. Never throws. */
  refresh(): Promise<void>;
  problems(): readonly Problem[];
  /** Null before the first table is published. */
  maps(): MapsState | null;
  /** Writes what is waiting, then ends. */
  stop(): Promise<void>;
};

/** The Postfix at hand. */
export type RoutedPostfix = {
  /** `myhostname`. */
  readonly hostname: string;
  /** Makes the map writer; asked again where it failed. Errors: PosternError. */
  readonly openMaps: (onState: (state: MapsState) => void) => Promise<MapWriter>;
  /** What of the routes Postfix is told about. Errors: PosternError where its files cannot be read. */
  readonly parts: (
    transportTable: string,
  ) => Promise<{ readonly isAsked: boolean; readonly services: ReadonlySet<string> }>;
};

/** Ports. `postfix` is null where there is none at hand. */
export type RoutedSnapshotsOptions = {
  readonly base: () => Snapshot;
  readonly registry: RouteRegistry;
  readonly postfix: RoutedPostfix | null;
  readonly log: Log;
  readonly meters: Meters;
};

const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Puts the installation of the routes into what `base` gives. */
export const createRoutedSnapshots = (options: RoutedSnapshotsOptions): RoutedSnapshots => new RouteKeeper(options);

class RouteKeeper implements RoutedSnapshots {
  readonly #options: RoutedSnapshotsOptions;
  #book: RouteBook | null = null;
  #writer: MapWriter | null = null;
  #parts: { readonly isAsked: boolean; readonly services: ReadonlySet<string> } = {
    isAsked: false,
    services: new Set(),
  };
  /** The revision whose tables were published last, all of them written. */
  #published: string | null = null;
  /** Whether Postfix has ever answered with our tables: from then on it keeps back what no line names. */
  #wasLive = false;
  #failure: Problem | null = null;
  #version = 0;
  #made: { readonly from: Snapshot; readonly version: number; readonly snapshot: Snapshot } | null = null;
  #refreshing: Promise<void> = Promise.resolve();
  #isStopped = false;

  constructor(options: RoutedSnapshotsOptions) {
    this.#options = options;
  }

  current(): Snapshot {
    const from = this.#options.base();
    if (this.#made?.from !== from || this.#made.version !== this.#version) {
      const snapshot = withInstallation(from, this.#installationFor(from));
      this.#made = { from, version: this.#version, snapshot };
    }
    return this.#made.snapshot;
  }

  refresh(): Promise<void> {
    // One after the other: the tables of the last settings must be the last that are published.
    this.#refreshing = this.#refreshing.then(async () => {
      if (this.#isStopped) return;
      try {
        await this.#refresh();
        this.#failure = null;
      } catch (error) {
        const text = `routes are not as the settings say: ${textOf(error)}`;
        this.#failure = { code: 'POSTERN_MAP_NOT_WRITTEN', text };
        this.#options.log.error(text, { code: this.#failure.code, err: error });
      }
      this.#version += 1;
    });
    return this.#refreshing;
  }

  problems(): readonly Problem[] {
    const failed = (this.maps()?.maps ?? []).filter(({ state }) => state === 'failed');
    return [
      ...(this.#failure === null ? [] : [this.#failure]),
      ...failed.map(({ table, reason }) => ({
        code: 'POSTERN_MAP_NOT_WRITTEN',
        text: `${table}: ${reason ?? 'not written'}; the old table stays`,
      })),
      ...this.#notInstalled(),
    ];
  }

  maps(): MapsState | null {
    return this.#writer?.state() ?? null;
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#refreshing;
    await this.#writer?.stop();
  }

  #installationFor(snapshot: Snapshot): RouteInstallation {
    const book = this.#book;
    if (book === null) return NO_INSTALLATION;
    return {
      routes: knownRoutesOf(snapshot, book, (service) => this.#parts.services.has(service)),
      isAsked: this.#parts.isAsked && this.#wasLive,
      isLive: this.#published === snapshot.revision && this.#isTableLive(),
    };
  }

  #isTableLive(): boolean {
    return this.maps()?.maps.some(({ name, state }) => name === ROUTE_TABLES.transport && state === 'live') === true;
  }

  async #refresh(): Promise<void> {
    const { base, registry, postfix } = this.#options;
    const snapshot = base();
    const names = [...snapshot.routes.keys()];
    this.#book = names.length === 0 ? await registry.read() : await registry.assign(names);
    this.#version += 1;
    // Where no route ever was, no table is made. Without Postfix there is nobody to read one.
    if (this.#book === null || postfix === null) return;
    this.#writer ??= await postfix.openMaps((state) => {
      this.#onMaps(state);
    });
    const table = this.#writer.table(ROUTE_TABLES.transport, 'indexed');
    await this.#look(postfix, table);
    const routed = withInstallation(snapshot, this.#installationFor(snapshot));
    const { maps } = await this.#writer.publish(renderRouteMaps(routed, postfix.hostname));
    this.#published = maps.every(({ status }) => status !== 'failed') ? snapshot.revision : null;
    this.#onMaps(this.#writer.state());
  }

  async #look(postfix: RoutedPostfix, table: string): Promise<void> {
    const before = this.#notInstalled().length;
    this.#parts = await postfix.parts(table);
    this.#version += 1;
    const problems = this.#notInstalled();
    if (before > 0 && problems.length === 0) this.#options.log.info('Postfix knows all routes now');
    for (const { code, text } of problems) this.#options.log.warn(text, { code });
  }

  #onMaps(state: MapsState): void {
    this.#wasLive ||= this.#isTableLive();
    const count = { live: 0, 'saved-not-yet-live': 0, failed: 0 };
    for (const { state: how } of state.maps) count[how] += 1;
    this.#options.meters.setMaps(count);
    this.#version += 1;
  }

  /** What a rule asks for and Postfix does not know. */
  #notInstalled(): Problem[] {
    const snapshot = this.current();
    const wanted = new Set(
      [...snapshot.domains.values()].flatMap(({ enforcement, inboundRoutes, outboundRoutes }) =>
        enforcement === 'observe' ? [] : [...inboundRoutes, ...outboundRoutes].map(({ route }) => route),
      ),
    );
    if (wanted.size === 0) return [];
    const problem = (text: string): Problem[] => [{ code: 'POSTERN_ROUTES_NOT_INSTALLED', text }];
    if (this.#options.postfix === null) return problem('there is no Postfix at hand, so routed mail waits');
    if (!this.#parts.isAsked) {
      return problem('Postfix does not ask for routes yet, so routed mail waits; run "postern postfix apply"');
    }
    const missing = [...wanted].filter((id) => snapshot.installation.routes.get(id)?.isInstalled !== true);
    if (missing.length === 0) return [];
    return problem(`Postfix has no service for ${missing.join(', ')}, so that mail waits; run "postern postfix apply"`);
  }
}
