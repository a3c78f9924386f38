/**
 * The load on a milter, in a process of its own: so many connections, each with one message after the other, spoken as
 * Postfix 3.7 does (smtpd writes the envelope, cleanup the content in chunks of 65,535 octets, then the end; a reply is
 * waited for wherever silence was not negotiated). An answer without exactly one DKIM-Signature ends the run.
 * Takes jobs by message from its parent, and answers each with what was measured.
 */
import { connect, type Socket } from 'node:net';
import * as mta from '../test/unit/wire/milter/mta.ts';
import { headerFields, textBody } from './message.ts';
import { percentile } from './report.ts';

/** What to do: `seconds` of messages of about `octets` octets, at least one on each connection. */
export interface LoadJob {
  readonly path: string;
  readonly connections: number;
  readonly octets: number;
  readonly seconds: number;
}

/** Times in milliseconds. */
export interface LoadResult {
  readonly perSecond: number;
  readonly messages: number;
  /** From MAIL to the verdict. */
  readonly wholeP50: number;
  readonly wholeP99: number;
  /** From the end of the message to the verdict. */
  readonly endP50: number;
  readonly endP99: number;
  /** Processor time of this process for one message. */
  readonly ownCpuMs: number;
  /** The first message as it would be delivered, base64. */
  readonly sample: string;
}

const CHUNK_OCTETS = 65_535;
const QUEUE_ID = '4ZxYk12345z1abc';
const LEADING_SPACE = 0x100000;
/** For each event: the flag by which it is not sent, and the one by which it gets no reply. */
const FLAGS: Readonly<Record<string, readonly [number, number]>> = {
  C: [0x1, 0x1000],
  H: [0x2, 0x2000],
  M: [0x4, 0x4000],
  R: [0x8, 0x8000],
  B: [0x10, 0x80000],
  L: [0x20, 0x80],
  N: [0x40, 0x40000],
  T: [0x200, 0x10000],
};
const CONTINUE = 0x63;
const ACCEPT = 0x61;
const PROGRESS = 0x70;
const INSERT = 0x69;
const ADD = 0x68;

/** Octets to write at once, and whether a reply is waited for before the next. */
interface Burst {
  readonly bytes: Buffer;
  readonly owesReply: boolean;
}
type Step = readonly [code: string, ...packets: Buffer[]];

/** Joins what Postfix would write without waiting. */
function burstsOf(steps: readonly Step[], protocol: number): Burst[] {
  const bursts: Burst[] = [];
  let packets: Buffer[] = [];
  for (const [code, ...ofStep] of steps) {
    const [no, silent] = FLAGS[code] ?? [0, 0];
    if ((protocol & no) !== 0) continue;
    packets.push(...ofStep);
    if ((protocol & silent) !== 0) continue;
    bursts.push({ bytes: Buffer.concat(packets), owesReply: true });
    packets = [];
  }
  if (packets.length > 0) bursts.push({ bytes: Buffer.concat(packets), owesReply: false });
  return bursts;
}

const id = ['i', QUEUE_ID] as const;
const clientSteps: readonly Step[] = [
  ['C', mta.macros('C', 'j', 'mx.example', '{daemon_name}', 'mx.example'), mta.connect('127.0.0.1', '4', 'localhost')],
  ['H', mta.macros('H'), mta.helo('client.example')],
];
const endOfMessage = Buffer.concat([mta.macros('E', ...id), mta.endOfMessage]);

