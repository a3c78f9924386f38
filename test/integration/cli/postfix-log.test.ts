/** `postern postfix doctor` on the log of Postfix. No Postfix runs. */
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { fixture } from '../postfix-control/fixture.ts';
import { beside } from './postfix-workspace.ts';

const SETTINGS = `version: 1
organizations:
  acme:
    primaryDomain: example.com
    routes: { archive: { host: archive.example.net } }
    domains:
      example.com:
        inboundRouting: [{ mail: [external], route: archive, suppressBounces: true }]
`;

type Answer = { readonly advice: readonly { readonly text: string; readonly line: string | null }[] };

/** What doctor says of the log, where main.cf says this. */
async function saidOf(maillogFile: (root: string) => string, isThere: boolean): Promise<Answer['advice']> {
  const configuration = await fixture('debian-default');
  const file = maillogFile(configuration.root);
  const { main } = await configuration.read();
  await configuration.write('main', `log_directory = ${configuration.root}\n${main}\nmaillog_file = ${file}\n`);
  if (isThere) await writeFile(join(configuration.root, 'maillog'), '');
  const { run } = await beside(configuration, { settings: SETTINGS });
  const { advice } = JSON.parse((await run(['postfix', 'doctor', '--json'])).stdout) as Answer;
  return advice.filter(({ text }) => text.includes('the log of Postfix'));
}

describe('postern postfix doctor', () => {
  it('RT-09 a log that is read is not spoken of', async () => {
    expect(await saidOf((root) => `${root}/maillog`, true)).toEqual([]);
  });

  it('RT-09 one that main.cf names by a parameter and that is not there', async () => {
    const said = await saidOf(() => '$queue_directory/no-such-log', false);
    expect(said).toHaveLength(1);
    expect(said[0]?.text).toMatch(
      /^the log of Postfix, \/.*\/queue\/no-such-log, cannot be read: there is no such file; /,
    );
  });

  it('RT-09 one that goes to the standard output: the lines to type', async () => {
    const said = await saidOf(() => '/dev/stdout', false);
    expect(said).toEqual([
      {
        severity: 'warning',
        text: expect.stringMatching(/maillog_file is \/dev\/stdout, which cannot be read/) as string,
        line: "postconf -e 'maillog_file = /var/log/postfix.log' && postfix reload",
      },
    ]);
  });

  it('the word of the operator comes first', async () => {
    const configuration = await fixture('debian-default');
    const { run, directory } = await beside(configuration, { settings: SETTINGS });
    const operator = `settings: settings.yaml\npostfix: { configDirectory: ${configuration.configDirectory}, logFile: own.log }\n`;
    await writeFile(join(directory, 'postern.yaml'), operator);
    await writeFile(join(directory, 'own.log'), '');
    const before = await run(['postfix', 'doctor']);
    expect(before.stdout).not.toContain('the log of Postfix');
    await rm(join(directory, 'own.log'));
    const after = await run(['postfix', 'doctor']);
    expect(after.stdout).toContain(
      `the log of Postfix, ${join(directory, 'own.log')}, cannot be read: there is no such file`,
    );
  });
});
