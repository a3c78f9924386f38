/**
 * A small DNS server on a loopback UDP port that answers each name as it is told, also in the ways in which real servers
 * fail, and keeps what it was asked. Written from RFC 1035; for TXT questions only.
 */
import { Buffer } from 'node:buffer';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';

/** What a name has: TXT records, each in one or more strings; or a way to fail. `silence` is no answer at all. */
export type DnsAnswer =
  | { readonly records: readonly (string | readonly string[])[] }
  | 'no-such-name'
  | 'no-such-record'
  | 'server-failure'
  | 'refused'
  | 'nonsense'
  | 'silence';

const RCODE = { 'no-such-name': 3, 'no-such-record': 0, 'server-failure': 2, refused: 5 } as const;
const TXT = 16;

export class UdpDns {
  readonly #socket: Socket;
  readonly #answers = new Map<string, DnsAnswer>();
  /** The names asked for, in order, in lower case. */
  readonly asked: string[] = [];
  readonly address: string;

  private constructor(socket: Socket) {
    this.#socket = socket;
    this.address = `127.0.0.1:${socket.address().port}`;
    socket.on('message', (question, { address, port }) => {
      const answer = this.#reply(question);
      if (answer !== null) socket.send(answer, port, address);
    });
  }

  static async start(): Promise<UdpDns> {
    const socket = createSocket('udp4');
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    return new UdpDns(socket);
  }

  /** What is not set does not exist. */
  set(name: string, answer: DnsAnswer): void {
    this.#answers.set(name.toLowerCase(), answer);
  }

  async stop(): Promise<void> {
    this.#socket.close();
    await once(this.#socket, 'close');
  }

  #reply(question: Buffer): Buffer | null {
    const { name, end } = readName(question);
    this.asked.push(name);
    const answer = this.#answers.get(name) ?? 'no-such-name';
    if (answer === 'silence') return null;
    if (answer === 'nonsense') return Buffer.from('no DNS at all');
    const records = typeof answer === 'string' ? [] : answer.records.map((record) => [record].flat());
    const header = Buffer.alloc(12);
    question.copy(header, 0, 0, 2);
    // QR, AA and RA; RD as asked.
    header.writeUInt16BE(
      0x8480 | (question.readUInt16BE(2) & 0x0100) | (typeof answer === 'string' ? RCODE[answer] : 0),
      2,
    );
    header.writeUInt16BE(1, 4);
    header.writeUInt16BE(records.length, 6);
    return Buffer.concat([header, question.subarray(12, end), ...records.map(txtRecord)]);
  }
}

/** The name of the question, and the place behind its type and class. Source: RFC 1035 §4.1.2. */
function readName(question: Buffer): { name: string; end: number } {
  const labels: string[] = [];
  let at = 12;
  for (let length = question.readUInt8(at); length > 0; length = question.readUInt8(at)) {
    labels.push(question.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
  return { name: labels.join('.').toLowerCase(), end: at + 5 };
}

/** A TXT record of the name in the question, with an hour to live: whoever keeps answers would not ask again. */
function txtRecord(strings: readonly string[]): Buffer {
  const data = Buffer.concat(
    strings.map((text) => Buffer.concat([Buffer.from([text.length]), Buffer.from(text, 'latin1')])),
  );
  const head = Buffer.alloc(12);
  head.writeUInt16BE(0xc00c, 0);
  head.writeUInt16BE(TXT, 2);
  head.writeUInt16BE(1, 4);
  head.writeUInt32BE(3600, 6);
  head.writeUInt16BE(data.length, 10);
  return Buffer.concat([head, data]);
}
