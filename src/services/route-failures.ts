/**
 * Deliveries to routes that failed for good, as the log of Postfix tells of them: said in the log, counted, and kept in
 * history. Of a copy that goes without bounces nobody else hears. Decides nothing.
 * What is remembered of messages on their way is bounded and does not outlive the process: whether a failure is told to
 * the sender is then not known, the failure itself is.
 * Source: RFC 3461 §4.1 (NOTIFY); Postfix bounce(8), qmgr(8).
 */
import { LRUCache } from 'lru-cache';
import type { MessageDecision, MessageTransaction, RouteDelivery } from '../decide/index.ts';
import type { RouteId, Snapshot } from '../snapshot/index.ts';
import { parseLogTime, type PostfixLogEvent } from '../wire/postfix-log/index.ts';
import { clientText } from './history-record.ts';
import type { History } from './history.ts';
import type { Clock, Log } from './ports.ts';
import type { RouteMeters } from './route-ports.ts';
import { createRoutedRecipients, type OnItsWay } from './routed-recipients.ts';

/** Watches over what goes to routes. */
export type RouteFailures = {
  /** A message with recipients for routes was taken under this queue id. */
  remember(decision: MessageDecision, t: Omit<MessageTransaction, 'at'>, queueId: string): void;
  /** The log of Postfix says this. Never throws. */
  note(event: PostfixLogEvent): void;
};

/** What it works with. */
export type RouteFailuresParts = {
  readonly current: () => Snapshot;
  readonly clock: Clock;
  readonly log: Log;
  readonly meters: Pick<RouteMeters, 'countRouteFailure'>;
  readonly history: Pick<History, 'record'>;
};

/** Messages on their way to routes that are remembered: some 10 MB. More may be queued while a server is down for days. */
const MOST_MESSAGES = 20_000;
/** Recipients that Postfix tried in vain and will try again. */
const MOST_DEFERRED = 50_000;
/** A line that is no older than this was read as it was written, and its time has no fractions of a second. */
const FRESH_MS = 5_000;

/** A message as it was decided; `bounces` by recipient. */
type Remembered = {
  readonly sender: string;
  readonly client: string;
  readonly bounces: ReadonlyMap<string, boolean>;
};
type Delivery = Extract<PostfixLogEvent, { kind: 'delivery' }>;
type Deferred = { readonly way: OnItsWay; readonly event: Delivery };

/** Makes it. */
export function createRouteFailures(parts: RouteFailuresParts): RouteFailures {
  return new Watcher(parts);
}

class Watcher implements RouteFailures {
  readonly #parts: RouteFailuresParts;
  readonly #recipients: ReturnType<typeof createRoutedRecipients>;
  readonly #messages = new LRUCache<string, Remembered>({ max: MOST_MESSAGES });
  readonly #senders = new LRUCache<string, string>({ max: MOST_MESSAGES });
  readonly #deferred = new LRUCache<string, Map<string, Deferred>>({
    maxSize: MOST_DEFERRED,
    sizeCalculation: (recipients) => Math.max(1, recipients.size),
  });

  constructor(parts: RouteFailuresParts) {
    this.#parts = parts;
    this.#recipients = createRoutedRecipients(parts.current);
  }

  remember({ routing }: MessageDecision, t: Omit<MessageTransaction, 'at'>, queueId: string): void {
    const deliveries = [...routing.recipients.flatMap(({ routes }) => routes), ...routing.copies];
    const bounces = new Map(deliveries.map((delivery) => [keyOfDelivery(delivery), delivery.bounces]));
    this.#messages.set(queueId, { sender: t.sender?.text ?? '<>', client: clientText(t.client), bounces });
  }

  note(event: PostfixLogEvent): void {
    const { queueId } = event;
    switch (event.kind) {
      case 'active':
        this.#senders.set(queueId, event.sender === '' ? '<>' : event.sender);
        return;
      case 'removed':
        this.#senders.delete(queueId);
        this.#messages.delete(queueId);
        this.#deferred.delete(queueId);
        return;
      case 'delivery':
        this.#noteDelivery(event);
        return;
      case 'expired':
        for (const { way, event: last } of this.#deferred.get(queueId)?.values() ?? []) {
          this.#fail(way, { ...last, time: event.time }, 'was given up after the last try');
        }
        this.#deferred.delete(queueId);
    }
  }

  #noteDelivery(event: Delivery): void {
    const recipients = this.#recipients();
    const way = recipients.find(event.recipient) ?? wayOf(recipients.ofProgram(event.program), event.recipient);
    if (way === null) return;
    const { queueId, recipient, status } = event;
    const waiting = this.#deferred.get(queueId) ?? new Map<string, Deferred>();
    if (status === 'deferred' || status === 'softbounce') waiting.set(recipient, { way, event });
    else waiting.delete(recipient);
    // Taken out first: the cache measures only what is new to it.
    this.#deferred.delete(queueId);
    if (waiting.size > 0) this.#deferred.set(queueId, waiting);
    if (status === 'bounced') this.#fail(way, event, 'failed for good');
  }

  #fail({ route, recipient, isEncoded }: OnItsWay, { queueId, time, dsn, text }: Delivery, what: string): void {
    const { current, clock, log, meters, history } = this.#parts;
    const message = this.#messages.get(queueId);
    // A recipient that a line of the table leads to its route is one whose sender is told.
    const bounces = isEncoded ? (message?.bounces.get(keyOf(route, recipient)) ?? null) : true;
    const sender = message?.sender ?? this.#senders.get(queueId) ?? null;
    const told = bounces === null ? 'whether the sender is told is not known' : WHETHER_TOLD[bounces ? 'yes' : 'no'];
    const reply = replyIn(text);
    meters.countRouteFailure(route, bounces);
    log[bounces === true ? 'info' : 'warn']('a delivery to a route failed', {
      queue_id: queueId,
      route,
      sender,
      recipient,
      bounces,
      dsn,
      reason: text,
    });
    const now = clock.now();
    const writtenAt = parseLogTime(time, now);
    history.record({
      kind: 'delivery',
      at: writtenAt === null || Math.abs(now - writtenAt) < FRESH_MS ? now : writtenAt,
      snapshot: current(),
      delivery: {
        ...{ queueId, route, sender, recipient, reply, clientAddress: message?.client ?? null },
        text: `the delivery to ${route} ${what} (${dsn}), ${told}${reply === null ? `: ${text}` : ''}`,
      },
    });
  }
}

const WHETHER_TOLD = { yes: 'the sender is told', no: 'without a bounce to the sender' } as const;

const wayOf = (route: RouteId | null, recipient: string): OnItsWay | null =>
  route === null ? null : { route, recipient, isEncoded: false };

const keyOfDelivery = ({ route, mailbox: { localPart, domain } }: RouteDelivery): string =>
  keyOf(route, `${localPart}@${domain}`);

/** Postfix writes a quoted local-part as it likes. */
const keyOf = (route: RouteId, address: string): string =>
  `${route} ${address.replaceAll(/\\(.)|"/gs, '$1').toLowerCase()}`;

/** What the route's server answered; null where it was not asked, or said nothing. Source: Postfix smtp_proto.c. */
function replyIn(text: string): string | null {
  const begin = text.indexOf(' said: ');
  if (begin < 0) return null;
  const rest = text.slice(begin + ' said: '.length);
  const end = rest.lastIndexOf(' (in reply to ');
  const reply = end < 0 ? rest : rest.slice(0, end);
  return /^[2-5]\d\d[ -]/.test(reply) ? reply : null;
}
