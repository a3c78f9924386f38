/** The configuration directories of test/fixtures/postfix, each copied for one test, with a queue of its own. */
import { execFile } from 'node:child_process';
import { cp, mkdir, readFile, utimes, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const run = promisify(execFile);

export const FIXTURES = ['debian-default', 'virtual-mailbox', 'relay-gateway', 'submission'] as const;

export type Configuration = {
  /** Holds `etc`, `queue` and `data`. */
  readonly root: string;
  readonly configDirectory: string;
  readonly read: () => Promise<{ main: string; master: string }>;
  readonly write: (file: 'main' | 'master', text: string) => Promise<void>;
  /** Dates the files back: Postfix's commands wait for files that were changed just now to settle. */
  readonly settle: () => Promise<void>;
  /** `postconf -c DIR ARGS…`: its lines as parameters with their values. */
  readonly postconf: (...args: readonly string[]) => Promise<Map<string, string>>;
};

/** A copy of a fixture. Only the places of queue and data are added, at the top. */
export async function fixture(name: (typeof FIXTURES)[number]): Promise<Configuration> {
  const root = await temporaryDirectory();
  const configDirectory = join(root, 'etc');
  await cp(join(import.meta.dirname, '../../fixtures/postfix', name), configDirectory, { recursive: true });
  for (const directory of ['queue', 'data']) await mkdir(join(root, directory));
  const path = (file: 'main' | 'master'): string => join(configDirectory, `${file}.cf`);
  const settle = async (): Promise<void> => {
    for (const file of ['main', 'master'] as const) await utimes(path(file), 0, 0);
  };
  const write = async (file: 'main' | 'master', text: string): Promise<void> => {
    await writeFile(path(file), text, 'latin1');
    await settle();
  };
  const read = async (): Promise<{ main: string; master: string }> => ({
    main: await readFile(path('main'), 'latin1'),
    master: await readFile(path('master'), 'latin1'),
  });
  await write('main', `queue_directory = ${root}/queue\ndata_directory = ${root}/data\n${(await read()).main}`);
  await settle();
  const postconf = async (...args: readonly string[]): Promise<Map<string, string>> => {
    const environment = { ...process.env, PATH: [process.env['PATH'], '/usr/sbin'].join(delimiter) };
    const { stdout } = await run('postconf', ['-c', configDirectory, ...args], { env: environment });
    const lines = stdout.split('\n').map((line) => /^(\S+) =(?: (.*))?$/.exec(line));
    return new Map(lines.flatMap((match) => (match?.[1] === undefined ? [] : [[match[1], match[2] ?? '']])));
  };
  return { root, configDirectory, read, write, settle, postconf };
}
