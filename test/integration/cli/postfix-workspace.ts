/** A directory with both files beside a copied configuration of Postfix, and `postern` run in it. */
import { join } from 'node:path';
import type { Configuration } from '../postfix-control/fixture.ts';
import { cliWorkspace, type CliWorkspace } from './workspace.ts';

export const SETTINGS = `version: 1
organizations:
  acme:
    primaryDomain: example.com
    domains: { example.com: {} }
`;

/** `record` is where apply remembers what it changed. */
export async function beside(
  configuration: Configuration,
  { settings = SETTINGS, listen }: { settings?: string; listen?: string } = {},
): Promise<CliWorkspace & { record: string }> {
  const doors = `policy: "unix:${configuration.root}/queue/postern/policy.sock", milter: "unix:${configuration.root}/queue/postern/milter.sock"`;
  const operator = `settings: settings.yaml\npostfix: { configDirectory: ${configuration.configDirectory} }\nlisten: { ${listen ?? doors} }\n`;
  const workspace = await cliWorkspace(settings, operator);
  // The next command must not wait for what this one wrote to settle.
  const run: CliWorkspace['run'] = async (...args) => {
    const result = await workspace.run(...args);
    await configuration.settle();
    return result;
  };
  return { ...workspace, run, record: join(workspace.directory, 'state/postfix-applied.json') };
}
