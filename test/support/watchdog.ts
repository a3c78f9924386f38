/**
 * What must be ended when this process ends, however it ends: return, exception, Ctrl-C, SIGKILL.
 * A shell outside our process group waits on a pipe whose other end closes with us.
 */
import { spawn } from 'node:child_process';
import { Socket } from 'node:net';

export interface Watchdog {
  /** Ends the watch; the script is not run. */
  release(): void;
}

/** Runs `script` (POSIX sh; `args` are $1, $2, …) once this process is gone, unless released before. */
export function whenThisProcessEnds(script: string, args: readonly string[]): Watchdog {
  const shell = spawn('/bin/sh', ['-c', `read -r line && exit 0\n${script}`, 'postern-test-watchdog', ...args], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  shell.unref();
  // The pipe must not keep this process alive; it is a socket, its declared type is the general Writable.
  if (shell.stdin instanceof Socket) shell.stdin.unref();
  shell.stdin.on('error', () => {
    // The shell was ended by someone else: nothing is left to release.
  });
  return {
    release: () => {
      shell.stdin.end('release\n');
    },
  };
}
