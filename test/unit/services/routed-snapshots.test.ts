/** The keeper of the routes' installation: when its table is trusted, and that many edits make few writings. */
import { beforeEach, describe, expect, it } from 'vitest';
import {
  createRoutedSnapshots,
  type MapsState,
  type MapWriter,
  type PublishResult,
  type RouteBook,
  type RoutedSnapshots,
} from '../../../src/services/index.ts';
import type { RevisionId, Snapshot } from '../../../src/snapshot/index.ts';
import { aDocument, aSnapshot } from '../../support/builders.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { FakeLog, FakeMeters } from '../../support/fake-log.ts';

const turns = async (): Promise<void> => {
  for (let count = 0; count < 50; count += 1) await Promise.resolve();
};

/** A writer whose writings end when the test says so. */
class HeldWriter implements MapWriter {
  readonly type = 'hash';
  readonly writings: PromiseWithResolvers<PublishResult>[] = [];
  onState: (state: MapsState) => void = () => undefined;
  #state: MapsState['maps'][number] | null = null;

  publish(): Promise<PublishResult> {
    const writing = Promise.withResolvers<PublishResult>();
    this.writings.push(writing);
    return writing.promise;
  }

  /** Ends the oldest writing; the table then stands so. */
  async end(state: 'live' | 'saved-not-yet-live' | 'failed', since: number): Promise<void> {
    this.stands(state, since);
    const reason = state === 'live' ? null : 'so it is';
    this.writings
      .shift()
      ?.resolve({ maps: [{ name: 'transport', table: 'hash:/maps/transport', status: state, reason }] });
    await turns();
  }

  stands(state: 'live' | 'saved-not-yet-live' | 'failed', since: number): void {
    this.#state = { name: 'transport', table: 'hash:/maps/transport', state, since, reason: null };
    this.onState(this.state());
  }

  state(): MapsState {
    const maps = this.#state === null ? [] : [this.#state];
    return { directory: '/maps', type: 'hash', maps, isLive: maps.every(({ state }) => state === 'live') };
  }

  table(name: string): string {
    return `hash:/maps/${name}`;
  }

  stop(): Promise<void> {
    return Promise.resolve();
  }
}

const document = (routes: readonly string[]): object =>
  aDocument(
    { 'example.com': { inboundRouting: [{ mail: ['external', 'internal'], route: routes.at(-1) }] } },
    { routes: Object.fromEntries(routes.map((name) => [name, { host: '192.0.2.7' }])) },
  );

let clock: FakeClock;
let writer: HeldWriter;
let base: Snapshot;
let assigned: string[][];
let keeper: RoutedSnapshots;

const edit = (routes: readonly string[], revision: string): Promise<void> => {
  base = { ...aSnapshot(document(routes)), revision: revision as RevisionId };
  return keeper.refresh();
};

beforeEach(() => {
  clock = new FakeClock();
  writer = new HeldWriter();
  assigned = [];
  base = aSnapshot(document(['one']));
  const book: RouteBook = {
    key: 'ab'.repeat(32),
    numbers: new Map([
      ['acme/one', 1],
      ['acme/two', 2],
    ]),
  };
  keeper = createRoutedSnapshots({
    base: () => base,
    registry: {
      read: () => Promise.resolve(book),
      assign: (names) => {
        assigned.push([...names]);
        return Promise.resolve(book);
      },
    },
    postfix: {
      hostname: 'mx.example.com',
      openMaps: (onState) => {
        writer.onState = onState;
        return Promise.resolve(writer);
      },
      parts: () => Promise.resolve({ isAsked: true, services: new Set(['postern-r1', 'postern-r2']) }),
    },
    clock,
    log: new FakeLog(),
    meters: new FakeMeters(),
  });
});

describe('the table of the settings', () => {
  it('is trusted half a minute after it became live, for so long Postfix remembers the one before', async () => {
    void edit(['one'], 'r1');
    await turns();
    await writer.end('live', clock.now());
    expect(keeper.current().installation).toMatchObject({ isAsked: true, isLive: false });
    clock.advance(30_000);
    expect(keeper.current().installation.isLive).toBe(false);
    clock.advance(1_000);
    expect(keeper.current().installation.isLive).toBe(true);
    writer.stands('saved-not-yet-live', clock.now());
    expect(keeper.current().installation).toMatchObject({ isAsked: true, isLive: false });
  });

  it('is not live between an edit and the writing of its table', async () => {
    void edit(['one'], 'r1');
    await turns();
    await writer.end('live', clock.now());
    clock.advance(60_000);
    expect(keeper.maps()).toMatchObject({ isLive: true, maps: [{ state: 'live' }] });
    void edit(['one', 'two'], 'r2');
    const notWritten = [{ state: 'saved-not-yet-live', reason: 'the table of these settings is not written yet' }];
    expect(keeper.maps()).toMatchObject({ isLive: false, maps: notWritten });
    expect(keeper.current().installation.isLive).toBe(false);
    await turns();
    await writer.end('live', clock.now());
    expect(keeper.maps()).toMatchObject({ isLive: true, maps: [{ state: 'live' }] });
  });

  it('is not trusted where it could not be written', async () => {
    void edit(['one'], 'r1');
    await turns();
    await writer.end('failed', clock.now());
    clock.advance(60_000);
    expect(keeper.current().installation.isLive).toBe(false);
    expect(keeper.problems().map(({ code }) => code)).toContain('POSTERN_MAP_NOT_WRITTEN');
  });
});

describe('many edits', () => {
  it('are gathered: what has not begun is done once, with the last settings', async () => {
    const edits = Array.from({ length: 100 }, (_, index) => edit(['one', 'two'], `r${index}`));
    await turns();
    expect(writer.writings).toHaveLength(1);
    await writer.end('live', clock.now());
    await Promise.all(edits);
    clock.advance(60_000);
    expect(keeper.current()).toMatchObject({ revision: 'r99', installation: { isLive: true } });
  });

  it('a new route has its number while the tables of an edit before are still being written', async () => {
    void edit(['one'], 'r1');
    await turns();
    void edit(['one', 'two'], 'r2');
    await turns();
    expect(writer.writings).toHaveLength(2);
    expect(assigned).toEqual([['acme/one'], ['acme/one', 'acme/two']]);
    await writer.end('live', clock.now());
    clock.advance(60_000);
    expect(keeper.current().installation.isLive).toBe(false);
    await writer.end('live', clock.now());
    clock.advance(60_000);
    expect(keeper.current().installation.isLive).toBe(true);
  });
});
