/** Automatic short-term blocks in `postern ip`: shown in the block list, lifted by removing them from it. */
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createShortTermBlockFile } from '../../../src/adapters/short-term-blocks/index.ts';
import type { ShortTermBlock } from '../../../src/services/index.ts';
import { aDomain, aRange } from '../../support/builders.ts';
import { cliWorkspace, lines, type CliWorkspace } from './workspace.ts';

const SETTINGS = `version: 1
organizations:
  acme:
    primaryDomain: example.com
    domains:
      example.com:
        autoBlock: { after: 20, within: 10m, for: 1h }
        blockedIps: [192.0.2.66, 198.51.100.0/24]
      example.net: { autoBlock: { after: 3, within: 1m, for: 1h } }
`;
const since = Date.now() - 60_000;
const until = Date.now() + 3_540_000;
const UNTIL = new Date(until).toISOString();

const block = (client: string, domain = 'example.com', more: Partial<ShortTermBlock> = {}): ShortTermBlock => ({
  domain: aDomain(domain),
  range: aRange(client),
  since,
  until,
  reason: '20 hits within 10m, the last an unknown recipient',
  ...more,
});

async function workspace(settings = SETTINGS): Promise<CliWorkspace & { requests: () => Promise<number> }> {
  const cli = await cliWorkspace(settings);
  const state = join(cli.directory, 'state');
  await createShortTermBlockFile(state).save([
    block('203.0.113.5'),
    block('2001:db8:1:2::/64', 'example.com', { since: since + 1 }),
    block('203.0.113.6', 'example.com', { until: since }),
    block('203.0.113.7', 'example.net'),
    block('198.51.100.9', 'example.net'),
  ]);
  const requests = async (): Promise<number> =>
    (await readdir(state)).includes('lifts') ? (await readdir(join(state, 'lifts'))).length : 0;
  return Object.assign(cli, { requests });
}

describe('ip list block', () => {
  it('shows what is blocked automatically after the entries, with expiry and reason', async () => {
    const { run } = await workspace();
    const { stdout, code } = await run(['ip', 'list', 'block', 'example.com']);
    expect(code).toBe(0);
    expect(lines(stdout).map((line) => line.split(/ {2,}/))).toEqual([
      ['192.0.2.66'],
      ['198.51.100.0/24'],
      ['2001:db8:1:2::/64', `until ${UNTIL}`, 'automatic: 20 hits within 10m, the last an unknown recipient'],
      ['203.0.113.5', `until ${UNTIL}`, 'automatic: 20 hits within 10m, the last an unknown recipient'],
    ]);
  });

  it('the same as JSON', async () => {
    const { run } = await workspace();
    const { stdout } = await run(['ip', 'list', 'block', 'example.net', '--json']);
    const entry = { automatic: true, expires: UNTIL, isExpired: false, since: new Date(since).toISOString() };
    const reason = '20 hits within 10m, the last an unknown recipient';
    expect(JSON.parse(stdout)).toEqual([
      { entry: '203.0.113.7', reason, ...entry },
      { entry: '198.51.100.9', reason, ...entry },
    ]);
  });

  it('not in the allow list, and not where the setting has gone', async () => {
    const { run } = await workspace(SETTINGS.replace('autoBlock: { after: 3, within: 1m, for: 1h }', ''));
    expect((await run(['ip', 'list', 'allow', 'example.com'])).stdout).toBe('');
    expect((await run(['ip', 'list', 'block', 'example.net'])).stdout).toBe('');
  });

  it('a damaged state is said, and the entries are shown all the same', async () => {
    const { run, directory } = await workspace();
    await writeFile(join(directory, 'state', 'short-term-blocks.json'), '{');
    const { stdout, stderr, code } = await run(['ip', 'list', 'block', 'example.com']);
    expect(lines(stdout)).toEqual(['192.0.2.66', '198.51.100.0/24']);
    expect(stderr).toContain('warning: short-term blocks are not known: ');
    expect(code).toBe(0);
    expect((await run(['ip', 'remove', 'block', 'example.com', '192.0.2.66'])).stdout).toBe('removed 1\n');
  });
});

describe('ip remove block', () => {
  const listed = async ({ run }: CliWorkspace, domain = 'example.com'): Promise<string[]> =>
    lines((await run(['ip', 'list', 'block', domain])).stdout).map((line) => line.split(' ')[0] ?? '');

  it('lifts a block, at once for who looks, and makes no revision', async () => {
    const cli = await workspace();
    const { stdout, code } = await cli.run(['ip', 'remove', 'block', 'example.com', '203.0.113.5']);
    expect({ stdout, code }).toEqual({ stdout: 'removed 0, lifted 1 short-term block\n', code: 0 });
    expect(await listed(cli)).toEqual(['192.0.2.66', '198.51.100.0/24', '2001:db8:1:2::/64']);
    expect(await cli.settings()).toBe(SETTINGS);
    expect(await cli.requests()).toBe(1);
  });

  it.each(['2001:db8:1:2::/64', '2001:db8:1:2::77'])('%s lifts the /64', async (entry) => {
    const cli = await workspace();
    const { stdout } = await cli.run(['ip', 'remove', 'block', 'example.com', entry, '--json']);
    expect(JSON.parse(stdout)).toEqual({ removed: 0, lifted: 1 });
    expect(await listed(cli)).not.toContain('2001:db8:1:2::/64');
  });

  it('entries and blocks together, each once, and only of that own domain', async () => {
    const cli = await workspace();
    const entries = ['192.0.2.66', '203.0.113.0/24', '203.0.113.5'];
    const { stdout } = await cli.run(['ip', 'remove', 'block', 'example.com', ...entries]);
    expect(stdout).toBe('removed 1, lifted 1 short-term block\n');
    expect(await listed(cli)).toEqual(['198.51.100.0/24', '2001:db8:1:2::/64']);
    expect(await listed(cli, 'example.net')).toEqual(['203.0.113.7', '198.51.100.9']);
  });

  it('where one entry is unknown nothing is removed or lifted', async () => {
    const cli = await workspace();
    const { stderr, code } = await cli.run(['ip', 'remove', 'block', 'example.com', '203.0.113.5', '203.0.113.7']);
    expect(stderr).toContain('not in the list: 203.0.113.7; nothing was removed');
    expect(code).toBe(1);
    expect(await cli.requests()).toBe(0);
  });

  it('a block that is over, or of the allow list, is not there', async () => {
    const cli = await workspace();
    expect((await cli.run(['ip', 'remove', 'block', 'example.com', '203.0.113.6'])).code).toBe(1);
    expect((await cli.run(['ip', 'remove', 'allow', 'example.com', '203.0.113.5'])).code).toBe(1);
    expect(await cli.requests()).toBe(0);
  });

  it('an own domain that is none is refused as before', async () => {
    const cli = await workspace();
    const { stderr, code } = await cli.run(['ip', 'remove', 'block', 'nowhere.example', '203.0.113.5']);
    expect(stderr).toContain('nowhere.example is no own domain');
    expect(code).toBe(1);
  });
});
