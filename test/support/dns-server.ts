/**
 * A real DNS server (nsd) on loopback for tests: every name is its own, and tests edit TXT records while it runs.
 * It lives in a temporary directory and is ended by stop(), or when this process ends in any other way.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { Resolver } from 'node:dns/promises';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { freePorts, waitFor } from './waiting.ts';
import { type Watchdog, whenThisProcessEnds } from './watchdog.ts';

const programPath = `${process.env.PATH ?? ''}:/usr/sbin:/sbin`;
/** Changes with every edit, so that a test can tell when the server has read it. */
const generationName = 'generation.dns.test';

export interface DnsServerOptions {
  /** Domains for which it answers SERVFAIL. */
  readonly failing?: readonly string[];
}

/** One TXT record: one string, or several as they stand in the zone. Source: RFC 6376 §3.6.2.2. */
export type TxtRecord = string | readonly string[];

export class DnsServer {
  readonly #port: number;
  readonly #directory: string;
  readonly #child: ChildProcess;
  readonly #watchdog: Watchdog;
  readonly #closed: Promise<unknown>;
  readonly #lines = new Map<string, readonly string[]>();
  #generation = 0;

  private constructor(directory: string, port: number) {
    this.#directory = directory;
    this.#port = port;
    // -d: stays in the foreground. A process group of its own: its server process gets each signal too.
    this.#child = spawn('nsd', ['-d', '-c', join(directory, 'nsd.conf')], {
      detached: true,
      env: { ...process.env, PATH: programPath },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    this.#closed = once(this.#child, 'close');
    this.#watchdog = whenThisProcessEnds('kill -CONT -- "-$1"; kill -TERM -- "-$1"; sleep 1; rm -rf -- "$2"', [
      String(this.#child.pid),
      directory,
    ]);
  }

  /** Errors: no nsd on this machine, or one that does not answer; with what it printed. */
  static async start(options: DnsServerOptions = {}): Promise<DnsServer> {
    const directory = await mkdtemp(join(tmpdir(), 'postern-dns-'));
    const { dns } = await freePorts('dns');
    await writeFile(join(directory, 'nsd.conf'), configuration(directory, dns, options.failing ?? []));
    await writeFile(join(directory, 'root.zone'), zone([`${generationName}. IN TXT "0"`]));
    const server = new DnsServer(directory, dns);
    try {
      await server.#untilItAnswers();
    } catch (error) {
      const said = server.#child.stderr === null ? '' : text(server.#child.stderr);
      await server.stop();
      throw new Error(`nsd does not answer; it said: ${await said}`, { cause: error });
    }
    return server;
  }

  /** As `dns.servers` of postern.yaml has it: "127.0.0.1:5353". */
  get address(): string {
    return `127.0.0.1:${this.#port}`;
  }

  /** Makes these the only TXT records of a name, and waits until the server gives them. */
  async setTxt(name: string, ...records: readonly TxtRecord[]): Promise<void> {
    this.#lines.set(
      name,
      records.map((record) => `${name}. IN TXT ${[record].flat().flatMap(characterStrings).map(quoted).join(' ')}`),
    );
    await this.#publish();
  }

  /** Makes these the only records of a name: `MX 10 mx1.example.`, `AAAA 2001:db8::1`, `CNAME other.example.`. */
  async setRecords(name: string, ...records: readonly string[]): Promise<void> {
    this.#lines.set(
      name,
      records.map((record) => `${name}. IN ${record}`),
    );
    await this.#publish();
  }

  /** Takes a name out of DNS: asked for it, the server says that there is none. */
  async remove(name: string): Promise<void> {
    this.#lines.delete(name);
    await this.#publish();
  }

  /** Makes a name exist without a TXT record. */
  async setWithoutTxt(name: string): Promise<void> {
    this.#lines.set(name, [`${name}. IN A 192.0.2.1`]);
    await this.#publish();
  }

  /** The TXT records of a name as the server gives them now, the strings of each joined. Errors: those of node:dns. */
  async txt(name: string): Promise<readonly string[]> {
    const resolver = new Resolver({ timeout: 1000, tries: 2 });
    resolver.setServers([this.address]);
    return (await resolver.resolveTxt(name)).map((strings) => strings.join(''));
  }

  /** It hangs: queries are neither answered nor refused. */
  pause(): void {
    this.#signal('SIGSTOP');
  }

  resume(): void {
    this.#signal('SIGCONT');
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      this.#signal('SIGCONT');
      this.#signal('SIGTERM');
      await this.#closed;
    }
    this.#watchdog.release();
    await rm(this.#directory, { recursive: true, force: true });
  }

  #signal(signal: NodeJS.Signals): void {
    if (this.#child.pid === undefined) return;
    process.kill(-this.#child.pid, signal);
  }

  async #publish(): Promise<void> {
    this.#generation += 1;
    const lines = [...this.#lines.values()].flat();
    await writeFile(
      join(this.#directory, 'root.zone'),
      zone([`${generationName}. IN TXT "${this.#generation}"`, ...lines]),
    );
    this.#child.kill('SIGHUP');
    await this.#untilItAnswers();
  }

  async #untilItAnswers(): Promise<void> {
    const wanted = String(this.#generation);
    // For a moment the old process of the server answers beside the new one.
    let times = 0;
    await waitFor(
      'the DNS server with the new records',
      async () => {
        try {
          times = (await this.txt(generationName)).includes(wanted) ? times + 1 : 0;
        } catch {
          // Not listening yet, or reading the zone: asked again until the deadline.
          times = 0;
        }
        return times < 10 ? undefined : true;
      },
      10_000,
      5,
    );
  }
}

function configuration(directory: string, port: number, failing: readonly string[]): string {
  const zones = [
    ['.', 'root.zone'],
    // nsd answers SERVFAIL for a zone whose file it cannot read.
    ...failing.map((name) => [name, `no-such-file-${name}.zone`]),
  ];
  return `server:
  ip-address: 127.0.0.1
  port: ${port}
  username: ""
  chroot: ""
  zonesdir: "${directory}"
  database: ""
  pidfile: "${directory}/nsd.pid"
  zonelistfile: "${directory}/zone.list"
  xfrdfile: "${directory}/xfrd.state"
  xfrdir: "${directory}"
  server-count: 1
remote-control:
  control-enable: no
${zones.map(([name, file]) => `zone:\n  name: "${name}"\n  zonefile: "${file}"\n`).join('')}`;
}

/** The whole name space, with times to live of nothing. */
function zone(lines: readonly string[]): string {
  const authority =
    '@ IN SOA ns.dns.test. root.dns.test. ( 1 1 1 1 0 )\n@ IN NS ns.dns.test.\nns.dns.test. IN A 127.0.0.1\n';
  return `$ORIGIN .\n$TTL 0\n${authority}${lines.join('\n')}\n`;
}

/** A character-string holds at most 255 octets. Source: RFC 1035 §3.3. */
function characterStrings(value: string): string[] {
  return value.match(/[^]{1,255}/g) ?? [''];
}

const quoted = (value: string): string => `"${value.replace(/["\\]/g, '\\$&')}"`;
