/** The key store on a real file system. */
import { execFile } from 'node:child_process';
import { chmod, chown, mkdir, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { createKeyFiles, keyIndexOf } from '../../../src/adapters/key-files/index.ts';
import { createDkimKeys, type DkimKeys } from '../../../src/services/index.ts';
import { FakeResolver } from '../../contract/memory-vault.ts';
import { aDomain } from '../../support/builders.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const DOMAIN = aDomain('example.com');
const ED25519 = { algorithm: 'ed25519-sha256' } as const;
const over = (state: string): DkimKeys => createDkimKeys(createKeyFiles(state), new FakeResolver(), new FakeClock());
const modeOf = async (path: string): Promise<string> => ((await stat(path)).mode & 0o7777).toString(8);

describe('files', () => {
  it('directories are 0700 and files 0600, whatever the umask says', async () => {
    const directory = await temporaryDirectory();
    const before = process.umask(0);
    try {
      await over(join(directory, 'state')).create(DOMAIN, 'S1', ED25519, 'root');
    } finally {
      process.umask(before);
    }
    const keys = join(directory, 'state/keys');
    for (const path of [keys, join(keys, 'example.com')]) expect(await modeOf(path), path).toBe('700');
    for (const path of ['index.json', 'example.com/s1.pem']) expect(await modeOf(join(keys, path)), path).toBe('600');
    expect((await readdir(keys)).sort()).toEqual(['example.com', 'index.json']);
    expect(await readdir(join(keys, 'example.com'))).toEqual(['s1.pem']);
  });

  it('a key directory that stands open is shut, and a key file that was left there too', async () => {
    const state = await temporaryDirectory({ 'keys/example.com/s1.pem': 'left by a command that was killed' });
    for (const path of ['keys', 'keys/example.com']) await chmod(join(state, path), 0o755);
    await chmod(join(state, 'keys/example.com/s1.pem'), 0o644);
    const vault = createKeyFiles(state);
    await createDkimKeys(vault, new FakeResolver(), new FakeClock()).create(DOMAIN, 's1', ED25519, 'root');
    expect(await modeOf(join(state, 'keys'))).toBe('700');
    expect(await modeOf(join(state, 'keys/example.com'))).toBe('700');
    expect(await modeOf(join(state, 'keys/example.com/s1.pem'))).toBe('600');
    expect(await vault.sign(DOMAIN, 's1', Buffer.from('x'))).toHaveLength(64);
  });

  it('everything belongs to the owner of the state directory, also where root made the key', async () => {
    const state = await temporaryDirectory({ nothing: '' });
    if (process.getuid?.() === 0) await chown(state, 65_534, 65_534);
    await over(state).create(DOMAIN, 's1', ED25519, 'root');
    const owner = (await stat(state)).uid;
    for (const path of ['keys', 'keys/index.json', 'keys/example.com', 'keys/example.com/s1.pem']) {
      expect((await stat(join(state, path))).uid, path).toBe(owner);
    }
  });

  it('the index names no octet of a private key, nor does what list gives', async () => {
    const state = await temporaryDirectory();
    const keys = over(state);
    await keys.create(DOMAIN, 's1', { algorithm: 'rsa-sha256', bits: 1024 }, 'root');
    const pem = await readFile(join(state, 'keys/example.com/s1.pem'), 'utf8');
    const index = await readFile(keyIndexOf(state), 'utf8');
    const lines = pem.split('\n').filter((line) => line.length > 10 && !line.startsWith('-----'));
    expect(lines.length).toBeGreaterThan(5);
    for (const line of lines) {
      expect(index).not.toContain(line);
      expect(JSON.stringify(await keys.list())).not.toContain(line);
    }
    expect(index).not.toContain('PRIVATE');
  });

  it('no store is an empty one, and looking at it makes nothing', async () => {
    const directory = await temporaryDirectory();
    expect(await over(join(directory, 'state')).list()).toEqual([]);
    expect(await readdir(directory)).toEqual([]);
  });
});

describe('several at once', () => {
  it('commands that create keys at the same time all have theirs; of one selector one wins', async () => {
    const state = await temporaryDirectory();
    const script = `
      import { createKeyFiles } from ${JSON.stringify(join(import.meta.dirname, '../../../src/adapters/key-files/index.ts'))};
      import { createDkimKeys } from ${JSON.stringify(join(import.meta.dirname, '../../../src/services/index.ts'))};
      const keys = createDkimKeys(createKeyFiles(process.argv[1]), { txt: () => {} }, { now: () => 1 });
      for (const selector of [process.argv[2], 'shared']) {
        await keys.create('example.com', selector, { algorithm: 'ed25519-sha256' }, 'root').then(
          () => console.log('made', selector),
          (error) => console.log(error.code),
        );
      }`;
    const runs = await Promise.all(
      ['a', 'b', 'c', 'd', 'e'].map((selector) =>
        promisify(execFile)(process.execPath, ['--input-type=module-typescript', '-e', script, state, selector]),
      ),
    );
    const words = runs.flatMap(({ stdout }) => stdout.trim().split('\n')).sort();
    expect(words).toEqual([
      ...Array<string>(4).fill('POSTERN_KEY_EXISTS'),
      ...['made a', 'made b', 'made c', 'made d', 'made e', 'made shared'],
    ]);
    const keys = await over(state).list();
    expect(keys.map(({ selector }) => selector).sort()).toEqual(['a', 'b', 'c', 'd', 'e', 'shared']);
    for (const { selector } of keys) {
      expect(await createKeyFiles(state).sign(DOMAIN, selector, Buffer.from('x'))).toHaveLength(64);
    }
  });
});

describe('damage', () => {
  const GOOD = {
    ...{ domain: 'example.com', selector: 's1', algorithm: 'rsa-sha256', bits: 2048, publicKey: 'x', state: 'active' },
    history: [{ state: 'active', at: 1, by: 'root' }],
  };
  it.each([
    ['cut', '{ "version": 1, "keys": ['],
    ['empty', ''],
    ['another document', '{}'],
    ['null', 'null'],
    ['a list', '[]'],
    ['a version that is not known', JSON.stringify({ version: 2, keys: [] })],
    ['a key that is none', JSON.stringify({ version: 1, keys: [null] })],
    ['a state that is none', JSON.stringify({ version: 1, keys: [{ ...GOOD, state: 'on' }] })],
    ['an algorithm that is none', JSON.stringify({ version: 1, keys: [{ ...GOOD, algorithm: 'rsa-sha1' }] })],
    ['a selector that is no text', JSON.stringify({ version: 1, keys: [{ ...GOOD, selector: 1 }] })],
    ['no history', JSON.stringify({ version: 1, keys: [{ ...GOOD, history: undefined }] })],
    ['a history that is none', JSON.stringify({ version: 1, keys: [{ ...GOOD, history: [{}] }] })],
  ])('an index that is %s is said, by its path, and stays as it is', async (_, text) => {
    const state = await temporaryDirectory({ 'keys/index.json': text });
    const keys = over(state);
    for (const act of [() => keys.list(), () => keys.create(DOMAIN, 's2', ED25519, 'root')]) {
      await expect(act()).rejects.toMatchObject({
        code: 'POSTERN_KEYS_UNREADABLE',
        message: `${keyIndexOf(state)} is no index of keys; restore it from a backup`,
      });
    }
    expect(await readFile(keyIndexOf(state), 'utf8')).toBe(text);
  });

  it('a good index is taken', async () => {
    const state = await temporaryDirectory({ 'keys/index.json': JSON.stringify({ version: 1, keys: [GOOD] }) });
    expect(await over(state).list()).toEqual([GOOD]);
  });

  it('an index that cannot be read is said with the reason', async () => {
    const state = await temporaryDirectory();
    await mkdir(keyIndexOf(state), { recursive: true });
    await expect(over(state).list()).rejects.toMatchObject({
      code: 'POSTERN_KEYS_UNREADABLE',
      message: `${keyIndexOf(state)} cannot be read: it is a directory`,
    });
  });

  it('a private key that is gone or no key cannot sign; once it is back it can', async () => {
    const state = await temporaryDirectory();
    const keys = over(state);
    await keys.create(DOMAIN, 's1', ED25519, 'root');
    const path = join(state, 'keys/example.com/s1.pem');
    const pem = await readFile(path);
    const vault = createKeyFiles(state);
    const sign = (): Promise<Uint8Array> => vault.sign(DOMAIN, 's1', Buffer.from('x'));
    await rm(path);
    await expect(sign()).rejects.toThrow(/no such file/);
    await writeFile(path, 'PRIVATE OCTETS');
    const refusal: unknown = await sign().catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(Error);
    expect(String(refusal)).not.toContain('OCTETS');
    await writeFile(path, pem);
    expect(await sign()).toHaveLength(64);
  });
});
