/**
 * A small MTA's side of the milter protocol over a socket: says what it is told, waits for the replies that the agreed
 * flags call for, and counts what comes. Written from the protocol description; shares no code with the codec.
 */
import { Buffer } from 'node:buffer';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import * as mta from '../unit/wire/milter/mta.ts';
import { waitFor } from './waiting.ts';

/** Where a door listens, as an open door says it. */
export type Place =
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  | { readonly kind: 'unix'; readonly path: string };

/** One message: addresses with their brackets, fields as `Name:value`, the body with CR LF. */
export type MilterMessage = {
  readonly sender?: string;
  readonly recipients?: readonly string[];
  readonly fields?: readonly string[];
  readonly body?: string | Buffer;
  /** The queue id: told from the second recipient on, and with `isEarly` at MAIL already, as for sendmail(1). */
  readonly queueId?: string;
  readonly isEarly?: boolean;
  readonly user?: string;
};

/** The answer to a message: its packets in order, the last being the verdict. */
export type MilterAnswer = {
  readonly verdict: string;
  readonly changes: readonly (readonly (string | number)[])[];
  /** The fields as delivered, above and below Postfix's own Received, which stands as `Received: own`. */
  readonly fields: readonly string[];
};

/** The protocol flag by which an event gets no reply. */
const SILENT: Readonly<Record<string, number>> = {
  ...{ C: 0x1000, H: 0x2000, M: 0x4000, R: 0x8000, T: 0x10000, U: 0x20000, N: 0x40000, B: 0x80000, L: 0x80 },
};
const MODIFICATIONS = 'himbe+2-q';
const LEADING_SPACE = 0x100000;
const CHUNK = 65_535;

