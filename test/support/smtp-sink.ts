/**
 * A destination server on loopback that keeps what it is sent: envelopes with their ESMTP parameters, and messages.
 * A recipient whose local-part begins with `reject` gets 550, with `defer` 450.
 */
import { createServer, type Server, type Socket } from 'node:net';
import { waitFor } from './waiting.ts';

interface SinkAddress {
  readonly address: string;
  /** ESMTP parameters as sent, for example "SIZE=210" or "NOTIFY=NEVER". */
  readonly parameters: readonly string[];
}

export interface SinkMessage {
  readonly helo: string;
  readonly sender: SinkAddress;
  readonly recipients: readonly SinkAddress[];
  /** Dots unstuffed, CRLF line ends, without the final dot. */
  readonly content: Buffer;
}

export interface SinkOptions {
  /** Keywords that its EHLO reply leaves out, for example "8BITMIME". */
  readonly without?: readonly string[];
  /** The loopback address that it listens on; 127.0.0.1 unless given. */
  readonly host?: string;
  /** The port; a free one unless given. */
  readonly port?: number;
}

/** What a server does with every mail. */
export interface SinkConduct {
  /** The reply to every RCPT, for example "550 5.1.1 not here". */
  readonly rcpt?: string;
  /** The reply to every message, which is not kept; its recipients count as refused. */
  readonly message?: string;
  /** How long it lets a client wait for what it answers. */
  readonly delayMs?: number;
}

const keywords = ['PIPELINING', 'SIZE', '8BITMIME', 'DSN', 'SMTPUTF8', 'ENHANCEDSTATUSCODES'];
const endOfData = Buffer.from('\r\n.\r\n');

export class SmtpSink {
  readonly #server: Server;
  readonly ehloReply: string;
  readonly #sockets = new Set<Socket>();
  /** All messages taken, oldest first. */
  readonly messages: SinkMessage[] = [];
  /** Recipients refused with 450 or 550, in order. */
  readonly refused: string[] = [];
  readonly #gone = new Set<string>();
  /** How it behaves from now on; as a good server unless set. */
  conduct: SinkConduct = {};

  private constructor(server: Server, options: SinkOptions) {
    this.#server = server;
    const offered = keywords.filter((word) => options.without?.includes(word) !== true);
    this.ehloReply = ['250-sink.test', ...offered.map((word) => `250-${word}`)]
      .join('\r\n')
      .replace(/250-(?=\S+$)/, '250 ');
  }

  static async start(options: SinkOptions = {}): Promise<SmtpSink> {
    const server = createServer();
    const sink = new SmtpSink(server, options);
    server.on('connection', (socket) => {
      sink.#serve(socket);
    });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(options.port ?? 0, options.host ?? '127.0.0.1', resolve);
    });
    return sink;
  }

  get port(): number {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('the sink does not listen');
    return address.port;
  }

  /** The first message to `recipient` from message index `from` on, waiting for it. Errors: none within `timeoutMs`. */
  messageTo(recipient: string, timeoutMs = 15_000, from = 0): Promise<SinkMessage> {
    const taken = (): SinkMessage | undefined =>
      this.messages.slice(from).find((message) => message.recipients.some((each) => each.address === recipient));
    return waitFor(`a message to ${recipient}`, taken, timeoutMs);
  }

  /** From now on this recipient gets 550. */
  refuse(recipient: string): void {
    this.#gone.add(recipient);
  }

  /** Whether a recipient is taken, or how it is refused. */
  refusalOf(recipient: string): string | undefined {
    if (this.conduct.rcpt !== undefined) return this.conduct.rcpt;
    if (this.#gone.has(recipient) || /^"?reject/i.test(recipient)) return '550 5.1.1 no such user here';
    return /^"?defer/i.test(recipient) ? '450 4.2.0 try again later' : undefined;
  }

  /** Every recipient of every message taken, in order. */
  recipients(): string[] {
    return this.messages.flatMap((message) => message.recipients.map((each) => each.address));
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    const session = new SinkSession(this);
    socket.write('220 sink.test ESMTP\r\n');
    const answer = (replies: readonly string[], isEnd: boolean): void => {
      for (const reply of replies) socket.write(`${reply}\r\n`);
      if (isEnd) socket.end();
    };
    socket.on('data', (chunk) => {
      const replies = session.receive(chunk);
      const { delayMs } = this.conduct;
      if (delayMs === undefined) answer(replies, session.ended);
      else setTimeout(answer, delayMs, replies, session.ended);
    });
  }
}

