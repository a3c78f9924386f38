/** `postern postfix`: what Postfix must be told, told to it or taken back, and whether it was told right. */
import type { Command } from 'commander';
import { classesOf } from '../../adapters/postfix-control/index.ts';
import {
  adviseOnDomainClasses,
  adviseOnLog,
  adviseOnMilterMap,
  adviseOnMilters,
  adviseOnReinjection,
  adviseOnRestrictions,
  optionalLines,
  policyRestriction,
  viewOf,
  type Advice,
} from '../../answers/index.ts';
import { logFactsOf } from '../postfix-log.ts';
import { openWorkspace } from '../workspace.ts';
import { addApplyAndUndo } from './postfix-apply.ts';
import { endpointsOf, prepare, postfixOf, type PostfixOptions, type Prepared } from './postfix-preparation.ts';
import { adviceOnServices, lineAsText, lineText, placeText, sayAdvice } from './postfix-words.ts';
import { EXIT, say, sayJson } from './output.ts';

/** Adds `postfix print`, `apply`, `undo` and `doctor`. */
export function addPostfix(program: Command): void {
  const postfix = program
    .command('postfix')
    .summary('tell Postfix to ask Postern, take it back, look whether it was told right')
    .description('The Postfix side of Postern.');
  postfix
    .command('print')
    .summary('the lines that apply sets')
    .option('--service <name...>', 'with the lines for services whose -o lines override main.cf')
    .option('--json', 'the answer as JSON')
    .action((_: unknown, command: Command) => print(command.optsWithGlobals()));
  addApplyAndUndo(postfix);
  postfix
    .command('doctor')
    .summary('look for mistakes in the live main.cf and master.cf')
    .option('--json', 'the answer as JSON')
    .action((_: unknown, command: Command) => doctor(command.optsWithGlobals()));
}

async function print(options: PostfixOptions): Promise<void> {
  const workspace = await openWorkspace(options.config);
  const prepared = await prepare(workspace, options);
  if (prepared === null) return;
  const { plan, settled, endpoints, view } = prepared;
  const optional = optionalLines(view.main, endpoints).map((line) => ({ ...line, value: lineText(line.value) }));
  const lines = settled.lines.map((line) => ({ ...line, value: lineText(line.value) }));
  if (options.json) {
    const main = lines.filter(({ service }) => service === null);
    sayJson({
      main: main.map(({ name, value, comment }) => ({ name, value, comment })),
      optional,
      master: lines.filter(({ service }) => service !== null),
      services: plan.left,
    });
    return;
  }
  for (const line of lines) say(lineAsText(line));
  for (const { name, value, comment } of optional)
    say(`# Optional, and not set by apply. ${comment}\n#   ${name} = ${value}\n`);
  if (endpoints.policy !== null) {
    say(
      '# To take mail while Postern is down, say DUNNO instead. That gives up block lists, gateway rules and TLS rules for that time:',
    );
    say(`#   ${policyRestriction(endpoints.policy, 'DUNNO')}`);
  }
  for (const { text, line } of [...adviceOnServices(plan.left), ...prepared.routeFaults])
    say(`# ${text}${line === null ? '' : `\n#   ${line}`}`);
  if (workspace.postfix === null)
    say(
      `# No Postfix was found under ${workspace.operator.postfix.configDirectory}: put your own restrictions after ours.`,
    );
}

/** The lines for routes that Postfix does not have. */
function adviceOnRoutes({ settled }: Prepared): Advice[] {
  const lists = ['transport_maps', 'relay_recipient_maps', 'local_recipient_maps', 'virtual_mailbox_maps'];
  const missing = settled.differences.filter(({ service, name }) =>
    service === null ? lists.includes(name ?? '') : name === null,
  );
  return missing.map((difference): Advice => {
    const text = `${placeText(difference)} is not as routes need it: mail for them waits, or is refused as unknown`;
    return { severity: 'error', text, line: 'postern postfix apply' };
  });
}

async function doctor(options: PostfixOptions): Promise<void> {
  const workspace = await openWorkspace(options.config);
  const postfix = postfixOf(workspace);
  const endpoints = endpointsOf(workspace);
  const advice: Advice[] = [
    ...adviseOnRestrictions(postfix.main, endpoints),
    ...adviseOnMilters(postfix.main, endpoints.milter),
  ];
  const prepared = await prepare(workspace, options);
  if (prepared !== null) {
    const { plan, view, snapshot, routeFaults } = prepared;
    advice.push(...adviceOnServices(plan.left), ...routeFaults, ...adviceOnRoutes(prepared));
    advice.push(...adviseOnMilterMap(viewOf(prepared.texts, view.defaults), endpoints));
    if (endpoints.milter !== null) advice.push(...adviseOnReinjection(view, workspace.operator.reinjectionServices));
    const domains = await classesOf(postfix.configDirectory, [...snapshot.domains.keys()]);
    advice.push(...adviseOnDomainClasses(postfix.main, domains));
    if (snapshot.routes.size > 0) advice.push(...adviseOnLog(snapshot, await logFactsOf(workspace)));
  }
  const isFine = prepared !== null && advice.length === 0;
  if (options.json) sayJson({ ok: isFine, advice });
  else if (isFine) say('nothing found wrong');
  if (!options.json) sayAdvice(advice);
  if (advice.some(({ severity }) => severity === 'error')) process.exitCode = EXIT.refused;
}
