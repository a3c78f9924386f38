/**
 * A ground with servers of routes, each on a loopback address of its own: what is posted carries a text that is found
 * again, so that a test sees every server at which a message arrived, and those at which it did not.
 */
import { Ground, type GroundOptions } from './ground.ts';
import { replyText, type SessionOptions } from './smtp-client.ts';
import { type SinkMessage, SmtpSink } from './smtp-sink.ts';
import { waitFor } from './waiting.ts';

/** Servers by name: "127.0.0.2:4711", as settings spell a route. */
export type RouteLines = Readonly<Record<string, string>>;

export interface RoutedOptions extends Omit<GroundOptions, 'settings' | 'policyDoor' | 'milter'> {
  /** Route names; the first server is at 127.0.0.2, the next at 127.0.0.3, and so on. */
  readonly routes: readonly string[];
  /** settings.yaml from the routes, each `{ host: …, port: … }`. */
  readonly settings: (routes: RouteLines) => string;
  /** Without it Postfix is told of Postern by `postern postfix apply`. */
  readonly isNotApplied?: boolean;
}

export interface Posting extends SessionOptions {
  readonly recipients: string | readonly string[];
  readonly sender?: string;
  readonly service?: string;
  /** ESMTP parameters of each RCPT. */
  readonly parameters?: string;
  /** ESMTP parameters of MAIL. */
  readonly mailParameters?: string;
  /** Header lines before the subject, each with its line end. */
  readonly headers?: string;
}

/** A message that was handed in: the text by which it is known, and what was answered to each of RCPT, then to the end. */
export interface Posted {
  readonly id: string;
  readonly replies: readonly string[];
}

let count = 0;

export class RoutedGround {
  readonly ground: Ground;
  readonly lines: RouteLines;
  readonly #servers: Map<string, SmtpSink>;
  readonly #places: ReadonlyMap<string, { readonly host: string; readonly port: number }>;

  private constructor(ground: Ground, servers: Map<string, SmtpSink>, lines: RouteLines) {
    this.ground = ground;
    this.#servers = servers;
    this.#places = new Map([...servers].map(([name, { port }], index) => [name, { host: hostOf(index), port }]));
    this.lines = lines;
  }

  static async start({ routes, settings, isNotApplied, lab, ...options }: RoutedOptions): Promise<RoutedGround> {
    const servers = new Map<string, SmtpSink>();
    const lines: Record<string, string> = {};
    try {
      for (const [index, name] of routes.entries()) {
        const server = await SmtpSink.start({ host: hostOf(index) });
        servers.set(name, server);
        lines[name] = `{ host: ${hostOf(index)}, port: ${server.port} }`;
      }
      const ground = await Ground.start({
        ...options,
        settings: settings(lines),
        policyDoor: 'unix',
        milter: true,
        lab: (...doors) => ({ policy: null, socketmap: null, milter: null, ...lab?.(...doors) }),
      });
      const routed = new RoutedGround(ground, servers, lines);
      try {
        if (isNotApplied !== true) await ground.apply();
      } catch (error) {
        await routed.destroy();
        throw error;
      }
      return routed;
    } catch (error) {
      for (const server of servers.values()) await server.stop();
      throw error;
    }
  }

  /** The server of a route. */
  server(route: string): SmtpSink {
    const server = this.#servers.get(route);
    if (server === undefined) throw new Error(`no server of a route ${route}`);
    return server;
  }

  /** The server of a route answers no more. */
  async down(route: string): Promise<void> {
    await this.server(route).stop();
  }

