import type { execFile as ExecFile } from 'node:child_process';
import { expect, it, vi } from 'vitest';
import { readPostfix } from '../../../src/adapters/postfix-control/index.ts';

// Postfix's usual places are searched whatever PATH says, so its absence can only be played.
vi.mock('node:child_process', async (original) => ({
  ...(await original<{ execFile: typeof ExecFile }>()),
  execFile: (_file: string, _args: unknown, _options: unknown, done: (error: Error) => void): void => {
    done(Object.assign(new Error('spawn postconf ENOENT'), { code: 'ENOENT', syscall: 'spawn postconf' }));
  },
}));

it('no postconf command is null: there is no Postfix at hand', async () => {
  expect(await readPostfix('/etc/postfix')).toBeNull();
});
