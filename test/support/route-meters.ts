/** Meters of routes that keep what they were told. */
import type { RouteMeters } from '../../src/services/index.ts';

export class FakeRouteMeters implements RouteMeters {
  known: readonly string[] = [];
  readonly routed: string[] = [];
  readonly loops: string[] = [];
  readonly failures: string[] = [];
  /** Null where it was said that nothing is known; the last is the last. */
  readonly queues: (Record<string, { readonly messages: number; readonly oldestSeconds: number }> | null)[] = [];
  readonly knowRoutes: RouteMeters['knowRoutes'] = (routes) => void (this.known = routes);
  readonly countRouted: RouteMeters['countRouted'] = (route, kind, bounces) =>
    void this.routed.push(`${route} ${kind} ${bounces}`);
  readonly countRouteLoop: RouteMeters['countRouteLoop'] = (route) => void this.loops.push(route);
  readonly countRouteFailure: RouteMeters['countRouteFailure'] = (route, bounces) =>
    void this.failures.push(`${route} ${bounces}`);
  readonly setRouteQueues: RouteMeters['setRouteQueues'] = (queues) =>
    void this.queues.push(queues === null ? null : Object.fromEntries(queues));
  setPostfixLogUp(): void {}
}
