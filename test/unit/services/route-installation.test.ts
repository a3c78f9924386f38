/** What the keeper of the routes' installation gives and says, whatever is missing or fails. */
import { describe, expect, it } from 'vitest';
import {
  createRoutedSnapshots,
  type MapsState,
  type MapState,
  type MapWriter,
  type PublishResult,
  type RoutedPostfix,
  type RoutedSnapshots,
} from '../../../src/services/index.ts';
import { NO_INSTALLATION, type RevisionId, type RouteId, type Snapshot } from '../../../src/snapshot/index.ts';
import type { MapFile } from '../../../src/wire/postfix-map/index.ts';
import { MemoryRegistry } from '../../contract/memory-registry.ts';
import { aSnapshot, withDomain, type Keys } from '../../support/builders.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { FakeLog, FakeMeters } from '../../support/fake-log.ts';

const ROUTES = { archive: { host: '192.0.2.10' }, dlp: { host: '192.0.2.30' } };
const RULES = {
  inboundRouting: [{ mail: ['external', 'internal'], route: 'archive' }],
  outboundRouting: [{ mail: ['external'], action: 'change', route: 'dlp' }],
};
const BOTH = ['postern-r1', 'postern-r2'];
/** Longer than any part of Postfix remembers an answer. */
const LONG_MS = 60_000;

/** A writer that says of each table what a test says. */
class FakeWriter implements MapWriter {
  readonly type = 'lmdb';
  readonly published: (readonly MapFile[])[] = [];
  readonly #onState: (state: MapsState) => void;
  readonly #clock: FakeClock;
  /** What the next publication comes to, by the names of tables; live where nothing is said. */
  outcome: Readonly<Record<string, MapState['state']>> = {};
  maps: MapState[] = [];
  isStopped = false;

  constructor(onState: (state: MapsState) => void, clock: FakeClock) {
    this.#onState = onState;
    this.#clock = clock;
  }

  table(name: string, kind: MapFile['kind']): string {
    return `${kind === 'indexed' ? 'lmdb' : 'regexp'}:/maps/${name}`;
  }

  state(): MapsState {
    const isLive = this.maps.length > 0 && this.maps.every(({ state }) => state === 'live');
    return { directory: '/maps', type: this.type, maps: this.maps, isLive };
  }

