/** Runs `postern …` as a process of its own, from the source, in a directory of the test. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';

const entry = join(import.meta.dirname, '../../src/cli.ts');

export type CliResult = { readonly code: number | null; readonly stdout: string; readonly stderr: string };
export type CliOptions = {
  readonly cwd: string;
  /** What the command reads; nothing unless given. */
  readonly stdin?: string | Buffer;
  readonly env?: Readonly<Record<string, string>>;
};

/** The exit code is null where a signal ended it. */
export async function runCli(args: readonly string[], { cwd, stdin = '', env = {} }: CliOptions): Promise<CliResult> {
  const child = spawn(process.execPath, [entry, ...args], { cwd, env: { ...process.env, ...env } });
  // A command that refuses early does not read its input: the pipe then breaks, and that is no fault.
  child.stdin.on('error', () => undefined);
  child.stdin.end(stdin);
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close') as Promise<[number | null]>,
  ]);
  return { code, stdout, stderr };
}
