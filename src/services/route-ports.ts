/** What the services need of the outside world to tell how routes fare. Adapters implement these; nothing here does anything. */
import type { RouteId } from '../snapshot/index.ts';

/** What waits for a route: messages, and how long the oldest has waited since it came, in seconds. */
export type WaitingForRoute = { readonly messages: number; readonly oldestSeconds: number };

/** Counters and gauges of routes. The adapter bounds how many routes it keeps by name. */
export type RouteMeters = {
  /** The routes there are: their counters are shown from 0 on. */
  knowRoutes(routes: readonly RouteId[]): void;
  /** A recipient whose mail goes to a route instead of here (`moved`), or a copy beside it (`copied`). */
  countRouted(route: RouteId, kind: 'moved' | 'copied', bounces: boolean): void;
  /** A message that was refused because the route has had it already. */
  countRouteLoop(route: RouteId): void;
  /** A delivery that failed for good; `bounces` is null where it is not known whether the sender is told. */
  countRouteFailure(route: RouteId, bounces: boolean | null): void;
  /** What waits for each route; null where it is not known. */
  setRouteQueues(queues: ReadonlyMap<RouteId, WaitingForRoute> | null): void;
  /** Whether the log of Postfix is read. */
  setPostfixLogUp(isUp: boolean): void;
};

/** A message in Postfix's queue. `arrivedAt` is in milliseconds since 1970. Source: postqueue(1) -j. */
export type QueuedMessage = {
  /** `incoming`, `active`, `deferred`, `hold`, `maildrop`. */
  readonly queueName: string;
  readonly arrivedAt: number;
  /** Those that wait still, as Postfix has them. */
  readonly recipients: readonly string[];
};

/** Postfix's queue. */
export type PostfixQueue = {
  /**
   * Tells of every message, one after the other, however many there are; `mayConcern` is asked before a line is read
   * closely, with its text. Errors: PosternError where the queue cannot be read, or takes too long.
   */
  each(
    onMessage: (message: QueuedMessage) => void,
    mayConcern: (text: string) => boolean,
    end: AbortSignal,
  ): Promise<void>;
};
