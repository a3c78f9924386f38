/** The command line: its commands, its help, its exit codes. */
import { Command, CommanderError } from 'commander';
import { reasonOf } from '../../adapters/files/index.ts';
import { PosternError } from '../../services/index.ts';
import { addCheck } from './check.ts';
import { addDkim } from './dkim.ts';
import { addExplain } from './explain.ts';
import { addHistory } from './history.ts';
import { addInit } from './init.ts';
import { addIp } from './ip.ts';
import { complain, EXIT, UsageError } from './output.ts';
import { addPostfix } from './postfix.ts';
import { addRouteCommands } from './route.ts';
import { addServe } from './serve.ts';

/** Builds the command line. */
function createProgram(version: string): Command {
  const program = new Command('postern')
    .description('Sending and receiving settings, per domain, for an unmodified Postfix.')
    .version(version, '-V, --version')
    .helpOption('-h, --help', 'show this help')
    .showHelpAfterError('("postern --help" shows the commands)');
  for (const add of [addInit, addServe, addCheck, addExplain, addPostfix, addIp, addRouteCommands, addDkim, addHistory])
    add(program);
  for (const command of [program, ...everyCommand(program)]) {
    command.option(
      '-c, --config <file>',
      "the operator's file (default: ./postern.yaml, then /etc/postern/postern.yaml)",
    );
    command.exitOverride();
  }
  program.addHelpText('after', '\nExit codes: 0 good, 1 refused or found wrong, 2 wrong usage.');
  return program;
}

function everyCommand(parent: Command): Command[] {
  return parent.commands.flatMap((command) => [command, ...everyCommand(command)]);
}

/** What the operating system refused, such as writing where the permission is missing. */
const isSystemError = (error: unknown): error is NodeJS.ErrnoException =>
  error instanceof Error && 'code' in error && 'syscall' in error;

/** Runs a command line; sets the exit code. Never throws for what an operator can put right. */
export async function runCommandLine(argv: readonly string[], version: string): Promise<void> {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    // The reader, such as head(1), has seen enough.
    if (error.code === 'EPIPE') process.exit(EXIT.ok);
    throw error;
  });
  try {
    await createProgram(version).parseAsync(argv, { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError) {
      process.exitCode = error.exitCode === 0 ? EXIT.ok : EXIT.usage;
    } else if (error instanceof UsageError) {
      complain(`postern: ${error.message}`);
      process.exitCode = EXIT.usage;
    } else if (error instanceof PosternError) {
      complain(`postern: ${error.message} (${error.code})`);
      process.exitCode = EXIT.refused;
    } else if (isSystemError(error)) {
      complain(`postern: ${error.path ?? error.syscall ?? ''}: ${reasonOf(error)}`);
      process.exitCode = EXIT.refused;
    } else {
      throw error;
    }
  }
}
