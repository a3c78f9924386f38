/**
 * Runs one of Postfix's own commands and gives what it said. Decides nothing.
 * Source: postconf(1), postfix(1), postmap(1).
 */
import { execFile, spawn } from 'node:child_process';
import { delimiter } from 'node:path';
import { PosternError } from '../../services/index.ts';

const TIMEOUT_MS = 60_000;
const MAX_OUTPUT_BYTES = 256 * 1024 * 1024;
/** Debian keeps Postfix's commands where an ordinary user's PATH does not look. */
const SEARCH_PATH = [process.env['PATH'] ?? '', '/usr/sbin', '/sbin', '/usr/local/sbin'].join(delimiter);

/** What a command said. `code` is null where there is no such command. */
export type CommandResult = { readonly code: number | null; readonly stdout: string; readonly stderr: string };

/** What a command reads, and what is added to its environment. */
export type CommandInput = {
  readonly stdin?: string;
  readonly environment?: Readonly<Record<string, string>>;
  /** A minute unless given. */
  readonly timeoutMs?: number;
};

/** Runs a command to its end. Errors: PosternError where it takes too long or cannot be run. */
export async function runPostfixCommand(
  command: string,
  args: readonly string[],
  { stdin, environment, timeoutMs = TIMEOUT_MS }: CommandInput = {},
): Promise<CommandResult> {
  return new Promise((resolve, reject) => {
    const options = {
      // What commands say is looked at, so it must not come in another language.
      env: { ...process.env, ...environment, PATH: SEARCH_PATH, LC_ALL: 'C' },
      timeout: timeoutMs,
      maxBuffer: MAX_OUTPUT_BYTES,
    };
    const child = execFile(command, [...args], options, (error, stdout, stderr) => {
      const code = error === null ? 0 : error.code;
      if (code === 'ENOENT') resolve({ code: null, stdout: '', stderr: '' });
      else if (typeof code === 'number') resolve({ code, stdout, stderr });
      else {
        const message = `${command} did not come to an end: ${error?.message ?? ''}`;
        reject(new PosternError('POSTERN_POSTFIX_UNREADABLE', message, { cause: error }));
      }
    });
    if (stdin === undefined) return;
    // A command that fails early does not read its input: the pipe then breaks, and its exit code says why.
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(stdin);
  });
}

/** How a command is followed while it runs. */
export type StreamInput = {
  /** What it writes, piece by piece. */
  readonly onOutput: (chunk: Buffer) => void;
  readonly timeoutMs: number;
  /** Ends the command. */
  readonly end: AbortSignal;
};

/** How much of what a command complains about is kept. */
const MOST_COMPLAINTS = 4096;

/**
 * Runs a command whose output may be long; nothing of it is kept. Gives its exit code and its complaints.
 * Errors: PosternError where it takes too long, is ended, or cannot be run; what `onOutput` throws.
 */
export async function streamPostfixCommand(
  command: string,
  args: readonly string[],
  { onOutput, timeoutMs, end }: StreamInput,
): Promise<Omit<CommandResult, 'stdout'>> {
  return new Promise((resolve, reject) => {
    const fail = (error: Error): void => {
      const message = `${command} did not come to an end: ${error.message}`;
      reject(new PosternError('POSTERN_POSTFIX_UNREADABLE', message, { cause: error }));
    };
    const child = spawn(command, [...args], {
      env: { ...process.env, PATH: SEARCH_PATH, LC_ALL: 'C' },
      stdio: ['ignore', 'pipe', 'pipe'],
      signal: end,
      killSignal: 'SIGKILL',
    });
    let stderr = '';
    const timer = setTimeout(() => {
      fail(new Error(`it took more than ${timeoutMs / 1000} s`));
      child.kill('SIGKILL');
    }, timeoutMs);
    child.stdout.on('data', (chunk: Buffer) => {
      try {
        onOutput(chunk);
      } catch (error) {
        reject(error instanceof Error ? error : new Error(String(error)));
        child.kill('SIGKILL');
      }
    });
    child.stderr.on('data', (chunk: Buffer) => {
      if (stderr.length < MOST_COMPLAINTS) stderr += chunk.toString('utf8');
    });
    child.on('error', (error: NodeJS.ErrnoException) => {
      clearTimeout(timer);
      if (error.code === 'ENOENT') resolve({ code: null, stderr: '' });
      else fail(error);
    });
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      if (code === null) fail(new Error(`it was ended by ${signal ?? 'a signal'}`));
      else resolve({ code, stderr });
    });
  });
}
