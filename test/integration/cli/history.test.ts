import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createHistoryStore } from '../../../src/adapters/history-sqlite/index.ts';
import type { HistoryAddition } from '../../../src/services/index.ts';
import { FakeLog } from '../../support/fake-log.ts';
import { anAddition, aRecord, NOON } from '../../support/history.ts';
import { cliWorkspace, OPERATOR, type CliWorkspace } from './workspace.ts';

const SIGNED: Partial<HistoryAddition> = {
  stage: 'message',
  queueId: '4ZKq3x1Hsdz9',
  clientAddress: '203.0.113.9',
  trueClient: '2001:db8::7',
  sender: '<>',
  recipients: ['carol@example.net', 'dora@example.net', 'emil@example.net'],
  domains: ['example.net'],
  verdict: 'pass',
  reply: null,
  rule: 'dkim-sign',
  setting: null,
  text: 'signed by example.net (s1)',
};

/** A workspace where these were decided. */
async function decided(...given: readonly Partial<HistoryAddition>[]): Promise<CliWorkspace> {
  const workspace = await cliWorkspace();
  const store = createHistoryStore(join(workspace.directory, 'state'), new FakeLog());
  await store.append(given.map(anAddition));
  await store.stop();
  return workspace;
}

const lines = (stdout: string): string[] => stdout.split('\n').map((line) => line.replace(/ {2,}/g, '  '));

