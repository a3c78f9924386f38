import { execFile } from 'node:child_process';
import { access, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const run = promisify(execFile);
const root = join(import.meta.dirname, '../../..');
/** The node that runs this test: 24, as in an empty folder on a machine that has Node 24. */
const env = { ...process.env, PATH: `${dirname(process.execPath)}:${process.env['PATH'] ?? ''}` };

describe('the package', () => {
  let folder = '';
  let files: string[] = [];
  const postern = (...args: string[]): Promise<{ stdout: string; stderr: string }> =>
    run(join(folder, 'node_modules/.bin/postern'), args, { cwd: folder, env });

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'postern-package-'));
    const { stdout } = await run('npm', ['pack', '--json', '--pack-destination', folder], { cwd: root, env });
    const [packed] = JSON.parse(stdout.slice(stdout.indexOf('['))) as [{ filename: string; files: { path: string }[] }];
    files = packed.files.map(({ path }) => path);
    await writeFile(join(folder, 'package.json'), '{ "private": true }\n');
    await run('npm', ['install', '--omit=dev', '--no-audit', '--no-fund', `./${packed.filename}`], {
      cwd: folder,
      env,
    });
  });

  afterAll(() => rm(folder, { recursive: true, force: true }));

  it('holds the program, the Postfix fragments and the manual, and nothing else', () => {
    expect(files).toContain('dist/cli.js');
    expect(files).toContain('README.md');
    expect(files).toContain('LICENSE');
    expect(files.filter((file) => !/^(dist\/.*\.js|postfix\/.*|package\.json|[A-Z]+(\.md)?)$/.test(file))).toEqual([]);
  });

  it('installs into an empty folder without development dependencies, and postern runs there', async () => {
    const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { version: string };
    expect((await postern('--version')).stdout.trim()).toBe(version);
    await expect(access(join(folder, 'node_modules/typescript'))).rejects.toThrow();
    await postern('init', 'here');
    expect((await postern('check', '-c', 'here/postern.yaml')).stdout).toContain('1 own domain');
  });
});
