/** The whole ground of an end-to-end test: a real Postfix, Postern beside it, and a destination that keeps what arrives. */
import { join } from 'node:path';
import { policyService, PostfixLab, type LabOptions } from './postfix-lab.ts';
import { PosternProcess, type PosternOptions } from './postern-process.ts';
import { SmtpClient, type SessionOptions, replyText } from './smtp-client.ts';
import { SmtpSink } from './smtp-sink.ts';
import { freePorts } from './waiting.ts';

export interface GroundOptions {
  readonly settings: string | object;
  readonly ownDomains: readonly string[];
  /** How Postfix asks for policy: over TCP (the default), or by a unix socket inside its queue directory. */
  readonly policyDoor?: 'inet' | 'unix';
  /** Makes lab options that name the policy service, for example services with restrictions of their own. */
  readonly lab?: (policy: string) => Partial<LabOptions>;
  readonly operator?: Readonly<Record<string, unknown>>;
  readonly program?: PosternOptions['program'];
}

export interface MailAttempt extends SessionOptions {
  readonly recipient: string;
  /** The envelope sender; a stranger unless given. */
  readonly sender?: string;
  /** The smtpd service of the lab; "smtp" unless given. */
  readonly service?: string;
  /** Text of the message; without it the session ends after RCPT. */
  readonly message?: string;
}

export class Ground {
  readonly sink: SmtpSink;
  readonly lab: PostfixLab;
  readonly postern: PosternProcess;
  /** The TCP port of the policy listener; closed where the door is a unix socket. */
  readonly policyPort: number;

  private constructor(sink: SmtpSink, lab: PostfixLab, postern: PosternProcess, policyPort: number) {
    this.sink = sink;
    this.lab = lab;
    this.postern = postern;
    this.policyPort = policyPort;
  }

  static async start(options: GroundOptions): Promise<Ground> {
    const ports = await freePorts('policy', 'socketmap', 'metrics');
    const unix = options.policyDoor === 'unix';
    const policy = policyService(unix ? 'unix:postern/policy.sock' : `inet:127.0.0.1:${ports.policy}`);
    const sink = await SmtpSink.start();
    let lab: PostfixLab | undefined;
    try {
      lab = await PostfixLab.start({
        ownDomains: options.ownDomains,
        destinationPort: sink.port,
        policy,
        socketmap: `inet:127.0.0.1:${ports.socketmap}`,
        ...options.lab?.(policy),
      });
      const postern = await PosternProcess.start({
        listen: {
          policy: unix ? `unix:${join(lab.queueDirectory, 'postern/policy.sock')}` : `127.0.0.1:${ports.policy}`,
          socketmap: `127.0.0.1:${ports.socketmap}`,
          metrics: `127.0.0.1:${ports.metrics}`,
        },
        settings: options.settings,
        operator: {
          postfix: { configDirectory: lab.configDirectory },
          socket: { group: 'postfix', mode: '0660' },
          ...options.operator,
        },
        ...(options.program !== undefined && { program: options.program }),
      });
      return new Ground(sink, lab, postern, ports.policy);
    } catch (error) {
      await lab?.destroy();
      await sink.stop();
      throw error;
    }
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

  async destroy(): Promise<void> {
    await this.postern.destroy();
    await this.lab.destroy();
    await this.sink.stop();
  }
}
