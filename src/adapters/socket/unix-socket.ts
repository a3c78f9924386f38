/**
 * What a unix socket needs around it: its directory, a free place, its mode and group.
 * Never removes anything but a socket that nobody answers on.
 * Source: unix(7), group(5).
 */
import { chmod, chown, lstat, mkdir, readFile, unlink } from 'node:fs/promises';
import { connect } from 'node:net';
import { dirname } from 'node:path';
import type { Door } from '../../services/index.ts';
import type { Listener } from '../../operator/index.ts';
import { CannotListenError, codeOf, explainListenFailure } from './cannot-listen.ts';

/** Who may connect to a unix socket: `mode` as a number (0o660), `group` by name, or null for the group of the process. */
export type UnixSocketOptions = { readonly mode: number; readonly group: string | null };

type UnixListener = Listener & { readonly kind: 'unix' };

/** A listener that answers at all does so at once; a full queue of connections is an answer too. */
const PROBE_MS = 1_000;

/**
 * Makes the directory where it is missing and removes a socket that nobody answers on.
 * Errors: CannotListenError where the place is taken by a live socket or by anything that is not a socket.
 */
export async function clearPlace(door: Door, listener: UnixListener): Promise<void> {
  try {
    const directory = dirname(listener.path);
    const created = await mkdir(directory, { recursive: true });
    // Whatever the umask says, Postfix must be able to reach the socket; its own mode says who may connect.
    if (created !== undefined) await chmod(directory, 0o755);
    await removeStale(door, listener);
  } catch (error) {
    throw error instanceof CannotListenError ? error : explainListenFailure(door, listener, error);
  }
}

async function removeStale(door: Door, listener: UnixListener): Promise<void> {
  const found = await lstat(listener.path).catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT') return null;
    throw error;
  });
  if (found === null) return;
  if (!found.isSocket()) {
    const wayOut = 'move it away, or name another place under "listen" in postern.yaml';
    throw new CannotListenError(door, listener, `there is something that is not a socket; ${wayOut}`);
  }
  const probed = await probe(listener.path);
  if (probed === 'ENOENT') return;
  if (probed !== 'ECONNREFUSED') {
    const isForbidden = probed === 'EACCES' || probed === 'EPERM';
    throw explainListenFailure(
      door,
      listener,
      Object.assign(new Error(probed), { code: isForbidden ? probed : 'EADDRINUSE' }),
    );
  }
  await unlink(listener.path);
}

/** What a connection attempt meets: `connected`, `no answer` in time, or the code of the error. */
function probe(path: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(path);
    const settle = (outcome: string): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(outcome);
    };
    const timer = setTimeout(settle, PROBE_MS, 'no answer');
    socket.once('connect', () => {
      settle('connected');
    });
    socket.once('error', (error) => {
      settle(codeOf(error));
    });
  });
}

/** The number of the group, or null for "leave as it is". Errors: CannotListenError where /etc/group does not have it. */
export async function groupNumber(door: Door, listener: UnixListener, name: string | null): Promise<number | null> {
  if (name === null) return null;
  const groups = await readFile('/etc/group', 'utf8').catch((error: unknown) => {
    throw new CannotListenError(door, listener, 'the group of its socket cannot be looked up in /etc/group', {
      cause: error,
    });
  });
  for (const line of groups.split('\n')) {
    const [group, , gid] = line.split(':');
    if (group === name && gid !== undefined && /^[0-9]+$/.test(gid)) return Number(gid);
  }
  const wayOut = 'create it, or name another under "socket" in postern.yaml';
  throw new CannotListenError(door, listener, `/etc/group has no group "${name}"; ${wayOut}`);
}

/** Sets mode and group. Errors: CannotListenError where this user may not. */
export async function setAccess(
  door: Door,
  listener: UnixListener,
  access: UnixSocketOptions,
  gid: number | null,
): Promise<void> {
  try {
    if (gid !== null) await chown(listener.path, (await lstat(listener.path)).uid, gid);
    await chmod(listener.path, access.mode);
  } catch (error) {
    if (codeOf(error) !== 'EPERM') throw explainListenFailure(door, listener, error);
    const wayOut = 'make this user a member of the group, or leave "group" out under "socket" in postern.yaml';
    throw new CannotListenError(
      door,
      listener,
      `this user may not give its socket to group "${access.group ?? ''}"; ${wayOut}`,
      {
        cause: error,
      },
    );
  }
}
