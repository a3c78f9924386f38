/**
 * The running snapshot with what Postfix knows of its routes: numbers are given and remembered, tables published,
 * main.cf and master.cf looked at. Until Postfix is known to have them, routed mail waits or is encoded; it is never
 * delivered past its route.
 */
import { renderRouteMaps, ROUTE_TABLES } from '../answers/index.ts';
import { NO_INSTALLATION, withInstallation, type RouteInstallation, type Snapshot } from '../snapshot/index.ts';
import type { Clock, Log, MapsState, MapWriter, Meters, PublishResult, RouteBook, RouteRegistry } from './ports.ts';
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
  readonly clock: Clock;
  readonly log: Log;
  readonly meters: Meters;
};

/**
 * For so long qmgr(8) goes on with the last answer that it had, if the next message has the same sender and recipient:
 * 30 s, and a little. Source: Postfix resolve_clnt.c; seen with Postfix 3.7.
 */
const REMEMBERED_MS = 31_000;

const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Tables on their way. Of several that wait, the writer writes the last alone, so only its revision is then the one. */
type Prepared = {
  readonly revision: string;
  readonly publishing: Promise<PublishResult>;
  readonly writer: MapWriter;
};

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
  /** Since when Postfix answers with the table that was written last; null where it does not. */
  #tableLiveSince: number | null = null;
  #failure: Problem | null = null;
  #version = 0;
  #made: {
    readonly from: Snapshot;
    readonly version: number;
    readonly isLive: boolean;
    readonly snapshot: Snapshot;
  } | null = null;
  #preparing: Promise<void> = Promise.resolve();
  /** A refresh that has not begun. */
  #waiting: Promise<void> | null = null;
  #isStopped = false;

  constructor(options: RoutedSnapshotsOptions) {
    this.#options = options;
  }

  current(): Snapshot {
    const from = this.#options.base();
    const isLive = this.#isTrusted(from);
    if (this.#made?.from !== from || this.#made.version !== this.#version || this.#made.isLive !== isLive) {
      const snapshot = withInstallation(from, this.#installationFor(from));
      this.#made = { from, version: this.#version, isLive, snapshot };
    }
    return this.#made.snapshot;
  }

  refresh(): Promise<void> {
    // One after the other: the tables of the last settings must be the last that are published. What is waiting reads
    // the settings when it begins, so it does for all that ask meanwhile; and writing, which takes its time, is not
    // waited for, so that a new route has its number at once.
    if (this.#waiting === null) {
      const prepared = this.#preparing.then(() => {
        this.#waiting = null;
        return this.#isStopped ? null : this.#prepare();
      });
      this.#preparing = prepared.then(
        () => undefined,
        () => undefined,
      );
      this.#waiting = this.#finish(prepared);
    }
    return this.#waiting;
  }

  async #finish(prepared: Promise<Prepared | null>): Promise<void> {
    try {
      const publication = await prepared;
      if (publication !== null) await this.#publish(publication);
      this.#failure = null;
    } catch (error) {
      const text = `routes are not as the settings say: ${textOf(error)}`;
      this.#failure = { code: 'POSTERN_MAP_NOT_WRITTEN', text };
      this.#options.log.error(text, { code: this.#failure.code, err: error });
    }
    this.#version += 1;
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
    const state = this.#writer?.state() ?? null;
    if (state === null || this.#published === this.#options.base().revision) return state;
    // Between an edit and the table that it makes: Postfix has an answer, and not that of the settings.
    const reason = 'the table of these settings is not written yet';
    const isStale = ({ name, state: how }: MapsState['maps'][number]): boolean =>
      name === ROUTE_TABLES.transport && how === 'live';
    const maps = state.maps.map((map) =>
      isStale(map) ? { ...map, state: 'saved-not-yet-live' as const, reason } : map,
    );
    return { ...state, maps, isLive: false };
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#preparing;
    await this.#writer?.stop();
  }

  #installationFor(snapshot: Snapshot): RouteInstallation {
    const book = this.#book;
    if (book === null) return NO_INSTALLATION;
    return {
      routes: knownRoutesOf(snapshot, book, (service) => this.#parts.services.has(service)),
      isAsked: this.#parts.isAsked && this.#wasLive,
      isLive: this.#isTrusted(snapshot),
    };
  }

  /** Whether all of Postfix goes by the table of these settings, and nothing of it remembers the one before. */
  #isTrusted({ revision }: Snapshot): boolean {
    const since = this.#tableLiveSince;
    return this.#published === revision && since !== null && this.#options.clock.now() - since >= REMEMBERED_MS;
  }

  async #prepare(): Promise<Prepared | null> {
    const { base, registry, postfix } = this.#options;
    const snapshot = base();
    const names = [...snapshot.routes.keys()];
    this.#book = names.length === 0 ? await registry.read() : await registry.assign(names);
    this.#version += 1;
    // Where no route ever was, no table is made. Without Postfix there is nobody to read one.
    if (this.#book === null || postfix === null) return null;
    this.#writer ??= await postfix.openMaps((state) => {
      this.#onMaps(state);
    });
    const table = this.#writer.table(ROUTE_TABLES.transport, 'indexed');
    await this.#look(postfix, table);
    const routed = withInstallation(snapshot, this.#installationFor(snapshot));
    const files = renderRouteMaps(routed, postfix.hostname);
    return { revision: snapshot.revision, publishing: this.#writer.publish(files), writer: this.#writer };
  }

  async #publish({ revision, publishing, writer }: Prepared): Promise<void> {
    const { maps } = await publishing;
    this.#published = maps.every(({ status }) => status !== 'failed') ? revision : null;
    this.#onMaps(writer.state());
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
    const isLive = ({ name, state: how }: MapsState['maps'][number]): boolean =>
      name === ROUTE_TABLES.transport && how === 'live';
    this.#tableLiveSince = state.maps.find(isLive)?.since ?? null;
    this.#wasLive ||= this.#tableLiveSince !== null;
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
