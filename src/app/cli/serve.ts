/** `postern serve`: the process that Postfix asks. */
import { Option, type Command } from 'commander';

/** Adds the command. */
export function addServe(program: Command): void {
  program
    .command('serve')
    .summary('answer Postfix until SIGTERM')
    .description(
      'Opens the doors and answers. Prints one line "ready" when every door answers. SIGHUP reads both files again, SIGTERM drains.',
    )
    .addOption(
      new Option('--log-level <level>', 'what to log').choices(['debug', 'info', 'warn', 'error']).default('info'),
    )
    .action(async (_: unknown, command: Command) => {
      const options: { config?: string; logLevel: string } = command.optsWithGlobals();
      // Loaded only here: the other commands start faster without the servers.
      const { serve } = await import('../run.ts');
      process.exitCode = await serve(options.config, options.logLevel);
    });
}
