/**
 * Runs `postern …` inside this process: what a command says and does, without the cost of a process for each case.
 * That a process of its own says and does the same, and comes to its end, is tested with runCli.
 */
import { Readable, Writable } from 'node:stream';
import { runCommandLine } from '../../../src/app/cli/program.ts';
import type { CliResult } from '../../support/run-cli.ts';

/** A stream that keeps what is written to it. */
class Kept extends Writable {
  readonly chunks: Buffer[] = [];

  override _write(chunk: Buffer, _: BufferEncoding, done: () => void): void {
    this.chunks.push(chunk);
    done();
  }

  get text(): string {
    return Buffer.concat(this.chunks).toString();
  }
}

/** What a command sees of its process, replaced; gives how to put it back. */
function replace(streams: Readonly<Record<'stdin' | 'stdout' | 'stderr', unknown>>, cwd: string): () => void {
  const before = { cwd: process.cwd(), exitCode: process.exitCode };
  const descriptors = Object.keys(streams).map(
    (name) => [name, Object.getOwnPropertyDescriptor(process, name)] as const,
  );
  for (const [name, value] of Object.entries(streams)) {
    Object.defineProperty(process, name, { value, configurable: true, enumerable: true });
  }
  process.exitCode = undefined;
  process.chdir(cwd);
  return () => {
    process.chdir(before.cwd);
    process.exitCode = before.exitCode;
    for (const [name, descriptor] of descriptors) {
      if (descriptor !== undefined) Object.defineProperty(process, name, descriptor);
    }
  };
}

let isRunning = false;

/** Errors: what would end the process with a stack trace; another command runs here already. */
export async function runInProcess(
  args: readonly string[],
  { cwd, stdin }: { readonly cwd: string; readonly stdin: string | Buffer },
): Promise<CliResult> {
  if (isRunning) throw new Error('one command at a time; use processes for more');
  isRunning = true;
  const [stdout, stderr] = [new Kept(), new Kept()];
  const putBack = replace({ stdin: Readable.from([Buffer.from(stdin)]), stdout, stderr }, cwd);
  try {
    await runCommandLine(args, '0.0.0-test');
    return { code: Number(process.exitCode ?? 0), stdout: stdout.text, stderr: stderr.text };
  } finally {
    putBack();
    isRunning = false;
  }
}
