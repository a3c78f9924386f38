/**
 * Why a door cannot be opened, in one line that names the door, the place and the way out.
 * Never tries anything itself.
 */
import { formatListener, type Listener } from '../../operator/index.ts';
import { PosternError, type Door } from '../../services/index.ts';

/**
 * A door cannot be opened. The message is one line: door, place, what is wrong, the way out. Its code is
 * POSTERN_CANNOT_LISTEN.
 */
export class CannotListenError extends PosternError {
  readonly door: Door;
  readonly listener: Listener;
  constructor(door: Door, listener: Listener, why: string, options?: { cause?: unknown }) {
    super('POSTERN_CANNOT_LISTEN', `the ${door} door cannot listen on ${formatListener(listener)}: ${why}`, options);
    this.name = 'CannotListenError';
    this.door = door;
    this.listener = listener;
  }
}

/** The code of a system error such as `EADDRINUSE`; the empty text for anything else. */
export function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
}

/** The error for what the system said when it was asked to listen. */
export function explainListenFailure(door: Door, listener: Listener, cause: unknown): CannotListenError {
  return new CannotListenError(door, listener, reasonOf(listener, cause), { cause });
}

function reasonOf(listener: Listener, cause: unknown): string {
  const elsewhere = 'name another place under "listen" in postern.yaml';
  switch (codeOf(cause)) {
    case 'EADDRINUSE':
      return `another program listens there already; end it, or ${elsewhere}`;
    case 'EACCES':
    case 'EPERM':
      return listener.kind === 'tcp' && listener.port < 1024
        ? `this user may not use a port below 1024; ${elsewhere}`
        : `this user has no permission there; give it write permission on the directory, or ${elsewhere}`;
    case 'EADDRNOTAVAIL':
      return `this host has no such address; ${elsewhere}`;
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `the host name has no address; write an IP address, or ${elsewhere}`;
    default:
      return `${cause instanceof Error ? cause.message : String(cause)}; ${elsewhere}`;
  }
}
