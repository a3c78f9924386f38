/**
 * How long mail has waited for each route, read from Postfix's queue every 15 seconds. Mail on hold waits for a person and
 * is not counted. Where the queue cannot be read, nothing is shown rather than the last numbers.
 * Source: postqueue(1) -j.
 */
import type { RouteId, Snapshot } from '../snapshot/index.ts';
import type { Clock, Log } from './ports.ts';
import type { PostfixQueue, RouteMeters, WaitingForRoute } from './route-ports.ts';
import { createRoutedRecipients } from './routed-recipients.ts';

/** Reads the queue now and then. */
export type RouteQueue = {
  /** Reads it now, and every 15 seconds from now on. */
  start(): void;
  /** Reads it once; a call during a reading waits for that one. Never rejects. */
  refresh(): Promise<void>;
  /** Ends, a reading under way included. Never rejects. */
  stop(): Promise<void>;
};

/** What it works with. `queue` is null where there is no Postfix at hand. */
export type RouteQueueParts = {
  readonly current: () => Snapshot;
  readonly queue: PostfixQueue | null;
  readonly clock: Clock;
  readonly log: Log;
  readonly meters: Pick<RouteMeters, 'knowRoutes' | 'setRouteQueues'>;
  readonly everyMs?: number;
};

const EVERY_MS = 15_000;

/** Makes it; nothing is read before `start` or `refresh`. */
export function createRouteQueue(parts: RouteQueueParts): RouteQueue {
  return new QueueReader(parts);
}

class QueueReader implements RouteQueue {
  readonly #parts: RouteQueueParts;
  readonly #recipients: ReturnType<typeof createRoutedRecipients>;
  readonly #end = new AbortController();
  #timer: NodeJS.Timeout | null = null;
  #reading: Promise<void> | null = null;
  /** Whether the log's last word is that the queue cannot be read. */
  #isSaidToFail = false;

  constructor(parts: RouteQueueParts) {
    this.#parts = parts;
    this.#recipients = createRoutedRecipients(parts.current);
  }

  start(): void {
    this.#timer ??= setInterval(() => void this.refresh(), this.#parts.everyMs ?? EVERY_MS).unref();
    void this.refresh();
  }

  refresh(): Promise<void> {
    if (this.#end.signal.aborted) return Promise.resolve();
    this.#reading ??= this.#read().finally(() => {
      this.#reading = null;
    });
    return this.#reading;
  }

  async stop(): Promise<void> {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
    this.#end.abort();
    await this.#reading;
  }

  async #read(): Promise<void> {
    const { current, queue, meters, log } = this.#parts;
    const routes = [...current().installation.routes.keys()];
    meters.knowRoutes(routes);
    if (queue === null || routes.length === 0) {
      meters.setRouteQueues(null);
      return;
    }
    try {
      meters.setRouteQueues(await this.#waiting(queue, routes));
      if (this.#isSaidToFail) log.info('the queue of Postfix is read again');
      this.#isSaidToFail = false;
    } catch (error) {
      if (this.#end.signal.aborted) return;
      meters.setRouteQueues(null);
      if (this.#isSaidToFail) return;
      this.#isSaidToFail = true;
      const reason = error instanceof Error ? error.message : String(error);
      log.warn('the queue of Postfix cannot be read, so nothing is shown of what waits for routes', { reason });
    }
  }

  async #waiting(queue: PostfixQueue, routes: readonly RouteId[]): Promise<ReadonlyMap<RouteId, WaitingForRoute>> {
    const now = this.#parts.clock.now();
    const recipients = this.#recipients();
    const waiting = new Map<RouteId, WaitingForRoute>();
    for (const route of routes) waiting.set(route, { messages: 0, oldestSeconds: 0 });
    await queue.each(
      ({ queueName, arrivedAt, recipients: addresses }) => {
        if (queueName === 'hold') return;
        const age = Math.max(0, (now - arrivedAt) / 1000);
        const concerned = new Set(addresses.flatMap((address) => recipients.find(address)?.route ?? []));
        for (const route of concerned) {
          const { messages = 0, oldestSeconds = 0 } = waiting.get(route) ?? {};
          waiting.set(route, { messages: messages + 1, oldestSeconds: Math.max(oldestSeconds, age) });
        }
      },
      (text) => recipients.mayName(text),
      this.#end.signal,
    );
    return waiting;
  }
}
