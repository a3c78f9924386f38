import { createHash } from 'node:crypto';
import { readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createLastGood } from '../../../src/adapters/store-embedded/index.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const hash = (content: string): string => createHash('sha256').update(content).digest('hex');
const SETTINGS = 'version: 1\n';
const LIST = '192.0.2.1\n';
const good = { settings: SETTINGS, lists: new Map([['lists/drop.txt', LIST]]) };
const at = (): number => 1234;

describe('last good settings', () => {
  it('come back as they were saved', async () => {
    const state = join(await temporaryDirectory(), 'state');
    await createLastGood(state, at).save(good);
    const loaded = await createLastGood(state, () => 99).load();
    expect(loaded?.savedAt).toBe(1234);
    expect(await loaded?.store.read()).toMatchObject({
      name: 'last good settings',
      text: SETTINGS,
      raw: { version: 1 },
    });
    expect(await loaded?.store.readList('lists/drop.txt')).toBe(LIST);
    await expect(loaded?.store.readList('lists/other.txt')).rejects.toThrow('no last good lists/other.txt was saved');
  });

  it('are null before the first save', async () => {
    expect(await createLastGood(await temporaryDirectory(), at).load()).toBeNull();
  });

  it('lie under the hash of their content, readable by their owner only', async () => {
    const state = join(await temporaryDirectory(), 'state');
    await createLastGood(state, at).save(good);
    const directory = join(state, 'last-good');
    expect((await readdir(directory)).sort()).toEqual([hash(SETTINGS), hash(LIST), 'last-good.json'].sort());
    expect((await stat(directory)).mode & 0o777).toBe(0o700);
    for (const name of await readdir(directory)) expect((await stat(join(directory, name))).mode & 0o777).toBe(0o600);
  });

  it('prune what the last save does not name, left-overs of a killed process too', async () => {
    const state = await temporaryDirectory({ 'last-good/.x.123.tmp': 'half' });
    const lastGood = createLastGood(state, at);
    await lastGood.save(good);
    await lastGood.save({ settings: 'version: 2\n', lists: new Map() });
    expect((await readdir(join(state, 'last-good'))).sort()).toEqual([hash('version: 2\n'), 'last-good.json'].sort());
    expect((await (await lastGood.load())?.store.read())?.text).toBe('version: 2\n');
  });

  it('a list that did not change is not written again', async () => {
    const state = await temporaryDirectory();
    const lastGood = createLastGood(state, at);
    await lastGood.save(good);
    const before = await stat(join(state, 'last-good', hash(LIST)));
    await lastGood.save({ ...good, settings: 'version: 2\n' });
    expect((await stat(join(state, 'last-good', hash(LIST)))).ino).toBe(before.ino);
  });

  it('a list file named __proto__ is a name like any other', async () => {
    const state = await temporaryDirectory();
    await createLastGood(state, at).save({ settings: SETTINGS, lists: new Map([['__proto__', LIST]]) });
    expect(await (await createLastGood(state, at).load())?.store.readList('__proto__')).toBe(LIST);
  });

  it('a directory that cannot be written is an error', async () => {
    const directory = await temporaryDirectory({ state: 'a file' });
    await expect(createLastGood(join(directory, 'state'), at).save(good)).rejects.toThrow();
    expect(await readFile(join(directory, 'state'), 'utf8')).toBe('a file');
  });

  it.each([
    ['no JSON', '{ "savedAt": 1'],
    ['nothing', ''],
    ['null', 'null'],
    ['a list', '[]'],
    ['no hash', JSON.stringify({ savedAt: 1, settings: '../../etc/passwd', lists: [] })],
    ['lists of another form', JSON.stringify({ savedAt: 1, settings: hash('x'), lists: { a: hash('x') } })],
    ['an impossible time', JSON.stringify({ savedAt: 1e99, settings: hash('x'), lists: [] })],
  ])('a broken manifest (%s) is a clear error', async (_, manifest) => {
    const state = await temporaryDirectory({ 'last-good/last-good.json': manifest });
    await expect(createLastGood(state, at).load()).rejects.toMatchObject({
      code: 'POSTERN_STATE_UNREADABLE',
      message: `${join(state, 'last-good/last-good.json')} is broken`,
    });
  });

  it('a manifest that cannot be read is an error, not "nothing saved"', async () => {
    const state = await temporaryDirectory({ 'last-good/last-good.json/inside': 'x' });
    await expect(createLastGood(state, at).load()).rejects.toMatchObject({ code: 'POSTERN_STATE_UNREADABLE' });
  });

  it('content that is not what its hash says is not used, and the next save mends it', async () => {
    const state = await temporaryDirectory();
    const lastGood = createLastGood(state, at);
    await lastGood.save(good);
    await writeFile(join(state, 'last-good', hash(LIST)), '192.0.2');
    await rm(join(state, 'last-good', hash(SETTINGS)));
    const loaded = await lastGood.load();
    await expect(loaded?.store.readList('lists/drop.txt')).rejects.toMatchObject({ code: 'POSTERN_STATE_UNREADABLE' });
    await expect(loaded?.store.read()).rejects.toMatchObject({ code: 'POSTERN_STATE_UNREADABLE' });
    await lastGood.save(good);
    expect(await (await lastGood.load())?.store.readList('lists/drop.txt')).toBe(LIST);
  });
});
