/** Many publications in a row: few writings, and the last settings win. */
import { readdir } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { Gather } from '../../../src/adapters/map-writer/gather.ts';
import type { PublishResult } from '../../../src/services/index.ts';
import type { TableEntry } from '../../../src/wire/postfix-map/index.ts';
import { isWholeProof } from '../adapters/peers.ts';
import { ask, lookUpAll, quick, workshop, writerIn } from './workshop.ts';

/** 5,000 edits in 10 s, or the same rate for two seconds. */
const seconds = isWholeProof ? 10 : 2;
const edits = 500 * seconds;
const gatherMs = 2_000;

describe('many edits', () => {
  it(`${edits} single edits in ${seconds} s make at most ${seconds} writings, and the map equals the last settings`, async () => {
    const at = await workshop();
    const writer = await writerIn(at, { type: 'lmdb', timing: { ...quick, gatherMs } });
    const settings = new Map<string, string>();
    const published: Promise<PublishResult>[] = [];
    const began = performance.now();
    for (let edit = 0; edit < edits; edit += 1) {
      // Adds, changes and removes, one entry at a time.
      const key = `host${edit % 777}.example.net`;
      if (edit % 5 === 4) settings.delete(key);
      else settings.set(key, `postern:[192.0.2.${edit % 250}]:${1_000 + edit}`);
      const entries: TableEntry[] = [...settings].map(([name, value]) => ({ key: name, value }));
      published.push(writer.publish([{ name: 'transport', kind: 'indexed', entries }]));
      const dueAt = began + ((edit + 1) * seconds * 1_000) / edits;
      if (dueAt > performance.now()) await sleep(dueAt - performance.now());
    }
    const results = await Promise.all(published);
    // On a machine too busy to make the edits in that time there may be as many more as it took longer.
    const most = Math.max(seconds, 1 + Math.floor((performance.now() - began) / gatherMs));
    expect(results.every(({ maps }) => maps[0]?.status === 'live')).toBe(true);
    const writings = at.log.messages('info').filter((message) => message === 'map saved').length;
    expect(writings).toBeGreaterThanOrEqual(1);
    expect(writings).toBeLessThanOrEqual(most);
    const table = writer.table('transport', 'indexed');
    const hosts = Array.from({ length: 777 }, (_, host) => `host${host}.example.net`);
    const lines = hosts.flatMap((host) => (settings.has(host) ? [`${host}\t${settings.get(host) ?? ''}\n`] : []));
    expect(lines.length).toBeGreaterThan(500);
    expect((await lookUpAll(at, hosts, table)).stdout).toBe(lines.join(''));
    expect((await readdir(at.mapDirectory)).sort()).toEqual(['.postern-maps', 'transport.lmdb']);
  });

  it('what waits when the writer is stopped is written', async () => {
    const at = await workshop();
    const writer = await writerIn(at, { type: 'lmdb', timing: { ...quick, gatherMs: 60_000 } });
    const publish = (value: string): Promise<PublishResult> =>
      writer.publish([{ name: 'transport', kind: 'indexed', entries: [{ key: 'example.com', value }] }]);
    await publish('postern:[192.0.2.1]:25');
    const waiting = [publish('postern:[192.0.2.2]:25'), publish('postern:[192.0.2.3]:25')];
    await writer.stop();
    await Promise.all(waiting);
    expect((await ask(at, 'example.com', writer.table('transport', 'indexed'))).stdout).toBe(
      'postern:[192.0.2.3]:25\n',
    );
  });
});

describe('Gather', () => {
  it('does the first wish at once, then only the last of those that came meanwhile', async () => {
    const done: number[] = [];
    const gather = new Gather(async (wish: number) => {
      await sleep(20);
      done.push(wish);
      return wish * 10;
    }, 0);
    const outcomes = await Promise.all([1, 2, 3, 4].map((wish) => gather.submit(wish)));
    expect(done).toEqual([1, 4]);
    expect(outcomes).toEqual([10, 40, 40, 40]);
  });

  it('goes on after a work that failed, and tells only those that waited for it', async () => {
    const gather = new Gather((wish: number) => {
      return wish === 1 ? Promise.reject(new Error('no')) : Promise.resolve(wish);
    }, 0);
    const [first, second] = await Promise.allSettled([gather.submit(1), gather.submit(2)]);
    expect([first.status, second]).toEqual(['rejected', { status: 'fulfilled', value: 2 }]);
  });

  it('keeps its distance from start to start', async () => {
    vi.useFakeTimers();
    onTestFinished(() => void vi.useRealTimers());
    const began = performance.now();
    const starts: number[] = [];
    const gather = new Gather((_: number) => {
      starts.push(performance.now() - began);
      return new Promise<void>((resolve) => setTimeout(resolve, 30));
    }, 100);
    const wishing = (async () => {
      for (let wish = 0; wish < 3; wish += 1) await gather.submit(wish);
      // Later than the distance: at once.
      await new Promise((resolve) => setTimeout(resolve, 200));
      await gather.submit(3);
    })();
    await vi.runAllTimersAsync();
    await wishing;
    expect(starts).toEqual([0, 100, 200, 430]);
  });
});
