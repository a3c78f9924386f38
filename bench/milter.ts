/**
 * Signed messages per second and their latency: Postern's milter door beside Debian's opendkim, in one run on the same
 * machine, over unix sockets, RSA-2048, relaxed/relaxed. The rounds of both alternate and the median is taken. What each
 * signs is verified by dkimpy and by opendkim's test mode.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { verifyDkim } from '../test/support/dkim-verifiers.ts';
import type { LoadJob, LoadResult } from './milter-load.ts';
import { medianRound, rounded, secondsPerRow, type Row, type Table } from './report.ts';
import { startOpendkim, startPostern, type KeyedPostern, type Signer } from './signers.ts';

const SIZES = [
  ['4 kB', 4_096],
  ['100 kB', 102_400],
  ['1 MB', 1_048_576],
] as const;
const CONNECTIONS = [1, 8, 32];
const ROUNDS = 3;
const WARM_UP_SECONDS = 0.5;

type Figures = LoadResult & { readonly serverCpuMs: number };

class Load {
  readonly #child: ChildProcess;
  readonly #ended: Promise<never>;

  constructor() {
    this.#child = fork(join(import.meta.dirname, 'milter-load.ts'));
    this.#ended = once(this.#child, 'exit').then(() => {
      throw new Error('the load generator ended');
    });
    // It ends when we let it go; while it works, that is an error of the job.
    this.#ended.catch(() => undefined);
  }

  async put(signer: Signer, job: Omit<LoadJob, 'path'>): Promise<Figures> {
    const cpuBefore = signer.cpuMs();
    this.#child.send({ ...job, path: signer.path });
    const [result] = (await Promise.race([once(this.#child, 'message'), this.#ended])) as [LoadResult];
    return { ...result, serverCpuMs: (signer.cpuMs() - cpuBefore) / result.messages };
  }

  end(): void {
    this.#child.disconnect();
  }
}

/** Errors: a message of one of them does not verify. */
async function proveSignatures(signers: readonly Signer[], load: Load, { dns }: KeyedPostern): Promise<void> {
  for (const [size, octets] of SIZES) {
    for (const signer of signers) {
      const { sample } = await load.put(signer, { connections: 1, octets, seconds: 0 });
      const [verdicts] = await verifyDkim([Buffer.from(sample, 'base64')], dns);
      const results = [...(verdicts?.dkimpy ?? []), ...(verdicts?.opendkim ?? [])];
      if (results.length !== 2 || results.some(({ passed, algorithm }) => !passed || algorithm !== 'rsa-sha256')) {
        throw new Error(`${size} signed by ${signer.name} does not verify: ${JSON.stringify(verdicts)}`);
      }
    }
  }
}

const figuresOf = (figures: Figures): Row => ({
  'messages/s': Math.round(figures.perSecond),
  'MAIL to verdict p50 ms': rounded(figures.wholeP50, 2),
  'p99 ms': rounded(figures.wholeP99, 2),
  'end to verdict p50 ms': rounded(figures.endP50, 2),
  'end p99 ms': rounded(figures.endP99, 2),
  'server CPU ms': rounded(figures.serverCpuMs, 2),
  'load CPU ms': rounded(figures.ownCpuMs, 2),
});

/** Measures. Errors: a signer does not start, an answer is not what it must be, a signature does not verify. */
export async function benchMilter(): Promise<Table> {
  const seconds = secondsPerRow() / ROUNDS;
  const keyed = await startPostern();
  const ends = [keyed.postern.stop];
  const load = new Load();
  const rows: Row[] = [];
  try {
    const opendkim = await startOpendkim(keyed.keyFile);
    ends.push(opendkim.stop);
    const signers = [keyed.postern, opendkim];
    await proveSignatures(signers, load, keyed);
    for (const [size, octets] of SIZES) {
      for (const connections of CONNECTIONS) {
        const rounds = new Map<Signer, Figures[]>(signers.map((signer) => [signer, []]));
        const job = { connections, octets };
        for (const signer of signers) await load.put(signer, { ...job, seconds: Math.min(WARM_UP_SECONDS, seconds) });
        for (let round = 0; round < ROUNDS; round += 1) {
          for (const signer of signers) rounds.get(signer)?.push(await load.put(signer, { ...job, seconds }));
        }
        const medians = signers.map((signer) => medianRound(rounds.get(signer) ?? [], ({ perSecond }) => perSecond));
        const base = medians[1]?.perSecond ?? NaN;
        for (const [at, figures] of medians.entries()) {
          const row = { size, connections, milter: signers[at]?.name ?? '', ...figuresOf(figures) };
          rows.push({ ...row, 'of opendkim': rounded(figures.perSecond / base, 2) });
        }
      }
    }
  } finally {
    load.end();
    for (const end of ends.reverse()) await end();
  }
  return { title: 'Signing: RSA-2048, relaxed/relaxed, unix socket', rows };
}
