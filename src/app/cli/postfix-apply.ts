/** `postern postfix apply` and `undo`: main.cf and master.cf changed so that Postfix asks Postern, and changed back. */
import type { Command } from 'commander';
import {
  changePostfix,
  classesOf,
  queuedFor,
  readConfiguration,
  withRecordLock,
  writeAppliedRecord,
  type ChangeOutcome,
  type PostfixFacts,
} from '../../adapters/postfix-control/index.ts';
import {
  adviseOnDomainClasses,
  hasRoutes,
  takeBackRecord,
  whileChanging,
  type Advice,
  type AppliedRecord,
  type ConfigurationTexts,
  type Difference,
} from '../../answers/index.ts';
import { PosternError } from '../../services/index.ts';
import { openWorkspace, type Workspace } from '../workspace.ts';
import { complain, EXIT, say, sayJson } from './output.ts';
import { postfixOf, prepare, recordFor, type PostfixOptions, type Prepared } from './postfix-preparation.ts';
import {
  adviceOnServices,
  complainOfAdvice,
  differenceJson,
  differenceText,
  isSameTexts,
  placeText,
  sayAdvice,
} from './postfix-words.ts';
import { shutDoors } from './postfix-doors.ts';

/** Adds both commands. */
export function addApplyAndUndo(postfix: Command): void {
  postfix
    .command('apply')
    .summary('set the lines, and reload a Postfix that runs')
    .description(
      'Sets what "print" prints, keeps everything else as it is, and remembers what it changed for "undo". ' +
        'A Postfix that runs is reloaded and asked whether it answers; if not, everything is put back.',
    )
    .option('--service <name...>', 'also change this service, whose -o lines override main.cf')
    .option('--dry-run', 'show what would change, and change nothing')
    .option('--json', 'the answer as JSON')
    .action((_: unknown, command: Command) => apply(command.optsWithGlobals()));
  postfix
    .command('undo')
    .summary('take back what apply set')
    .description(
      'Puts main.cf and master.cf back as they were. Where a line was changed after "apply", only what Postern put there goes.',
    )
    .option('--dry-run', 'show what would change, and change nothing')
    .option('--json', 'the answer as JSON')
    .action((_: unknown, command: Command) => undo(command.optsWithGlobals()));
}

/** What is to be done, and what to remember if it works. */
type Step = {
  readonly before: ConfigurationTexts;
  readonly after: ConfigurationTexts;
  readonly differences: readonly Difference[];
  readonly recordBefore: AppliedRecord | null;
  readonly recordAfter: AppliedRecord | null;
  readonly advice: readonly Advice[];
};

async function apply(options: PostfixOptions): Promise<void> {
  const workspace = await openWorkspace(options.config);
  const postfix = postfixOf(workspace);
  await guarded(workspace, options, async () => {
    const prepared = await prepare(workspace, options);
    if (prepared === null) return;
    const refusals = [...(await domainRefusals(postfix, prepared)), ...prepared.routeFaults];
    if (refusals.length > 0) {
      refuse(options, refusals);
      return;
    }
    const { texts, settled, record, plan } = prepared;
    const step = {
      before: texts,
      after: settled.texts,
      differences: settled.differences,
      recordBefore: record,
      recordAfter: settled.record,
      advice: [...adviceOnServices(plan.left), ...(await shutDoors(workspace))],
    };
    await carryOut(postfix, workspace, options, step);
  });
}

async function undo(options: PostfixOptions): Promise<void> {
  const workspace = await openWorkspace(options.config);
  const postfix = postfixOf(workspace);
  const { operator } = workspace;
  await guarded(workspace, options, async () => {
    const { configDirectory } = operator.postfix;
    const record = await recordFor(operator.state, configDirectory);
    const texts = await readConfiguration(configDirectory);
    if (record !== null && hasRoutes(record)) await refuseWhileQueued(configDirectory, operator.internalDomain);
    const back = record === null ? { texts, differences: [] } : takeBackRecord(texts, record);
    const { differences } = back;
    const step = { before: texts, after: back.texts, differences, recordBefore: record, recordAfter: null, advice: [] };
    await carryOut(postfix, workspace, options, step);
  });
}