function messageBursts(body: Buffer, protocol: number): Burst[] {
  const rcpt = ['{rcpt_addr}', 'bob@partner.example', '{rcpt_host}', 'partner.example', '{rcpt_mailer}', 'smtp'];
  const sender = ['{mail_addr}', 'alice@example.com', '{mail_host}', 'example.com', '{mail_mailer}', 'smtp'];
  const envelope: Step[] = [
    ['M', mta.abort, mta.macros('M', ...sender), mta.mail('<alice@example.com>', `SIZE=${body.length + 800}`)],
    ['R', mta.macros('R', ...rcpt), mta.rcpt('<bob@partner.example>')],
    ['T', mta.macros('T', ...id), mta.data],
  ];
  const content: Step[] = headerFields.map((field) => {
    const colon = field.indexOf(':');
    const value = field.slice(colon + 1);
    const shown = (protocol & LEADING_SPACE) === 0 ? value.replace(/^ /, '') : value;
    return ['L', mta.macros('L', ...id), mta.header(field.slice(0, colon), shown)];
  });
  content.push(['N', mta.macros('N', ...id), mta.endOfHeaders]);
  for (let at = 0; at < body.length; at += CHUNK_OCTETS) {
    content.push(['B', mta.macros('B', ...id), mta.body(body.subarray(at, at + CHUNK_OCTETS))]);
  }
  // Two processes of Postfix, one after the other, write these.
  return [...burstsOf(envelope, protocol), ...burstsOf(content, protocol)];
}

/** Messages as one run counts them. */
class Tally {
  readonly whole: number[] = [];
  readonly end: number[] = [];
  sample = '';
}

/** One connection from its first to its last message. */
class Talk {
  readonly #socket: Socket;
  readonly #body: Buffer;
  readonly #tally: Tally;
  readonly #until: number;
  #protocol = 0;
  #bursts: readonly Burst[] = [];
  #next = 0;
  /** What the next verdict is of; null while nothing is owed. */
  #awaits: 'negotiation' | 'client' | 'burst' | 'message' | null = 'negotiation';
  #rest: Buffer = Buffer.alloc(0);
  #answer: Buffer[] = [];
  #mailAt = 0;
  #endAt = 0;
  #finish: () => void = () => undefined;

  constructor(job: LoadJob, body: Buffer, tally: Tally, until: number) {
    this.#socket = connect(job.path);
    this.#body = body;
    this.#tally = tally;
    this.#until = until;
  }

