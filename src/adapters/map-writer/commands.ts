/**
 * Postfix's own commands, as the map writer uses them: make a table, ask it, list it; look at the master, reload it.
 * A warning counts as a failure, because postmap goes on after one with exit code 0. Never changes main.cf.
 * Source: Postfix postmap(1), postconf(1), postfix(1).
 */
import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';

/** Debian keeps Postfix's commands where an ordinary user's PATH does not look. */
const searchPath = (): string => [process.env['PATH'] ?? '', '/usr/sbin', '/sbin', '/usr/local/sbin'].join(delimiter);
/** A million lines take postmap four seconds. */
const COMMAND_TIMEOUT_MS = 60_000;
const COMPLAINT_LENGTH = 500;

type Finished = { readonly code: number | null; readonly stdout: string; readonly stderr: string };

/** The commands for one configuration of Postfix. Errors of each: an Error that says what the command said. */
export type PostfixCommands = {
  /** Makes the indexed table of a text file, beside it, with the suffix of its type. */
  build(type: string, path: string): Promise<void>;
  /** The `key<TAB>value` lines that a table gives for these keys, in their order, without those it does not have. */
  lookUp(table: string, keys: readonly string[]): Promise<string[]>;
  /** All `key<TAB>value` lines of an indexed table, in any order. */
  list(table: string): Promise<string[]>;
  /** Null where this process may not know: only root can read the process id. */
  isRunning(): Promise<boolean | null>;
  reload(): Promise<void>;
};

/** The commands, each told where the configuration lies. */
export function postfixCommands(configDirectory: string, queueDirectory: string): PostfixCommands {
  const postmap = async (args: readonly string[], mayFindNothing: boolean, input = ''): Promise<string> => {
    const { code, stdout, stderr } = await run('postmap', ['-c', configDirectory, ...args], input);
    const complaints = aboutTables(stderr);
    if (complaints !== '') throw new Error(complaints);
    if (code !== 0 && !(code === 1 && mayFindNothing)) throw new Error(`postmap ended with ${exitText(code)}`);
    return stdout;
  };
  return {
    build: async (type, path) => {
      await postmap([`${type}:${path}`], false);
    },
    lookUp: async (table, keys) =>
      linesOf(await postmap(['-q', '-', table], true, keys.map((key) => `${key}\n`).join(''))),
    list: async (table) => linesOf(await postmap(['-s', table], false)),
    isRunning: () => isMasterRunning(queueDirectory),
    reload: async () => {
      // As another user the command ends with 1 and says nothing.
      if (process.getuid?.() !== 0) throw new Error('only root can reload Postfix: run `postfix reload`');
      const { code, stderr } = await run('postfix', ['-c', configDirectory, 'reload']);
      if (code !== 0) throw new Error(shorten(stderr) || `postfix reload ended with ${exitText(code)}`);
    },
  };
}

/** Why a table of ours does not answer for a key that it always holds; null where it does. */
export async function faultOfTable(configDirectory: string, table: string, key: string): Promise<string | null> {
  try {
    const found = await postfixCommands(configDirectory, '').lookUp(table, [key]);
    return found.length === 1 ? null : `it does not know ${key}`;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/**
 * By the process id that master(8) leaves, not by `postfix status`: that one takes master's lock for a moment, and a
 * `postfix start` in this moment fails (seen on 3.7); it also writes a log line each time.
 */
async function isMasterRunning(queueDirectory: string): Promise<boolean | null> {
  try {
    const pid = Number((await readFile(join(queueDirectory, 'pid', 'master.pid'), 'utf8')).trim());
    if (!Number.isInteger(pid) || pid <= 1) return false;
    // Another process may have this number since; a dead one keeps it until its parent looks, in a container perhaps never.
    const status = await readFile(`/proc/${pid}/stat`, 'latin1').catch(() => null);
    if (status !== null) return /^\d+ \(master\) [^ZX]/.test(status);
    // Without /proc the number must do.
    process.kill(pid, 0);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EACCES') return null;
    if (code === 'EPERM') return true;
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'ESRCH') return false;
    throw error;
  }
}

/** The table types that this Postfix knows. Errors: an Error that says what postconf said. Source: postconf(1), `-m`. */
export async function readMapTypes(configDirectory: string): Promise<readonly string[]> {
  const { code, stdout, stderr } = await run('postconf', ['-c', configDirectory, '-m']);
  if (code !== 0) throw new Error(shorten(stderr) || `postconf -m ended with ${exitText(code)}`);
  return linesOf(stdout);
}

function run(command: string, args: readonly string[], input = ''): Promise<Finished> {
  return new Promise((resolve, reject) => {
    // What they say is looked at, so it must not come in another language.
    const env = { ...process.env, PATH: searchPath(), LC_ALL: 'C' };
    const child = spawn(command, args, { env, timeout: COMMAND_TIMEOUT_MS, killSignal: 'SIGKILL' });
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
    child.once('error', (error) => {
      const why = (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'there is no such command' : error.message;
      reject(new Error(`${command}: ${why}`, { cause: error }));
    });
    child.once('close', (code) => {
      resolve({ code, stdout: Buffer.concat(stdout).toString(), stderr: Buffer.concat(stderr).toString() });
    });
    // A command that ends before it has read all breaks the pipe; its exit code and its words say why.
    child.stdin.on('error', () => undefined);
    child.stdin.end(input);
  });
}

/** A repeated parameter in main.cf is the operator's affair: it must not keep every map from being written. */
function aboutTables(stderr: string): string {
  const lines = stderr.split('\n').filter((line) => !/^postmap: warning: \S*\/main\.cf[,:] /.test(line));
  return shorten(lines.join('\n'));
}

const shorten = (text: string): string => text.trim().replaceAll('\n', '; ').slice(0, COMPLAINT_LENGTH);

const exitText = (code: number | null): string => (code === null ? 'a signal (too slow?)' : `exit code ${code}`);

const linesOf = (text: string): string[] => text.split('\n').filter((line) => line !== '');
