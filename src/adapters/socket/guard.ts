/**
 * How many connections a door takes, and what is said of those it does not take.
 * Never looks at what a connection carries.
 */
import type { Server } from 'node:net';
import type { Door, Log, Meters } from '../../services/index.ts';

const MINUTE_MS = 60_000;

/** Says something at most once a minute, with how often it happened since it was said last. */
function atMostOnceAMinute(say: (times: number) => void): () => void {
  let saidAt = -Infinity;
  let times = 0;
  return () => {
    times += 1;
    const now = performance.now();
    if (now - saidAt < MINUTE_MS) return;
    saidAt = now;
    say(times);
    times = 0;
  };
}

/**
 * Bounds and counts the connections of a server. One above `maxConnections` is accepted and closed at once, counted,
 * and warned about at most once a minute; so is a failure to accept, such as too few file descriptors.
 */
export function guardConnections(server: Server, door: Door, maxConnections: number, log: Log, meters: Meters): void {
  const warnOfLimit = atMostOnceAMinute((times) => {
    log.warn('too many connections; those above the limit are closed', { door, limit: maxConnections, closed: times });
  });
  let failure: Error | undefined;
  const warnOfFailure = atMostOnceAMinute((times) => {
    log.error('connections cannot be accepted', { door, times, err: failure });
  });
  server.maxConnections = maxConnections;
  server.on('connection', (socket) => {
    meters.connectionOpened(door);
    socket.once('close', () => {
      meters.connectionClosed(door);
    });
  });
  server.on('drop', () => {
    meters.countConnectionRefused(door);
    warnOfLimit();
  });
  // Failures to listen go to whoever opens the door; these are of a server that listens.
  server.once('listening', () => {
    server.on('error', (error) => {
      failure = error;
      warnOfFailure();
    });
  });
}
