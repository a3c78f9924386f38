/**
 * A throwaway Postfix on loopback alone, with Postern (policy and signing milter) and with opendkim, in alternating rounds:
 * how many messages of 4 kB it accepts and hands on, driven by smtp-source with 20 sessions into smtp-sink; and how long
 * one session waits for the reply to the final dot. Needs root.
 */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { PostfixLab, policyService, type LabOptions } from '../test/support/postfix-lab.ts';
import { SmtpClient } from '../test/support/smtp-client.ts';
import { freePorts, waitFor } from '../test/support/waiting.ts';
import { whenThisProcessEnds } from '../test/support/watchdog.ts';
import { headerFields, textBody } from './message.ts';
import { medianRound, percentile, rounded, secondsPerRow, type Row, type Table } from './report.ts';
import { startOpendkim, startPostern, type Signer } from './signers.ts';

const run = promisify(execFile);

const sinkProgram = '/usr/sbin/smtp-sink';
const sourceProgram = '/usr/sbin/smtp-source';

const ROUNDS = 3;
const SESSIONS = 20;
const BODY_OCTETS = 4_096;
/** Of a round at 6 seconds a row; fewer where a row has less time. */
const MESSAGES = 2_000;
const TIMED_MESSAGES = 400;
/** Of every message: a sender in the own domain of Postern, and a recipient elsewhere. */
export const SENDER = 'alice@example.com';
export const RECIPIENT = 'bob@partner.example';

const message = Buffer.concat([
  Buffer.from(`${headerFields.join('\n').replaceAll('\n', '\r\n')}\r\n\r\n`),
  textBody(BODY_OCTETS),
]);

/** One Postfix, and its milter; `done` counts the messages signed or routed so far, where that can be told. */
export interface Contender {
  readonly name: string;
  readonly lab: PostfixLab;
  readonly signer?: Pick<Signer, 'cpuMs'>;
  readonly done?: () => number;
}

/** What is to be ended, in the order in which it began. */
export type Ends = (() => Promise<void>)[];

/** Starts smtp-sink on a loopback address and gives its port. */
export async function startSink(ends: Ends, host = '127.0.0.1'): Promise<number> {
  const { sink } = await freePorts('sink');
  // As root it wants to be told whom to become.
  const child = spawn(sinkProgram, ['-u', 'nobody', '-m', '200', `${host}:${sink}`, '200'], {
    detached: true,
    stdio: 'ignore',
  });
  const closed = once(child, 'close');
  const watchdog = whenThisProcessEnds('kill -TERM "$1"', [String(child.pid)]);
  ends.push(async () => {
    child.kill();
    await closed;
    watchdog.release();
  });
  await waitFor('the greeting of smtp-sink', async () => {
    try {
      await (await SmtpClient.connect(sink, host)).quit();
      return true;
    } catch {
      // Not listening yet; asked again until the deadline.
      return undefined;
    }
  });
  return sink;
}

/** Starts a Postfix that hands all mail on to a sink. */
export async function startLab(sink: number, ends: Ends, options: Partial<LabOptions> = {}): Promise<PostfixLab> {
  const lab = await PostfixLab.start({
    ownDomains: ['example.com'],
    destinationPort: sink,
    settings: { default_destination_concurrency_limit: '20', initial_destination_concurrency: '20' },
    ...options,
  });
  ends.push(() => lab.destroy());
  return lab;
}

async function startContenders(ends: Ends): Promise<readonly Contender[]> {
  const sink = await startSink(ends);
  const alone = await startLab(sink, ends);
  const milter = 'unix:postern/milter.sock';
  const withPostern = await startLab(sink, ends, { milter, policy: policyService('unix:postern/policy.sock') });
  const inQueue = (lab: PostfixLab, name: string): string => join(lab.queueDirectory, 'postern', name);
  const keyed = await startPostern({
    milter: `unix:${inQueue(withPostern, 'milter.sock')}`,
    policy: `unix:${inQueue(withPostern, 'policy.sock')}`,
    socketGroup: 'postfix',
  });
  ends.push(keyed.postern.stop);
  const withOpendkim = await startLab(sink, ends, { milter });
  const opendkim = await startOpendkim(keyed.keyFile, inQueue(withOpendkim, 'milter.sock'));
  ends.push(opendkim.stop);
  return [
    { name: 'alone', lab: alone },
    { name: 'with postern', lab: withPostern, signer: keyed.postern, done: keyed.countSigned },
    { name: 'with opendkim', lab: withOpendkim, signer: opendkim },
  ];
}

