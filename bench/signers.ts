/**
 * The milters that the benchmarks sign with: Postern as `postern serve`, and Debian's opendkim, each a process of its own
 * in a temporary directory, with the same RSA-2048 key. Both are ended by their pids, whatever happens to this process.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DnsServer } from '../test/support/dns-server.ts';
import { PosternProcess } from '../test/support/postern-process.ts';
import { waitFor } from '../test/support/waiting.ts';
import { whenThisProcessEnds, type Watchdog } from '../test/support/watchdog.ts';

const SELECTOR = 'bench';
const DOMAIN = 'example.com';
/** Clock ticks of /proc/PID/stat, in a second; 100 on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;

/** Postern's command line. */
export const posternProgram = join(import.meta.dirname, '../src/cli.ts');
const opendkimProgram = '/usr/sbin/opendkim';

/** A running milter. */
export interface Signer {
  readonly name: string;
  /** Of its unix socket. */
  readonly path: string;
  readonly pid: number;
  /** Processor time used so far, all threads and the kernel's part included, in milliseconds. */
  readonly cpuMs: () => number;
  readonly stop: () => Promise<void>;
}

/** Where its sockets are put, and the options of node besides. */
export interface PosternSignerOptions {
  readonly milter?: string;
  readonly policy?: string;
  readonly socketGroup?: string;
  readonly nodeOptions?: readonly string[];
}

/** A key in DNS, Postern signing with it, and what a second signer needs to do the same. */
export interface KeyedPostern {
  readonly postern: Signer;
  readonly dns: DnsServer;
  readonly keyFile: string;
  /** How many messages its log says were signed so far. */
  readonly countSigned: () => number;
}

/** A program that runs beside what is measured; ended by its pid, whatever happens to this process. */
export class Daemon {
  readonly #child: ChildProcess;
  readonly #watchdog: Watchdog;
  readonly #closed: Promise<unknown>;

  /** Standard output and error go to a file: a reader in this process would take processor time from what is measured. */
  constructor(program: string, args: readonly string[], cwd: string) {
    const output = join(cwd, 'output');
    this.#child = spawn('/bin/sh', ['-c', 'out=$1; shift; exec "$@" >"$out" 2>&1', 'sh', output, program, ...args], {
      cwd,
      detached: true,
      stdio: 'ignore',
    });
    this.#closed = once(this.#child, 'close');
    this.#watchdog = whenThisProcessEnds('kill -TERM "$1"; sleep 1; kill -KILL "$1"', [String(this.#child.pid)]);
    this.output = () => (existsSync(output) ? readFileSync(output, 'utf8') : '');
  }

  readonly output: () => string;

  /** Waits until it is ready. Errors: it ends before, or takes too long; with what it printed. */
  async untilReady(what: string, test: () => boolean): Promise<void> {
    await waitFor(
      what,
      () => {
        if (this.#child.exitCode !== null) throw new Error(`ended before ${what}: ${this.output()}`);
        return test() ? true : undefined;
      },
      20_000,
    );
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  readonly cpuMs = (): number => {
    const text = readFileSync(`/proc/${this.#child.pid ?? 0}/stat`, 'latin1');
    // The second field may hold spaces; behind its parenthesis utime and stime are the 12th and 13th.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return ((Number(fields[11]) + Number(fields[12])) * 1000) / TICKS_PER_SECOND;
  };

  async stop(): Promise<void> {
    this.#child.kill();
    await this.#closed;
    this.#watchdog.release();
  }
}

/** Starts Postern with an active key for example.com; trusted clients are those on loopback. Errors: any step refused. */
export async function startPostern(options: PosternSignerOptions = {}): Promise<KeyedPostern> {
  const dns = await DnsServer.start();
  const files = await PosternProcess.prepare({
    listen: {
      milter: options.milter ?? 'unix:./milter.sock',
      ...(options.policy !== undefined && { policy: options.policy }),
    },
    settings: { version: 1, organizations: { acme: { primaryDomain: DOMAIN, domains: { [DOMAIN]: {} } } } },
    operator: {
      trustedNetworks: ['127.0.0.0/8'],
      dns: { servers: [dns.address] },
      ...(options.socketGroup !== undefined && { socket: { group: options.socketGroup, mode: '0660' } }),
    },
  });
  const command = async (...args: readonly string[]): Promise<string> => {
    const { code, stdout, stderr } = await files.run(...args);
    if (code !== 0) throw new Error(`postern ${args.join(' ')}: ${stdout}${stderr}`);
    return stdout;
  };
  const key = JSON.parse(await command('dkim', 'create', DOMAIN, '--selector', SELECTOR, '--json')) as {
    readonly hostFull: string;
    readonly txt: string;
  };
  await dns.setTxt(key.hostFull, key.txt);
  await command('dkim', 'activate', DOMAIN, '--selector', SELECTOR);
  const daemon = new Daemon(
    process.execPath,
    [...(options.nodeOptions ?? []), posternProgram, 'serve', '-c', files.operatorFile],
    files.directory,
  );
  await daemon.untilReady('the log line "ready"', () => daemon.output().includes('"msg":"ready"'));
  return {
    dns,
    countSigned: () => daemon.output().split(`"signatures":["${SELECTOR}._domainkey.${DOMAIN}"]`).length - 1,
    keyFile: join(files.directory, 'state', 'keys', DOMAIN, `${SELECTOR}.pem`),
    postern: {
      name: 'postern',
      path: (options.milter ?? `unix:${join(files.directory, 'milter.sock')}`).slice('unix:'.length),
      pid: daemon.pid,
      cpuMs: daemon.cpuMs,
      stop: async () => {
        await daemon.stop();
        await files.destroy();
        await dns.stop();
      },
    },
  };
}

/** Starts opendkim as a signer. `socket` is the path of its unix socket. Errors: no opendkim here, or it does not start. */
export async function startOpendkim(keyFile: string, socket?: string): Promise<Signer> {
  const directory = await mkdtemp(join(tmpdir(), 'postern-opendkim-'));
  const path = socket ?? join(directory, 'milter.sock');
  const watchdog = whenThisProcessEnds('sleep 2; rm -rf -- "$1"', [directory]);
  await writeFile(join(directory, 'key.pem'), readFileSync(keyFile), { mode: 0o600 });
  await writeFile(join(directory, 'trusted'), '127.0.0.0/8\n');
  const configuration = {
    Mode: 's',
    Socket: `local:${path}`,
    Domain: DOMAIN,
    Selector: SELECTOR,
    KeyFile: join(directory, 'key.pem'),
    Canonicalization: 'relaxed/relaxed',
    SignatureAlgorithm: 'rsa-sha256',
    MinimumKeyBits: '1024',
    OversignHeaders: 'From',
    InternalHosts: join(directory, 'trusted'),
    BaseDirectory: directory,
    UMask: '000',
    RequireSafeKeys: 'no',
    Syslog: 'no',
    Background: 'no',
  };
  const lines = Object.entries(configuration).map(([name, value]) => `${name} ${value}\n`);
  await writeFile(join(directory, 'opendkim.conf'), lines.join(''));
  const daemon = new Daemon(opendkimProgram, ['-f', '-x', join(directory, 'opendkim.conf')], directory);
  await daemon.untilReady('the socket of opendkim', () => existsSync(path));
  return {
    name: 'opendkim',
    path,
    pid: daemon.pid,
    cpuMs: daemon.cpuMs,
    stop: async () => {
      await daemon.stop();
      await rm(directory, { recursive: true, force: true });
      watchdog.release();
    },
  };
}
