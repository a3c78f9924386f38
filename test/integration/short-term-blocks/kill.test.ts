/** A Postern killed (SIGKILL) at random moments: what it had on disk is blocked afterwards, and no file is damaged. */
import { spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { readShortTermBlocks, requestLift } from '../../../src/adapters/short-term-blocks/index.ts';
import { aRange } from '../../support/builders.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { waitFor } from '../../support/waiting.ts';
import { isWholeProof } from '../adapters/peers.ts';

const kills = isWholeProof ? 100 : 10;
const program = join(import.meta.dirname, '../../proof/short-term-blocks/endless-blocker.ts');

type Run = { readonly loaded: number; readonly saved: number; readonly complaints: readonly string[] };

/** Runs it for a random time after its first save, or as long as `until` takes, and kills it. */
async function runAndKill(state: string, until?: () => Promise<unknown>): Promise<Run> {
  const child = spawn(process.execPath, [program, state], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(child, 'close');
  const lines: string[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => lines.push(line));
  const numbers = (word: string): number[] =>
    lines.filter((line) => line.startsWith(`${word} `)).map((line) => Number(line.slice(word.length + 1)));
  try {
    await waitFor('the first save', () => (numbers('saved').length > 0 ? true : undefined));
    await (until?.() ?? sleep(randomInt(60)));
  } finally {
    child.kill('SIGKILL');
    await ended;
  }
  const complaints = lines.filter((line) => !/^(?:loaded|saved) [0-9]+$/.test(line));
  return { loaded: numbers('loaded')[0] ?? -1, saved: numbers('saved').at(-1) ?? -1, complaints };
}

it(`blocks survive ${kills} kills`, { timeout: 240_000 }, async () => {
  const state = join(await temporaryDirectory(), 'state');
  let saved = 0;
  for (let kill = 0; kill < kills; kill += 1) {
    const run = await runAndKill(state);
    expect(run.complaints).toEqual([]);
    expect(run.loaded).toBeGreaterThanOrEqual(saved);
    expect(run.saved).toBeGreaterThan(run.loaded);
    saved = run.saved;
    expect((await readShortTermBlocks(state, Date.now())).length).toBeGreaterThanOrEqual(saved);
  }
});

it('a lift that was done stays done after a kill at once', { timeout: 60_000 }, async () => {
  const state = join(await temporaryDirectory(), 'state');
  // With the only block lifted, the program would begin anew with the same client.
  await runAndKill(state, () =>
    waitFor('some blocks', async () => ((await readShortTermBlocks(state, Date.now())).length > 2 ? true : undefined)),
  );
  const isListed = async (): Promise<boolean> =>
    (await readShortTermBlocks(state, Date.now())).some(({ range }) => range.text === '10.0.0.0');
  expect(await isListed()).toBe(true);
  await requestLift(state, { domain: 'example.com', ranges: [aRange('10.0.0.0')], at: Date.now() });
  // A command does not show what waits to be lifted.
  expect(await isListed()).toBe(false);
  const run = await runAndKill(state);
  expect(await isListed()).toBe(false);
  expect((await runAndKill(state)).loaded).toBeGreaterThanOrEqual(run.saved);
  expect(await isListed()).toBe(false);
});
