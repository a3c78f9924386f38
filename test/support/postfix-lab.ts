/**
 * A throwaway Postfix on loopback, in a temporary directory of its own: its own queue, log, ports and settings.
 * /etc/postfix is neither read for settings nor written. Needs root, because master(8) starts as root.
 * It is stopped and removed by destroy(), or when this process ends in any other way.
 */
import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { appendFile, chmod, mkdir, mkdtemp, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { SmtpClient } from './smtp-client.ts';
import { freePorts, waitFor } from './waiting.ts';
import { type Watchdog, whenThisProcessEnds } from './watchdog.ts';

const run = promisify(execFile);
const programPath = `${process.env.PATH ?? ''}:/usr/sbin:/sbin`;

/** `-o` lines of one smtpd service: parameter to value. */
export type ServiceOverrides = Readonly<Record<string, string>>;

export interface LabOptions {
  readonly ownDomains: readonly string[];
  /** Port on loopback that takes all mail which this Postfix sends on. */
  readonly destinationPort: number;
  /** The Postfix class of the own domains; 'relay' unless given. */
  readonly domainClass?: 'relay' | 'virtual';
  readonly hostname?: string;
  /** A restriction placed first in smtpd_recipient_restrictions; see policyService(). Null is as absent. */
  readonly policy?: string | null;
  /** "inet:127.0.0.1:10042" or "unix:…": asked for transports and outgoing TLS policies. Null is as absent. */
  readonly socketmap?: string | null;
  /**
   * "inet:127.0.0.1:10041" or "unix:postern/milter.sock" (in the queue directory): sees SMTP mail, local submissions and
   * Postfix's own bounces; without it mail waits. Null is as absent.
   */
  readonly milter?: string | null;
  /** Accounts, "user@domain" to password, for AUTH PLAIN on the service "submission" (Cyrus sasldb). */
  readonly accounts?: Readonly<Record<string, string>>;
  /** Offer STARTTLS with a self-signed certificate. */
  readonly tls?: boolean;
  /** More smtpd services by name, each on a port of its own. The service "smtp" is always there. */
  readonly services?: Readonly<Record<string, ServiceOverrides>>;
  /** More main.cf lines; they win over the lab's own. */
  readonly settings?: Readonly<Record<string, string>>;
}

export interface QueuedMessage {
  readonly queue_name: string;
  readonly queue_id: string;
  readonly sender: string;
  readonly recipients: readonly { readonly address: string; readonly delay_reason?: string }[];
}

/** The line of the manual: asked first, with our own answer when Postern does not answer. */
export function policyService(address: string): string {
  return `check_policy_service { ${address}, timeout=10s, { default_action = 451 4.3.5 policy service unavailable } }`;
}

export class PostfixLab {
  readonly directory: string;
  readonly #ports: ReadonlyMap<string, number>;
  #watchdog: Watchdog | undefined;

  private constructor(directory: string, ports: ReadonlyMap<string, number>) {
    this.directory = directory;
    this.#ports = ports;
  }

  /** Makes and starts an instance. Errors: not root, no Postfix, a setting that Postfix does not take. */
  static async start(options: LabOptions): Promise<PostfixLab> {
    await refuseWhereItCannotRun();
    const directory = await mkdtemp(join(tmpdir(), 'postern-lab-'));
    const services = smtpdServices(options);
    const ports = new Map(Object.entries(await freePorts(...Object.keys(services))));
    const lab = new PostfixLab(directory, ports);
    lab.#watchdog = whenThisProcessEnds(
      'PATH=$PATH:/usr/sbin:/sbin; postfix -c "$1/etc" stop; postfix -c "$1/etc" stop; rm -rf -- "$1"',
      [directory],
    );
    try {
      await lab.#write(options, services);
      await lab.start();
    } catch (error) {
      await lab.destroy();
      throw error;
    }
    return lab;
  }

  get configDirectory(): string {
    return join(this.directory, 'etc');
  }

  get queueDirectory(): string {
    return join(this.directory, 'queue');
  }

  /** Port of an smtpd service by its name: "smtp", "submission" or one of the options. */
  port(service = 'smtp'): number {
    const port = this.#ports.get(service);
    if (port === undefined) throw new Error(`the lab has no smtpd service ${service}`);
    return port;
  }

  /** Starts a stopped instance and waits for the greeting of every smtpd service. */
  async start(): Promise<void> {
    await this.#postfix('start');
    for (const [service, port] of this.#ports) await this.#waitForGreeting(service, port);
  }

  /** Stops it and waits until nothing of it runs. */
  async stop(): Promise<void> {
    if (!(await this.isRunning())) return;
    await this.#postfix('stop');
    await waitFor('the end of Postfix', async () => ((await this.isRunning()) ? undefined : true));
  }

  async reload(): Promise<void> {
    await this.#postfix('reload');
  }

  /** Changes main.cf as `postconf -e` does, and reloads. */
  async set(settings: Readonly<Record<string, string>>): Promise<void> {
    const lines = Object.entries(settings).map(([name, value]) => `${name}=${value}`);
    await this.command('postconf', '-e', ...lines);
    await this.reload();
  }

  /** The value of a parameter, as `postconf -h` prints it. */
  async parameter(name: string): Promise<string> {
    return (await this.command('postconf', '-h', name)).trim();
  }

  /** Runs a Postfix command on this instance (`command -c DIR …`) and gives its standard output. */
  async command(name: string, ...args: readonly string[]): Promise<string> {
    const environment = { ...process.env, PATH: programPath };
    const { stdout } = await run(name, ['-c', this.configDirectory, ...args], { env: environment });
    return stdout;
  }

  /** Hands a message to this instance as a local user does, by sendmail(1): "-f", the sender, the recipients. */
  async sendmail(message: string | Buffer, ...args: readonly string[]): Promise<void> {
    const environment = { ...process.env, PATH: programPath };
    const sendmail = run('sendmail', ['-C', this.configDirectory, ...args], { env: environment });
    sendmail.child.stdin?.end(message);
    await sendmail;
  }

  logLines(): readonly string[] {
    return readFileSync(this.#logFile, 'utf8').split('\n');
  }

  /** The first log line that matches, waiting for it. */
  waitForLog(pattern: RegExp, timeoutMs = 15_000): Promise<string> {
    return waitFor(
      `the log line ${pattern.source}`,
      () => this.logLines().find((line) => pattern.test(line)),
      timeoutMs,
    );
  }

  async queue(): Promise<readonly QueuedMessage[]> {
    const lines = (await this.command('postqueue', '-j')).split('\n').filter((line) => line !== '');
    return lines.map((line) => JSON.parse(line) as QueuedMessage);
  }

  /** Asks for a delivery attempt of everything queued. */
  async flush(): Promise<void> {
    await this.command('postqueue', '-f');
  }

  async isRunning(): Promise<boolean> {
    try {
      await this.#postfix('status');
      return true;
    } catch {
      // "postfix status" says by its exit code that nothing runs.
      return false;
    }
  }

  /** Stops it and removes its directory. */
  async destroy(): Promise<void> {
    if (existsSync(join(this.configDirectory, 'main.cf'))) await this.stop();
    await rm(this.directory, { recursive: true, force: true });
    this.#watchdog?.release();
  }

  /** Debian's Postfix looks in $config_directory/sasl whatever cyrus_sasl_config_path says. */
  get #saslDirectory(): string {
    return join(this.configDirectory, 'sasl');
  }

  get #logFile(): string {
    return join(this.directory, 'log', 'maillog');
  }

  async #postfix(verb: string): Promise<void> {
    try {
      await this.command('postfix', verb);
    } catch (error) {
      throw new Error(`postfix ${verb} failed; last log lines:\n${this.#logTail()}`, { cause: error });
    }
  }

  #logTail(): string {
    return existsSync(this.#logFile) ? this.logLines().slice(-8).join('\n') : '(no log yet)';
  }

  async #waitForGreeting(service: string, port: number): Promise<void> {
    try {
      await waitFor(`the greeting of the smtpd service ${service}`, () => greets(port), 20_000, 100);
    } catch (error) {
      throw new Error(`${String(error)}; last log lines:\n${this.#logTail()}`, { cause: error });
    }
  }

  async #write(options: LabOptions, services: Readonly<Record<string, ServiceOverrides>>): Promise<void> {
    for (const name of ['etc', 'queue', 'queue/postern', 'data', 'log', 'etc/sasl']) {
      await mkdir(join(this.directory, name), { mode: 0o755 });
    }
    await chmod(this.directory, 0o755);
    await refuseUnsearchable(this.directory);
    await run('chown', ['postfix', join(this.directory, 'data')]);
    await appendFile(this.#logFile, '');
    const tls = options.tls === true ? await this.#makeCertificate(hostnameOf(options)) : {};
    await this.#makeAccounts(options.accounts ?? {});
    const settings = { ...this.#mainCf(options), ...tls, ...options.settings };
    const lines = Object.entries(settings).map(([name, value]) => `${name} = ${value}\n`);
    const mainCf = join(this.configDirectory, 'main.cf');
    await writeFile(mainCf, lines.join(''));
    // Postfix's programs wait, each of them seconds, for a main.cf that was changed just now to settle.
    const settled = new Date(Date.now() - 3_600_000);
    await utimes(mainCf, settled, settled);
    await writeFile(join(this.configDirectory, 'master.cf'), this.#masterCf(services));
  }

  #mainCf(options: LabOptions): Record<string, string> {
    const hostname = hostnameOf(options);
    const nexthop = `[127.0.0.1]:${options.destinationPort}`;
    const own = options.ownDomains.join(' ');
    const classes =
      options.domainClass === 'virtual'
        ? {
            virtual_mailbox_domains: own,
            virtual_mailbox_maps: '',
            virtual_transport: `smtp:${nexthop}`,
            relay_domains: '',
          }
        : { relay_domains: own, relay_transport: 'smtp' };
    const maps: Record<string, string> =
      typeof options.socketmap !== 'string'
        ? {}
        : {
            transport_maps: `socketmap:${options.socketmap}:transport`,
            smtp_tls_policy_maps: `socketmap:${options.socketmap}:tls_policy`,
          };
    const milters: Record<string, string> =
      typeof options.milter !== 'string'
        ? {}
        : {
            smtpd_milters: options.milter,
            non_smtpd_milters: options.milter,
            internal_mail_filter_classes: 'bounce',
            milter_default_action: 'tempfail',
          };
    const policy = typeof options.policy !== 'string' ? '' : `${options.policy}, `;
    return {
      compatibility_level: '3.6',
      queue_directory: this.queueDirectory,
      data_directory: join(this.directory, 'data'),
      maillog_file: this.#logFile,
      maillog_file_prefixes: this.directory,
      inet_interfaces: 'loopback-only',
      // Listens on 127.0.0.1 only (master.cf); IPv6 clients are simulated.
      inet_protocols: 'all',
      myhostname: hostname,
      mydomain: hostname.slice(hostname.indexOf('.') + 1),
      mydestination: '',
      alias_maps: '',
      alias_database: '',
      local_recipient_maps: '',
      local_transport: 'error:5.1.1 no local delivery here',
      mynetworks: '127.0.0.0/8',
      // Any client address can be simulated from loopback. Never authorise this for real clients.
      smtpd_authorized_xclient_hosts: '127.0.0.1',
      // No DNS at all: destinations are [address]:port.
      disable_dns_lookups: 'yes',
      smtp_host_lookup: 'native',
      smtpd_peername_lookup: 'no',
      relayhost: nexthop,
      ...classes,
      ...maps,
      ...milters,
      smtpd_relay_restrictions: 'permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination',
      smtpd_recipient_restrictions: `${policy}permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination`,
      smtpd_sasl_type: 'cyrus',
      smtpd_sasl_path: 'smtpd',
      cyrus_sasl_config_path: this.#saslDirectory,
      smtp_tls_security_level: 'may',
      // Tests are neither throttled nor slowed down, and retries take seconds.
      smtpd_client_connection_rate_limit: '0',
      smtpd_client_connection_count_limit: '0',
      smtpd_error_sleep_time: '0',
      smtpd_soft_error_limit: '1000',
      smtpd_hard_error_limit: '1000',
      in_flow_delay: '0',
      queue_run_delay: '1s',
      minimal_backoff_time: '1s',
      maximal_backoff_time: '2s',
      transport_retry_time: '1s',
      smtp_connect_timeout: '3s',
      notify_classes: '',
    };
  }

  #masterCf(services: Readonly<Record<string, ServiceOverrides>>): string {
    const smtpd = Object.entries(services).map(([name, overrides]) => {
      const options = Object.entries(overrides).map(([parameter, value]) => `\n  -o { ${parameter} = ${value} }`);
      return `127.0.0.1:${this.port(name)} inet n - n - - smtpd${options.join('')}\n`;
    });
    return smtpd.join('') + otherServices;
  }

  async #makeCertificate(hostname: string): Promise<Record<string, string>> {
    const key = join(this.configDirectory, 'key.pem');
    const certificate = join(this.configDirectory, 'certificate.pem');
    const subject = ['-subj', `/CN=${hostname}`, '-addext', `subjectAltName=DNS:${hostname}`];
    const kind = ['-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '30'];
    await run('openssl', ['req', ...kind, ...subject, '-keyout', key, '-out', certificate]);
    return {
      smtpd_tls_chain_files: `${key}, ${certificate}`,
      smtpd_tls_security_level: 'may',
      smtpd_tls_loglevel: '1',
    };
  }

  async #makeAccounts(accounts: Readonly<Record<string, string>>): Promise<void> {
    const database = join(this.#saslDirectory, 'sasldb2');
    const configuration = `pwcheck_method: auxprop\nauxprop_plugin: sasldb\nsasldb_path: ${database}\nmech_list: PLAIN\n`;
    await writeFile(join(this.#saslDirectory, 'smtpd.conf'), configuration);
    for (const [account, password] of Object.entries(accounts)) {
      const [user = '', realm = ''] = account.split('@');
      const saslpasswd = run('saslpasswd2', ['-p', '-c', '-f', database, '-u', realm, user], {
        env: { ...process.env, PATH: programPath },
      });
      saslpasswd.child.stdin?.end(password);
      await saslpasswd;
    }
    if (Object.keys(accounts).length > 0) await run('chgrp', ['postfix', database]);
  }
}

const otherServices = `pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
local unix - n n - - local
virtual unix - n n - - virtual
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
`;

function hostnameOf(options: LabOptions): string {
  return options.hostname ?? 'mx.lab.test';
}

function smtpdServices(options: LabOptions): Record<string, ServiceOverrides> {
  const submission: Record<string, ServiceOverrides> =
    options.accounts === undefined
      ? {}
      : {
          submission: {
            syslog_name: 'postfix/submission',
            smtpd_sasl_auth_enable: 'yes',
            milter_macro_daemon_name: 'ORIGINATING',
          },
        };
  return { smtp: {}, ...submission, ...options.services };
}

async function greets(port: number): Promise<true | undefined> {
  try {
    const client = await SmtpClient.connect(port);
    await client.quit();
    return true;
  } catch {
    // Not listening yet; the caller asks again until its deadline.
    return undefined;
  }
}

async function refuseWhereItCannotRun(): Promise<void> {
  if (process.getuid?.() !== 0) {
    throw new Error(
      'A throwaway Postfix needs root, because its master daemon starts as root. Run this as root, for example in a container.',
    );
  }
  try {
    await run('postconf', ['-d', 'mail_version'], { env: { ...process.env, PATH: programPath } });
  } catch (error) {
    throw new Error('There is no Postfix on this machine. On Debian: sh test/tooling/prepare.sh', { cause: error });
  }
}

/** Postfix's daemons run as user postfix and must reach the directory. */
async function refuseUnsearchable(directory: string): Promise<void> {
  for (let path = directory; ; path = dirname(path)) {
    if (((await stat(path)).mode & 0o001) === 0) {
      throw new Error(
        `The user postfix cannot enter ${path}. Set TMPDIR to a directory that everyone can enter, for example /tmp.`,
      );
    }
    if (path === dirname(path)) return;
  }
}
