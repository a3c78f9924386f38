/** Whether Postfix runs, by the process id that master(8) leaves in its queue. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished, vi } from 'vitest';
import { postfixCommands } from '../../../src/adapters/map-writer/commands.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

/** What happens just before somebody reads about a process in /proc. */
const beforeProc = vi.hoisted(() => ({ run: () => Promise.resolve() }));

vi.mock('node:fs/promises', async (original) => {
  const real = await original<typeof import('node:fs/promises')>();
  const readFile = async (path: string, options: BufferEncoding): Promise<string> => {
    if (path.startsWith('/proc/')) await beforeProc.run();
    return real.readFile(path, options);
  };
  return { ...real, readFile };
});

/** A process named master, and the commands of a Postfix whose queue names it. */
async function aMaster(): Promise<{ child: ChildProcess; isRunning: () => Promise<boolean | null>; pidFile: string }> {
  const directory = await temporaryDirectory();
  const program = join(directory, 'master');
  await copyFile('/bin/sleep', program);
  await mkdir(join(directory, 'pid'));
  const child = spawn(program, ['60'], { stdio: 'ignore' });
  onTestFinished(() => {
    child.kill('SIGKILL');
    beforeProc.run = () => Promise.resolve();
  });
  await once(child, 'spawn');
  const pidFile = join(directory, 'pid', 'master.pid');
  await writeFile(pidFile, `${String(child.pid).padStart(11)}\n`);
  return { child, pidFile, isRunning: () => postfixCommands('/nowhere', directory).isRunning() };
}

async function end(child: ChildProcess): Promise<void> {
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
}

it('is running while it lives, not when it has ended, nor when another process has its number', async () => {
  const { child, isRunning, pidFile } = await aMaster();
  expect(await isRunning()).toBe(true);
  await end(child);
  expect(await isRunning()).toBe(false);
  await writeFile(pidFile, `${process.pid}\n`);
  expect(await isRunning()).toBe(false);
});

it('a master that ends while it is looked at does not run', async () => {
  const { child, isRunning } = await aMaster();
  beforeProc.run = () => end(child);
  expect(await isRunning()).toBe(false);
});