/** Files in a queue, in its hashed directories too. */
const queued = (lab: PostfixLab, ...queues: readonly string[]): number =>
  queues
    .flatMap((queue) => readdirSync(join(lab.queueDirectory, queue), { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile()).length;

interface Flow {
  readonly acceptedPerSecond: number;
  readonly throughPerSecond: number;
  /** Processor time of the signer for one message; 0 where there is none. */
  readonly signerCpuMs: number;
}

/** Errors: a message is refused, deferred, or (where it can be told) not signed or routed. */
async function pour({ lab, signer, done }: Contender, file: string, count: number): Promise<Flow> {
  const cpuBefore = signer?.cpuMs() ?? 0;
  const doneBefore = done?.() ?? 0;
  const startedAt = performance.now();
  const options = ['-s', String(SESSIONS), '-m', String(count), '-f', SENDER, '-t', RECIPIENT, '-F', file];
  await run(sourceProgram, [...options, `127.0.0.1:${lab.port()}`]);
  const acceptedMs = performance.now() - startedAt;
  while (queued(lab, 'incoming', 'active') > 0) {
    if (performance.now() - startedAt > 300_000) throw new Error('the queue does not get empty');
    await sleep(10);
  }
  const throughMs = performance.now() - startedAt;
  if (queued(lab, 'deferred', 'hold') > 0) throw new Error('some mail was deferred');
  if (done !== undefined) {
    await waitFor('each message to be done', () => (done() - doneBefore === count ? true : undefined), 5_000);
  }
  return {
    acceptedPerSecond: (count * 1000) / acceptedMs,
    throughPerSecond: (count * 1000) / throughMs,
    signerCpuMs: ((signer?.cpuMs() ?? 0) - cpuBefore) / count,
  };
}

interface Wait {
  readonly p50: number;
  readonly p99: number;
}

/** Milliseconds from the final dot to its reply. Errors: another reply than was expected. */
async function timeFinalDot({ lab }: Contender, count: number): Promise<Wait> {
  const session = await SmtpClient.open(lab.port());
  const times: number[] = [];
  const expect = async (
    code: number,
    reply: Promise<{ readonly code: number; readonly text: string }>,
  ): Promise<void> => {
    const { code: got, text } = await reply;
    if (got !== code) throw new Error(`${got} ${text}`);
  };
  const content = Buffer.concat([message, Buffer.from('.')]);
  for (let sent = 0; sent < count; sent += 1) {
    await expect(250, session.mail(SENDER));
    await expect(250, session.rcpt(RECIPIENT));
    await expect(354, session.command('DATA'));
    const startedAt = performance.now();
    await expect(250, session.command(content));
    times.push(performance.now() - startedAt);
  }
  await session.quit();
  const sorted = Float64Array.from(times).sort();
  return { p50: percentile(sorted, 0.5), p99: percentile(sorted, 0.99) };
}

async function alternate<T>(
  contenders: readonly Contender[],
  measure: (contender: Contender) => Promise<T>,
): Promise<readonly (readonly T[])[]> {
  const rounds: T[][] = contenders.map(() => []);
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const [at, contender] of contenders.entries()) rounds[at]?.push(await measure(contender));
  }
  return rounds;
}

/** Pours messages in alternating rounds; the first contender is the one that the others are compared with. */
export async function flowTable(contenders: readonly Contender[], file: string, count: number): Promise<Table> {
  for (const contender of contenders) await pour(contender, file, Math.ceil(count / 10));
  const rounds = await alternate(contenders, (contender) => pour(contender, file, count));
  const medians = rounds.map((flows) => medianRound(flows, ({ throughPerSecond }) => throughPerSecond));
  const base = medians[0];
  const rows = medians.map((flow, at): Row => ({
    Postfix: contenders[at]?.name ?? '',
    'accepted/s': Math.round(flow.acceptedPerSecond),
    'end to end/s': Math.round(flow.throughPerSecond),
    'accepted, of alone': rounded(flow.acceptedPerSecond / (base?.acceptedPerSecond ?? NaN), 2),
    'end to end, of alone': rounded(flow.throughPerSecond / (base?.throughPerSecond ?? NaN), 2),
    'milter CPU ms': rounded(flow.signerCpuMs, 2),
  }));
  return { title: `Through Postfix: ${count} messages of 4 kB a round, ${SESSIONS} sessions`, rows };
}

async function dotTable(contenders: readonly Contender[], count: number): Promise<Table> {
  const rounds = await alternate(contenders, async (contender) => {
    const wait = await timeFinalDot(contender, count);
    // Deliveries of this round must not disturb the next.
    while (queued(contender.lab, 'incoming', 'active') > 0) await sleep(20);
    return wait;
  });
  const medians = rounds.map((waits) => medianRound(waits, ({ p50 }) => p50));
  const rows = medians.map((wait, at): Row => ({
    Postfix: contenders[at]?.name ?? '',
    'p50 ms': rounded(wait.p50, 2),
    'p99 ms': rounded(wait.p99, 2),
    'p50 above alone, ms': rounded(wait.p50 - (medians[0]?.p50 ?? NaN), 2),
  }));
  return { title: `Reply to the final dot: one session, ${count} messages of 4 kB a round`, rows };
}

/** Writes the message as smtp-source reads it, and gives its file. */
export async function writeMessage(ends: Ends): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'postern-bench-'));
  ends.push(() => rm(directory, { recursive: true, force: true }));
  const file = join(directory, 'message');
  await writeFile(file, message.toString('latin1').replaceAll('\r\n', '\n'));
  return file;
}

/** Messages of a round. */
export const messagesPerRound = (): number => Math.ceil(MESSAGES * Math.min(1, secondsPerRow() / 6));

/** Measures. Errors: not root, a program is missing, mail is refused, deferred or not signed. */
export async function benchPostfix(): Promise<readonly Table[]> {
  const share = Math.min(1, secondsPerRow() / 6);
  const ends: Ends = [];
  try {
    const file = await writeMessage(ends);
    const contenders = await startContenders(ends);
    return [
      await flowTable(contenders, file, messagesPerRound()),
      await dotTable(contenders, Math.ceil(TIMED_MESSAGES * share)),
    ];
  } finally {
    for (const end of ends.reverse()) await end();
  }
}
