/** What every SettingsStore and every LastGood keeps to. */
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createLastGood, createSettingsFile } from '../../src/adapters/store-embedded/index.ts';
import type { LastGood, SettingsStore } from '../../src/services/index.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { MemoryLastGood, MemoryStore } from './memory-store.ts';

const SETTINGS = 'version: 1\n# kept\nlist:\n  - ä\n';
const LIST = '192.0.2.1 # one\r\n; two\n';
const LISTS = { 'lists/drop.txt': LIST };

const stores: Readonly<
  Record<string, (settings: string, lists: Readonly<Record<string, string>>) => Promise<SettingsStore>>
> = {
  'settings file': async (settings, lists) =>
    createSettingsFile(join(await temporaryDirectory({ 'settings.yaml': settings, ...lists }), 'settings.yaml')),
  'last good settings': async (settings, lists) => {
    const lastGood = createLastGood(await temporaryDirectory(), Date.now);
    await lastGood.save({ settings, lists: new Map(Object.entries(lists)) });
    const loaded = await lastGood.load();
    return loaded?.store ?? new MemoryStore(null);
  },
  memory: (settings, lists) => Promise.resolve(new MemoryStore(settings, lists)),
};

describe.each(Object.entries(stores))('a settings store: %s', (_, open) => {
  it('gives the text as it is, its value, and where everything stands', async () => {
    const read = await (await open(SETTINGS, LISTS)).read();
    expect(read).toMatchObject({ text: SETTINGS, raw: { version: 1, list: ['ä'] }, syntaxIssues: [] });
    expect(read.name).not.toBe('');
    expect(read.locate('/list/0', false)).toEqual({ line: 4, column: 5 });
  });

  it('gives faults of syntax as a value, not as an error', async () => {
    const read = await (await open('a: 1\na: 2\n', {})).read();
    expect(read.raw).toBeNull();
    expect(read.syntaxIssues.map(({ line, column }) => `${line}:${column}`)).toEqual(['2:1']);
  });

  it('gives list files octet for octet, again and again', async () => {
    const store = await open(SETTINGS, LISTS);
    expect(await store.readList('lists/drop.txt')).toBe(LIST);
    expect(await store.readList('lists/drop.txt')).toBe(LIST);
  });

  it('a list file that is not there is an error in words', async () => {
    await expect((await open(SETTINGS, LISTS)).readList('no.txt')).rejects.toThrow(/no such file|no last good/);
  });
});

const keepers: Readonly<Record<string, () => Promise<LastGood>>> = {
  directory: async () => createLastGood(join(await temporaryDirectory(), 'state'), Date.now),
  memory: () => Promise.resolve(new MemoryLastGood()),
};

describe.each(Object.entries(keepers))('last good settings: %s', (_, open) => {
  it('nothing before the first save', async () => {
    expect(await (await open()).load()).toBeNull();
  });

  it('the last save wins, whole', async () => {
    const lastGood = await open();
    await lastGood.save({ settings: 'version: 0\n', lists: new Map([['old.txt', '']]) });
    await lastGood.save({ settings: SETTINGS, lists: new Map(Object.entries(LISTS)) });
    const loaded = await lastGood.load();
    expect((await loaded?.store.read())?.text).toBe(SETTINGS);
    expect(await loaded?.store.readList('lists/drop.txt')).toBe(LIST);
    await expect(loaded?.store.readList('old.txt')).rejects.toThrow();
    expect(loaded?.savedAt).toBeGreaterThan(Date.UTC(2024, 0));
  });
});

describe('settings file', () => {
  it('a file that is missing is POSTERN_SETTINGS_UNREADABLE, under the name that messages use', async () => {
    const store = createSettingsFile(join(await temporaryDirectory(), 'settings.yaml'), 'etc/settings.yaml');
    await expect(store.read()).rejects.toMatchObject({
      code: 'POSTERN_SETTINGS_UNREADABLE',
      message: 'etc/settings.yaml cannot be read: there is no such file',
    });
  });

  it('list files are relative to it; absolute paths are themselves', async () => {
    const directory = await temporaryDirectory({ 'a/settings.yaml': SETTINGS, 'a/l.txt': 'in a', 'b/l.txt': 'in b' });
    const store = createSettingsFile(join(directory, 'a/settings.yaml'));
    expect(await store.readList('l.txt')).toBe('in a');
    expect(await store.readList('../b/l.txt')).toBe('in b');
    expect(await store.readList(join(directory, 'b/l.txt'))).toBe('in b');
  });
});
