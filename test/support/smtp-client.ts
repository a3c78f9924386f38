/** A raw SMTP client for tests: one method a command, each reply as it came (RFC 5321; XCLIENT as in Postfix XCLIENT_README). */
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';

const replyTimeoutMs = 40_000;

export interface SmtpReply {
  readonly code: number;
  /** The text of all lines, without the code, joined by a line feed. */
  readonly text: string;
}

/** As it came on the wire, lines joined by a space: "550 5.7.1 …". */
export function replyText(reply: SmtpReply): string {
  return `${reply.code} ${reply.text.replaceAll('\n', ' ')}`;
}

export interface SessionOptions {
  /** Address that Postfix shall see in place of loopback (XCLIENT). */
  readonly client?: string;
  readonly helo?: string;
  readonly tls?: boolean;
  readonly user?: { readonly name: string; readonly password: string };
}

interface Waiter {
  readonly resolve: (reply: SmtpReply) => void;
  readonly reject: (error: Error) => void;
}

export class SmtpClient {
  #socket: Socket;
  #buffered = '';
  #lines: string[] = [];
  readonly #replies: SmtpReply[] = [];
  readonly #waiting: Waiter[] = [];
  #ended: Error | undefined;
  /** Keywords of the last EHLO reply, in capitals. */
  extensions: readonly string[] = [];

  private constructor(socket: Socket) {
    this.#socket = socket;
    this.#listen(socket);
  }

  /** Connects to loopback and reads the greeting. Errors: refused connection, no 220. */
  static async connect(port: number, host = '127.0.0.1'): Promise<SmtpClient> {
    const socket = connectTcp({ port, host });
    const client = new SmtpClient(socket);
    const greeting = await client.#reply();
    if (greeting.code !== 220) throw new Error(`greeting: ${replyText(greeting)}`);
    return client;
  }

  /** A session ready for MAIL. Errors: any step that was refused. */
  static async open(port: number, options: SessionOptions = {}): Promise<SmtpClient> {
    const helo = options.helo ?? 'client.test';
    const session = await SmtpClient.connect(port);
    await session.ehlo(helo);
    if (options.client !== undefined) {
      expectCode(await session.xclient({ ADDR: xclientAddress(options.client) }), 220, 'XCLIENT');
      await session.ehlo(helo);
    }
    if (options.tls === true) {
      expectCode(await session.startTls(), 220, 'STARTTLS');
      await session.ehlo(helo);
    }
    if (options.user !== undefined) {
      expectCode(await session.authPlain(options.user.name, options.user.password), 235, 'AUTH');
    }
    return session;
  }

  async ehlo(name: string): Promise<SmtpReply> {
    const reply = await this.command(`EHLO ${name}`);
    this.extensions = reply.text
      .split('\n')
      .slice(1)
      .map((line) => (line.split(' ')[0] ?? '').toUpperCase());
    return reply;
  }

  /** Postfix answers 220 and begins a new session with these attributes: EHLO must follow. */
  xclient(attributes: Readonly<Record<string, string>>): Promise<SmtpReply> {
    const list = Object.entries(attributes).map(([name, value]) => `${name}=${value}`);
    return this.command(`XCLIENT ${list.join(' ')}`);
  }

  /** Any certificate is taken: the tests look at what the server does. EHLO must follow. */
  async startTls(): Promise<SmtpReply> {
    const reply = await this.command('STARTTLS');
    if (reply.code !== 220) return reply;
    const plain = this.#socket;
    plain.removeAllListeners();
    const secured = connectTls({ socket: plain, rejectUnauthorized: false });
    await new Promise<void>((resolve, reject) => {
      secured.once('secureConnect', resolve);
      secured.once('error', reject);
    });
    this.#socket = secured;
    this.#listen(secured);
    return reply;
  }

  authPlain(name: string, password: string): Promise<SmtpReply> {
    return this.command(`AUTH PLAIN ${Buffer.from(`\0${name}\0${password}`).toString('base64')}`);
  }

