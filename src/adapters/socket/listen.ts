/**
 * Makes a server listen at a place of the operator's file, TCP or unix socket.
 * Never accepts on its own account: what a connection is for, the server knows.
 */
import type { Server } from 'node:net';
import type { Listener } from '../../operator/index.ts';
import type { Door } from '../../services/index.ts';
import { explainListenFailure } from './cannot-listen.ts';
import { clearPlace, groupNumber, setAccess, type UnixSocketOptions } from './unix-socket.ts';

/**
 * Listens and gives the place that was bound (port 0 becomes the port that the system chose). A unix socket gets its
 * directory, mode and group; closing the server removes the socket file.
 * Errors: CannotListenError.
 */
export async function listenAt(
  server: Server,
  door: Door,
  listener: Listener,
  unix: UnixSocketOptions,
): Promise<Listener> {
  if (listener.kind === 'tcp') {
    await listening(server, door, listener, { host: listener.host, port: listener.port });
    const bound = server.address();
    return bound === null || typeof bound === 'string' ? listener : { ...listener, port: bound.port };
  }
  // The group first: an operator's mistake is to be found before anything is there.
  const gid = await groupNumber(door, listener, unix.group);
  await clearPlace(door, listener);
  await listening(server, door, listener, { path: listener.path });
  try {
    await setAccess(door, listener, unix, gid);
  } catch (error) {
    server.close();
    throw error;
  }
  return listener;
}

function listening(
  server: Server,
  door: Door,
  listener: Listener,
  where: { host: string; port: number } | { path: string },
): Promise<void> {
  return new Promise((resolve, reject) => {
    const onError = (error: Error): void => {
      reject(explainListenFailure(door, listener, error));
    };
    server.once('error', onError);
    server.listen({ ...where, exclusive: true }, () => {
      server.off('error', onError);
      resolve();
    });
  });
}