  /** It answers again, at the same address; what it had taken is kept. */
  async up(route: string): Promise<void> {
    const before = this.server(route).messages;
    const server = await SmtpSink.start(this.#places.get(route));
    server.messages.push(...before);
    this.#servers.set(route, server);
  }

  /** Hands a message in by SMTP. RCPT that are refused are left out. */
  async post(posting: Posting): Promise<Posted> {
    const id = nextId();
    const session = await this.ground.open(posting.service ?? 'smtp', posting);
    const replies: string[] = [];
    try {
      const mail = await session.mail(posting.sender ?? 'stranger@remote.example', posting.mailParameters);
      if (mail.code !== 250) return { id, replies: [replyText(mail)] };
      for (const recipient of [posting.recipients].flat()) {
        replies.push(replyText(await session.rcpt(recipient, posting.parameters)));
      }
      if (!replies.some((reply) => reply.startsWith('250 '))) return { id, replies };
      replies.push(replyText(await session.data(textOf(id, posting.headers))));
      return { id, replies };
    } finally {
      session.close();
    }
  }

  /** The same, and every command must be taken. Gives the text by which the message is known. */
  async hand(posting: Posting): Promise<string> {
    const { id, replies } = await this.post(posting);
    const refused = replies.filter((reply) => !reply.startsWith('250 '));
    if (refused.length > 0) throw new Error(`not taken: ${refused.join(' | ')}`);
    return id;
  }

  /** Hands a message to sendmail(1) with these arguments. */
  async sendmail(...args: readonly string[]): Promise<string> {
    const id = nextId();
    await this.ground.lab.sendmail(textOf(id), ...args);
    return id;
  }

  /** Waits until nothing is queued, and gives "server: recipient" for every arrival of a message, sorted. */
  async arrivals(id: string): Promise<string[]> {
    await this.quiet();
    return this.seen(id);
  }

  /** The arrivals so far; "here" is where Postfix delivers without a route: its own stores and the world outside. */
  seen(id: string): string[] {
    const places = [['here', this.ground.sink] as const, ...this.#servers];
    return places
      .flatMap(([name, server]) =>
        server.messages
          .filter(({ content }) => content.includes(id))
          .flatMap(({ recipients }) => recipients.map(({ address }) => `${name}: ${address}`)),
      )
      .sort();
  }

  /** The one arrival of a message at a server. */
  async arrival(id: string, route?: string): Promise<SinkMessage> {
    await this.quiet();
    const server = route === undefined ? this.ground.sink : this.server(route);
    const [message, ...more] = server.messages.filter(({ content }) => content.includes(id));
    if (message === undefined || more.length > 0) {
      throw new Error(`${id} arrived ${more.length + (message === undefined ? 0 : 1)} times: ${this.#tail()}`);
    }
    return message;
  }

  /**
   * Waits until Postfix has nothing queued: seen twice, for a message may be on its way from one queue to the next. What
   * was being delivered while Postfix read its files anew is left until its next look at the queue, five minutes later.
   */
  async quiet(): Promise<void> {
    let times = 0;
    let flushAt = Date.now() + 5000;
    const isQuiet = async (): Promise<true | undefined> => {
      times = (await this.ground.lab.queue()).length === 0 ? times + 1 : 0;
      if (Date.now() > flushAt) {
        flushAt = Infinity;
        await this.ground.lab.flush();
      }
      return times < 2 ? undefined : true;
    };
    try {
      await waitFor('an empty queue', isQuiet, 30_000, 50);
    } catch (error) {
      throw new Error(`${String(error)}; last log lines:\n${this.#tail()}`, { cause: error });
    }
  }

  /** The label of a route, as the table says it that Postfix asks. */
  async label(route: string): Promise<string> {
    const place = this.#places.get(route);
    const maps = (await this.ground.lab.parameter('transport_maps')).split(/[\s,]+/);
    for (const map of maps) {
      const lines = (await this.ground.lab.command('postmap', '-s', map)).split('\n');
      const line = lines.find((each) => /^r\d+-/.test(each) && each.endsWith(`[${place?.host}]:${place?.port}`));
      if (line !== undefined) return line.split(/\s/)[0] ?? '';
    }
    throw new Error(`no table has a label for ${route}`);
  }

  async destroy(): Promise<void> {
    await this.ground.destroy();
    for (const server of this.#servers.values()) await server.stop();
  }

  #tail(): string {
    return this.ground.lab.logLines().slice(-12).join('\n');
  }
}

const hostOf = (index: number): string => `127.0.0.${index + 2}`;

function nextId(): string {
  count += 1;
  return `posting-${process.pid}-${count}-end`;
}

const textOf = (id: string, headers = ''): string =>
  `${headers}From: Someone <someone@remote.example>\nTo: list@remote.example\nSubject: ${id}\n\nhello\n`;