  mail(sender: string, parameters = ''): Promise<SmtpReply> {
    return this.command(`MAIL FROM:<${sender}>${parameters === '' ? '' : ` ${parameters}`}`);
  }

  rcpt(recipient: string, parameters = ''): Promise<SmtpReply> {
    return this.command(`RCPT TO:<${recipient}>${parameters === '' ? '' : ` ${parameters}`}`);
  }

  /**
   * The final reply, or the one to DATA where that is not 354. A text may end its lines with LF or CRLF; octets go out as
   * they are, but for their dots, and end with CRLF.
   */
  async data(message: string | Buffer): Promise<SmtpReply> {
    const start = await this.command('DATA');
    if (start.code !== 354) return start;
    const octets = typeof message === 'string' ? Buffer.from(message.replace(/\r?\n/g, '\r\n')) : message;
    const text = octets
      .toString('latin1')
      .replace(/\r\n$/, '')
      .replace(/(^|\r\n)\./g, '$1..');
    return this.command(Buffer.from(`${text}\r\n.`, 'latin1'));
  }

  /** The whole message as one chunk, octet by octet: here the last line needs no end (RFC 3030). */
  bdat(message: Buffer): Promise<SmtpReply> {
    this.write(Buffer.concat([Buffer.from(`BDAT ${message.length} LAST\r\n`), message]));
    return this.#reply();
  }

  /** Sends a line, or a message with its dot, and waits for the one reply to it. */
  command(line: string | Buffer): Promise<SmtpReply> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    // One write: two small ones would wait for each other's acknowledgement.
    this.write(Buffer.concat([Buffer.from(line), Buffer.from('\r\n')]));
    return this.#reply();
  }

  /** Sends octets and waits for nothing, for example a part of a message after DATA. */
  write(octets: string | Buffer): void {
    this.#socket.write(octets);
  }

  async quit(): Promise<void> {
    await this.command('QUIT');
    this.#socket.end();
  }

  /** Drops the connection without QUIT. */
  close(): void {
    this.#socket.destroy();
  }

  #reply(): Promise<SmtpReply> {
    const reply = this.#replies.shift();
    if (reply !== undefined) return Promise.resolve(reply);
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#fail(new Error(`no SMTP reply within ${replyTimeoutMs} ms`));
      }, replyTimeoutMs);
      const settle =
        <T>(then: (value: T) => void) =>
        (value: T) => {
          clearTimeout(timer);
          then(value);
        };
      this.#waiting.push({ resolve: settle(resolve), reject: settle(reject) });
    });
  }

  #listen(socket: Socket): void {
    socket.on('data', (chunk) => {
      this.#receive(chunk.toString('utf8'));
    });
    socket.on('error', (error) => {
      this.#fail(error);
    });
    socket.on('close', () => {
      this.#fail(new Error('the SMTP server closed the connection'));
    });
  }

  #receive(text: string): void {
    const lines = (this.#buffered + text).split('\r\n');
    this.#buffered = lines.pop() ?? '';
    for (const line of lines) {
      this.#lines.push(line);
      if (line[3] === '-') continue;
      const reply = { code: Number(line.slice(0, 3)), text: this.#lines.map((each) => each.slice(4)).join('\n') };
      this.#lines = [];
      const waiter = this.#waiting.shift();
      if (waiter === undefined) this.#replies.push(reply);
      else waiter.resolve(reply);
    }
  }

  #fail(error: Error): void {
    this.#ended ??= error;
    this.#socket.destroy();
    for (const waiter of this.#waiting.splice(0)) waiter.reject(this.#ended);
  }
}

function xclientAddress(address: string): string {
  return address.includes(':') ? `IPV6:${address}` : address;
}

function expectCode(reply: SmtpReply, code: number, command: string): void {
  if (reply.code !== code) throw new Error(`${command}: ${replyText(reply)}`);
}
