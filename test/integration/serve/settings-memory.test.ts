/** A running Postern with long lists: its memory when it is ready and after many edits, and how long an edit takes. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it, onTestFinished } from 'vitest';
import { PosternProcess } from '../../support/postern-process.ts';
import { freePorts } from '../../support/waiting.ts';
import { isWholeProof } from '../adapters/peers.ts';

const entries = isWholeProof ? 10_000 : 2_000;
const listed = isWholeProof ? 1_000_000 : 100_000;
const edits = isWholeProof ? 10 : 3;

/** Every third address, so that nothing merges into ranges. */
const address = (first: number, n: number): string =>
  `${first + Math.floor((3 * n) / 2 ** 24)}.${((3 * n) >>> 16) & 255}.${((3 * n) >>> 8) & 255}.${(3 * n) & 255}`;
const list = (first: number, count: number): string[] => Array.from({ length: count }, (_, n) => address(first, n));
const settings = (edit: number): object => ({
  version: 1,
  organizations: {
    acme: {
      primaryDomain: 'a.example',
      domains: {
        'a.example': {
          allowedIps: [...list(30, entries - 1), address(31, edit)],
          // A list file counts as one entry.
          blockedIps: [...list(50, entries - 2), address(51, edit), { file: 'drop.txt' }],
        },
      },
    },
  },
});

it(
  `twice ${entries} entries and a list of ${listed}: memory stays bounded over ${edits} edits`,
  { timeout: 120_000 },
  async () => {
    const ports = await freePorts('policy', 'metrics');
    const postern = await PosternProcess.prepare({
      listen: { policy: `127.0.0.1:${ports.policy}`, metrics: `127.0.0.1:${ports.metrics}` },
      settings: settings(0),
      operator: { postfix: { configDirectory: './no-postfix' }, trustedNetworks: ['127.0.0.0/8'] },
    });
    onTestFinished(() => postern.destroy());
    await writeFile(
      join(postern.directory, 'drop.txt'),
      Array.from({ length: listed }, (_, n) => `${address(70, n)}\n`).join(''),
    );
    await postern.start();
    const memory = async (): Promise<number> => (await postern.metric('postern_process_resident_memory_bytes')) / 1e6;
    const residentMb = [await memory()];
    const seconds: number[] = [];
    for (let edit = 1; edit <= edits; edit += 1) {
      const startedAt = performance.now();
      await postern.changeSettings(settings(edit));
      seconds.push((performance.now() - startedAt) / 1000);
      // Until the thread has kept the last good settings and has ended.
      await sleep(1000);
      residentMb.push(await memory());
    }
    // What was let go is collected late: up to 64 MB of columns wait for V8.
    await sleep(isWholeProof ? 10_000 : 0);
    const atRest = await memory();
    console.log(
      `memory ${residentMb.map(Math.round).join(' ')} MB, then at rest ${Math.round(atRest)} MB; an edit is live after at most ${Math.max(...seconds).toFixed(2)} s`,
    );
    expect(Math.max(...residentMb)).toBeLessThan(400);
    expect(atRest).toBeLessThan(350);
    expect(postern.complaints()).toEqual([]);
  },
);
