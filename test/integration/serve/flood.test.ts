/** A running Postern under a flood of distinct attackers: who crossed the threshold is blocked, nobody else, in bounded memory. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { expect, it, onTestFinished } from 'vitest';
import { attackerOf, friends, isBlocked, settings, trustedNetworks } from '../../proof/auto-block/attackers.ts';
import { startSteady, type Seen } from '../../proof/policy-volume/steady.ts';
import { PosternProcess } from '../../support/postern-process.ts';
import { freePorts, waitFor } from '../../support/waiting.ts';
import { whenThisProcessEnds } from '../../support/watchdog.ts';
import { isWholeProof } from '../adapters/peers.ts';

/** Attackers of one wave: as many as counters are kept at most, so that the later waves take the places of the first. */
const wave = isWholeProof ? 100_000 : 1_700;
const WAVES = 3;
/** A hundred thousand in less than a minute. */
const perSecond = 1_800;
const connections = 50;
/** A small heap makes V8 collect all along: what is left in memory is then what is held. */
const SMALL_HEAP = '--max-old-space-size=128 --max-semi-space-size=4';
const root = join(import.meta.dirname, '../../..');

/** `postern serve` with its log in a file: a flood of lines would fill this process. */
async function serve(postern: PosternProcess): Promise<{ log: () => Promise<string[]>; stop: () => Promise<unknown> }> {
  const path = join(postern.directory, 'log');
  const file = await open(path, 'w');
  const child = spawn(process.execPath, [join(root, 'src/cli.ts'), 'serve', '-c', postern.operatorFile], {
    env: { ...process.env, NODE_OPTIONS: SMALL_HEAP },
    stdio: ['ignore', file.fd, file.fd],
  });
  await file.close();
  const watchdog = whenThisProcessEnds('kill -KILL "$1"', [String(child.pid)]);
  const ended = once(child, 'close').then(([code]: (number | null)[]) => {
    watchdog.release();
    return code;
  });
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  const log = async (): Promise<string[]> => {
    const lines: string[] = [];
    const reading = await open(path);
    for await (const line of reading.readLines()) if (!line.endsWith('"msg":"decision"}')) lines.push(line);
    return lines;
  };
  await waitFor('Postern', async () =>
    (await log()).some((line) => line.includes('"msg":"ready"')) ? true : undefined,
  );
  const stop = (): Promise<unknown> => {
    child.kill('SIGTERM');
    return ended;
  };
  return { log, stop };
}

type Flooded = { readonly answered: number; readonly wrong: readonly string[]; readonly seconds: number };

async function flood(port: number, from: number, to: number, ...how: 'ordinary'[]): Promise<Flooded> {
  const program = join(root, 'test/proof/auto-block/flood.ts');
  const { stdout } = await promisify(execFile)(process.execPath, [
    program,
    ...[port, connections, from, to, perSecond].map(String),
    ...how,
  ]);
  return JSON.parse(stdout) as Flooded;
}

const attackers = (from: number, to: number) => Array.from({ length: to - from }, (_, n) => attackerOf(from + n));

it(
  `${WAVES} waves of ${wave} attackers: exactly those over the threshold are blocked, memory settles, others are answered`,
  { timeout: isWholeProof ? 400_000 : 60_000 },
  async () => {
    const ports = await freePorts('policy', 'metrics');
    const postern = await PosternProcess.prepare({
      listen: { policy: `127.0.0.1:${ports.policy}`, metrics: `127.0.0.1:${ports.metrics}` },
      settings,
      operator: { postfix: { configDirectory: './no-postfix' }, trustedNetworks },
    });
    onTestFinished(() => postern.destroy());
    const serving = await serve(postern);
    const steady = await startSteady(ports.policy, friends);
    onTestFinished(() => {
      steady.stop();
    });
    const memory = async (): Promise<number> => (await postern.metric('postern_process_resident_memory_bytes')) / 1e6;
    await steady.look();
    await sleep(isWholeProof ? 5_000 : 1_000);
    const before = await steady.look();
    // As many requests of ordinary clients tell what the load alone costs; the first of them meet code not yet compiled.
    await flood(ports.policy, 0, 1_000, 'ordinary');
    await steady.look();
    expect(await flood(ports.policy, 0, Math.min(wave, 30_000), 'ordinary')).toMatchObject({ wrong: [] });
    const loaded = await steady.look();
    const [atRest, seen, residentMb] = [await memory(), [] as Seen[], [] as number[]];
    let seconds = 0;
    for (let from = 0; from < WAVES * wave; from += wave) {
      const flooded = await flood(ports.policy, from, from + wave);
      const asked = attackers(from, from + wave).reduce((sum, { requests }) => sum + requests, 0);
      expect(flooded).toMatchObject({ answered: asked, wrong: [] });
      seconds += flooded.seconds;
      seen.push(await steady.look());
      residentMb.push(await memory());
    }
    const ratios = seen.map(({ p99Ms }) => (p99Ms / loaded.p99Ms).toFixed(2)).join(' and ');
    console.log(
      `${WAVES * wave} attackers in ${Math.round(seconds)} s; memory ${[atRest, ...residentMb].map(Math.round).join(' ')} MB; ` +
        `the legitimate connection: p99 ${before.p99Ms.toFixed(2)} ms alone, ${loaded.p99Ms.toFixed(2)} ms beside as ` +
        `many ordinary requests, ${ratios} times that beside attackers, ` +
        `longest ${seen.map(({ longestMs }) => longestMs.toFixed(0)).join(' and ')} ms`,
    );
    for (const each of [before, loaded, ...seen]) {
      expect(each.wrong).toEqual([]);
      // Each friend more often than any attacker.
      expect(each.answered).toBeGreaterThan(friends.length * 20);
    }

    const crossed = attackers(0, WAVES * wave).filter(isBlocked);
    for (const domain of ['a.example', 'b.example']) {
      const wanted = crossed.filter((each) => each.domain === domain).map(({ client }) => client);
      const listed = await waitFor(`the blocks of ${domain}`, async () => {
        const { stdout } = await postern.run('ip', 'list', 'block', domain, '--json');
        const entries = JSON.parse(stdout) as { readonly entry: string; readonly automatic?: true }[];
        const automatic = entries.filter((entry) => entry.automatic === true);
        return automatic.length >= wanted.length ? automatic.map(({ entry }) => entry) : undefined;
      });
      expect(listed.toSorted()).toEqual(wanted.toSorted());
    }
    expect(await postern.metric('postern_short_term_clients{state="blocked"}')).toBe(crossed.length);

    // What is held was there after the second wave; a small wave ends before V8 has grown to its working size.
    const [, second = 0, last = 0] = residentMb;
    expect(last).toBeLessThan(second + 40);
    expect(last).toBeLessThan(350);
    const after = await steady.look();
    expect(after.wrong).toEqual([]);
    steady.stop();
    expect(await serving.stop()).toBe(0);
    const complaints = (await serving.log()).filter((line) => !line.startsWith('{"level":"info"'));
    // More comes than history keeps; that is said, and nothing else.
    expect(complaints.filter((line) => !line.includes('"decisions are missing in history"'))).toEqual([]);
  },
);
