/** Many publications in a row: few writings, and the last settings win. */
import { readdir } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { Gather } from '../../../src/adapters/map-writer/gather.ts';
import type { MapEntry, PublishResult } from '../../../src/adapters/map-writer/index.ts';
import { isWholeProof } from '../adapters/peers.ts';
import { ask, quick, workshop, writerIn } from './workshop.ts';

/** 5,000 edits in 10 s, or the same rate for two seconds. */
const seconds = isWholeProof ? 10 : 2;
const edits = 500 * seconds;

describe('many edits', () => {
  it(`${edits} single edits in ${seconds} s make at most ${seconds} writings, and the map equals the last settings`, async () => {
    const at = await workshop();
    const writer = await writerIn(at, { type: 'lmdb', timing: { ...quick, gatherMs: 2_000 } });
    const settings = new Map<string, string>();
    const published: Promise<PublishResult>[] = [];
    const began = performance.now();
    for (let edit = 0; edit < edits; edit += 1) {
      // Adds, changes and removes, one entry at a time.
      const key = `host${edit % 777}.example.net`;
      if (edit % 5 === 4) settings.delete(key);
      else settings.set(key, `postern:[192.0.2.${edit % 250}]:${1_000 + edit}`);
      const entries: MapEntry[] = [...settings].map(([name, value]) => ({ key: name, value }));
      published.push(writer.publish([{ name: 'transport', kind: 'indexed', entries }]));
      const dueAt = began + ((edit + 1) * seconds * 1_000) / edits;
      if (dueAt > performance.now()) await sleep(dueAt - performance.now());
    }
    expect(performance.now() - began).toBeLessThan(seconds * 1_000 + 2_000);
    const results = await Promise.all(published);
    expect(results.every(({ maps }) => maps[0]?.status === 'live')).toBe(true);
    const writings = at.log.messages('info').filter((message) => message === 'map saved').length;
    expect(writings).toBeGreaterThanOrEqual(1);
    expect(writings).toBeLessThanOrEqual(seconds);
    const table = writer.table('transport', 'indexed');
    for (let host = 0; host < 777; host += 1) {
      const key = `host${host}.example.net`;
      const value = settings.get(key);
      expect((await ask(at, key, table)).stdout, key).toBe(value === undefined ? '' : `${value}\n`);
    }
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
    const starts: number[] = [];
    const gather = new Gather((_: number) => {
      starts.push(performance.now());
      return Promise.resolve();
    }, 100);
    for (let wish = 0; wish < 3; wish += 1) await gather.submit(wish);
    const distances = starts.slice(1).map((start, index) => start - (starts[index] ?? 0));
    for (const distance of distances) expect(distance).toBeGreaterThanOrEqual(99);
  });
});