  run(): Promise<void> {
    return new Promise((resolve, reject) => {
      const fail = (error: Error): void => {
        reject(error);
        this.#socket.destroy();
      };
      this.#finish = () => {
        this.#socket.removeAllListeners('close').end(Buffer.concat([mta.abort, mta.quit]));
        resolve();
      };
      this.#socket.on('error', fail);
      this.#socket.once('close', () => {
        reject(new Error('the milter closed a connection'));
      });
      this.#socket.on('data', (chunk: Buffer) => {
        try {
          this.#receive(chunk);
        } catch (error) {
          fail(error as Error);
        }
      });
      this.#socket.write(mta.offer());
    });
  }

  #receive(chunk: Buffer): void {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    let at = 0;
    while (bytes.length - at >= 5) {
      const end = at + 4 + bytes.readUInt32BE(at);
      if (end > bytes.length) break;
      this.#take(bytes.subarray(at, end));
      at = end;
    }
    this.#rest = bytes.subarray(at);
  }

  #take(packet: Buffer): void {
    const code = packet.readUInt8(4);
    if (code === PROGRESS) return;
    if (this.#awaits === 'negotiation') {
      if (code !== 0x4f) throw new Error('no answer to the negotiation');
      this.#protocol = packet.readUInt32BE(13);
      this.#begin(burstsOf(clientSteps, this.#protocol));
      return;
    }
    if (this.#awaits === 'message') {
      this.#answer.push(packet);
      if (code === CONTINUE || code === ACCEPT) this.#endMessage();
      else if (code !== INSERT && code !== ADD)
        throw new Error(`the message was answered by ${packet.toString('latin1')}`);
      return;
    }
    if (this.#awaits === null || code !== CONTINUE) throw new Error(`unexpected: ${packet.toString('latin1')}`);
    this.#awaits = null;
    this.#writeOn();
  }

  #begin(bursts: readonly Burst[]): void {
    this.#bursts = bursts;
    this.#next = 0;
    this.#awaits = null;
    this.#writeOn();
  }

  /** Writes up to the next reply that is owed; at the end of the message once the kernel has taken all before it. */
  #writeOn(): void {
    for (let burst = this.#bursts[this.#next]; burst !== undefined; burst = this.#bursts[this.#next]) {
      this.#next += 1;
      if (burst.owesReply) {
        this.#awaits = 'burst';
        this.#socket.write(burst.bytes);
        return;
      }
      if (this.#next < this.#bursts.length) this.#socket.write(burst.bytes);
      else {
        this.#socket.write(burst.bytes, () => {
          this.#afterLastBurst();
        });
        return;
      }
    }
    this.#afterLastBurst();
  }

  #afterLastBurst(): void {
    // CONNECT and HELO are done once; then come the messages.
    if (this.#mailAt === 0) {
      this.#bursts = messageBursts(this.#body, this.#protocol);
      this.#beginMessage();
      return;
    }
    this.#awaits = 'message';
    this.#endAt = performance.now();
    this.#socket.write(endOfMessage);
  }

  #beginMessage(): void {
    this.#mailAt = performance.now();
    this.#begin(this.#bursts);
  }

  #endMessage(): void {
    const now = performance.now();
    const { whole, end, sample } = this.#tally;
    whole.push(now - this.#mailAt);
    end.push(now - this.#endAt);
    const isSigned = (packet: Buffer): boolean => packet.includes('DKIM-Signature\0', 5, 'latin1');
    const signatures = this.#answer.filter(isSigned).length;
    if (signatures !== 1) throw new Error(`an answer has ${signatures} signatures`);
    if (sample === '') this.#tally.sample = this.#delivered().toString('base64');
    this.#answer = [];
    if (now < this.#until) this.#beginMessage();
    else this.#finish();
  }

  /** The message with the answer's changes, which Postfix's own Received field is above but for those inserted. */
  #delivered(): Buffer {
    const fields = headerFields.map((field): [string, string] => {
      const colon = field.indexOf(':');
      return [field.slice(0, colon), field.slice(colon + 1)];
    });
    const changes = Buffer.concat(this.#answer);
    const changed = mta.applyHeaderChanges(
      [['Received', ' by mx.example'], ...fields],
      changes,
      (this.#protocol & LEADING_SPACE) !== 0,
    );
    const head = changed.map(([name, value]) => `${name}:${value.replaceAll('\n', '\r\n')}\r\n`).join('');
    return Buffer.concat([Buffer.from(`${head}\r\n`, 'latin1'), this.#body]);
  }
}

async function load(job: LoadJob): Promise<LoadResult> {
  const body = textBody(job.octets);
  const tally = new Tally();
  const cpuBefore = process.cpuUsage();
  const startedAt = performance.now();
  const until = startedAt + job.seconds * 1000;
  await Promise.all(Array.from({ length: job.connections }, () => new Talk(job, body, tally, until).run()));
  const elapsedMs = performance.now() - startedAt;
  const { user, system } = process.cpuUsage(cpuBefore);
  const whole = Float64Array.from(tally.whole).sort();
  const end = Float64Array.from(tally.end).sort();
  return {
    perSecond: (whole.length * 1000) / elapsedMs,
    messages: whole.length,
    wholeP50: percentile(whole, 0.5),
    wholeP99: percentile(whole, 0.99),
    endP50: percentile(end, 0.5),
    endP99: percentile(end, 0.99),
    ownCpuMs: (user + system) / 1000 / whole.length,
    sample: tally.sample,
  };
}

process.on('message', (job: LoadJob) => {
  load(job).then(
    (result) => process.send?.(result),
    (error: unknown) => {
      console.error('the load failed:', error);
      process.exit(1);
    },
  );
});
process.on('disconnect', () => process.exit());
