/** `postern check`: both files, every fault in one answer; nothing is changed. DNS is asked only where it is told to. */
import type { Command } from 'commander';
import { systemClock } from '../../adapters/clock/index.ts';
import { createResolver } from '../../adapters/dns/index.ts';
import {
  domainsWithGateway,
  explainGatewaysMx,
  loadSettings,
  PosternError,
  type GatewayMx,
  type LocatedIssue,
} from '../../services/index.ts';
import { settingsJsonSchema } from '../../settings/index.ts';
import type { Snapshot } from '../../snapshot/index.ts';
import { OperatorFileError, openWorkspace, shortName, type BareSettings, type Workspace } from '../workspace.ts';
import { effectiveValues } from './effective.ts';
import { complain, complainAbout, EXIT, say, sayJson } from './output.ts';

const WHOLE_FILE = { line: 1, column: 1, severity: 'error' } as const;

type Options = { config?: string; json?: true; effective?: true; schema?: true; dns?: true };

/** Adds the command. */
export function addCheck(program: Command): void {
  program
    .command('check')
    .summary('check both files and say every fault')
    .description("Checks the operator's file and the settings. Exit code 0: both are good; 1: at least one fault.")
    .option('--json', 'the answer as JSON')
    .option('--effective', "print the operator's values that hold, defaults included")
    .option(
      '--dns',
      'ask DNS whether the MX of each own domain with an inbound gateway points to it; no fault where not',
    )
    .option('--schema', 'print the JSON Schema of the settings and check nothing')
    .action(async (_: unknown, command: Command) => {
      const options: Options = command.optsWithGlobals();
      if (options.schema) sayJson(settingsJsonSchema());
      else process.exitCode = await check(options);
    });
}

/** The faults of the settings where the operator's file is broken: one answer names the faults of both. */
async function checkBare(settings: BareSettings | null): Promise<readonly LocatedIssue[]> {
  if (settings === null) return [];
  try {
    return (await loadSettings(settings.store, settings.surroundings)).issues;
  } catch (error) {
    if (!(error instanceof PosternError)) throw error;
    return [{ ...WHOLE_FILE, file: settings.settingsName, message: error.message }];
  }
}

/** Asks within ten seconds. */
function lookUp(workspace: Workspace, snapshot: Snapshot): Promise<readonly GatewayMx[]> {
  return explainGatewaysMx(domainsWithGateway(snapshot), createResolver(workspace.operator.dns?.servers), systemClock);
}

async function check(options: Options): Promise<number> {
  const issues: LocatedIssue[] = [];
  let workspace: Workspace | null = null;
  let revision: string | null = null;
  let ownDomains = 0;
  let gateways: readonly GatewayMx[] | undefined;
  try {
    workspace = await openWorkspace(options.config);
    const loaded = await loadSettings(workspace.store, workspace.surroundings);
    issues.push(...loaded.issues);
    revision = loaded.snapshot?.revision ?? null;
    ownDomains = loaded.snapshot?.domains.size ?? 0;
    if (options.dns && loaded.snapshot !== null) gateways = await lookUp(workspace, loaded.snapshot);
  } catch (error) {
    if (!(error instanceof PosternError)) throw error;
    const file = workspace?.settingsName ?? options.config ?? 'postern.yaml';
    if (error instanceof OperatorFileError) issues.push(...error.issues, ...(await checkBare(error.settings)));
    else issues.push({ ...WHOLE_FILE, file, message: error.message });
  }
  const isGood = !issues.some((issue) => issue.severity === 'error');
  const effective = workspace !== null && options.effective ? effectiveValues(workspace) : undefined;
  if (options.json) {
    sayJson({
      ok: isGood,
      revision,
      ownDomains,
      issues,
      ...(gateways && { gateways }),
      ...(effective && { effective }),
    });
  } else {
    complainAbout(issues);
    for (const remark of workspace?.remarks ?? []) complain(`note: ${remark}`);
    // Beside the values, which are JSON for a script, these are remarks.
    for (const { domain, text } of gateways ?? []) (effective ? complain : say)(`${domain}: ${text}`);
    if (effective) sayJson(effective);
    if (isGood && workspace !== null && !effective) {
      say(
        `good: ${shortName(workspace.file)} and ${workspace.settingsName} (${ownDomains} own domains, revision ${revision ?? ''})`,
      );
    }
  }
  return isGood ? EXIT.ok : EXIT.refused;
}
