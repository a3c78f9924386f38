import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parse } from 'yaml';
import { describe, expect, it } from 'vitest';
import { editSettingsFile } from '../../../src/adapters/store-embedded/index.ts';
import type { SettingsStore } from '../../../src/services/index.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const nothing = (): Promise<void> => Promise.resolve();
const add = (path: string, entry: string, check = nothing): Promise<string> =>
  editSettingsFile(
    { path },
    () => Promise.resolve({ edits: [{ kind: 'append', pointer: '/l', entries: [entry] }], result: entry }),
    check,
  );

async function deadProcessId(): Promise<number> {
  const child = spawn(process.execPath, ['-e', '0']);
  await once(child, 'exit');
  return child.pid ?? 0;
}

describe('editSettingsFile', () => {
  it('shows the present text to plan and the edited text to check, then writes', async () => {
    const directory = await temporaryDirectory({ 's.yaml': '# keep\nl: [a]\n' });
    const path = join(directory, 's.yaml');
    const seen: unknown[] = [];
    const look = async (store: SettingsStore): Promise<void> => void seen.push((await store.read()).raw);
    const result = await editSettingsFile(
      { path },
      async (store) => {
        await look(store);
        return { edits: [{ kind: 'append', pointer: '/l', entries: ['b'] }], result: 42 };
      },
      look,
    );
    expect(result).toBe(42);
    expect(seen).toEqual([{ l: ['a'] }, { l: ['a', 'b'] }]);
    expect(await readFile(path, 'utf8')).toBe('# keep\nl: [a, b]\n');
    expect(await readdir(directory)).toEqual(['s.yaml']);
  });

  it('a check that throws leaves the file and no trace', async () => {
    const directory = await temporaryDirectory({ 's.yaml': 'l: [a]\n' });
    const refusal = new Error('no');
    await expect(add(join(directory, 's.yaml'), 'b', () => Promise.reject(refusal))).rejects.toBe(refusal);
    expect(await readFile(join(directory, 's.yaml'), 'utf8')).toBe('l: [a]\n');
    expect(await readdir(directory)).toEqual(['s.yaml']);
  });

  it('a hand edit in the middle is not overwritten', async () => {
    const directory = await temporaryDirectory({ 's.yaml': 'l: [a]\n' });
    const path = join(directory, 's.yaml');
    const editor = (): Promise<void> => writeFile(path, 'l: [by hand]\n');
    await expect(add(path, 'b', editor)).rejects.toMatchObject({ code: 'POSTERN_FILE_LOCKED' });
    expect(await readFile(path, 'utf8')).toBe('l: [by hand]\n');
  });

  it('edits at once all survive', async () => {
    const directory = await temporaryDirectory({ 's.yaml': 'l: []\n' });
    const path = join(directory, 's.yaml');
    const entries = Array.from({ length: 30 }, (_, n) => `e${n}`);
    await Promise.all(entries.map((entry) => add(path, entry)));
    const { l } = parse(await readFile(path, 'utf8')) as { l: string[] };
    expect([...l].sort()).toEqual([...entries].sort());
    expect(await readdir(directory)).toEqual(['s.yaml']);
  });

  it('commands that come by a link and by the file itself exclude each other', async () => {
    const directory = await temporaryDirectory({ 'real/s.yaml': 'l: []\n' });
    const link = join(directory, 'link.yaml');
    await symlink('real/s.yaml', link);
    await Promise.all([add(link, 'a'), add(join(directory, 'real/s.yaml'), 'b'), add(link, 'c')]);
    const { l } = parse(await readFile(link, 'utf8')) as { l: string[] };
    expect([...l].sort()).toEqual(['a', 'b', 'c']);
  });

  it('a lock of a process that died is taken away at once', async () => {
    const content = `${hostname()} ${await deadProcessId()} some-id\n`;
    const directory = await temporaryDirectory({ 's.yaml': 'l: [a]\n', '.s.yaml.lock': content });
    const startedAt = performance.now();
    await add(join(directory, 's.yaml'), 'b');
    expect(performance.now() - startedAt).toBeLessThan(2000);
    expect(await readdir(directory)).toEqual(['s.yaml']);
  });

  it('an old lock of another host is taken away by exactly one of many', async () => {
    const directory = await temporaryDirectory({ 's.yaml': 'l: []\n', '.s.yaml.lock': 'elsewhere 1 some-id\n' });
    const path = join(directory, 's.yaml');
    await utimes(join(directory, '.s.yaml.lock'), new Date(0), new Date(0));
    await Promise.all(Array.from({ length: 10 }, (_, n) => add(path, `e${n}`)));
    expect((parse(await readFile(path, 'utf8')) as { l: string[] }).l).toHaveLength(10);
    expect(await readdir(directory)).toEqual(['s.yaml']);
  });

  it('a lock that is held is waited for', async () => {
    const lock = `${hostname()} ${process.pid} some-id\n`;
    const directory = await temporaryDirectory({ 's.yaml': 'l: [a]\n', '.s.yaml.lock': lock });
    let isDone = false;
    const adding = add(join(directory, 's.yaml'), 'b').then(() => (isDone = true));
    await sleep(300);
    expect(isDone).toBe(false);
    await rm(join(directory, '.s.yaml.lock'));
    await adding;
    expect(await readFile(join(directory, 's.yaml'), 'utf8')).toBe('l: [a, b]\n');
  });

  it('a directory that cannot be written is said so, with a code', async () => {
    const directory = await temporaryDirectory();
    await expect(add(join(directory, 'no/s.yaml'), 'b')).rejects.toMatchObject({
      code: 'POSTERN_FILE_UNWRITABLE',
      message: `${join(directory, 'no')} cannot be written: there is no such file`,
    });
  });

  it('a file that is missing is said so, and no lock stays', async () => {
    const directory = await temporaryDirectory();
    await expect(add(join(directory, 's.yaml'), 'b')).rejects.toMatchObject({
      code: 'POSTERN_SETTINGS_UNREADABLE',
      message: 's.yaml cannot be read: there is no such file',
    });
    expect(await readdir(directory)).toEqual([]);
  });
});
