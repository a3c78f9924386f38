import { chmod, lstat, mkdir, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { waitFor } from '../../support/waiting.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { ask, filesIn, indexed, regexp, typesHere, workshop, writerIn, type Workshop } from './workshop.ts';

const route = 'postern:[192.0.2.7]:25';
const other = 'postern:[192.0.2.8]:25';

/** Puts a postmap before the real one: it does what the real one does, and then runs `also` (sh; the arguments are "$@"). */
async function wrapPostmap(also: string): Promise<void> {
  const directory = await temporaryDirectory();
  const before = process.env['PATH'];
  const real = '/usr/sbin/postmap';
  await writeFile(join(directory, 'postmap'), `#!/bin/sh\n${real} "$@"\ncode=$?\n${also}\nexit $code\n`, {
    mode: 0o755,
  });
  process.env['PATH'] = `${directory}:${before ?? ''}`;
  onTestFinished(() => {
    process.env['PATH'] = before;
  });
}

async function identityOf(at: Workshop, file: string): Promise<string> {
  const { ino, mtimeMs, ctimeMs } = await stat(join(at.mapDirectory, file));
  return [ino, mtimeMs, ctimeMs].join(' ');
}

describe('writing', () => {
  it('publishes indexed and regexp maps that others can read, whatever the umask, and leaves nothing beside them', async () => {
    const before = process.umask(0o077);
    onTestFinished(() => void process.umask(before));
    const at = await workshop();
    const writer = await writerIn(at, { type: 'lmdb' });
    const decode = regexp(
      'decode',
      [{ key: String.raw`^(.+)=([^=@]+)@r[0-9]+\.route\.internal$`, value: '$1@$2' }],
      [{ key: 'u=example.com@r7.route.internal', value: 'u@example.com' }],
    );
    const { maps } = await writer.publish([indexed('transport', { 'example.com': route }), decode]);
    expect(maps.map(({ name, status, table }) => [name, status, table])).toEqual([
      ['transport', 'live', `lmdb:${at.mapDirectory}/transport`],
      ['decode', 'saved-not-yet-live', `regexp:${at.mapDirectory}/decode`],
    ]);
    expect((await ask(at, 'u=v=example.com@r7.route.internal', `regexp:${at.mapDirectory}/decode`)).stdout).toBe(
      'u=v@example.com\n',
    );
    expect(await filesIn(at.mapDirectory)).toEqual(['.reload-needed', 'decode', 'transport.lmdb']);
    for (const [name, mode] of [
      ['.', 0o755],
      ['decode', 0o644],
      ['transport.lmdb', 0o644],
    ] as const) {
      expect((await stat(join(at.mapDirectory, name))).mode & 0o777, name).toBe(mode);
    }
  });

  it.each(typesHere)('does not write equal content again, over a restart either: %s', async (type) => {
    const at = await workshop();
    const file = `transport${{ lmdb: '.lmdb', cdb: '.cdb', hash: '.db', texthash: '' }[type]}`;
    const first = await writerIn(at, { type });
    const map = indexed('transport', { 'example.com': route, 'example.net': other });
    await first.publish([map]);
    const identity = await identityOf(at, file);
    const again = await first.publish([map]);
    expect(again.maps[0]?.status).toBe(type === 'texthash' ? 'saved-not-yet-live' : 'unchanged');
    await first.stop();
    const second = await writerIn(at, { type });
    const after = await second.publish([map]);
    expect(after.maps[0]?.status).toBe(type === 'texthash' ? 'saved-not-yet-live' : 'unchanged');
    expect(await identityOf(at, file)).toBe(identity);
    await second.publish([indexed('transport', { 'example.com': other, 'example.net': other })]);
    expect(await identityOf(at, file)).not.toBe(identity);
    expect((await ask(at, 'example.com', second.table('transport', 'indexed'))).stdout).toBe(`${other}\n`);
  });

  it('makes a table anew that somebody removed or damaged', async () => {
    const at = await workshop();
    const writer = await writerIn(at, { type: 'lmdb' });
    const map = indexed('transport', { 'example.com': route });
    await writer.publish([map]);
    const table = writer.table('transport', 'indexed');
    for (const damage of [
      () => rm(`${at.mapDirectory}/transport.lmdb`),
      () => writeFile(`${at.mapDirectory}/transport.lmdb`, ''),
    ]) {
      await damage();
      expect((await ask(at, 'example.com', table)).code).toBe(1);
      expect((await writer.publish([map])).maps[0]?.status).toBe('live');
      expect((await ask(at, 'example.com', table)).stdout).toBe(`${route}\n`);
    }
  });

  it.each(typesHere)('MAP-04 an empty map is a valid empty table: %s', async (type) => {
    const at = await workshop();
    const writer = await writerIn(at, { type });
    const table = writer.table('transport', 'indexed');
    await writer.publish([indexed('transport', { 'example.com': route })]);
    expect((await ask(at, 'example.com', table)).code).toBe(0);
    const { maps } = await writer.publish([
      indexed('transport', {}),
      indexed('never-filled', {}),
      regexp('decode', []),
    ]);
    expect(maps.map(({ status }) => status)).not.toContain('failed');
    for (const empty of [table, writer.table('never-filled', 'indexed'), writer.table('decode', 'regexp')]) {
      const { code, stdout, stderr } = await ask(at, 'example.com', empty);
      expect({ empty, code, stdout, stderr }).toEqual({ empty, code: 1, stdout: '', stderr: '' });
    }
  });

  it('MAP-05 a warning of postmap makes the writing fail although its exit code is 0: the old table stays', async () => {
    const at = await workshop();
    const writer = await writerIn(at, { type: 'hash' });
    const table = writer.table('transport', 'indexed');
    await writer.publish([indexed('transport', { 'example.com': route })]);
    await wrapPostmap(
      'case " $* " in *" -q "*|*" -s "*) ;; *) echo "postmap: warning: /x, line 2: duplicate entry" >&2 ;; esac',
    );
    const { maps } = await writer.publish([indexed('transport', { 'example.com': other })]);
    expect(maps[0]).toMatchObject({ status: 'failed', reason: 'postmap: warning: /x, line 2: duplicate entry' });
    expect(writer.state().isLive).toBe(false);
    expect((await ask(at, 'example.com', table)).stdout).toBe(`${route}\n`);
    expect(await filesIn(at.mapDirectory)).toEqual(['transport.db']);
    expect(at.log.messages('error')).toEqual(['map not written, the old one stays']);
  });

  it('MAP-05 a pattern that Postfix does not take makes the writing of that map fail, and of no other', async () => {
    const at = await workshop();
    const writer = await writerIn(at, { type: 'lmdb' });
    await writer.publish([regexp('decode', [{ key: '^a$', value: 'b' }])]);
    const { maps } = await writer.publish([
      regexp('decode', [{ key: '^a(', value: 'b' }]),
      regexp('groups', [{ key: '^a$', value: '$1' }]),
      indexed('transport', { 'example.com': route }),
    ]);
    expect(maps.map(({ status }) => status)).toEqual(['failed', 'failed', 'live']);
    expect(maps[0]?.reason).toContain('Unmatched (');
    expect(maps[1]?.reason).toContain('out of range replacement index');
    expect((await ask(at, 'a', writer.table('decode', 'regexp'))).stdout).toBe('b\n');
    expect((await readdir(at.mapDirectory)).filter((name) => name.startsWith('.postern-'))).toEqual(['.postern-maps']);
  });

  it.each([
    ['another value', 'case " $* " in *" -q "*) echo "example.com	discard:" ;; esac', 'gave "example.com\\tdiscard:'],
    ['no value', 'exit 1', 'gave nothing'],
  ])('MAP-05 a line that reads back as %s makes the writing fail', async (_, instead, reason) => {
    const at = await workshop();
    const writer = await writerIn(at, { type: 'lmdb' });
    const directory = await temporaryDirectory();
    const fake = `#!/bin/sh\ncase " $* " in *" -q "*) cat >/dev/null; ${instead} ;; *) exec /usr/sbin/postmap "$@" ;; esac\n`;
    await writeFile(join(directory, 'postmap'), fake, { mode: 0o755 });
    const before = process.env['PATH'];
    process.env['PATH'] = `${directory}:${before ?? ''}`;
    onTestFinished(() => {
      process.env['PATH'] = before;
    });
    const { maps } = await writer.publish([indexed('transport', { 'example.com': route })]);
    expect(maps[0]?.status).toBe('failed');
    expect(maps[0]?.reason).toContain(reason);
    expect(await filesIn(at.mapDirectory)).toEqual([]);
  });

  it('MAP-05 a sample that an earlier pattern catches makes the writing fail', async () => {
    const at = await workshop();
    const writer = await writerIn(at);
    const lines = [
      { key: '^(.*)=(.*)@r$', value: '$1@$2' },
      { key: '^"(.*)=(.*)"@r$', value: '"$1"@$2' },
    ];
    const { maps } = await writer.publish([regexp('decode', lines, [{ key: '"a b=c"@r', value: '"a b"@c' }])]);
    expect(maps[0]?.reason).toContain('for "a b=c"@r gave');
    const right = await writer.publish([regexp('decode', lines.reverse(), [{ key: '"a b=c"@r', value: '"a b"@c' }])]);
    expect(right.maps[0]?.status).toBe('saved-not-yet-live');
  });

  it('MAP-05 a repeated parameter in main.cf is no fault of a map', async () => {
    const at = await workshop('myhostname = a.test\nmyhostname = b.test\n');
    const writer = await writerIn(at, { type: 'lmdb' });
    const { maps } = await writer.publish([indexed('transport', { 'example.com': route })]);
    expect(maps[0]).toMatchObject({ status: 'live', reason: null });
    expect((await ask(at, 'example.com', writer.table('transport', 'indexed'))).stderr).toContain(
      'overriding earlier entry',
    );
  });

  it.each([
    ['x\n* discard:', route],
    [' leading', route],
    ['#c', route],
    ['a b', route],
    ['example.com', 'postern:[relay.example.net]:25 #]:25'],
    ['example.com', 'x:y\n* discard:'],
  ])('MAP-06 an entry that would become another line is never written: %j %j', async (key, value) => {
    const at = await workshop();
    const writer = await writerIn(at, { type: 'texthash' });
    await writer.publish([indexed('transport', { 'example.org': route })]);
    const text = await readFile(join(at.mapDirectory, 'transport'), 'utf8');
    const { maps } = await writer.publish([indexed('transport', { 'example.org': other, [key]: value })]);
    expect(maps[0]?.status).toBe('failed');
    expect(await readFile(join(at.mapDirectory, 'transport'), 'utf8')).toBe(text);
    expect((await ask(at, 'anything', writer.table('transport', 'indexed'))).code).toBe(1);
  });

  it('tries again by itself after a failure that may pass', async () => {
    const at = await workshop();
    const writer = await writerIn(at, { type: 'lmdb' });
    await wrapPostmap(`[ -e ${at.configDirectory}/fixed ] || echo "postmap: fatal: disk full" >&2`);
    const { maps } = await writer.publish([indexed('transport', { 'example.com': route })]);
    expect(maps[0]).toMatchObject({ status: 'failed', reason: 'postmap: fatal: disk full' });
    await writeFile(join(at.configDirectory, 'fixed'), '');
    await waitFor('the map', () => (writer.state().isLive ? true : undefined));
    expect((await ask(at, 'example.com', writer.table('transport', 'indexed'))).stdout).toBe(`${route}\n`);
    expect(at.log.messages('error')).toHaveLength(1);
  });

  it('says so where Postfix is gone', async () => {
    const at = await workshop();
    const writer = await writerIn(at, { type: 'lmdb' });
    await rm(join(at.configDirectory, 'main.cf'));
    const { maps } = await writer.publish([indexed('transport', { 'example.com': route })]);
    expect(maps[0]?.status).toBe('failed');
    expect(maps[0]?.reason).toBe(`postmap: fatal: open ${at.configDirectory}/main.cf: No such file or directory`);
  });

  it('refuses names that are none of a map, and two maps of one name', async () => {
    const at = await workshop();
    const writer = await writerIn(at, { type: 'lmdb' });
    const names = ['../etc', 'a/b', '.postern-maps', 'A', '', 'a.b', 'a'.repeat(65)];
    const { maps } = await writer.publish(names.map((name) => indexed(name, {})));
    expect(maps.map(({ status }) => status)).toEqual(names.map(() => 'failed'));
    const twice = await writer.publish([indexed('a', { b: 'c:d' }), indexed('a', {})]);
    expect(twice.maps.at(-1)?.reason).toContain('published twice');
    expect(await filesIn(at.mapDirectory)).toEqual(['a.lmdb']);
  });
});

describe('MAP-10', () => {
  it('MAP-10 a directory with other files in it is refused, and nothing in it is touched', async () => {
    const at = await workshop();
    await mkdir(at.mapDirectory);
    await writeFile(join(at.mapDirectory, 'transport'), 'example.com smtp:[192.0.2.1]\n');
    await expect(writerIn(at)).rejects.toMatchObject({
      code: 'POSTERN_WOULD_OVERWRITE',
      message: expect.stringContaining('was not made by Postern: it holds transport') as string,
    });
    expect(await readdir(at.mapDirectory)).toEqual(['transport']);
  });

  it('MAP-10 a hand-made map in Postern’s directory is neither overwritten nor removed', async () => {
    const at = await workshop();
    const first = await writerIn(at, { type: 'lmdb' });
    await first.publish([indexed('ours', { 'example.com': route })]);
    await writeFile(join(at.mapDirectory, 'transport.lmdb'), 'by hand');
    await writeFile(join(at.mapDirectory, 'notes'), 'by hand');
    await symlink('/etc/hostname', join(at.mapDirectory, 'linked.lmdb'));
    const second = await writerIn(at, { type: 'lmdb' });
    const { maps } = await second.publish([
      indexed('transport', { 'example.com': route }),
      indexed('linked', {}),
      indexed('ours', { 'example.com': other }),
    ]);
    expect(maps.map(({ status }) => status)).toEqual(['failed', 'failed', 'live']);
    expect(maps[0]?.reason).toContain('was not made by Postern; move it away');
    expect(maps[1]?.reason).toContain('is no ordinary file');
    expect(await readFile(join(at.mapDirectory, 'transport.lmdb'), 'utf8')).toBe('by hand');
    expect(await readFile(join(at.mapDirectory, 'notes'), 'utf8')).toBe('by hand');
    expect((await lstat(join(at.mapDirectory, 'linked.lmdb'))).isSymbolicLink()).toBe(true);
  });

  it('MAP-10 an empty directory is taken, a file or a directory that others can write is not', async () => {
    const at = await workshop();
    await mkdir(at.mapDirectory, { mode: 0o700 });
    await writerIn(at);
    expect((await stat(at.mapDirectory)).mode & 0o777).toBe(0o755);
    await chmod(at.mapDirectory, 0o777);
    await expect(writerIn(at)).rejects.toThrow('can be written by others');
    await rm(at.mapDirectory, { recursive: true });
    await writeFile(at.mapDirectory, '');
    await expect(writerIn(at)).rejects.toThrow('is no directory');
  });

  it.each(['relative/maps', '/var/lib/two words', '/a,b', '/a$b', '/a\nb', '/{a}'])(
    'MAP-10 a directory that main.cf cannot name is refused: %j',
    async (directory) => {
      const at = await workshop();
      await expect(writerIn(at, { directory })).rejects.toMatchObject({ code: 'POSTERN_OPERATOR_FILE_INVALID' });
    },
  );

  it('MAP-10 leftovers of a killed writer are removed at the next start, other files are not', async () => {
    const at = await workshop();
    const first = await writerIn(at, { type: 'lmdb' });
    await first.publish([indexed('transport', { 'example.com': route })]);
    const dead = spawnSync('true').pid;
    const leftovers = ['.postern-PID-1-transport', '.postern-PID-1-transport.lmdb', '__db..postern-PID-1-transport.db'];
    // Files of people, and of a Postern that still runs.
    const others = ['.postern-notes', '.hidden', 'transport.lmdb.orig', `.postern-${process.ppid}-1-transport`];
    for (const name of [...leftovers.map((file) => file.replace('PID', String(dead))), ...others])
      await writeFile(join(at.mapDirectory, name), 'x');
    await writerIn(at, { type: 'lmdb' });
    expect(await filesIn(at.mapDirectory)).toEqual([...others, 'transport.lmdb'].sort());
  });
});
