/** An SMTP server on loopback that says what a test tells it to, octet for octet, and keeps what it was told. */
import { createServer, type Server, type Socket } from 'node:net';
import { createSecureContext, TLSSocket, type SecureContextOptions } from 'node:tls';
import type { Credentials } from './certificates.ts';

/** Octets to send, or what to do with the socket; null is silence. */
export type Answer = string | ((socket: Socket) => void) | null;

export interface Script {
  readonly greeting?: Answer;
  readonly ehlo?: Answer;
  readonly ehloInTls?: Answer;
  readonly helo?: Answer;
  readonly starttls?: Answer;
  /** Behind a good answer to STARTTLS, TLS begins with these. */
  readonly credentials?: Credentials;
  readonly tls?: SecureContextOptions;
  readonly host?: string;
  readonly port?: number;
}

export class ScriptedSmtp {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** What was said to it, "TLS " before what came in TLS. */
  readonly commands: string[] = [];
  /** The names that clients asked for in TLS. */
  readonly serverNames: (string | false)[] = [];
  connections = 0;

  private constructor(script: Script) {
    this.#server = createServer((socket) => {
      this.connections += 1;
      this.#sockets.add(socket);
      this.#listen(socket, script, false);
      say(socket, script.greeting === undefined ? '220 scripted.test ESMTP\r\n' : script.greeting);
    });
  }

  static async start(script: Script = {}): Promise<ScriptedSmtp> {
    const server = new ScriptedSmtp(script);
    await new Promise<void>((resolve, reject) => {
      server.#server.once('error', reject);
      server.#server.listen(script.port ?? 0, script.host ?? '127.0.0.1', resolve);
    });
    return server;
  }

  get port(): number {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('the scripted server does not listen');
    return address.port;
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #listen(socket: Socket, script: Script, inTls: boolean): void {
    let buffered = '';
    socket.on('error', () => socket.destroy());
    socket.on('data', (chunk) => {
      buffered += chunk.toString('latin1');
      for (let end = buffered.indexOf('\r\n'); end >= 0; end = buffered.indexOf('\r\n')) {
        const line = buffered.slice(0, end);
        buffered = buffered.slice(end + 2);
        this.commands.push(`${inTls ? 'TLS ' : ''}${line}`);
        this.#answer(line, socket, script, inTls);
      }
    });
  }

  #answer(line: string, socket: Socket, script: Script, inTls: boolean): void {
    const { ehlo = `250-scripted.test\r\n250 ${script.credentials === undefined ? 'DSN' : 'STARTTLS'}\r\n` } = script;
    const verb = line.split(' ')[0]?.toUpperCase();
    if (verb === 'EHLO' && inTls)
      say(socket, script.ehloInTls === undefined ? '250-scripted.test\r\n250 DSN\r\n' : script.ehloInTls);
    else if (verb === 'EHLO') say(socket, ehlo);
    else if (verb === 'HELO') say(socket, script.helo === undefined ? '250 scripted.test\r\n' : script.helo);
    else if (verb === 'STARTTLS') this.#startTls(socket, script);
    else if (verb === 'QUIT') socket.end('221 bye\r\n');
    else say(socket, '502 no\r\n');
  }

  #startTls(socket: Socket, script: Script): void {
    const { starttls = '220 go on\r\n', credentials, tls } = script;
    if (credentials !== undefined && starttls === '220 go on\r\n') {
      socket.removeAllListeners('data');
      const { key, certificate: cert } = credentials;
      const secureContext = createSecureContext({ key, cert, ...tls });
      const secured = new TLSSocket(socket, { isServer: true, secureContext });
      secured.on('secure', () =>
        this.serverNames.push((secured as { servername?: string | false }).servername ?? false),
      );
      this.#listen(secured, script, true);
    }
    say(socket, starttls);
  }
}

function say(socket: Socket, answer: Answer): void {
  if (typeof answer === 'string') socket.write(answer);
  else if (answer !== null) answer(socket);
}
