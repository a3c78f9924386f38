/** A running Postern under many policy requests: no error, every answer right, and nothing grows. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { expect, it, onTestFinished } from 'vitest';
import { settings } from '../../proof/policy-volume/requests.ts';
import { PosternProcess } from '../../support/postern-process.ts';
import { freePorts, waitFor } from '../../support/waiting.ts';
import { whenThisProcessEnds } from '../../support/watchdog.ts';
import { isWholeProof } from '../adapters/peers.ts';

const total = isWholeProof ? 1_000_000 : 20_000;
const rounds = isWholeProof ? 10 : 5;
const connections = 200;
const perConnection = isWholeProof ? 500 : 20;

/** A small heap makes V8 collect all along: what is left in memory is then what is held. */
const SMALL_HEAP = '--max-old-space-size=64 --max-semi-space-size=4';
const root = join(import.meta.dirname, '../../..');

/** `postern serve` with its log counted and not kept: a million lines would fill this process. */
function serve(operatorFile: string) {
  const child = spawn(process.execPath, [join(root, 'src/cli.ts'), 'serve', '-c', operatorFile], {
    env: { ...process.env, NODE_OPTIONS: SMALL_HEAP },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const watchdog = whenThisProcessEnds('kill -KILL "$1"', [String(child.pid)]);
  const said = { isReady: false, decisions: 0, complaints: [] as string[] };
  createInterface({ input: child.stdout }).on('line', (line) => {
    if (line.endsWith('"msg":"decision"}')) said.decisions += 1;
    else if (line.endsWith('"msg":"ready"}')) said.isReady = true;
    else if (!line.startsWith('{"level":"info"')) said.complaints.push(line);
  });
  createInterface({ input: child.stderr }).on('line', (line) => said.complaints.push(line));
  const ended = once(child, 'close').then(([code]: (number | null)[]) => {
    watchdog.release();
    return code;
  });
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  return { said, ended, stop: () => child.kill('SIGTERM') };
}

type Loaded = { readonly answered: number; readonly wrong: readonly string[]; readonly seconds: number };

async function load(...numbers: readonly number[]): Promise<Loaded> {
  const program = join(root, 'test/proof/policy-volume/load.ts');
  const { stdout } = await promisify(execFile)(process.execPath, [program, ...numbers.map(String)]);
  return JSON.parse(stdout) as Loaded;
}

it(
  `${total} policy requests over ${connections} connections: no error, every answer right, handles and memory settle`,
  { timeout: isWholeProof ? 900_000 : 120_000 },
  async () => {
    const ports = await freePorts('policy', 'metrics');
    const postern = await PosternProcess.prepare({
      listen: { policy: `127.0.0.1:${ports.policy}`, metrics: `127.0.0.1:${ports.metrics}` },
      settings,
      operator: { postfix: { configDirectory: './no-postfix' }, trustedNetworks: ['127.0.0.0/8'] },
    });
    onTestFinished(() => postern.destroy());
    const { said, ended, stop } = serve(postern.operatorFile);
    await waitFor('Postern', () => (said.isReady ? true : undefined), 60_000);

    const after: { handles: number; residentMb: number }[] = [];
    let seconds = 0;
    for (let round = 0; round < rounds; round += 1) {
      const [from, to] = [round, round + 1].map((at) => (at * total) / rounds) as [number, number];
      const loaded = await load(ports.policy, connections, perConnection, from, to);
      expect(loaded).toMatchObject({ answered: total / rounds, wrong: [] });
      seconds += loaded.seconds;
      await waitFor('the end of the connections', async () =>
        (await postern.metric('postern_connections{door="policy"}')) === 0 ? true : undefined,
      );
      after.push({
        handles: await postern.metric('postern_process_open_fds'),
        residentMb: (await postern.metric('postern_process_resident_memory_bytes')) / 1e6,
      });
    }
    const list = (what: 'handles' | 'residentMb'): string => after.map((each) => Math.round(each[what])).join(' ');
    console.log(
      `${Math.round(total / seconds)} requests/s with their client; handles ${list('handles')}, memory ${list('residentMb')} MB`,
    );

    const [second, last] = [after[1], after.at(-1)];
    if (second === undefined || last === undefined) throw new Error('no rounds');
    // History opens its database in the first round; a keep-alive connection of the metrics listener may come or go.
    expect(last.handles).toBeLessThanOrEqual(second.handles + 2);
    // The first round fills what V8 and the allocator keep; after it only what leaks would add up.
    expect(last.residentMb).toBeLessThan(second.residentMb + 40);
    expect(last.residentMb).toBeLessThan(300);

    expect(await postern.metric('postern_answer_seconds_count{door="policy"}')).toBe(total);
    expect(await postern.metric('postern_protocol_faults_total{door="policy"}')).toBe(0);
    expect(await postern.metric('postern_connections_refused_total{door="policy"}')).toBe(0);
    stop();
    expect(await ended).toBe(0);
    // More comes than history keeps; that is said, and nothing else.
    expect(said.complaints.filter((line) => !line.includes('"decisions are missing in history"'))).toEqual([]);
    expect(said.decisions).toBe(total);
  },
);