  publish(files: readonly MapFile[]): Promise<PublishResult> {
    this.published.push(files);
    this.maps = files.map(({ name, kind }) => {
      const state = this.outcome[name] ?? 'live';
      const reason = state === 'live' ? null : `${name} is ${state}`;
      return { name, table: this.table(name, kind), state, since: this.#clock.now(), reason };
    });
    const maps = this.maps.map(({ name, table, state, reason }) => ({ name, table, status: state, reason }));
    return Promise.resolve({ maps });
  }

  /** Postfix notices, or what was live no longer is. */
  turn(name: string, state: MapState['state']): void {
    this.maps = this.maps.map((map) => (map.name === name ? { ...map, state, since: this.#clock.now() } : map));
    this.#onState(this.state());
  }

  stop(): Promise<void> {
    this.isStopped = true;
    return Promise.resolve();
  }
}

class Ground {
  readonly clock = new FakeClock();
  readonly log = new FakeLog();
  readonly meters = new FakeMeters();
  readonly registry = new MemoryRegistry();
  /** What main.cf and master.cf say. */
  parts = { isAsked: true, services: BOTH };
  fault: Error | null = null;
  /** What the first publication comes to. */
  outcome: FakeWriter['outcome'] = {};
  opened = 0;
  asked: string[] = [];
  base: Snapshot;
  writer: FakeWriter | null = null;
  readonly routed: RoutedSnapshots;

  constructor(settings: Keys = RULES, hasPostfix = true) {
    this.base = snapshotOf(settings);
    const { registry, log, meters, clock } = this;
    const postfix = hasPostfix ? this.#postfix() : null;
    this.routed = createRoutedSnapshots({ base: () => this.base, registry, postfix, log, meters, clock });
  }

  #postfix(): RoutedPostfix {
    return {
      hostname: 'mx.example.com',
      openMaps: (onState) => {
        this.opened += 1;
        if (this.fault !== null) return Promise.reject(this.fault);
        this.writer = new FakeWriter(onState, this.clock);
        this.writer.outcome = this.outcome;
        return Promise.resolve(this.writer);
      },
      parts: (table) => {
        this.asked.push(table);
        if (this.fault !== null) return Promise.reject(this.fault);
        return Promise.resolve({ ...this.parts, services: new Set(this.parts.services) });
      },
    };
  }

  /** Other settings, which have another revision. */
  edit(settings: Keys, revision: string): void {
    this.base = { ...snapshotOf(settings), revision: revision as RevisionId };
  }

  /** Until nothing of Postfix remembers what was before. */
  async settled(): Promise<this> {
    await this.routed.refresh();
    this.clock.advance(LONG_MS);
    return this;
  }

  get installation(): Snapshot['installation'] {
    return this.routed.current().installation;
  }

  get problems(): string[] {
    return this.routed.problems().map(({ code, text }) => `${code}: ${text}`);
  }
}

const snapshotOf = (settings: Keys): Snapshot => aSnapshot(withDomain(settings, { routes: ROUTES }));
const linesOf = (files: readonly MapFile[] | undefined): string[] =>
  files?.find(({ name }) => name === 'transport')?.entries.map(({ key, value }) => `${key} ${value}`) ?? [];

describe('where there is no route', () => {
  it('no table is made, nothing is remembered, and nothing is wrong', async () => {
    const ground = new Ground({});
    ground.base = aSnapshot(withDomain({}));
    await ground.routed.refresh();
    expect(ground.installation).toEqual(NO_INSTALLATION);
    expect([ground.opened, ground.registry.writes, ground.routed.maps(), ground.problems]).toEqual([0, 0, null, []]);
  });

  it('MAP-04 but there was one, the table stays: encoded recipients in the queue wait, and do not leave', async () => {
    const ground = await new Ground().settled();
    ground.edit({}, 'aaaaaaaaaaaa');
    ground.base = { ...ground.base, routes: new Map() };
    await ground.settled();
    expect(linesOf(ground.writer!.published.at(-1)).map((line) => line.split(' ')[0])).toEqual([
      'route.postern.internal',
      '.route.postern.internal',
    ]);
    expect(ground.problems).toEqual([]);
  });
});

describe('what Postfix knows', () => {
  it('before the first refresh: nothing', () => {
    expect(new Ground().installation).toEqual(NO_INSTALLATION);
  });

  it('after it: numbers, tables with them, and the services that are there', async () => {
    const ground = new Ground();
    ground.parts = { isAsked: true, services: ['postern-r2'] };
    await ground.settled();
    const { routes, isAsked, isLive } = ground.installation;
    expect([...routes.values()].map(({ number, isInstalled }) => [number, isInstalled])).toEqual([
      [1, false],
      [2, true],
    ]);
    expect([isAsked, isLive]).toEqual([true, true]);
    const { label } = routes.get('acme/archive' as RouteId)!;
    const lines = linesOf(ground.writer!.published[0]);
    expect(lines).toContain(`${label}.route.postern.internal postern-r1:[192.0.2.10]:25`);
    expect(lines).toContain('example.com postern-r1:[192.0.2.10]:25');
    expect(ground.asked).toEqual(['lmdb:/maps/transport']);
  });

  it('encoded recipients wait until Postfix has answered with a table of ours once, and then no more', async () => {
    const ground = new Ground();
    ground.outcome = { transport: 'saved-not-yet-live' };
    await ground.settled();
    expect(ground.installation).toMatchObject({ isAsked: false, isLive: false });
    ground.writer!.turn('transport', 'live');
    expect(ground.installation).toMatchObject({ isAsked: true, isLive: false });
    ground.clock.advance(LONG_MS);
    expect(ground.installation).toMatchObject({ isAsked: true, isLive: true });
    // The one before holds the line that keeps encoded recipients back.
    ground.edit({}, 'bbbbbbbbbbbb');
    ground.writer!.outcome = { transport: 'saved-not-yet-live' };
    await ground.settled();
    expect(ground.installation).toMatchObject({ isAsked: true, isLive: false });
  });

  it('is nothing where main.cf does not ask the table, however live it is', async () => {
    const ground = new Ground();
    ground.parts = { isAsked: false, services: BOTH };
    await ground.settled();
    expect(ground.installation).toMatchObject({ isAsked: false, isLive: true });
  });

  it('after an edit only the transport table is not that of the settings', async () => {
    const ground = await new Ground().settled();
    ground.edit({ ...RULES, inboundRouting: [] }, 'cccccccccccc');
    const standing = (): (string | null)[][] =>
      ground.routed.maps()!.maps.map(({ name, state, reason }) => [name, state, reason]);
    expect(standing().slice(-2)).toEqual([
      ['route-tls', 'live', null],
      ['transport', 'saved-not-yet-live', 'the table of these settings is not written yet'],
    ]);
    await ground.settled();
    expect(standing().every(([, state]) => state === 'live')).toBe(true);
    expect(linesOf(ground.writer!.published.at(-1)).some((line) => line.startsWith('example.com '))).toBe(false);
  });

  it('a new route has its number, though no table could be written', async () => {
    const ground = new Ground();
    ground.fault = new Error('no type of table');
    await ground.routed.refresh();
    expect([...ground.installation.routes.keys()]).toEqual(['acme/archive', 'acme/dlp']);
  });

  it('is one value between changes, and another after each', async () => {
    const ground = await new Ground().settled();
    const first = ground.routed.current();
    expect(ground.routed.current()).toBe(first);
    ground.writer!.turn('transport', 'saved-not-yet-live');
    const second = ground.routed.current();
    expect(second).not.toBe(first);
    ground.edit(RULES, 'dddddddddddd');
    expect(ground.routed.current().revision).toBe('dddddddddddd');
  });
});

describe('what is wrong', () => {
  const APPLY = 'waits; run "postern postfix apply"';

  it('nothing, where Postfix knows all', async () => {
    const ground = await new Ground().settled();
    expect([ground.problems, ground.log.messages('warn')]).toEqual([[], []]);
  });

  it('no Postfix at hand', async () => {
    const ground = await new Ground(RULES, false).settled();
    expect(ground.problems).toEqual([
      'POSTERN_ROUTES_NOT_INSTALLED: there is no Postfix at hand, so routed mail waits',
    ]);
    expect(ground.installation).toMatchObject({ isAsked: false, isLive: false });
    expect([...ground.installation.routes.values()].map(({ isInstalled }) => isInstalled)).toEqual([false, false]);
    expect(ground.routed.maps()).toBeNull();
  });

  it('Postfix does not ask; said in the log, and when it does', async () => {
    const ground = new Ground();
    ground.parts = { isAsked: false, services: [] };
    await ground.settled();
    const problem = `Postfix does not ask for routes yet, so routed mail ${APPLY}`;
    expect(ground.problems).toEqual([`POSTERN_ROUTES_NOT_INSTALLED: ${problem}`]);
    expect(ground.log.messages('warn')).toEqual([problem]);
    ground.parts = { isAsked: true, services: BOTH };
    await ground.routed.refresh();
    expect(ground.problems).toEqual([]);
    expect(ground.log.messages('info')).toEqual(['Postfix knows all routes now']);
    await ground.routed.refresh();
    expect(ground.log.messages('info')).toHaveLength(1);
  });

  it('services are missing: those that a rule wants are named', async () => {
    const ground = new Ground({ inboundRouting: [{ mail: ['external'], route: 'archive' }] });
    ground.parts = { isAsked: true, services: [] };
    await ground.settled();
    expect(ground.problems).toEqual([
      `POSTERN_ROUTES_NOT_INSTALLED: Postfix has no service for acme/archive, so that mail ${APPLY}`,
    ]);
  });

  it('nothing, where rules are only observed, or routes not used', async () => {
    for (const settings of [{ enforcement: 'observe', ...RULES }, {}]) {
      const ground = new Ground(settings);
      ground.parts = { isAsked: false, services: [] };
      await ground.settled();
      expect(ground.problems).toEqual([]);
    }
  });

  it('a table that could not be written is named, and no table is relied on until all are', async () => {
    const ground = await new Ground().settled();
    ground.writer!.outcome = { 'decode-r1': 'failed' };
    ground.edit(RULES, 'eeeeeeeeeeee');
    await ground.settled();
    expect(ground.problems).toEqual([
      'POSTERN_MAP_NOT_WRITTEN: regexp:/maps/decode-r1: decode-r1 is failed; the old table stays',
    ]);
    expect(ground.installation.isLive).toBe(false);
    ground.writer!.outcome = {};
    await ground.settled();
    expect([ground.problems, ground.installation.isLive]).toEqual([[], true]);
  });

  it.each<[string, (ground: Ground, fault: Error | null) => void]>([
    ['the numbers cannot be read', ({ registry }, fault) => (registry.fault = fault)],
    ['Postfix cannot be read', (ground, fault) => (ground.fault = fault)],
  ])('%s: said, and tried again the next time', async (_, set) => {
    const ground = new Ground();
    set(ground, new Error('no way'));
    await ground.routed.refresh();
    expect(ground.problems[0]).toBe('POSTERN_MAP_NOT_WRITTEN: routes are not as the settings say: no way');
    expect(ground.log.messages('error')).toEqual(['routes are not as the settings say: no way']);
    set(ground, null);
    await ground.settled();
    expect([ground.problems, ground.installation.isAsked]).toEqual([[], true]);
  });

  it('what fails later leaves what was known', async () => {
    const ground = await new Ground().settled();
    const before = ground.installation;
    ground.registry.fault = new Error('disk');
    await ground.routed.refresh();
    expect(ground.installation).toEqual(before);
    expect(ground.problems).toEqual(['POSTERN_MAP_NOT_WRITTEN: routes are not as the settings say: disk']);
  });

  it('tables are counted by how they stand', async () => {
    const ground = await new Ground().settled();
    ground.writer!.turn('transport', 'saved-not-yet-live');
    ground.writer!.turn('route-tls', 'failed');
    expect(ground.meters.maps.at(-1)).toEqual({ live: 4, 'saved-not-yet-live': 1, failed: 1 });
  });
});

describe('the end', () => {
  it('nothing is published after it, and the writer has ended too', async () => {
    const ground = await new Ground().settled();
    await ground.routed.stop();
    const count = ground.writer!.published.length;
    await ground.routed.refresh();
    expect([ground.writer!.isStopped, ground.writer!.published.length]).toEqual([true, count]);
    await new Ground(RULES, false).routed.stop();
  });
});
