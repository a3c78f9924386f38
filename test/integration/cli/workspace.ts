/** A directory with both files and no Postfix beside it, and `postern` run in it. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runCli, type CliResult } from '../../support/run-cli.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { runInProcess } from './in-process.ts';

export const OPERATOR = `settings: settings.yaml
postfix: { configDirectory: ./no-postfix }
`;

export const SETTINGS = `# Settings of the tests.
version: 1
organizations:
  acme:
    primaryDomain: example.com
    domains:
      example.com:
        # the block list
        blockedIps:
          - 192.0.2.66 # abuse
        allowedIps: [198.51.100.7]
      example.net: {} # nothing yet
`;

type Run = (args: readonly string[], stdin?: string | Buffer) => Promise<CliResult>;

export type CliWorkspace = {
  readonly directory: string;
  /** Runs a command inside this process, one at a time. */
  readonly run: Run;
  /** Runs a command as a process of its own. */
  readonly spawn: Run;
  readonly settings: () => Promise<string>;
};

export async function cliWorkspace(
  settings: string | Buffer = SETTINGS,
  operator = OPERATOR,
  more: Readonly<Record<string, string>> = {},
): Promise<CliWorkspace> {
  const directory = await temporaryDirectory({ 'postern.yaml': operator, 'settings.yaml': settings, ...more });
  return {
    directory,
    run: (args, stdin = '') => runInProcess(args, { cwd: directory, stdin }),
    spawn: (args, stdin = '') => runCli(args, { cwd: directory, stdin }),
    settings: () => readFile(join(directory, 'settings.yaml'), 'utf8'),
  };
}

/** Lines of an output, without the one about Postfix not being there. */
export const lines = (output: string): string[] =>
  output.split('\n').filter((line) => line !== '' && !line.startsWith('note: '));
