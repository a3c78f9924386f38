/**
 * How a listening server ends: no new connections, each conversation finishes what it has in hand, none is waited for
 * longer than the grace period.
 * Never cuts a request in hand before that.
 */
import type { Server, Socket } from 'node:net';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';

/** What a connection is used for. `isIdle`: no request is in hand, neither partly read nor partly answered. */
export type Conversation = { isIdle(): boolean };

const STEP_MS = 10;

/** Ends a server and its connections; gives how many were cut because they were not idle within `graceMs`. */
export async function drain(
  server: Server,
  connections: ReadonlyMap<Socket, Conversation>,
  graceMs: number,
): Promise<number> {
  const deadline = performance.now() + graceMs;
  const closed = new Promise<void>((resolve) => {
    server.close(() => {
      resolve();
    });
  });
  const ending = new WeakSet<Socket>();
  // What had arrived before the door closed is read first: it counts as in hand.
  await nextTurn();
  await nextTurn();
  while (connections.size > 0) {
    for (const [socket, conversation] of connections) {
      if (ending.has(socket) || !conversation.isIdle()) continue;
      ending.add(socket);
      socket.destroySoon();
    }
    if (performance.now() >= deadline) break;
    await sleep(STEP_MS);
  }
  const cut = connections.size;
  for (const socket of connections.keys()) socket.destroy();
  await closed;
  return cut;
}
