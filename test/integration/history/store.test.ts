/** The history database: volume, bounds, and everything that may befall its file. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { parseIpRange } from '../../../src/mail/index.ts';
import { additions, anAddition, NOON } from '../../support/history.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { waitFor } from '../../support/waiting.ts';
import { historyGround, quantile, watchLoop } from './ground.ts';

const DAY_MS = 86_400_000;

const sizeOf = async (path: string): Promise<number> => (await stat(path)).size;
const names = (records: readonly { readonly recipients: readonly string[] }[]): string[] =>
  records.flatMap(({ recipients }) => recipients);

describe('many decisions', () => {
  it('100,000 are kept, found at once, and the event loop does not notice', async () => {
    const { store, search, path, log } = await historyGround();
    const loop = watchLoop();
    for (let n = 0; n < 100_000; n += 500) {
      const clientAddress = `10.0.${n / 500}.1`;
      await store.append(additions(500, { clientAddress, queueId: `Q${n}`, at: NOON + n }, n));
    }
    expect(quantile(loop, 0.99)).toBeLessThan(50);
    expect(await search({ limit: 1 })).toMatchObject([{ recipients: ['r99999@example.com'] }]);
    const range = parseIpRange('10.0.131.0/24');
    if (!range.ok) throw new Error('no range');
    for (const [query, found] of [
      [{ recipient: 'r4711@example.com' }, 1],
      [{ queueId: 'Q50000' }, 500],
      [{ client: range.value }, 500],
      [{ since: NOON + 99_000 }, 1_000],
      [{ sender: 'nobody@remote.example' }, 0],
    ] as const) {
      const before = performance.now();
      expect((await search(query)).length).toBe(found);
      expect(performance.now() - before).toBeLessThan(500);
    }
    expect((await sizeOf(path)) / 100_000).toBeLessThan(1_000);
    expect(log.entries).toEqual([]);
  });

  it('a command reads while it is written, always whole batches', async () => {
    const { store, search } = await historyGround();
    await store.append(additions(100));
    const seen = new Set<number>();
    const reading = new AbortController();
    const readAll = (async () => {
      while (!reading.signal.aborted) {
        seen.add((await search()).length);
        await sleep(5);
      }
    })();
    for (let n = 1; n <= 100; n += 1) await store.append(additions(100, {}, n * 100));
    reading.abort();
    await readAll;
    expect([...seen].filter((count) => count % 100 !== 0)).toEqual([]);
    expect(seen.size).toBeGreaterThan(1);
    expect(await search()).toHaveLength(10_100);
  });

  it('only the user that serves can read the files', async () => {
    const { store, state } = await historyGround();
    await store.append([anAddition()]);
    const files = await readdir(state);
    expect(files).toContain('history.db-wal');
    for (const file of files) expect((await stat(join(state, file))).mode & 0o777).toBe(0o600);
    expect((await stat(state)).mode & 0o777).toBe(0o700);
  });
});

describe('bounds', () => {
  it('what is older than the retention goes, with all that names it, and the file shrinks', async () => {
    const old = Date.now() - 31 * DAY_MS;
    const given = await historyGround();
    await given.store.append(
      additions(6_000, {
        at: old,
        hits: [{ domain: 'example.com', list: 'block', entry: '192.0.2.66', address: '192.0.2.66' }],
      }),
    );
    await given.store.append(additions(3, { at: Date.now() }, 9_000));
    await given.store.stop();
    const before = await sizeOf(given.path);
    const { store, search, path, open } = await historyGround({ retentionMs: 30 * DAY_MS }, given.state);
    await store.append([anAddition({ at: Date.now(), recipients: ['last@example.com'] })]);
    await waitFor('old decisions gone', async () => ((await search()).length === 4 ? true : undefined));
    expect(names(await search())).toEqual([
      'last@example.com',
      'r9002@example.com',
      'r9001@example.com',
      'r9000@example.com',
    ]);
    const db = open();
    const count = (table: string): unknown => db.prepare(`SELECT count(*) AS n FROM ${table}`).get()?.['n'];
    expect([count('decision_recipients'), count('decision_domains'), count('hits')]).toEqual([4, 4, 1]);
    await waitFor(
      'pages given back',
      async () => {
        db.exec('PRAGMA wal_checkpoint(PASSIVE)');
        return (await sizeOf(path)) < before / 2 ? true : undefined;
      },
      20_000,
    );
  });

  it('an append makes room: the oldest go, and the file stays within its bound', async () => {
    const maxBytes = 2 * 1024 * 1024;
    const { store, search, path, log } = await historyGround({ maxBytes });
    const sizes: number[] = [];
    for (let n = 0; n < 20_000; n += 500) {
      await store.append(additions(500, {}, n));
      sizes.push(await sizeOf(path));
    }
    expect(Math.max(...sizes)).toBeLessThan(maxBytes * 1.3);
    const kept = names(await search()).reverse();
    expect(kept.length).toBeGreaterThan(1_500);
    expect(kept).toEqual(Array.from({ length: kept.length }, (_, n) => `r${20_000 - kept.length + n}@example.com`));
    expect(log.entries).toEqual([]);
  });
});

describe('what may befall the file', () => {
  it.each([
    [
      'no database at all',
      (path: string) =>
        writeFile(path, 'this is a text, and long enough for a header of SQLite, or so it seems. '.repeat(20)),
    ],
    ['cut in the middle', async (path: string) => truncate(path, Math.floor((await sizeOf(path)) / 2 / 4096) * 4096)],
    [
      'overwritten in the middle',
      async (path: string) => {
        const size = await sizeOf(path);
        await writeFile(path, Buffer.alloc(size - 8192, 0xa5), { flag: 'r+' });
      },
    ],
  ])('%s: it is put aside, the log says so, and a new one is begun', async (_, damage) => {
    const first = await historyGround();
    await first.store.append(additions(2_000));
    await first.store.stop();
    await damage(first.path);
    const damaged = await sizeOf(first.path);
    const { store, search, state, log } = await historyGround({}, first.state);
    await store.append(additions(600, {}, 5_000));
    expect(names(await search()).at(-1)).toBe('r5000@example.com');
    expect(await search()).toHaveLength(600);
    expect(await sizeOf(join(state, 'history.db.damaged'))).toBe(damaged);
    expect(log.messages('error')).toEqual([expect.stringMatching(/history\.db\.damaged, and a new one is begun$/)]);
  });

  it('damaged again: the last damaged one is kept, not every one', async () => {
    const first = await historyGround();
    for (const text of ['first', 'second']) {
      await mkdir(first.state, { recursive: true, mode: 0o700 });
      await writeFile(first.path, `${text} `.repeat(1_000));
      const { store } = await historyGround({}, first.state);
      await store.append(additions(1));
      await store.stop();
    }
    expect((await readdir(first.state)).sort()).toEqual(['history.db', 'history.db.damaged']);
    expect(await sizeOf(join(first.state, 'history.db.damaged'))).toBe('second '.length * 1_000);
  });

  it('removed while it is written: a new one is begun', async () => {
    const { store, search, state, path } = await historyGround();
    await store.append(additions(5));
    for (const file of await readdir(state)) await rm(join(state, file));
    await store.append(additions(2, {}, 5));
    expect(names(await search())).toEqual(['r6@example.com', 'r5@example.com']);
    expect(await sizeOf(path)).toBeGreaterThan(0);
  });

  it('of a later version: neither written nor put aside', async () => {
    const { store, search, open, state } = await historyGround();
    await store.append(additions(5));
    open().exec('PRAGMA user_version = 99');
    const later = await historyGround({}, state);
    await expect(later.store.append(additions(1))).rejects.toThrow('is of a later version of Postern');
    await expect(search()).rejects.toMatchObject({ code: 'POSTERN_STATE_UNREADABLE' });
    expect(await readdir(state)).not.toContain('history.db.damaged');
  });

  it('a directory that cannot be made: every append fails, and none waits for ever', async () => {
    const directory = await temporaryDirectory({ state: 'a file' });
    const { store } = await historyGround({}, join(directory, 'state'));
    await expect(store.append(additions(1))).rejects.toThrow(/EEXIST|ENOTDIR/);
    await expect(store.append(additions(1))).rejects.toThrow(/EEXIST|ENOTDIR/);
  });

  it('a killed writer: what it was told is kept is kept, and the file is whole', async () => {
    const { state, search, open, store, log } = await historyGround();
    const source = new URL('../../../', import.meta.url).href;
    const program = `
      import { createHistoryStore } from '${source}src/adapters/history-sqlite/index.ts';
      import { additions } from '${source}test/support/history.ts';
      const log = { debug() {}, info() {}, warn: console.error, error: console.error };
      const store = createHistoryStore(${JSON.stringify(state)}, log, { retentionMs: Number.MAX_SAFE_INTEGER });
      for (let n = 0; ; n += 50) {
        await store.append(additions(50, {}, n));
        console.log(n + 50);
      }`;
    let told = 0;
    for (const count of [1, 7, 40]) {
      const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      const before = (await search()).length;
      let here = 0;
      for await (const line of createInterface(child.stdout)) {
        here = Number(line);
        if (here >= count * 50 && !child.killed) child.kill('SIGKILL');
      }
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
      expect(here).toBeGreaterThan(0);
      told = before + here;
      const kept = (await search()).length;
      expect(kept).toBeGreaterThanOrEqual(told);
      expect(kept % 50).toBe(0);
    }
    expect(open().prepare('PRAGMA integrity_check').get()).toEqual({ integrity_check: 'ok' });
    await store.append(additions(1));
    expect((await search()).length).toBeGreaterThan(told);
    expect(log.entries).toEqual([]);
  });
});
