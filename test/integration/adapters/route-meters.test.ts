/** Metrics of routes, as a scrape sees them. */
import { beforeEach, describe, expect, it } from 'vitest';
import { createMeters, type PrometheusMeters } from '../../../src/adapters/metrics/index.ts';
import type { RouteId } from '../../../src/snapshot/index.ts';
import { samplesOf } from './peers.ts';

let meters: PrometheusMeters;
beforeEach(() => {
  meters = createMeters({ now: () => 0 });
});

const route = (name: string): RouteId => `acme/${name}` as RouteId;
const samples = async (): Promise<Record<string, number>> =>
  Object.fromEntries([...(await samplesOf(meters))].filter(([name]) => /^postern_(route|postfix)_/.test(name)));

describe('route metrics', () => {
  it('nothing is shown before there is a route', async () => {
    expect(await samples()).toEqual({});
  });

  it('the counters of a route are there from 0 on', async () => {
    meters.knowRoutes([route('a')]);
    meters.knowRoutes([route('a')]);
    expect(await samples()).toEqual({
      'postern_route_recipients_total{route="acme/a",kind="moved",bounces="yes"}': 0,
      'postern_route_recipients_total{route="acme/a",kind="moved",bounces="no"}': 0,
      'postern_route_recipients_total{route="acme/a",kind="copied",bounces="yes"}': 0,
      'postern_route_recipients_total{route="acme/a",kind="copied",bounces="no"}': 0,
      'postern_route_failures_total{route="acme/a",bounces="yes"}': 0,
      'postern_route_failures_total{route="acme/a",bounces="no"}': 0,
      'postern_route_failures_total{route="acme/a",bounces="unknown"}': 0,
      'postern_route_loops_total{route="acme/a"}': 0,
    });
  });

  it('what is counted, by route', async () => {
    meters.countRouted(route('a'), 'moved', true);
    meters.countRouted(route('a'), 'moved', true);
    meters.countRouted(route('b'), 'copied', false);
    meters.countRouteLoop(route('b'));
    for (const bounces of [true, false, null, null]) meters.countRouteFailure(route('a'), bounces);
    expect(await samples()).toEqual({
      'postern_route_recipients_total{route="acme/a",kind="moved",bounces="yes"}': 2,
      'postern_route_recipients_total{route="acme/b",kind="copied",bounces="no"}': 1,
      'postern_route_loops_total{route="acme/b"}': 1,
      'postern_route_failures_total{route="acme/a",bounces="yes"}': 1,
      'postern_route_failures_total{route="acme/a",bounces="no"}': 1,
      'postern_route_failures_total{route="acme/a",bounces="unknown"}': 2,
    });
  });

  it('what waits; a route that is gone, and a queue that cannot be read, leave nothing behind', async () => {
    const waiting = { messages: 3, oldestSeconds: 90 };
    meters.setRouteQueues(
      new Map([
        [route('a'), waiting],
        [route('b'), { messages: 0, oldestSeconds: 0 }],
      ]),
    );
    expect(await samples()).toEqual({
      'postern_route_queue_messages{route="acme/a"}': 3,
      'postern_route_queue_messages{route="acme/b"}': 0,
      'postern_route_queue_oldest_seconds{route="acme/a"}': 90,
      'postern_route_queue_oldest_seconds{route="acme/b"}': 0,
    });
    meters.setRouteQueues(new Map([[route('b'), waiting]]));
    expect(await samples()).toEqual({
      'postern_route_queue_messages{route="acme/b"}': 3,
      'postern_route_queue_oldest_seconds{route="acme/b"}': 90,
    });
    meters.setRouteQueues(null);
    expect(await samples()).toEqual({});
  });

  it('whether the log is read', async () => {
    meters.setPostfixLogUp(false);
    expect(await samples()).toEqual({ postern_postfix_log_up: 0 });
    meters.setPostfixLogUp(true);
    expect(await samples()).toEqual({ postern_postfix_log_up: 1 });
  });

  it('routes are bounded: the first 200 by name, the others together, their queues added, the oldest of all', async () => {
    const ids = Array.from({ length: 300 }, (_, n) => route(`r${n}`));
    for (const id of ids) meters.countRouteLoop(id);
    meters.setRouteQueues(new Map(ids.map((id, n) => [id, { messages: 1, oldestSeconds: n }])));
    const shown = await samples();
    expect(Object.keys(shown)).toHaveLength(3 * 201);
    expect(shown).toMatchObject({
      'postern_route_loops_total{route="other"}': 100,
      'postern_route_queue_messages{route="other"}': 100,
      'postern_route_queue_oldest_seconds{route="other"}': 299,
      'postern_route_queue_oldest_seconds{route="acme/r199"}': 199,
    });
  });
});
