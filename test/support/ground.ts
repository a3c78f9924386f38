/**
 * The whole ground of an end-to-end test: a real Postfix, Postern beside it, a destination that keeps what arrives, and a
 * DNS server where keys are published.
 */
import { join } from 'node:path';
import { DnsServer, type DnsServerOptions } from './dns-server.ts';
import { policyService, PostfixLab, type LabOptions } from './postfix-lab.ts';
import { PosternProcess, type PosternOptions } from './postern-process.ts';
import { SmtpClient, type SessionOptions, replyText } from './smtp-client.ts';
import { type SinkMessage, type SinkOptions, SmtpSink } from './smtp-sink.ts';
import { freePorts, waitFor } from './waiting.ts';

export interface GroundOptions {
  readonly settings: string | object;
  readonly ownDomains: readonly string[];
  /** How Postfix asks for policy: over TCP (the default), or by a unix socket inside its queue directory. */
  readonly policyDoor?: 'inet' | 'unix';
  /** With the milter door, on a unix socket inside the queue directory and over TCP; Postfix asks the former. */
  readonly milter?: boolean;
  /** With a DNS server, which Postern asks. */
  readonly dns?: DnsServerOptions;
  /** Makes lab options that name the policy service, or the milter over TCP ("inet:…"). */
  readonly lab?: (policy: string, milterOverTcp: string) => Partial<LabOptions>;
  readonly operator?: Readonly<Record<string, unknown>>;
  readonly program?: PosternOptions['program'];
  readonly sink?: SinkOptions;
}

export interface MailAttempt extends SessionOptions {
  readonly recipient: string;
  /** The envelope sender; a stranger unless given. */
  readonly sender?: string;
  /** The smtpd service of the lab; "smtp" unless given. */
  readonly service?: string;
  /** The message; without it the session ends after RCPT. */
  readonly message?: string | Buffer;
}

/** A key as `postern dkim create` tells of it. */
export interface CreatedKey {
  readonly domain: string;
  readonly selector: string;
  /** The name of its record, and the value to publish. */
  readonly hostFull: string;
  readonly txt: string;
}

/** What /readyz says, as far as tests read it. */
export interface Readiness {
  readonly status: string;
  readonly problems: readonly { readonly code: string; readonly text: string }[];
  readonly mapsNotLive: readonly { readonly name: string; readonly state: string }[];
}

interface Parts {
  readonly sink: SmtpSink;
  readonly lab: PostfixLab;
  readonly postern: PosternProcess;
  readonly policyPort: number;
  readonly dns: DnsServer | undefined;
}

export class Ground {
  readonly sink: SmtpSink;
  readonly lab: PostfixLab;
  readonly postern: PosternProcess;
  /** The TCP port of the policy listener; closed where the door is a unix socket. */
  readonly policyPort: number;
  readonly #dns: DnsServer | undefined;

  private constructor(parts: Parts) {
    this.sink = parts.sink;
    this.lab = parts.lab;
    this.postern = parts.postern;
    this.policyPort = parts.policyPort;
    this.#dns = parts.dns;
  }

  static async start(options: GroundOptions): Promise<Ground> {
    const ports = await freePorts('policy', 'milter', 'socketmap', 'metrics');
    const unix = options.policyDoor === 'unix';
    const policy = policyService(unix ? 'unix:postern/policy.sock' : `inet:127.0.0.1:${ports.policy}`);
    const ends: (() => Promise<void>)[] = [];
    try {
      const sink = await SmtpSink.start(options.sink);
      ends.push(() => sink.stop());
      const dns = options.dns === undefined ? undefined : await DnsServer.start(options.dns);
      if (dns !== undefined) ends.push(() => dns.stop());
      const lab = await PostfixLab.start({
        ownDomains: options.ownDomains,
        destinationPort: sink.port,
        policy,
        milter: options.milter === true ? 'unix:postern/milter.sock' : null,
        socketmap: `inet:127.0.0.1:${ports.socketmap}`,
        ...options.lab?.(policy, `inet:127.0.0.1:${ports.milter}`),
      });
      ends.push(() => lab.destroy());
      const inQueue = (name: string): string => `unix:${join(lab.queueDirectory, 'postern', name)}`;
      const postern = await PosternProcess.start({
        listen: {
          policy: unix ? inQueue('policy.sock') : `127.0.0.1:${ports.policy}`,
          ...(options.milter === true && { milter: [inQueue('milter.sock'), `127.0.0.1:${ports.milter}`] }),
          socketmap: `127.0.0.1:${ports.socketmap}`,
          metrics: `127.0.0.1:${ports.metrics}`,
        },
        settings: options.settings,
        operator: {
          postfix: { configDirectory: lab.configDirectory },
          socket: { group: 'postfix', mode: '0660' },
          // Nothing may be asked outside: where a test needs no answers, nobody gives any.
          dns: { servers: [dns?.address ?? '127.0.0.1:9'] },
          ...options.operator,
        },
        ...(options.program !== undefined && { program: options.program }),
      });
      return new Ground({ sink, lab, postern, policyPort: ports.policy, dns });
    } catch (error) {
      for (const end of ends.reverse()) await end();
      throw error;
    }
  }

