/** `postern postfix`: what Postfix must be told, and whether it was told right. This version changes nothing itself. */
import type { Command } from 'commander';
import {
  adviseOnMilters,
  adviseOnRestrictions,
  mainLines,
  policyRestriction,
  type DoorEndpoints,
} from '../../answers/index.ts';
import { loadSettings, PosternError } from '../../services/index.ts';
import { endpointOf, openWorkspace, type Workspace } from '../workspace.ts';
import { complainAbout, EXIT, say, sayJson } from './output.ts';

type Options = { config?: string; json?: true };

/** Adds `postfix print` and `postfix doctor`. */
export function addPostfix(program: Command): void {
  const postfix = program
    .command('postfix')
    .summary('what to tell Postfix, and whether it was told right')
    .description('The Postfix side of Postern.');
  postfix
    .command('print')
    .summary('the main.cf lines to set')
    .option('--json', 'the answer as JSON')
    .action((_: unknown, command: Command) => print(command.optsWithGlobals()));
  postfix
    .command('doctor')
    .summary('look for mistakes in the live main.cf')
    .option('--json', 'the answer as JSON')
    .action((_: unknown, command: Command) => doctor(command.optsWithGlobals()));
}

function endpointsOf({ operator, postfix }: Workspace): DoorEndpoints {
  return {
    policy: endpointOf(operator.listen.policy[0], postfix),
    milter: endpointOf(operator.listen.milter[0], postfix),
    socketmap: endpointOf(operator.listen.socketmap[0], postfix),
  };
}

async function print(options: Options): Promise<void> {
  const workspace = await openWorkspace(options.config);
  const endpoints = endpointsOf(workspace);
  const { snapshot, issues } = await loadSettings(workspace.store, workspace.surroundings);
  if (snapshot === null) {
    // Without them it is not known which lines are needed.
    complainAbout(issues);
    process.exitCode = EXIT.refused;
    return;
  }
  const main = workspace.postfix?.main ?? new Map<string, string>();
  const lines = mainLines(main, endpoints, snapshot.tlsAgreed.size > 0);
  if (options.json) {
    sayJson({ main: lines, master: [] });
    return;
  }
  for (const { name, value, comment } of lines) say(`# ${comment}\n${name} = ${value}\n`);
  if (endpoints.policy !== null) {
    say(
      '# To take mail while Postern is down, say DUNNO instead. That gives up block lists, gateway rules and TLS rules for that time:',
    );
    say(`#   ${policyRestriction(endpoints.policy, 'DUNNO')}`);
  }
  if (workspace.postfix === null)
    say(
      `# No Postfix was found under ${workspace.operator.postfix.configDirectory}: put your own restrictions after ours.`,
    );
}

async function doctor(options: Options): Promise<void> {
  const workspace = await openWorkspace(options.config);
  const { postfix, operator } = workspace;
  if (postfix === null) {
    throw new PosternError(
      'POSTERN_NO_POSTFIX',
      `there is no Postfix under ${operator.postfix.configDirectory}; set postfix: { configDirectory: … }`,
    );
  }
  const endpoints = endpointsOf(workspace);
  const advice = [...adviseOnRestrictions(postfix.main, endpoints), ...adviseOnMilters(postfix.main, endpoints.milter)];
  if (options.json) sayJson({ ok: advice.length === 0, advice });
  else if (advice.length === 0) say('nothing found wrong');
  for (const { severity, text, line } of options.json ? [] : advice)
    say(`${severity}: ${text}${line === null ? '' : `\n  ${line}`}`);
  if (advice.some(({ severity }) => severity === 'error')) process.exitCode = EXIT.refused;
}
