/** The state directory: who may read it, what a damaged file does, and how commands and a serving Postern meet. */
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import {
  createShortTermBlockFile,
  readShortTermBlocks,
  requestLift,
} from '../../../src/adapters/short-term-blocks/index.ts';
import { createAutoBlock, type AutoBlock, type ShortTermBlock } from '../../../src/services/index.ts';
import { anIp } from '../../support/auto-block.ts';
import { aDomain, aRange, aSnapshot, withDomain } from '../../support/builders.ts';
import { FakeLog } from '../../support/fake-log.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { waitFor } from '../../support/waiting.ts';

const NOW = 1_800_000_000_000;
const block = (client: string, more: Partial<ShortTermBlock> = {}): ShortTermBlock => ({
  domain: aDomain('example.com'),
  range: aRange(client),
  since: NOW - 1000,
  until: NOW + 1000,
  reason: '3 hits within 1m',
  ...more,
});
const stateDirectory = async (): Promise<string> => join(await temporaryDirectory(), 'state');
const modeOf = async (path: string): Promise<number> => (await stat(path)).mode & 0o777;

describe('the file', () => {
  it('is for its owner alone, and so are the directories', async () => {
    const state = await stateDirectory();
    await createShortTermBlockFile(state).save([block('192.0.2.1')]);
    await requestLift(state, { domain: 'example.com', ranges: [aRange('192.0.2.1')], at: NOW });
    const [request = ''] = await readdir(join(state, 'lifts'));
    expect(await modeOf(state)).toBe(0o700);
    expect(await modeOf(join(state, 'short-term-blocks.json'))).toBe(0o600);
    expect(await modeOf(join(state, 'lifts'))).toBe(0o700);
    expect(await modeOf(join(state, 'lifts', request))).toBe(0o600);
  });

  const good = JSON.stringify({ domain: 'example.com', client: '192.0.2.1', since: 1, until: 2, reason: 'x' });
  it.each([
    ['half a file', `{"format":1,"blocks":[${good}`, 'it is not JSON'],
    ['nothing', '', 'it is not JSON'],
    ['another thing', '[]', 'it is no object'],
    ['no format', '{"blocks":[]}', 'it says no format'],
    ['a later format', '{"format":2,"blocks":[]}', 'its format 2 is of a later Postern'],
    ['no blocks', '{"format":1}', 'its blocks are missing'],
    [
      'a block without a client',
      `{"format":1,"blocks":[${good.replace('192.0.2.1', '192.0.2.')}]}`,
      'a block in it is none',
    ],
    ['a block of no domain', `{"format":1,"blocks":[${good.replace('example.com', '-')}]}`, 'a block in it is none'],
    ['a block without an end', `{"format":1,"blocks":[${good.replace('2,', '1e99,')}]}`, 'a block in it is none'],
    ['a block that is text', '{"format":1,"blocks":["192.0.2.1"]}', 'a block in it is none'],
  ])('%s is put aside and said', async (_, text, why) => {
    const state = await stateDirectory();
    await mkdir(state);
    const path = join(state, 'short-term-blocks.json');
    await writeFile(path, text);
    await expect(readShortTermBlocks(state, NOW)).rejects.toThrow(`${path} cannot be used: ${why}`);
    const { blocks, fault } = await createShortTermBlockFile(state).load();
    expect(blocks).toEqual([]);
    expect(fault).toBe(
      `${path} cannot be used: ${why}; no short-term block is taken over, and the file is kept as ${path}.damaged`,
    );
    expect(await readFile(`${path}.damaged`, 'utf8')).toBe(text);
    await createShortTermBlockFile(state).save([block('192.0.2.7')]);
    expect((await createShortTermBlockFile(state).load()).blocks).toEqual([block('192.0.2.7')]);
  });

  it('a directory in its place is put aside too', async () => {
    const state = await stateDirectory();
    await mkdir(join(state, 'short-term-blocks.json'), { recursive: true });
    expect((await createShortTermBlockFile(state).load()).fault).toContain('it is a directory');
    await createShortTermBlockFile(state).save([]);
  });

  it('a state directory that cannot be written is an error with a way to act', async () => {
    const directory = await temporaryDirectory({ state: 'a file' });
    const store = createShortTermBlockFile(join(directory, 'state'));
    await expect(store.save([])).rejects.toMatchObject({ code: 'POSTERN_STATE_UNWRITABLE' });
    await expect(store.waitingLifts()).rejects.toMatchObject({ code: 'POSTERN_STATE_UNREADABLE' });
  });

  it('50,000 blocks are saved in turns that hold up nothing for long', async () => {
    const state = await stateDirectory();
    const many = Array.from({ length: 50_000 }, (_, n) => block(`10.${n >> 16}.${(n >> 8) & 255}.${n & 255}`));
    let longest = 0;
    let last = performance.now();
    const ticking = setInterval(() => {
      longest = Math.max(longest, performance.now() - last);
      last = performance.now();
    }, 1);
    await createShortTermBlockFile(state).save(many);
    clearInterval(ticking);
    expect(longest).toBeLessThan(60);
    expect(await readShortTermBlocks(state, NOW)).toHaveLength(50_000);
  });
});