  get dns(): DnsServer {
    if (this.#dns === undefined) throw new Error('this ground has no DNS server');
    return this.#dns;
  }

  open(service: string, options: SessionOptions = {}): Promise<SmtpClient> {
    return SmtpClient.open(this.lab.port(service), options);
  }

  /** One session with one recipient: the reply to RCPT, or to the message where there is one and RCPT was taken. */
  async send(attempt: MailAttempt): Promise<string> {
    const session = await this.open(attempt.service ?? 'smtp', attempt);
    try {
      const mail = await session.mail(attempt.sender ?? 'stranger@remote.example');
      if (mail.code !== 250) return replyText(mail);
      const rcpt = await session.rcpt(attempt.recipient);
      if (rcpt.code !== 250 || attempt.message === undefined) return replyText(rcpt);
      return replyText(await session.data(attempt.message));
    } finally {
      session.close();
    }
  }

  /** Sends a message and gives it as it arrived. Errors: it is not taken, or does not arrive. */
  async pass(attempt: MailAttempt & { readonly message: string | Buffer }): Promise<SinkMessage> {
    const before = this.sink.messages.length;
    const reply = await this.send(attempt);
    if (!reply.startsWith('250 ')) throw new Error(`not taken: ${reply}`);
    return this.sink.messageTo(attempt.recipient, 15_000, before);
  }

  /** `postern postfix apply ARGS…`, and waits until Postern is ready. Errors: refused, or not ready. */
  async apply(...args: readonly string[]): Promise<void> {
    const { code, stdout, stderr } = await this.postern.run('postfix', 'apply', ...args);
    if (code !== 0) throw new Error(`postfix apply: ${stdout}${stderr}`);
    await this.ready();
  }

  /** Waits until everything that Postern wrote is live in Postfix and nothing is amiss. Errors: not in time. */
  async ready(): Promise<void> {
    let last: Readiness | undefined;
    const probe = async (): Promise<true | undefined> => {
      last = await this.readiness();
      return last.problems.length === 0 && last.mapsNotLive.length === 0 ? true : undefined;
    };
    try {
      await waitFor('/readyz without problems', probe, 60_000, 100);
    } catch (error) {
      throw new Error(`${String(error)}: ${JSON.stringify(last)}`, { cause: error });
    }
  }

  async readiness(): Promise<Readiness> {
    return (await (await fetch(`${this.postern.metricsUrl}/readyz`)).json()) as Readiness;
  }

  /** `postern dkim create DOMAIN ARGS…`. Errors: refused. */
  async createKey(domain: string, ...args: readonly string[]): Promise<CreatedKey> {
    const { code, stdout, stderr } = await this.postern.run('dkim', 'create', domain, ...args, '--json');
    if (code !== 0) throw new Error(`dkim create: ${stdout}${stderr}`);
    return JSON.parse(stdout) as CreatedKey;
  }

  /** Makes a key, publishes it, activates it, and waits until the running Postern knows. Errors: any step refused. */
  async activateKey(domain: string, ...args: readonly string[]): Promise<CreatedKey> {
    const key = await this.createKey(domain, ...args);
    await this.dns.setTxt(key.hostFull, key.txt);
    const before = this.postern.lines.length;
    const { code, stdout, stderr } = await this.postern.run('dkim', 'activate', domain, '--selector', key.selector);
    if (code !== 0) throw new Error(`dkim activate: ${stdout}${stderr}`);
    await this.postern.waitForLine('the log line "keys"', (line) => line.msg === 'keys', before);
    return key;
  }

  async destroy(): Promise<void> {
    await this.postern.destroy();
    await this.lab.destroy();
    await this.#dns?.stop();
    await this.sink.stop();
  }
}
