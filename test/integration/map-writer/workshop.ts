/** A directory for maps beside a Postfix configuration of its own, and map writers on it that end with the test. */
import { execFile } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { onTestFinished } from 'vitest';
import { createMapWriter, readMapTypes, type MapWriterOptions } from '../../../src/adapters/map-writer/index.ts';
import type { Clock, MapWriter, TableType } from '../../../src/services/index.ts';
import type { MapFile, TableEntry } from '../../../src/wire/postfix-map/index.ts';
import { FakeLog } from '../../support/fake-log.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const run = promisify(execFile);
const programPath = `${process.env.PATH ?? ''}:/usr/sbin:/sbin`;

/** Postfix writes, reads and notices without delay; the times of the real thing are tested on a real Postfix. */
export const quick = { gatherMs: 0, noticeMs: 0, afterReloadMs: 0, reloadEveryMs: 10_000, retryMs: 200 };

export const clock: Clock = { now: () => Date.now() };

export interface Workshop {
  readonly configDirectory: string;
  readonly queueDirectory: string;
  readonly mapDirectory: string;
  readonly log: FakeLog;
  readonly mapTypes: readonly string[];
}

/** A workshop whose map directory does not exist yet. */
export async function workshop(mainCf = ''): Promise<Workshop> {
  const directory = await temporaryDirectory();
  await chmod(directory, 0o755);
  const configDirectory = join(directory, 'etc');
  await mkdir(configDirectory);
  const queueDirectory = join(directory, 'queue');
  const file = join(configDirectory, 'main.cf');
  // The queue is none of the machine's Postfix: whether that runs must not matter.
  await writeFile(file, `compatibility_level = 3.6\nqueue_directory = ${queueDirectory}\n${mainCf}`);
  // Postfix's programs wait, each of them seconds, for a main.cf that was changed just now to settle.
  const settled = new Date(Date.now() - 3_600_000);
  await utimes(file, settled, settled);
  const mapTypes = await readMapTypes(configDirectory);
  return { configDirectory, queueDirectory, mapDirectory: join(directory, 'maps'), log: new FakeLog(), mapTypes };
}

export async function writerIn(at: Workshop, changes: Partial<MapWriterOptions> = {}): Promise<MapWriter> {
  const writer = await createMapWriter({
    directory: at.mapDirectory,
    type: 'auto',
    postfix: { ...at, defaultDatabaseType: 'lmdb' },
    log: at.log,
    clock,
    timing: quick,
    ...changes,
  });
  onTestFinished(() => writer.stop());
  return writer;
}

/** The types of indexed tables that this machine's Postfix has. */
export const typesHere: readonly TableType[] = await (async () => {
  // A configuration of its own: a machine without a mail system has no main.cf of its own.
  const configDirectory = await mkdtemp(join(tmpdir(), 'postern-types-'));
  await writeFile(join(configDirectory, 'main.cf'), 'compatibility_level = 3.6\n');
  await writeFile(join(configDirectory, 'master.cf'), '');
  const { stdout } = await run('postconf', ['-c', configDirectory, '-m'], {
    env: { ...process.env, PATH: programPath },
  }).finally(() => rm(configDirectory, { recursive: true, force: true }));
  const here = stdout.split('\n');
  return (['lmdb', 'cdb', 'hash', 'texthash'] as const).filter((type) => here.includes(type));
})();

export const indexed = (name: string, entries: Readonly<Record<string, string>>): MapFile => ({
  name,
  kind: 'indexed',
  entries: Object.entries(entries).map(([key, value]) => ({ key, value })),
});

export const regexp = (name: string, entries: readonly TableEntry[], samples: readonly TableEntry[] = []): MapFile => ({
  name,
  kind: 'regexp',
  entries,
  samples,
});

export interface Answer {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** `postmap -q KEY TABLE`, as an operator types it. */
export async function ask(at: Pick<Workshop, 'configDirectory'>, key: string, table: string): Promise<Answer> {
  const args = ['-c', at.configDirectory, '-q', key, table];
  return run('postmap', args, { env: { ...process.env, PATH: programPath } }).then(
    (done) => ({ code: 0, ...done }),
    (error: unknown) => error as Answer,
  );
}

/** The names in a directory, those of the writer's own record and lock left out. */
export async function filesIn(directory: string): Promise<readonly string[]> {
  return (await readdir(directory)).filter((name) => name !== '.postern-maps').sort();
}

/** `postmap -q - TABLE` with all keys on its standard input. */
export async function lookUpAll(
  at: Pick<Workshop, 'configDirectory'>,
  keys: readonly string[],
  table: string,
): Promise<Answer> {
  const args = ['-c', at.configDirectory, '-q', '-', table];
  const asking = run('postmap', args, { env: { ...process.env, PATH: programPath }, maxBuffer: 64 * 1024 * 1024 });
  asking.child.stdin?.end(keys.map((key) => `${key}\n`).join(''));
  return asking.then(
    (done) => ({ code: 0, ...done }),
    (error: unknown) => error as Answer,
  );
}