describe('what a command sees', () => {
  it('acting blocks, the newest first, without those that wait to be lifted', async () => {
    const state = await stateDirectory();
    await createShortTermBlockFile(state).save([
      block('192.0.2.1'),
      block('192.0.2.2', { since: NOW - 1 }),
      block('192.0.2.3', { until: NOW }),
      block('192.0.2.1', { domain: aDomain('b.example') }),
      block('2001:db8:1:2::/64'),
    ]);
    await requestLift(state, {
      domain: 'example.com',
      ranges: [aRange('192.0.2.0/31'), aRange('2001:db8:1:2::9')],
      at: NOW - 500,
    });
    // It does not reach what was blocked after it.
    await requestLift(state, { domain: 'example.com', ranges: [aRange('192.0.2.2')], at: NOW - 500 });
    await writeFile(join(state, 'lifts', 'note.txt'), 'not a request');
    const seen = await readShortTermBlocks(state, NOW);
    expect(seen.map(({ domain, range }) => `${domain} ${range.text}`)).toEqual([
      'example.com 192.0.2.2',
      'b.example 192.0.2.1',
    ]);
  });

  it('nothing where nothing was kept', async () => {
    expect(await readShortTermBlocks(await stateDirectory(), NOW)).toEqual([]);
  });
});

describe('a serving Postern', () => {
  async function serving(state: string): Promise<{ blocks: AutoBlock; log: FakeLog; block: (client: string) => void }> {
    const snapshot = aSnapshot(withDomain({ autoBlock: { after: 1, within: '1m', for: '1h' } }));
    const policy = snapshot.domains.get(aDomain('example.com'));
    if (policy === undefined) throw new Error('no own domain');
    const log = new FakeLog();
    const blocks = createAutoBlock({
      current: () => snapshot,
      store: createShortTermBlockFile(state),
      clock: { now: Date.now },
      log,
    });
    onTestFinished(() => blocks.stop());
    await blocks.start();
    const note = (client: string): void => {
      blocks.note({ policy, address: anIp(client), kind: 'blocked', at: Date.now() });
    };
    return { blocks, log, block: note };
  }
  const listed = (blocks: AutoBlock): string[] => blocks.list().map(({ range }) => range.text);

  it('heeds a request within a second, and so does the next one that starts', async () => {
    const state = await stateDirectory();
    const first = await serving(state);
    for (const client of ['192.0.2.1', '192.0.2.2', '192.0.2.3']) first.block(client);
    await waitFor('the file', async () =>
      (await readShortTermBlocks(state, Date.now())).length === 3 ? true : undefined,
    );
    const lift = (client: string) =>
      requestLift(state, { domain: 'example.com', ranges: [aRange(client)], at: Date.now() });
    const askedAt = performance.now();
    await lift('192.0.2.1');
    await waitFor('the lift', () => (listed(first.blocks).length === 2 ? true : undefined));
    expect(performance.now() - askedAt).toBeLessThan(1000);
    await waitFor('the end of the request', async () =>
      (await readdir(join(state, 'lifts'))).length === 0 ? true : undefined,
    );
    await first.blocks.stop();
    await lift('192.0.2.2');
    const second = await serving(state);
    expect(listed(second.blocks)).toEqual(['192.0.2.3']);
    expect(await readdir(join(state, 'lifts'))).toEqual([]);
    await second.blocks.stop();
    expect((await readShortTermBlocks(state, Date.now())).map(({ range }) => range.text)).toEqual(['192.0.2.3']);
  });

  it('drops a request that makes no sense, and does the others', async () => {
    const state = await stateDirectory();
    const { blocks, log, block: note } = await serving(state);
    note('192.0.2.1');
    await mkdir(join(state, 'lifts'), { recursive: true });
    for (const [name, text] of [
      ['1-a.json', '{'],
      ['2-b.json', '{"format":1,"domain":"example.com","clients":["x"],"at":1}'],
      ['3-c.json', '{"format":1,"domain":"example.com","at":1}'],
    ] as const) {
      await writeFile(join(state, 'lifts', name), text);
    }
    await requestLift(state, { domain: 'example.com', ranges: [aRange('192.0.2.1')], at: Date.now() });
    await waitFor('the lift', () => (listed(blocks).length === 0 ? true : undefined));
    await waitFor('an empty directory', async () =>
      (await readdir(join(state, 'lifts'))).length === 0 ? true : undefined,
    );
    expect(log.messages('warn')).toHaveLength(3);
  });
});
