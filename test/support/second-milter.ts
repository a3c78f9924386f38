/**
 * Debian's opendkim as a milter beside Postern, on loopback: it puts a field of its own into every message that it is
 * shown, so that the delivered mail tells whether it was asked. Ended by its pid, whatever happens to this process.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePorts, waitFor } from './waiting.ts';
import { type Watchdog, whenThisProcessEnds } from './watchdog.ts';

const program = '/usr/sbin/opendkim';

export class SecondMilter {
  readonly #directory: string;
  readonly #port: number;
  #running: { readonly child: ChildProcess; readonly ended: Promise<unknown>; readonly watchdog: Watchdog } | undefined;

  private constructor(directory: string, port: number) {
    this.#directory = directory;
    this.#port = port;
  }

  /** Errors: no opendkim here, or it does not listen in time. */
  static async start(): Promise<SecondMilter> {
    const { milter } = await freePorts('milter');
    const directory = await mkdtemp(join(tmpdir(), 'postern-second-milter-'));
    const configuration = {
      // Verifies; asks no DNS, since no message of these tests is signed.
      Mode: 'v',
      Socket: `inet:${milter}@127.0.0.1`,
      // DKIM-Filter: OpenDKIM Filter …
      SoftwareHeader: 'yes',
      BaseDirectory: directory,
      Syslog: 'no',
      Background: 'no',
    };
    const lines = Object.entries(configuration).map(([name, value]) => `${name} ${value}\n`);
    await writeFile(join(directory, 'opendkim.conf'), lines.join(''));
    const second = new SecondMilter(directory, milter);
    await second.begin();
    return second;
  }

  /** As main.cf names it. */
  get endpoint(): string {
    return `inet:127.0.0.1:${this.#port}`;
  }

  /** Starts it (again). */
  async begin(): Promise<void> {
    const child = spawn(program, ['-f', '-x', join(this.#directory, 'opendkim.conf')], {
      detached: true,
      stdio: 'ignore',
    });
    const watchdog = whenThisProcessEnds('kill -TERM "$1"; sleep 1; kill -KILL "$1"; rm -rf -- "$2"', [
      String(child.pid),
      this.#directory,
    ]);
    this.#running = { child, ended: once(child, 'close'), watchdog };
    await waitFor('the second milter', () => {
      if (child.exitCode !== null) throw new Error(`opendkim ended with ${child.exitCode}`);
      return listens(this.#port);
    });
  }

  /** Ends it: Postfix cannot ask it. */
  async end(): Promise<void> {
    this.#running?.child.kill();
    await this.#running?.ended;
    this.#running?.watchdog.release();
    this.#running = undefined;
  }

  async destroy(): Promise<void> {
    await this.end();
    await rm(this.#directory, { recursive: true, force: true });
  }
}

function listens(port: number): Promise<true | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => {
      resolve(undefined);
    });
  });
}
