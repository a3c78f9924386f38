/** The registry of route numbers on a real file system. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chown, mkdir, readFile, readdir, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { createRouteRegistry } from '../../../src/adapters/route-registry/index.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const KEY = '0123456789abcdef'.repeat(4);
const GOOD = { format: 1, key: KEY, numbers: { 'acme/a': 1, 'acme/b': 5 } };
const MODULE = JSON.stringify(join(import.meta.dirname, '../../../src/adapters/route-registry/index.ts'));
const script = (text: string, ...args: string[]): string[] => ['--input-type=module-typescript', '-e', text, ...args];
const modeOf = async (path: string): Promise<string> => ((await stat(path)).mode & 0o7777).toString(8);

describe('the file', () => {
  it('is 0600 in a directory that is 0700 where it was made, whatever the umask says, and alone in it', async () => {
    const state = join(await temporaryDirectory(), 'state');
    const before = process.umask(0);
    try {
      await createRouteRegistry(state).assign(['acme/a']);
    } finally {
      process.umask(before);
    }
    expect(await modeOf(state)).toBe('700');
    expect(await modeOf(join(state, 'routes.json'))).toBe('600');
    expect(await readdir(state)).toEqual(['routes.json']);
  });

  it('looking at it makes nothing', async () => {
    const directory = await temporaryDirectory();
    expect(await createRouteRegistry(join(directory, 'state')).read()).toBeNull();
    expect(await readdir(directory)).toEqual([]);
  });

  it('belongs to the owner of the state directory, also where root made it', async () => {
    const state = await temporaryDirectory();
    if (process.getuid?.() === 0) await chown(state, 65_534, 65_534);
    await createRouteRegistry(state).assign(['acme/a']);
    expect((await stat(join(state, 'routes.json'))).uid).toBe((await stat(state)).uid);
  });

  it('says its format, and its key is another in each state directory', async () => {
    const [one, other] = [await temporaryDirectory(), await temporaryDirectory()];
    const { key } = await createRouteRegistry(one).assign(['acme/a']);
    expect(JSON.parse(await readFile(join(one, 'routes.json'), 'utf8'))).toEqual({
      format: 1,
      key,
      numbers: { 'acme/a': 1 },
    });
    expect((await createRouteRegistry(other).assign(['acme/a'])).key).not.toBe(key);
  });

  it('is not written where nothing is new; the next number is above every one that is there', async () => {
    const state = await temporaryDirectory({ 'routes.json': JSON.stringify(GOOD) });
    const registry = createRouteRegistry(state);
    const { ino, mtimeMs } = await stat(join(state, 'routes.json'));
    const book = { key: KEY, numbers: new Map(Object.entries(GOOD.numbers)) };
    for (const names of [[], ['acme/b'], ['acme/b', 'acme/a']]) expect(await registry.assign(names)).toEqual(book);
    expect(await stat(join(state, 'routes.json'))).toMatchObject({ ino, mtimeMs });
    expect((await registry.assign(['acme/c'])).numbers).toEqual(new Map([...book.numbers, ['acme/c', 6]]));
    expect((await stat(join(state, 'routes.json'))).ino).not.toBe(ino);
  });
});

describe('several at once', () => {
  it('what is known needs no lock; who waited for one writes nothing that another has written meanwhile', async () => {
    const state = await temporaryDirectory({
      'routes.json': JSON.stringify(GOOD),
      '.routes.json.lock': `${hostname()} ${process.pid} held by the test\n`,
    });
    const [path, lock] = [join(state, 'routes.json'), join(state, '.routes.json.lock')];
    const registry = createRouteRegistry(state);
    expect((await registry.assign(['acme/b'])).numbers.get('acme/b')).toBe(5);
    const assigning = registry.assign(['acme/c']);
    await sleep(200);
    const meanwhile = JSON.stringify({ ...GOOD, numbers: { ...GOOD.numbers, 'acme/c': 9 } });
    await writeFile(path, meanwhile);
    await rm(lock);
    expect((await assigning).numbers.get('acme/c')).toBe(9);
    expect(await readFile(path, 'utf8')).toBe(meanwhile);
  });

  it('processes that assign at the same time never give one number twice, nor two to a name', async () => {
    const state = join(await temporaryDirectory(), 'state');
    const program = `
      import { createRouteRegistry } from ${MODULE};
      const [state, who] = process.argv.slice(1);
      const registry = createRouteRegistry(state);
      const said = {};
      for (let n = 0; n < 5; n += 1) {
        const book = await registry.assign(['shared/' + n, who + '/' + n]);
        for (const name of ['shared/' + n, who + '/' + n]) said[name] = book.numbers.get(name);
        said.key = book.key;
      }
      console.log(JSON.stringify(said));`;
    const runs = await Promise.all(
      ['a', 'b', 'c', 'd', 'e'].map((who) => promisify(execFile)(process.execPath, script(program, state, who))),
    );
    const book = await createRouteRegistry(state).read();
    expect([...(book?.numbers.values() ?? [])].sort((a, b) => a - b)).toEqual(
      Array.from({ length: 30 }, (_, n) => n + 1),
    );
    for (const { stdout } of runs) {
      const { key, ...numbers } = JSON.parse(stdout) as Record<string, number | string>;
      expect(key).toBe(book?.key);
      expect(Object.keys(numbers)).toHaveLength(10);
      for (const [name, number] of Object.entries(numbers)) expect(book?.numbers.get(name), name).toBe(number);
    }
    expect(await readdir(state)).toEqual(['routes.json']);
  });
});

describe('a crash', () => {
  /** Kills the process that assigns, at the moment in which it would rename. */
  async function killedBeforeRename(state: string, name: string): Promise<void> {
    const program = `
      import fs from 'node:fs/promises';
      import { syncBuiltinESMExports } from 'node:module';
      fs.rename = () => process.kill(process.pid, 'SIGKILL');
      syncBuiltinESMExports();
      const { createRouteRegistry } = await import(${MODULE});
      await createRouteRegistry(process.argv[1]).assign([process.argv[2]]);`;
    const child = spawn(process.execPath, script(program, state, name), { stdio: ['ignore', 'ignore', 'inherit'] });
    expect(await once(child, 'exit')).toEqual([null, 'SIGKILL']);
  }

  it('between write and rename leaves what was known, and the next assigns at once', async () => {
    const state = await temporaryDirectory({ 'routes.json': JSON.stringify(GOOD) });
    await killedBeforeRename(state, 'acme/lost');
    expect((await readdir(state)).filter((name) => name.endsWith('.tmp'))).toHaveLength(1);
    const registry = createRouteRegistry(state);
    expect(await registry.read()).toEqual({ key: KEY, numbers: new Map(Object.entries(GOOD.numbers)) });
    const began = performance.now();
    expect((await registry.assign(['acme/c'])).numbers.get('acme/c')).toBe(6);
    expect(performance.now() - began).toBeLessThan(10_000);
  });

  it('of the very first leaves nothing known', async () => {
    const state = join(await temporaryDirectory(), 'state');
    await killedBeforeRename(state, 'acme/lost');
    const registry = createRouteRegistry(state);
    expect(await registry.read()).toBeNull();
    expect((await registry.assign(['acme/a'])).numbers).toEqual(new Map([['acme/a', 1]]));
  });
});

