/**
 * A listening socket from open to drain: takes connections up to a limit, ends those that idle too long, and at the end
 * lets each finish what it has in hand.
 * Never reads or writes a protocol: the conversation given to it does.
 */
import { createServer, type Socket } from 'node:net';
import type { Listener } from '../../operator/index.ts';
import type { Door, Log, Meters } from '../../services/index.ts';
import { drain, type Conversation } from './drain.ts';
import { guardConnections } from './guard.ts';
import { listenAt } from './listen.ts';
import type { UnixSocketOptions } from './unix-socket.ts';

/** Above the 300 s of idling and the 1,000 s of life after which Postfix itself closes. Source: postconf(5) smtpd_policy_service_max_idle, max_ttl. */
export const IDLE_LIMIT_MS = 30 * 60_000;

/** How a door is opened. `maxConnections` is 1,000 where absent, `idleLimitMs` {@link IDLE_LIMIT_MS}. */
export type DoorOptions = {
  readonly door: Door;
  readonly listener: Listener;
  /** Takes a new connection; `peer` is how logs name it. */
  readonly onConnection: (socket: Socket, peer: string) => Conversation;
  readonly unix: UnixSocketOptions;
  readonly log: Log;
  readonly meters: Meters;
  readonly maxConnections?: number | undefined;
  readonly idleLimitMs?: number | undefined;
};

/** An open door. */
export type OpenDoor = {
  /** Where it listens; port 0 has become the real port. */
  readonly listener: Listener;
  /** How many connections it has now. */
  readonly connections: number;
  /** Stops listening, ends idle connections at once and the others when their request is answered, or after `graceMs`. */
  close(graceMs: number): Promise<void>;
};

/** Opens a door. Errors: CannotListenError. */
export async function openDoor(options: DoorOptions): Promise<OpenDoor> {
  const { door, log, meters } = options;
  const connections = new Map<Socket, Conversation>();
  const server = createServer({ noDelay: true, keepAlive: true });
  guardConnections(server, door, options.maxConnections ?? 1_000, log, meters);
  server.on('connection', (socket) => {
    takeConnection(socket, options, connections);
  });
  const listener = await listenAt(server, door, options.listener, options.unix);
  let closing: Promise<void> | undefined;
  return {
    listener,
    get connections() {
      return connections.size;
    },
    close(graceMs) {
      closing ??= drain(server, connections, graceMs).then((cut) => {
        if (cut === 0) return;
        log.warn('connections were cut at the end of the grace period', { door, cut, grace_ms: graceMs });
      });
      return closing;
    },
  };
}

function takeConnection(socket: Socket, options: DoorOptions, connections: Map<Socket, Conversation>): void {
  const { door, log } = options;
  const peer = nameOf(socket, options.listener);
  socket.on('error', (error) => {
    // The peer went away: Postfix does so whenever a process of its ends.
    log.debug('connection lost', { door, peer, err: error });
  });
  socket.setTimeout(options.idleLimitMs ?? IDLE_LIMIT_MS, () => {
    log.debug('idle connection closed', { door, peer });
    socket.destroy();
  });
  try {
    connections.set(socket, options.onConnection(socket, peer));
    socket.once('close', () => connections.delete(socket));
  } catch (error) {
    log.error('a connection could not be taken', { door, peer, err: error });
    socket.destroy();
  }
}

/** A TCP peer that has gone already has no address any more. */
function nameOf({ remoteAddress, remotePort }: Socket, listener: Listener): string {
  if (listener.kind === 'unix') return 'unix';
  return remoteAddress === undefined || remotePort === undefined ? 'unknown' : `${remoteAddress}:${remotePort}`;
}
