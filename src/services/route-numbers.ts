/**
 * The labels and marks of routes, made from their numbers and the key that is remembered with them. Keyed, so that
 * nobody outside can address a route or pretend that a message was there.
 * Source: RFC 2104 (HMAC).
 */
import { createHmac } from 'node:crypto';
import type { KnownRoute, RouteId, Snapshot } from '../snapshot/index.ts';
import type { RouteBook } from './ports.ts';

const LABEL_DIGITS = 8;
const MARK_DIGITS = 32;

/** How Postfix knows the routes of a snapshot that have a number. `isInstalled` says whether it has a service. */
export function knownRoutesOf(
  { routes }: Snapshot,
  book: RouteBook,
  isInstalled: (service: string) => boolean,
): ReadonlyMap<RouteId, KnownRoute> {
  const known = new Map<RouteId, KnownRoute>();
  for (const id of routes.keys()) {
    const number = book.numbers.get(id);
    if (number === undefined) continue;
    const service = `postern-r${number}`;
    known.set(id, {
      number,
      label: `r${number}-${keyed(book, `label ${number}`, LABEL_DIGITS)}`,
      service,
      mark: `r${number}-${keyed(book, `mark ${number}`, MARK_DIGITS)}`,
      isInstalled: isInstalled(service),
    });
  }
  return known;
}

const keyed = ({ key }: RouteBook, text: string, digits: number): string =>
  createHmac('sha256', Buffer.from(key, 'hex')).update(text).digest('hex').slice(0, digits);