/** One apply or undo at a time; a dry run changes nothing and needs no state directory. */
const guarded = ({ operator }: Workspace, { dryRun }: PostfixOptions, work: () => Promise<void>): Promise<void> =>
  dryRun ? work() : withRecordLock(operator.state, work);

/** Own domains for which Postfix takes no mail; whether any are is not known where a table cannot be asked. */
async function domainRefusals(postfix: PostfixFacts, { snapshot }: Prepared): Promise<Advice[]> {
  const classes = await classesOf(postfix.configDirectory, [...snapshot.domains.keys()]);
  return adviseOnDomainClasses(postfix.main, classes);
}

function refuse({ json }: PostfixOptions, refusals: readonly Advice[]): void {
  process.exitCode = EXIT.refused;
  if (json) sayJson({ ok: false, changed: false, refusals });
  else {
    complainOfAdvice(refusals);
    complain('nothing was changed');
  }
}

async function refuseWhileQueued(configDirectory: string, internalDomain: string): Promise<void> {
  const ids = await queuedFor(configDirectory, internalDomain);
  if (ids.length === 0) return;
  const some = ids.slice(0, 5).join(', ');
  const message =
    `${ids.length} queued messages (${some}${ids.length > 5 ? ', …' : ''}) wait for a route of Postern, ` +
    'and would never arrive without it; try again when they are delivered, or delete them with postsuper -d';
  throw new PosternError('POSTERN_QUEUE_NEEDS_POSTERN', `${message}; nothing was changed`);
}

async function carryOut(
  postfix: PostfixFacts,
  { operator }: Workspace,
  options: PostfixOptions,
  step: Step,
): Promise<void> {
  if (options.dryRun) {
    report(options, step, null);
    return;
  }
  const isChange = !isSameTexts(step.before, step.after);
  let outcome: ChangeOutcome | null = null;
  if (isChange) {
    // Known before anything is changed, so that undo works after a crash in between too.
    await writeAppliedRecord(operator.state, whileChanging(step.recordBefore, step.recordAfter));
    try {
      outcome = await changePostfix(postfix, step);
    } catch (error) {
      await writeAppliedRecord(operator.state, step.recordBefore);
      throw error;
    }
  }
  const isPutBack = outcome?.kind === 'put-back';
  await writeAppliedRecord(operator.state, isPutBack ? step.recordBefore : step.recordAfter);
  report(options, step, outcome);
}

function report({ json, dryRun }: PostfixOptions, step: Step, outcome: ChangeOutcome | null): void {
  const { differences, advice } = step;
  const isPutBack = outcome?.kind === 'put-back';
  if (isPutBack) process.exitCode = EXIT.refused;
  if (json) {
    sayJson({
      ok: !isPutBack,
      changed: outcome?.kind === 'changed',
      reloaded: outcome?.kind === 'changed' && outcome.isRunning,
      ...(isPutBack && { reason: outcome.reason }),
      differences: differences.map(differenceJson),
      advice,
    });
    return;
  }
  if (outcome?.kind === 'put-back') {
    complain(`Postfix did not take the change, and everything was put back: ${outcome.reason}`);
    return;
  }
  if (dryRun) for (const difference of differences) say(differenceText(difference));
  else for (const difference of differences) say(`${changeWord(difference)} ${placeText(difference)}`);
  if (differences.length === 0) say('nothing to change');
  if (outcome !== null) say(reloadText(outcome));
  sayAdvice(advice);
}

const changeWord = ({ before, after }: Difference): string =>
  before === null ? 'set' : after === null ? 'removed' : 'changed';

function reloadText({ isRunning, answered }: Extract<ChangeOutcome, { kind: 'changed' }>): string {
  if (!isRunning) return 'Postfix does not run; it reads this when it starts';
  const places = answered.length === 0 ? '' : `; smtpd answers at ${answered.join(', ')}`;
  return `Postfix was reloaded${places}`;
}
