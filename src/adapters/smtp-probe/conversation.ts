/**
 * One connection to an SMTP server: commands out, replies in, TLS in between, a time limit on each step.
 * Never sends mail. Source: RFC 5321 §4.2, RFC 3207 §4 (STARTTLS).
 */
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as startTls, type TLSSocket } from 'node:tls';
import { PeerFault } from './peer-fault.ts';
import { ReplyReader, type SmtpReply } from './reply-reader.ts';

/** How long each step may take, in milliseconds. A reply is a whole one, however slowly it comes. */
export type ProbeLimits = { readonly connectMs: number; readonly replyMs: number; readonly handshakeMs: number };

/** How long the end of a conversation is waited for: nothing depends on it any more. */
const FAREWELL_MS = 2000;

/** A conversation. */
export class Conversation {
  readonly #limits: ProbeLimits;
  #socket: Socket;
  #reader = new ReplyReader();
  /** Why nothing more will come; null while something may. */
  #end: PeerFault | null = null;
  #look: () => void = () => undefined;

  private constructor(socket: Socket, limits: ProbeLimits) {
    this.#socket = socket;
    this.#limits = limits;
    this.#listen();
  }

  /** Connects. Errors: PeerFault. */
  static async open(address: string, port: number, limits: ProbeLimits): Promise<Conversation> {
    const socket = connectTcp({ host: address, port });
    try {
      await ready(socket, 'connect', limits.connectMs, 'cannot be reached');
    } catch (error) {
      socket.destroy();
      throw error;
    }
    return new Conversation(socket, limits);
  }

  /** The next reply. Errors: PeerFault. */
  reply(): Promise<SmtpReply> {
    const { replyMs } = this.#limits;
    return new Promise<SmtpReply>((resolve, reject) => {
      const timer = setTimeout(() => {
        reject(new PeerFault(`does not answer within ${replyMs / 1000} s`));
      }, replyMs);
      this.#look = (): void => {
        try {
          const reply = this.#reader.take();
          if (reply === null && this.#end !== null) throw this.#end;
          if (reply === null) return;
          resolve(reply);
        } catch (error) {
          const fault = error as PeerFault;
          reject(fault);
        }
        clearTimeout(timer);
        this.#look = () => undefined;
      };
      this.#look();
    });
  }

  /** A command and its reply. Errors: PeerFault. */
  command(line: string): Promise<SmtpReply> {
    this.#socket.write(`${line}\r\n`);
    return this.reply();
  }

  /**
   * Goes on in TLS, and gives its socket. Any certificate is taken: who asked judges it. Without a server name, as
   * Postfix does it. Errors: PeerFault; also where the server said something in clear behind its reply to STARTTLS,
   * which would else pass for something said in TLS.
   */
  async startTls(anchors: readonly string[]): Promise<TLSSocket> {
    if (this.#reader.hasMore) {
      throw new PeerFault('says more in clear behind its reply to STARTTLS: somebody may have put that in');
    }
    for (const event of ['data', 'error', 'close'] as const) this.#socket.removeAllListeners(event);
    // From here on the socket over it reports what goes wrong.
    this.#socket.on('error', () => undefined);
    const options = { socket: this.#socket, ca: [...anchors], rejectUnauthorized: false };
    const socket = startTls({ ...options, checkServerIdentity: () => undefined });
    this.#socket = socket;
    await ready(socket, 'secureConnect', this.#limits.handshakeMs, 'does not come to TLS');
    this.#reader = new ReplyReader();
    this.#listen();
    return socket;
  }

  /** Says QUIT where the server still listens, and hangs up. Never fails: the conversation is over either way. */
  async close(isPolite: boolean): Promise<void> {
    const socket = this.#socket;
    if (isPolite && this.#end === null && socket.writable) {
      const over = new Promise<void>((resolve) => {
        socket.once('close', resolve);
        setTimeout(resolve, FAREWELL_MS).unref();
      });
      socket.end('QUIT\r\n');
      await over;
    }
    socket.removeAllListeners('error');
    socket.on('error', () => undefined);
    socket.destroy();
  }

  #listen(): void {
    const finish = (fault: PeerFault): void => {
      this.#end ??= fault;
      this.#look();
    };
    this.#socket.on('data', (chunk: Buffer) => {
      if (this.#end !== null) return;
      try {
        this.#reader.push(chunk);
        this.#look();
      } catch (error) {
        finish(error as PeerFault);
      }
    });
    this.#socket.on('error', (error) => {
      finish(new PeerFault(`breaks the connection (${causeOf(error)})`, { cause: error }));
    });
    this.#socket.on('close', () => {
      finish(new PeerFault('closes the connection'));
    });
  }
}

/** Waits for the event, an error, the end, or the time limit. */
function ready(socket: Socket, event: 'connect' | 'secureConnect', limitMs: number, what: string): Promise<void> {
  return new Promise<void>((resolve, reject) => {
    const done = (why: PeerFault | null): void => {
      clearTimeout(timer);
      for (const [name, listener] of Object.entries(listeners)) socket.off(name, listener);
      // What comes later is of no interest, but must not end the process.
      if (why !== null) socket.on('error', () => undefined);
      if (why === null) resolve();
      else reject(why);
    };
    const fail = (cause: string, error?: unknown): void => {
      done(new PeerFault(`${what}: ${cause}`, { cause: error }));
    };
    const listeners = {
      [event]: () => {
        done(null);
      },
      error: (error: Error) => {
        fail(causeOf(error), error);
      },
      close: () => {
        fail('the connection was closed');
      },
    };
    const timer = setTimeout(() => {
      fail(`no answer within ${limitMs / 1000} s`);
    }, limitMs);
    for (const [name, listener] of Object.entries(listeners)) socket.on(name, listener);
  });
}

const CAUSES: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'the connection was refused',
  ECONNRESET: 'the connection was closed',
  EPIPE: 'the connection was closed',
  EHOSTUNREACH: 'there is no way to the host',
  ENETUNREACH: 'there is no way to its network',
  ETIMEDOUT: 'no answer',
};

/** Source: errno(3); the reason texts of OpenSSL, such as "tlsv1 alert protocol version". */
function causeOf(error: Error): string {
  const { code, reason } = error as NodeJS.ErrnoException & { readonly reason?: string };
  return reason ?? CAUSES[code ?? ''] ?? error.message;
}
