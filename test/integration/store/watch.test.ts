import { appendFile, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { watchFiles } from '../../../src/adapters/store-embedded/index.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { waitFor } from '../../support/waiting.ts';

/** The first look takes files that changed just now for changed: wait until that is over, then count from nought. */
async function watched(...paths: string[]): Promise<{ told: string[]; next: () => Promise<number>; stop: () => void }> {
  const told: string[] = [];
  const watch = watchFiles(
    () => paths,
    () =>
      void readFile(paths[0] ?? '', 'utf8').then(
        (text) => told.push(text),
        () => told.push('gone'),
      ),
  );
  onTestFinished(() => {
    watch.stop();
  });
  await sleep(800);
  told.length = 0;
  const next = async (): Promise<number> => {
    const startedAt = performance.now();
    const before = told.length;
    await waitFor('the change to be noticed', () => (told.length > before ? true : undefined), 5000, 5);
    return performance.now() - startedAt;
  };
  return {
    told,
    next,
    stop: () => {
      watch.stop();
    },
  };
}

const WITHIN_MS = 1000;

describe('watchFiles', () => {
  it.each([
    ['an edit in place', (path: string) => writeFile(path, 'new')],
    ['an edit in place of the same length', (path: string) => writeFile(path, 'OLD')],
    [
      'a rename over it',
      async (path: string) => {
        await writeFile(`${path}.new`, 'new');
        await rename(`${path}.new`, path);
      },
    ],
    ['its end', (path: string) => rm(path)],
  ])('%s is noticed within a second, once', async (_, change) => {
    const path = join(await temporaryDirectory({ f: 'old' }), 'f');
    const { told, next } = await watched(path);
    const noticing = next();
    await change(path);
    expect(await noticing).toBeLessThan(WITHIN_MS);
    await sleep(600);
    expect(told).toHaveLength(1);
  });

  it('the first sign of a change is told before the change, and is not the last word', async () => {
    const path = join(await temporaryDirectory({ f: 'old' }), 'f');
    await sleep(3100);
    const told: string[] = [];
    const watch = watchFiles(
      () => [path],
      () => told.push('change'),
      () => told.push('sign'),
    );
    onTestFinished(() => {
      watch.stop();
    });
    await sleep(400);
    expect(told).toEqual([]);
    for (let part = 0; part < 8; part++) {
      await appendFile(path, 'x');
      await sleep(50);
    }
    expect(told).not.toContain('change');
    await waitFor('the change', () => (told.includes('change') ? true : undefined));
    expect(told[0]).toBe('sign');
    expect(told.filter((what) => what === 'change')).toHaveLength(1);
  });

  it('a file that goes and comes back', async () => {
    const path = join(await temporaryDirectory({ f: 'old' }), 'f');
    const { told, next } = await watched(path);
    await Promise.all([next(), rm(path)]);
    await Promise.all([next(), writeFile(path, 'back')]);
    expect(told).toEqual(['gone', 'back']);
  });

  it('a symbolic link that is switched, as configuration volumes do', async () => {
    const directory = await temporaryDirectory({ 'one/f': 'one', 'two/f': 'two' });
    const link = join(directory, 'current');
    await symlink('one', link);
    const { told, next } = await watched(join(link, 'f'));
    const noticing = next();
    await symlink('two', `${link}.new`);
    await rename(`${link}.new`, link);
    expect(await noticing).toBeLessThan(WITHIN_MS);
    expect(told).toEqual(['two']);
  });

  it('a file that is still being written is not told before it stands still', async () => {
    const path = join(await temporaryDirectory({ f: 'old' }), 'f');
    const { told, next } = await watched(path);
    await writeFile(path, '');
    for (let part = 0; part < 20; part++) {
      await appendFile(path, `part ${part}\n`);
      await sleep(60);
    }
    const noticing = next();
    expect(told).toEqual([]);
    expect(await noticing).toBeLessThan(WITHIN_MS);
    expect(told[0]?.split('\n')).toHaveLength(21);
  });

  it('another file of the set, and one that is named only later', async () => {
    const directory = await temporaryDirectory({ f: 'f', list: 'x', later: 'y' });
    const paths = [join(directory, 'f'), join(directory, 'list')];
    let count = 0;
    const watch = watchFiles(
      () => paths,
      () => {
        count++;
      },
    );
    onTestFinished(() => {
      watch.stop();
    });
    await sleep(800);
    count = 0;
    await writeFile(join(directory, 'list'), 'changed');
    await waitFor('the list', () => (count === 1 ? true : undefined), 2000, 5);
    paths.push(join(directory, 'later'));
    await sleep(800);
    count = 0;
    await writeFile(join(directory, 'later'), 'changed');
    await waitFor('the later file', () => (count === 1 ? true : undefined), 2000, 5);
  });

  it('a change between reading and the first look is told', async () => {
    const path = join(await temporaryDirectory({ f: 'old' }), 'f');
    let count = 0;
    const watch = watchFiles(
      () => [path],
      () => {
        count++;
      },
    );
    onTestFinished(() => {
      watch.stop();
    });
    await waitFor('the first look', () => (count === 1 ? true : undefined), 2000, 5);
  });

  it('is silent once stopped', async () => {
    const path = join(await temporaryDirectory({ f: 'old' }), 'f');
    const { told, stop } = await watched(path);
    await writeFile(path, 'new');
    stop();
    await sleep(800);
    expect(told).toEqual([]);
  });
});
