/**
 * What a decision about a message sends to which route, as numbers, and what it stops because a route has had the message
 * already. Decides nothing.
 */
import type { MessageDecision, MessageTransaction } from '../decide/index.ts';
import type { RouteId } from '../snapshot/index.ts';
import type { RouteFailures } from './route-failures.ts';
import type { RouteMeters } from './route-ports.ts';

/** One recipient, or one copy, for a route. */
export type RoutedOne = { readonly route: RouteId; readonly kind: 'moved' | 'copied'; readonly bounces: boolean };

/** What is to be counted of a message. */
export type RouteCounts = {
  readonly routed: readonly RoutedOne[];
  /** The routes whose marks stopped the message, each once. */
  readonly loops: readonly RouteId[];
};

/**
 * The numbers of a decision. A message that is not taken sends nothing anywhere. `moved`: the recipient's mail goes to
 * the route only; `copied`: it is delivered here too, or it is a copy under the sender's address.
 */
export function routeCounts({ verdict, routing }: Pick<MessageDecision, 'verdict' | 'routing'>): RouteCounts {
  if (verdict.kind === 'reject') {
    return { routed: [], loops: [...new Set(routing.recipients.flatMap(({ loop }) => loop ?? []))] };
  }
  if (verdict.kind !== 'pass' && verdict.kind !== 'quarantine') return { routed: [], loops: [] };
  const recipients = routing.recipients.flatMap(({ here, routes }) =>
    routes.map(({ route, bounces }): RoutedOne => ({ route, kind: here ? 'copied' : 'moved', bounces })),
  );
  const copies = routing.copies.map(({ route, bounces }): RoutedOne => ({ route, kind: 'copied', bounces }));
  return { routed: [...recipients, ...copies], loops: [] };
}

/** Told of every message that was answered. */
export type RouteReport = (
  decision: MessageDecision,
  t: Omit<MessageTransaction, 'at'>,
  queueId: string | null,
) => void;

/** Counts what goes to routes, and has it remembered until the log of Postfix says what became of it. */
export function createRouteReport(meters: RouteMeters, failures: Pick<RouteFailures, 'remember'>): RouteReport {
  return (decision, t, queueId) => {
    const { routed, loops } = routeCounts(decision);
    for (const { route, kind, bounces } of routed) meters.countRouted(route, kind, bounces);
    for (const route of loops) meters.countRouteLoop(route);
    if (routed.length > 0 && queueId !== null) failures.remember(decision, t, queueId);
  };
}