describe('damage', () => {
  const broken = (change: object): string => JSON.stringify({ ...GOOD, ...change });
  it.each([
    ['cut', '{ "format": 1, "key": "', 'it is not JSON'],
    ['empty', '', 'it is not JSON'],
    ['null', 'null', 'it is no book of routes'],
    ['a list', '[]', 'it is no book of routes'],
    ['another document', '{}', 'it says no format'],
    ['of a later format', broken({ format: 2 }), 'its format 2 is of a later Postern'],
    ['without its key', broken({ key: undefined }), 'its key is missing'],
    ['with a short key', broken({ key: KEY.slice(1) }), 'its key is missing'],
    ['without numbers', broken({ numbers: undefined }), 'its numbers are missing'],
    ['with a list of numbers', broken({ numbers: [1] }), 'its numbers are missing'],
    ['with a number that is text', broken({ numbers: { 'acme/a': '1' } }), 'a number in it is none'],
    ['with the number 0', broken({ numbers: { 'acme/a': 0 } }), 'a number in it is none'],
    ['with half a number', broken({ numbers: { 'acme/a': 1.5 } }), 'a number in it is none'],
    ['with one number twice', broken({ numbers: { 'acme/a': 1, 'acme/b': 1 } }), 'two routes have one number'],
  ])('a file that is %s is said, by its path, and stays as it is', async (_, text, why) => {
    const state = await temporaryDirectory({ 'routes.json': text });
    const path = join(state, 'routes.json');
    const registry = createRouteRegistry(state);
    for (const act of [() => registry.read(), () => registry.assign(['acme/a']), () => registry.assign(['acme/new'])]) {
      await expect(act()).rejects.toMatchObject({
        code: 'POSTERN_STATE_UNREADABLE',
        message: `${path}, which says what number each route has, cannot be used: ${why}; restore it from a backup, or start the Postern that wrote it; with other numbers queued mail would lose its way`,
      });
    }
    expect(await readFile(path, 'utf8')).toBe(text);
    expect(await readdir(state)).toEqual(['routes.json']);
  });

  it('one that cannot be read is said with the reason', async () => {
    const state = await temporaryDirectory();
    await mkdir(join(state, 'routes.json'));
    const refusal = {
      code: 'POSTERN_STATE_UNREADABLE',
      message: `${join(state, 'routes.json')} cannot be read: it is a directory`,
    };
    await expect(createRouteRegistry(state).read()).rejects.toMatchObject(refusal);
    await expect(createRouteRegistry(state).assign(['acme/a'])).rejects.toMatchObject(refusal);
  });

  it('a state directory that is none, or cannot be made, is said with the reason', async () => {
    const directory = await temporaryDirectory({ file: '' });
    await symlink(join(directory, 'gone/away'), join(directory, 'link'));
    for (const [state, code, why] of [
      ['file/state', 'POSTERN_STATE_UNREADABLE', 'routes.json cannot be read: a part of its path is no directory'],
      ['link', 'POSTERN_STATE_UNWRITABLE', 'cannot be made: '],
    ] as const) {
      const refusal = createRouteRegistry(join(directory, state)).assign(['acme/a']);
      await expect(refusal).rejects.toMatchObject({ code, message: expect.stringContaining(why) as unknown });
    }
  });

  it('a file that cannot be written is said with the reason, and what was known stays', async () => {
    const state = await temporaryDirectory({ 'routes.json': JSON.stringify(GOOD) });
    const program = `
      import fs from 'node:fs/promises';
      import { syncBuiltinESMExports } from 'node:module';
      fs.rename = () => Promise.reject(Object.assign(new Error('full'), { code: 'ENOSPC' }));
      syncBuiltinESMExports();
      const { createRouteRegistry } = await import(${MODULE});
      await createRouteRegistry(process.argv[1]).assign(['acme/c']).catch(({ code, message }) => console.log(code, message));`;
    const { stdout } = await promisify(execFile)(process.execPath, script(program, state));
    expect(stdout).toBe(`POSTERN_STATE_UNWRITABLE ${join(state, 'routes.json')} cannot be written: the disk is full\n`);
    expect(JSON.parse(await readFile(join(state, 'routes.json'), 'utf8'))).toEqual(GOOD);
    expect(await readdir(state)).toEqual(['routes.json']);
  });
});