describe('postern history', () => {
  it('the newest first, one decision a line', async () => {
    const { run } = await decided({}, { at: NOON + 1500, ...SIGNED });
    const { code, stdout } = await run(['history']);
    expect(code).toBe(0);
    expect(lines(stdout)).toEqual([
      '2027-01-31T12:00:01.500Z  message  pass  2001:db8::7 by 203.0.113.9  4ZKq3x1Hsdz9  <>  <carol@example.net> and 2 more  dkim-sign  signed by example.net (s1)',
      '2027-01-31T12:00:00.000Z  rcpt  reject  192.0.2.66  -  <stranger@remote.example>  <anna@example.com>  ip-block  550 5.7.1 Client address blocked by receiving domain policy: 192.0.2.66 is blocked by 192.0.2.66',
      '',
    ]);
  });

  it('RT-09 a delivery to a route that failed is found by its recipient and by its verdict', async () => {
    const { run } = await decided({}, SIGNED, {
      ...{ stage: 'delivery', queueId: '4ZKq3x1Hsdz9', clientAddress: '203.0.113.9', sender: 'a@b.example' },
      ...{ recipients: ['bob@example.com'], verdict: 'failed', reply: '550 5.1.1 no such user', rule: 'routing' },
      text: 'the delivery to acme/quiet failed for good (5.1.1), without a bounce to the sender',
    });
    for (const filter of [
      ['--recipient', 'Bob@example.com'],
      ['--verdict', 'failed'],
    ]) {
      expect(lines((await run(['history', ...filter])).stdout)).toEqual([
        '2027-01-31T12:00:00.000Z  delivery  failed  203.0.113.9  4ZKq3x1Hsdz9  <a@b.example>  <bob@example.com>  routing  550 5.1.1 no such user: the delivery to acme/quiet failed for good (5.1.1), without a bounce to the sender',
        '',
      ]);
    }
  });

  it('--json gives everything that was kept', async () => {
    const { run } = await decided({ observed: 'reject', verdict: 'pass' });
    const record = aRecord({ observed: 'reject', verdict: 'pass' });
    expect(JSON.parse((await run(['history', '--json'])).stdout)).toEqual([
      { ...record, at: '2027-01-31T12:00:00.000Z' },
    ]);
    expect((await run(['history'])).stdout).toContain('pass (observed: reject)');
  });

  it.each([
    [['--client', '192.0.2.0/24'], 'a'],
    [['--client', '2001:DB8:0::7'], 'b'],
    [['--recipient', 'DORA@example.net'], 'b'],
    [['--sender', '<>'], 'b'],
    [['--sender', 'stranger@remote.example', '--recipient', 'anna@example.com'], 'a'],
    [['--domain', 'EXAMPLE.com'], 'a'],
    [['--queue-id', '4ZKq3x1Hsdz9'], 'b'],
    [['--verdict', 'reject'], 'a'],
    [['--since', '2027-01-31T12:00:01Z'], 'b'],
    [['--since', '2027-01-31', '--until', '2027-01-31'], 'ba'],
    [['--until', '2027-01-31T13:00:01+01:00'], 'a'],
    [['--since', '2027-02-01'], ''],
    [['--limit', '1'], 'b'],
  ])('%j', async (options, texts) => {
    const { run } = await decided({ text: 'a' }, { at: NOON + 1500, ...SIGNED, text: 'b' });
    const { code, stdout } = await run(['history', '--json', ...options]);
    expect(code).toBe(0);
    expect((JSON.parse(stdout) as { text: string }[]).map(({ text }) => text).join('')).toBe(texts);
  });

  it('a span of time counts back from now', async () => {
    const now = Date.now();
    const { run } = await decided({ at: now - 3 * 3_600_000, text: 'a' }, { at: now - 3_600_000, text: 'b' });
    const texts = async (...options: string[]): Promise<string[]> =>
      (JSON.parse((await run(['history', '--json', ...options])).stdout) as { text: string }[]).map(({ text }) => text);
    expect(await texts('--since', '2h')).toEqual(['b']);
    expect(await texts('--until', '90m')).toEqual(['a']);
    expect(await texts('--since', '7d')).toEqual(['b', 'a']);
  });

  it.each([
    [['--client', '192.0.2.300'], '--client'],
    [['--domain', 'a..b'], '--domain "a..b" is no domain'],
    [['--verdict', 'refuse'], '--verdict "refuse" is none; write one of pass, reject, defer'],
    [['--since', 'yesterday'], '--since "yesterday" is no time'],
    [['--since', '2027-02-30'], '--since "2027-02-30" is no time'],
    [['--until', '2027-01-31T12:00'], '--until "2027-01-31T12:00" is no time'],
    [['--limit', '0'], '--limit "0" is no number from 1 to 100000'],
    [['--limit', '1e3'], '--limit "1e3" is no number'],
  ])('%j is wrong usage', async (options, message) => {
    const { code, stdout, stderr } = await (await cliWorkspace()).run(['history', ...options]);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain(message);
  });

  it('nothing kept yet is no output and no fault, and no file is made', async () => {
    const workspace = await cliWorkspace();
    expect(await workspace.run(['history'])).toMatchObject({ code: 0, stdout: '', stderr: '' });
    expect(await workspace.run(['history', '--json'])).toMatchObject({ code: 0, stdout: '[]\n' });
    await expect(chmod(join(workspace.directory, 'state'), 0o700)).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('nothing that a terminal would obey is shown', async () => {
    const { run } = await decided({ sender: 'a\u001b[2J@remote.example', text: 'two\nlines' });
    const { stdout } = await run(['history']);
    expect(stdout.split('\n')).toHaveLength(2);
    expect(stdout).not.toContain('\u001b');
  });

  it('a damaged history is named with the way out; a list is shown all the same', async () => {
    const { directory, run } = await cliWorkspace();
    await mkdir(join(directory, 'state'));
    await writeFile(join(directory, 'state', 'history.db'), 'no database '.repeat(500));
    const { code, stderr } = await run(['history']);
    expect(code).toBe(1);
    expect(stderr).toMatch(/history\.db cannot be read: file is not a database.*POSTERN_STATE_UNREADABLE/);
    const listed = await run(['ip', 'list', 'block', 'example.com']);
    expect(listed).toMatchObject({ code: 0, stdout: '192.0.2.66\n' });
    expect(listed.stderr).toContain('warning: the hits are not known:');
    expect(await run(['ip', 'list', 'block', 'example.com', '--sort', 'recent'])).toMatchObject({
      code: 1,
      stdout: '',
    });
  });

  it('ip list takes two orders and no other', async () => {
    const { run } = await cliWorkspace(undefined, OPERATOR);
    const { code, stderr } = await run(['ip', 'list', 'block', 'example.com', '--sort', 'hits']);
    expect(code).toBe(2);
    expect(stderr).toContain('--sort "hits" is no order; write file or recent');
  });
});
