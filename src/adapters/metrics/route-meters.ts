/**
 * Metrics of routes: what goes to each, what failed there, what waits. Never shows what is not known: where the queue
 * cannot be read, its gauges have no sample.
 * Source: Prometheus text format 0.0.4.
 */
import { Counter, Gauge, type Registry } from 'prom-client';
import type { RouteMeters } from '../../services/index.ts';

const textOf = (bounces: boolean | null): 'yes' | 'no' | 'unknown' =>
  bounces === null ? 'unknown' : bounces ? 'yes' : 'no';

/** Makes the meters in a registry; `labelOf` bounds how many routes there are by name. */
export function routeMeters(registry: Registry, labelOf: (route: string) => string): RouteMeters {
  const registers = [registry];
  const recipients = new Counter({
    name: 'postern_route_recipients_total',
    help: 'Recipients whose mail goes to a route instead of here (moved), and copies beside it (copied); bounces="no": the sender is told of no failure.',
    labelNames: ['route', 'kind', 'bounces'] as const,
    registers,
  });
  const loops = new Counter({
    name: 'postern_route_loops_total',
    help: 'Messages refused because the route that they would take has had them already.',
    labelNames: ['route'] as const,
    registers,
  });
  const failures = new Counter({
    name: 'postern_route_failures_total',
    help: 'Deliveries to a route that failed for good, as the log of Postfix says; bounces="no": the sender was told nothing.',
    labelNames: ['route', 'bounces'] as const,
    registers,
  });
  // Made with its first value: a gauge without labels shows 0 before it is known.
  let isUp: Gauge | null = null;
  const setQueues = queueGauges(registry, labelOf);
  return {
    knowRoutes(routes) {
      // A rate needs a first value.
      for (const route of routes.map(labelOf)) {
        for (const kind of ['moved', 'copied']) {
          for (const bounces of ['yes', 'no']) recipients.inc({ route, kind, bounces }, 0);
        }
        for (const bounces of ['yes', 'no', 'unknown']) failures.inc({ route, bounces }, 0);
        loops.inc({ route }, 0);
      }
    },
    countRouted(route, kind, bounces) {
      recipients.inc({ route: labelOf(route), kind, bounces: textOf(bounces) });
    },
    countRouteLoop(route) {
      loops.inc({ route: labelOf(route) });
    },
    countRouteFailure(route, bounces) {
      failures.inc({ route: labelOf(route), bounces: textOf(bounces) });
    },
    setRouteQueues: setQueues,
    setPostfixLogUp(up) {
      isUp ??= new Gauge({
        name: 'postern_postfix_log_up',
        help: '1 while the log of Postfix is read; without it failures at routes are not seen.',
        registers,
      });
      isUp.set(up ? 1 : 0);
    },
  };
}

function queueGauges(registry: Registry, labelOf: (route: string) => string): RouteMeters['setRouteQueues'] {
  const gauge = (name: string, help: string): Gauge<'route'> =>
    new Gauge({ name, help, labelNames: ['route'] as const, registers: [registry] });
  const messages = gauge(
    'postern_route_queue_messages',
    'Messages in the queue of Postfix that wait for a route, those on hold not counted; the queue not readable: no sample.',
  );
  const oldest = gauge(
    'postern_route_queue_oldest_seconds',
    'How long the oldest message that waits for a route has been in the queue; none waits: 0; the queue not readable: no sample.',
  );
  return (queues) => {
    // A route that is gone must not keep its last value for ever.
    messages.reset();
    oldest.reset();
    // Routes that share a label show one value together.
    const ages = new Map<string, number>();
    for (const [id, waiting] of queues ?? []) {
      const route = labelOf(id);
      messages.inc({ route }, waiting.messages);
      ages.set(route, Math.max(ages.get(route) ?? 0, waiting.oldestSeconds));
    }
    for (const [route, seconds] of ages) oldest.set({ route }, seconds);
  };
}
