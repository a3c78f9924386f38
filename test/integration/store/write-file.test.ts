import { chmod, chown, lstat, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { writeFileAtomically } from '../../../src/adapters/files/index.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const isRoot = process.getuid?.() === 0;

describe('writeFileAtomically', () => {
  it('makes a file with the mode asked for, and nothing else', async () => {
    const directory = await temporaryDirectory();
    await writeFileAtomically(join(directory, 'f'), 'x', 0o600);
    expect((await stat(join(directory, 'f'))).mode & 0o777).toBe(0o600);
    expect(await readdir(directory)).toEqual(['f']);
  });

  it('keeps mode and owner of the file that was there, and is another file', async () => {
    const directory = await temporaryDirectory({ f: 'old' });
    const path = join(directory, 'f');
    await chmod(path, 0o604);
    if (isRoot) await chown(path, 12345, 23456);
    const before = await stat(path);
    await writeFileAtomically(path, 'new', 0o640);
    const after = await stat(path);
    expect(await readFile(path, 'utf8')).toBe('new');
    expect({ mode: after.mode, uid: after.uid, gid: after.gid }).toEqual({
      mode: before.mode,
      uid: before.uid,
      gid: before.gid,
    });
    expect(after.ino).not.toBe(before.ino);
  });

  it('replaces what a symbolic link names, and keeps the link', async () => {
    const directory = await temporaryDirectory({ 'real/f': 'old' });
    await symlink('real/f', join(directory, 'link'));
    await writeFileAtomically(join(directory, 'link'), 'new', 0o640);
    expect((await lstat(join(directory, 'link'))).isSymbolicLink()).toBe(true);
    expect(await readFile(join(directory, 'real/f'), 'utf8')).toBe('new');
    expect(await readdir(join(directory, 'real'))).toEqual(['f']);
  });

  it('leaves nothing behind where it cannot move the file into place', async () => {
    const directory = await temporaryDirectory({ 'taken/inside': 'x' });
    await expect(writeFileAtomically(join(directory, 'taken'), 'x', 0o600)).rejects.toThrow();
    expect(await readdir(directory)).toEqual(['taken']);
    expect(await readFile(join(directory, 'taken/inside'), 'utf8')).toBe('x');
  });

  it('takes away what a killed process left under its own name', async () => {
    const directory = await temporaryDirectory({ [`.f.${process.pid}.tmp`]: 'half' });
    await writeFileAtomically(join(directory, 'f'), 'whole', 0o600);
    expect(await readdir(directory)).toEqual(['f']);
  });

  it('fails where the directory is missing', async () => {
    const directory = await temporaryDirectory();
    await expect(writeFileAtomically(join(directory, 'no/f'), 'x', 0o600)).rejects.toMatchObject({ code: 'ENOENT' });
    expect(await readdir(directory)).toEqual([]);
  });

  it('a reader sees the old or the new content, never a part', async () => {
    const contents = ['a', 'b'].map((letter) => letter.repeat(200_000));
    const directory = await temporaryDirectory();
    const path = join(directory, 'f');
    await writeFile(path, contents[0] ?? '');
    const reading = new AbortController();
    const seen = new Set<string>();
    const reader = (async () => {
      while (!reading.signal.aborted) seen.add(await readFile(path, 'utf8'));
    })();
    for (let round = 0; round < 40; round++) await writeFileAtomically(path, contents[round % 2] ?? '', 0o600);
    reading.abort();
    await reader;
    expect([...seen].filter((content) => !contents.includes(content))).toEqual([]);
    expect(seen.size).toBeGreaterThan(0);
  });
});
