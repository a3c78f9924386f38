import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { encodeRecipient } from '../../../src/mail/index.ts';
import {
  createRouteQueue,
  type PostfixQueue,
  type QueuedMessage,
  type RouteQueue,
} from '../../../src/services/index.ts';
import type { Snapshot } from '../../../src/snapshot/index.ts';
import { aRoutedSnapshot, aSnapshot, knownRoute } from '../../support/builders.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { FakeLog } from '../../support/fake-log.ts';
import { FakeRouteMeters } from '../../support/route-meters.ts';
import { waitFor } from '../../support/waiting.ts';

const document = (plain: readonly string[]): unknown => ({
  version: 1,
  organizations: {
    acme: {
      primaryDomain: 'a.example',
      routes: { archive: { host: '192.0.2.31' }, quiet: { host: '192.0.2.32' } },
      domains: {
        'a.example': { inboundRouting: [{ mail: ['external'], route: 'archive' }] },
        ...Object.fromEntries(
          plain.map((domain) => [domain, { inboundRouting: [{ mail: ['internal', 'external'], route: 'quiet' }] }]),
        ),
      },
    },
  },
});
const conditional = aRoutedSnapshot(document([]));
const plain = aRoutedSnapshot(document(['plain.example']));
const NOW = Date.UTC(2027, 0, 1);

const encoded = (localPart: string, route = 'archive'): string =>
  encodeRecipient({ localPart, domain: 'a.example' }, knownRoute(plain, route).label, 'route.postern.internal');
const message = (recipients: readonly string[], secondsAgo = 60, queueName = 'deferred'): QueuedMessage => ({
  queueName,
  arrivedAt: NOW - secondsAgo * 1000,
  recipients,
});

class Bench {
  readonly log = new FakeLog();
  readonly meters = new FakeRouteMeters();
  messages: readonly QueuedMessage[] = [];
  fault: Error | null = null;
  /** What the reader was asked to skip. */
  skipped: string[] = [];
  readings = 0;
  atOnce = 0;
  mostAtOnce = 0;
  /** A reading does not end before this. */
  until: Promise<unknown> = Promise.resolve();
  readonly queue: RouteQueue;

  constructor(snapshot: Snapshot, hasPostfix = true, everyMs?: number) {
    const source: PostfixQueue = {
      each: async (onMessage, mayConcern, end) => {
        this.readings += 1;
        this.mostAtOnce = Math.max(this.mostAtOnce, (this.atOnce += 1));
        await Promise.race([this.until, once(end, 'abort')]);
        this.atOnce -= 1;
        if (end.aborted) throw new Error('ended');
        if (this.fault !== null) throw this.fault;
        for (const each of this.messages) {
          if (mayConcern(JSON.stringify(each))) onMessage(each);
          else this.skipped.push(...each.recipients);
        }
      },
    };
    this.queue = createRouteQueue({
      ...{ current: () => snapshot, clock: new FakeClock(NOW), log: this.log, meters: this.meters },
      queue: hasPostfix ? source : null,
      ...(everyMs !== undefined && { everyMs }),
    });
  }
}

describe('createRouteQueue', () => {
  it('messages and the age of the oldest, by route; a message for two recipients of a route is one', async () => {
    const bench = new Bench(plain);
    bench.messages = [
      message([encoded('bob'), encoded('eve')], 30),
      message([encoded('bob'), 'x@else.example'], 300, 'active'),
      message(['anna@plain.example', encoded('bob')], 90, 'incoming'),
      message(['x@else.example'], 9_000),
      message([encoded('held')], 9_000, 'hold'),
      message(['bob=a.example@r9-00000000.route.postern.internal'], 9_000),
    ];
    await bench.queue.refresh();
    expect(bench.meters.known).toEqual(['acme/archive', 'acme/quiet']);
    expect(bench.meters.queues).toEqual([
      { 'acme/archive': { messages: 3, oldestSeconds: 300 }, 'acme/quiet': { messages: 1, oldestSeconds: 90 } },
    ]);
  });

  it('nothing waits: zero, not nothing', async () => {
    const bench = new Bench(plain);
    await bench.queue.refresh();
    const none = { messages: 0, oldestSeconds: 0 };
    expect(bench.meters.queues).toEqual([{ 'acme/archive': none, 'acme/quiet': none }]);
  });

  it('a clock that is behind makes no negative age', async () => {
    const bench = new Bench(plain);
    bench.messages = [message([encoded('bob')], -5)];
    await bench.queue.refresh();
    expect(bench.meters.queues[0]?.['acme/archive']).toEqual({ messages: 1, oldestSeconds: 0 });
  });

  it('where no domain is led to a route by a line, other mail is not looked at closely', async () => {
    const bench = new Bench(conditional);
    bench.messages = [message(['x@else.example']), message([encoded('bob')])];
    await bench.queue.refresh();
    expect(bench.skipped).toEqual(['x@else.example']);
    expect(bench.meters.queues[0]?.['acme/archive']).toMatchObject({ messages: 1 });
  });

  it('not readable: nothing is shown, and it is said when that begins and ends', async () => {
    const bench = new Bench(plain);
    bench.fault = new Error('mail system is down');
    await bench.queue.refresh();
    await bench.queue.refresh();
    bench.fault = null;
    await bench.queue.refresh();
    await bench.queue.refresh();
    expect(bench.meters.queues.map((queues) => queues === null)).toEqual([true, true, false, false]);
    expect(bench.log.entries.map(({ level, fields }) => [level, fields['reason']])).toEqual([
      ['warn', 'mail system is down'],
      ['info', undefined],
    ]);
  });

  it.each([
    ['without routes', aSnapshot(document([])), true],
    ['without a Postfix', plain, false],
  ])('%s nothing is read', async (_, snapshot, hasPostfix) => {
    const bench = new Bench(snapshot, hasPostfix);
    await bench.queue.refresh();
    expect(bench.readings).toBe(0);
    expect(bench.meters.queues).toEqual([null]);
    expect(bench.log.entries).toEqual([]);
  });

  it('now and then, never two at a time, and not after the end', async () => {
    const bench = new Bench(plain, true, 5);
    let release = (): void => undefined;
    bench.until = new Promise<void>((resolve) => (release = resolve));
    bench.queue.start();
    await waitFor('time to pass', () => new Promise<true>((resolve) => setTimeout(resolve, 40, true)));
    expect(bench.readings).toBe(1);
    release();
    await waitFor('more readings', () => (bench.readings > 3 ? true : undefined));
    await bench.queue.stop();
    const { readings } = bench;
    await bench.queue.refresh();
    await waitFor('time to pass', () => new Promise<true>((resolve) => setTimeout(resolve, 40, true)));
    expect(bench.readings).toBe(readings);
    expect(bench.mostAtOnce).toBe(1);
  });

  it('the end ends a reading, and says nothing of it', async () => {
    const bench = new Bench(plain);
    bench.until = new Promise(() => undefined);
    bench.queue.start();
    await bench.queue.stop();
    expect(bench.log.entries).toEqual([]);
    expect(bench.meters.queues).toEqual([]);
  });
});
