/**
 * One policy connection that asks all the time, in a process of its own: a question, its answer, a short pause.
 * Forked by `startSteady`. The first message to it is what it asks; at each later one it tells what it saw since the
 * last: how many answers, which of them were wrong, and their latency.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { fileURLToPath } from 'node:url';
import { policyRequest } from '../../integration/adapters/peers.ts';

/** What is asked in turn, and what the answer must contain. */
export type Question = { readonly attributes: Readonly<Record<string, string>>; readonly answer: string };
/** What was seen since the last look. Milliseconds. */
export type Seen = {
  readonly answered: number;
  readonly wrong: readonly string[];
  readonly p99Ms: number;
  readonly longestMs: number;
};

const PAUSE_MS = 2;

/** A connection that asks until it is stopped. */
export class Steady {
  readonly #child: ChildProcess;
  readonly #ended: Promise<never>;

  constructor(child: ChildProcess) {
    this.#child = child;
    this.#ended = once(child, 'exit').then(() => {
      throw new Error('the steady connection is lost');
    });
    // An end that nobody waits for is the end that was asked for.
    this.#ended.catch(() => undefined);
  }

  /** What it saw since the last look. Errors: it has ended, since it lost its connection. */
  async look(): Promise<Seen> {
    if (this.#child.connected) this.#child.send('look');
    const [seen] = (await Promise.race([once(this.#child, 'message'), this.#ended])) as [Seen];
    return seen;
  }

  stop(): void {
    if (this.#child.connected) this.#child.disconnect();
  }
}

/** Begins to ask at a port of the loopback. */
export async function startSteady(port: number, questions: readonly Question[]): Promise<Steady> {
  const child = fork(fileURLToPath(import.meta.url), ['ask', String(port)]);
  child.send(questions);
  await once(child, 'message');
  return new Steady(child);
}

async function ask(port: number): Promise<void> {
  const [questions] = (await once(process, 'message')) as [Question[]];
  const socket = connect({ host: '127.0.0.1', port, noDelay: true });
  await once(socket, 'connect');
  let [taken, wrong]: [number[], string[]] = [[], []];
  let [next, askedAt, received, isWaiting] = [0, 0, '', false];
  const send = (): void => {
    askedAt = performance.now();
    isWaiting = true;
    socket.write(policyRequest({ ...questions[next % questions.length]?.attributes, instance: `1f3a.${next}.0` }));
  };
  socket.on('data', (chunk: Buffer) => {
    received += chunk.toString('latin1');
    if (!received.endsWith('\n\n')) return;
    isWaiting = false;
    taken.push(performance.now() - askedAt);
    const { answer = '', attributes = {} } = questions[next % questions.length] ?? {};
    if (!received.startsWith(`action=${answer}`)) wrong.push(`${JSON.stringify(attributes)}: ${received}`);
    next += 1;
    received = '';
    setTimeout(send, PAUSE_MS);
  });
  socket.on('close', () => process.exit(1));
  process.on('disconnect', () => process.exit());
  process.on('message', () => {
    const sorted = taken.toSorted((a, b) => a - b);
    const p99Ms = sorted[Math.floor(0.99 * (sorted.length - 1))] ?? 0;
    // A question that still waits is a gap as well.
    const longestMs = Math.max(sorted.at(-1) ?? 0, isWaiting ? performance.now() - askedAt : 0);
    process.send?.({ answered: taken.length, wrong: wrong.slice(0, 10), p99Ms, longestMs });
    [taken, wrong] = [[], []];
  });
  send();
  process.send?.('asking');
}

const [what, port] = process.argv.slice(2);
if (what === 'ask' && process.send !== undefined) await ask(Number(port));