/** One SMTP session: bytes in, replies out. */
class SinkSession {
  readonly #sink: SmtpSink;
  #buffered = Buffer.alloc(0);
  #inData = false;
  /** Up to here the buffer holds no end of a message: a long one is not searched again with every chunk. */
  #searched = 0;
  #helo = '';
  #sender: SinkAddress | undefined;
  #recipients: SinkAddress[] = [];
  ended = false;

  constructor(sink: SmtpSink) {
    this.#sink = sink;
  }

  receive(chunk: Buffer): string[] {
    this.#buffered = Buffer.concat([this.#buffered, chunk]);
    const replies: string[] = [];
    for (;;) {
      const reply = this.#inData ? this.#takeMessage() : this.#takeCommand();
      if (reply === undefined) return replies;
      replies.push(reply);
    }
  }

  #takeCommand(): string | undefined {
    const end = this.#buffered.indexOf('\r\n');
    if (end < 0) return undefined;
    const line = this.#buffered.toString('utf8', 0, end);
    this.#buffered = this.#buffered.subarray(end + 2);
    return this.#answer(line);
  }

  #takeMessage(): string | undefined {
    const end = this.#buffered.indexOf(endOfData, this.#searched);
    if (end < 0) {
      this.#searched = Math.max(0, this.#buffered.length - endOfData.length);
      return undefined;
    }
    this.#searched = 0;
    // The buffer begins with a CRLF of our own, so that an empty message ends like any other.
    const stuffed = this.#buffered.subarray(2, end + 2).toString('latin1');
    const content = Buffer.from(stuffed.replace(/(^|\r\n)\./g, '$1'), 'latin1');
    this.#buffered = this.#buffered.subarray(end + endOfData.length);
    this.#inData = false;
    if (this.#sender === undefined) throw new Error('DATA without MAIL');
    const refusal = this.#sink.conduct.message;
    if (refusal !== undefined) {
      this.#sink.refused.push(...this.#recipients.map(({ address }) => address));
      this.#reset();
      return refusal;
    }
    this.#sink.messages.push({ helo: this.#helo, sender: this.#sender, recipients: this.#recipients, content });
    this.#reset();
    return '250 2.0.0 taken';
  }

  #answer(line: string): string {
    const [verb = ''] = line.toUpperCase().split(/[ :]/);
    switch (verb) {
      case 'EHLO':
        this.#helo = line.slice(5);
        return this.#sink.ehloReply;
      case 'HELO':
        this.#helo = line.slice(5);
        return '250 sink.test';
      case 'MAIL':
        this.#sender = parseAddress(line);
        return '250 2.1.0 ok';
      case 'RCPT':
        return this.#recipient(parseAddress(line));
      case 'DATA':
        if (this.#recipients.length === 0) return '554 5.5.1 no valid recipients';
        this.#inData = true;
        this.#buffered = Buffer.concat([Buffer.from('\r\n'), this.#buffered]);
        return '354 go on';
      case 'RSET':
        this.#reset();
        return '250 2.0.0 ok';
      case 'NOOP':
        return '250 2.0.0 ok';
      case 'QUIT':
        this.ended = true;
        return '221 2.0.0 bye';
      default:
        return '502 5.5.2 not known';
    }
  }

  #recipient(recipient: SinkAddress): string {
    const answer = this.#sink.refusalOf(recipient.address);
    if (answer !== undefined) {
      this.#sink.refused.push(recipient.address);
      return answer;
    }
    this.#recipients.push(recipient);
    return '250 2.1.5 ok';
  }

  #reset(): void {
    this.#sender = undefined;
    this.#recipients = [];
  }
}

function parseAddress(line: string): SinkAddress {
  const [, address = '', rest = ''] = /^[^<]*<((?:"(?:\\.|[^"\\])*"|[^>])*)>(.*)$/.exec(line) ?? [];
  return { address, parameters: rest.split(' ').filter((word) => word !== '') };
}