export class MilterClient {
  readonly socket: Socket;
  #received: Buffer[] = [];
  #protocol = 0;
  #wake: (() => void) | null = null;
  /** Set when the door ended the connection. */
  isEnded = false;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (chunk: Buffer) => {
      this.#received.push(chunk);
      this.#wake?.();
    });
    const end = (): void => {
      this.isEnded = true;
      this.#wake?.();
    };
    socket.on('error', end);
    socket.on('close', end);
  }

  static async connect(place: Place): Promise<MilterClient> {
    const socket = place.kind === 'unix' ? connect(place.path) : connect(place.port, place.host);
    socket.setNoDelay(true);
    await once(socket, 'connect');
    return new MilterClient(socket);
  }

  /** Connects, negotiates as Postfix 3.7 does unless told otherwise, and names a client (family letter and address). */
  static async open(
    place: Place,
    client: { family?: string; address?: string; offer?: Buffer } = {},
  ): Promise<MilterClient> {
    const self = await MilterClient.connect(place);
    await self.negotiate(client.offer);
    await self.client(client.address, client.family);
    return self;
  }

  get protocol(): number {
    return this.#protocol;
  }

  send(...packets: readonly Uint8Array[]): void {
    this.socket.write(Buffer.concat(packets));
  }

  async negotiate(
    offer: Buffer = mta.offer(),
  ): Promise<{ version: number; actions: number; protocol: number; lists: string }> {
    this.send(offer);
    const [answer] = await this.packets(1);
    if (answer?.code !== 'O') throw new Error(`no negotiation but ${answer?.code ?? 'nothing'}`);
    const { payload } = answer;
    this.#protocol = payload.readUInt32BE(8);
    const lists = payload.toString('latin1', 12);
    return { version: payload.readUInt32BE(0), actions: payload.readUInt32BE(4), protocol: this.#protocol, lists };
  }

  /** CONNECT and HELO, with the macros that Postfix gives. */
  async client(address = '203.0.113.5', family = '4', daemon = 'smtpd'): Promise<void> {
    const packet = family === 'U' ? mta.packet('C', 'unknown\0U') : mta.connect(address, family);
    await this.command('C', mta.macros('C', 'j', 'mx', '{daemon_name}', daemon), packet);
    await this.command('H', mta.macros('H'), mta.helo());
  }

  /** Mail of sendmail(1), as Postfix shows its client. */
  async localClient(): Promise<void> {
    const packet = mta.packet('C', 'localhost\x004\x00\x00127.0.0.1\x00');
    await this.command('C', mta.macros('C', '{daemon_name}', 'mx.example.com'), packet);
    await this.command('H', mta.macros('H'), mta.helo('localhost'));
  }

  /** Sends packets in one write; waits for the verdict where the event of `code` owes one. */
  async command(code: string, ...packets: readonly Uint8Array[]): Promise<string | null> {
    this.send(...packets);
    if ((this.#protocol & (SILENT[code] ?? 0)) !== 0) return null;
    const [answer] = await this.packets(1);
    return answer?.code ?? null;
  }

  /** MAIL, RCPT and DATA. */
  async envelope(message: MilterMessage = {}): Promise<void> {
    const {
      sender = '<alice@example.com>',
      recipients = ['<carol@elsewhere.example>'],
      queueId = '4QueueId',
    } = message;
    const user = message.user === undefined ? [] : ['{auth_type}', 'PLAIN', '{auth_authen}', message.user];
    const early = message.isEarly === true ? ['i', queueId] : [];
    await this.command('M', mta.macros('M', ...early, ...user), mta.mail(sender));
    for (const [at, recipient] of recipients.entries()) {
      await this.command('R', mta.macros('R', ...(at > 0 ? ['i', queueId] : early)), mta.rcpt(recipient));
    }
    await this.command('T', mta.macros('T', 'i', queueId), mta.data);
  }

  /** Header, body and end of the message as Postfix sends them: in one burst where no event in between owes a reply. */
  async content(message: MilterMessage = {}): Promise<void> {
    const { fields = ['From: alice@example.com'], queueId = '4QueueId' } = message;
    const { body: text = 'Hello\r\n' } = message;
    const body = typeof text === 'string' ? mta.octets(text) : text;
    const steps: [string, Uint8Array][] = fields.map((field) => ['L', this.#header(field)]);
    steps.push(['N', mta.endOfHeaders]);
    for (let at = 0; at < body.length; at += CHUNK) steps.push(['B', mta.body(body.subarray(at, at + CHUNK))]);
    let burst: Uint8Array[] = [];
    for (const [code, packet] of steps) {
      burst.push(mta.macros(code, 'i', queueId), packet);
      if ((this.#protocol & (SILENT[code] ?? 0)) !== 0) continue;
      await this.command(code, ...burst);
      burst = [];
    }
    this.send(...burst, mta.macros('E', 'i', queueId), mta.endOfMessage);
  }

  #header(field: string): Buffer {
    const colon = field.indexOf(':');
    const value = field.slice(colon + 1);
    // Without HDR_LEADSPC the MTA takes one space away.
    const shown = (this.#protocol & LEADING_SPACE) === 0 ? value.replace(/^ /, '') : value;
    return mta.header(field.slice(0, colon), shown);
  }

  /** The answer to a message, and what its fields become by it. */
  async answer(message: MilterMessage = {}): Promise<MilterAnswer> {
    const { fields = ['From: alice@example.com'] } = message;
    const packets: Uint8Array[] = [];
    for (;;) {
      const [packet] = await this.packets(1);
      if (packet === undefined) throw new Error('the connection ended before the verdict');
      packets.push(mta.packet(packet.code, packet.payload));
      if (MODIFICATIONS.includes(packet.code)) continue;
      const read = mta.read(Buffer.concat(packets));
      const isSpaced = (this.#protocol & LEADING_SPACE) !== 0;
      return {
        verdict: (read.at(-1) ?? []).join(' '),
        changes: read.slice(0, -1),
        fields: delivered(fields, packets, isSpaced),
      };
    }
  }

  /** A whole message and its answer; ABORT follows, as from Postfix. */
  async message(message: MilterMessage = {}): Promise<MilterAnswer> {
    await this.envelope(message);
    await this.content(message);
    const answer = await this.answer(message);
    this.send(mta.abort);
    return answer;
  }

  /** The next packets; fewer where the connection ends before. */
  async packets(count: number, timeoutMs = 20_000): Promise<{ code: string; payload: Buffer }[]> {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      const all = Buffer.concat(this.#received);
      const ends: number[] = [];
      for (let at = 0; at + 4 <= all.length && ends.length < count;) {
        at += 4 + all.readUInt32BE(at);
        if (at <= all.length) ends.push(at);
      }
      if (ends.length === count || this.isEnded) {
        const end = ends.at(-1) ?? 0;
        this.#received = [all.subarray(end)];
        return mta.packets(all.subarray(0, end));
      }
      this.#received = [all];
      if (performance.now() > deadline) throw new Error(`waited ${timeoutMs} ms in vain for ${count} packets`);
      await this.#news(deadline - performance.now());
    }
  }

  /** Waits until something comes, or the connection or the time ends. */
  async #news(atMostMs: number): Promise<void> {
    const timer = setTimeout(() => this.#wake?.(), Math.max(0, atMostMs));
    await new Promise<void>((resolve) => (this.#wake = resolve));
    clearTimeout(timer);
  }

  /** Octets that came and were not asked for yet. */
  get pendingBytes(): number {
    return this.#received.reduce((length, chunk) => length + chunk.length, 0);
  }

  async ended(): Promise<void> {
    await waitFor('the end of the milter connection', () => (this.isEnded ? true : undefined), 10_000, 2);
  }

  quit(): void {
    this.send(mta.abort, mta.quit);
  }

  close(): void {
    this.socket.destroy();
  }
}

/** CHGHEADER counts without Postfix's own Received, which insertions see on top. */
function delivered(fields: readonly string[], packets: readonly Uint8Array[], isSpaced: boolean): string[] {
  const pairs = fields.map((field): [string, string] => {
    const colon = field.indexOf(':');
    return [field.slice(0, colon), field.slice(colon + 1)];
  });
  const isChange = (packet: Uint8Array): boolean => String.fromCharCode(packet[4] ?? 0) === 'm';
  const changed = mta.applyHeaderChanges(pairs, Buffer.concat(packets.filter(isChange)), isSpaced);
  const rest = Buffer.concat(packets.filter((packet) => !isChange(packet)));
  return mta
    .applyHeaderChanges([['Received', ' own'], ...changed], rest, isSpaced)
    .map(([name, value]) => `${name}:${value}`);
}
