/** Following a log file: every line once, whatever is done to the file. */
import { appendFile, copyFile, mkdir, readFile, rename, rm, rmdir, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { findLog, followLog, type FollowedLog, type FollowerOptions } from '../../../src/adapters/postfix-log/index.ts';
import { FakeLog } from '../../support/fake-log.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { waitFor } from '../../support/waiting.ts';

const LOOK_MS = 10;

class Desk {
  readonly directory: string;
  readonly path: string;
  readonly positionFile: string;
  readonly lines: string[] = [];
  readonly states: boolean[] = [];
  readonly log = new FakeLog();
  isWanted = true;
  #followed: FollowedLog | null = null;

  constructor(directory: string) {
    this.directory = directory;
    this.path = join(directory, 'mail.log');
    this.positionFile = join(directory, 'state', 'postfix-log.json');
  }

  follow(limits: FollowerOptions['limits'] = {}, find?: FollowerOptions['find']): FollowedLog {
    this.#followed = followLog({
      find: find ?? (() => Promise.resolve({ path: this.path, reason: null })),
      positionFile: this.positionFile,
      isWanted: () => this.isWanted,
      onLine: (line) => void this.lines.push(line),
      onState: (isRead) => void this.states.push(isRead),
      log: this.log,
      limits: { lookMs: LOOK_MS, ...limits },
    });
    return this.#followed;
  }

  /** Follows, and waits until the file is open. */
  async open(limits: FollowerOptions['limits'] = {}): Promise<void> {
    const before = this.states.length;
    this.follow(limits);
    await waitFor('the log to be read', () => (this.states.length > before ? true : undefined));
  }

  async stop(): Promise<void> {
    await this.#followed?.stop();
    this.#followed = null;
  }

  append(...lines: readonly string[]): Promise<void> {
    return appendFile(this.path, lines.map((line) => `${line}\n`).join(''));
  }

  async expectLines(...expected: readonly string[]): Promise<void> {
    try {
      await waitFor('lines', () => (this.lines.length >= expected.length ? true : undefined), 5_000, 5);
    } catch {
      // Shown by what follows.
    }
    // Whatever comes twice comes within a few looks.
    await sleep(5 * LOOK_MS);
    expect(this.lines).toEqual(expected);
  }
}

async function desk(content: string | null = 'before\n'): Promise<Desk> {
  const made = new Desk(await temporaryDirectory(content === null ? {} : { 'mail.log': content }));
  onTestFinished(() => made.stop());
  return made;
}

describe('a log that grows', () => {
  it('is read from its end, a line when it is whole, one that is too long left out', async () => {
    const it = await desk();
    await it.open();
    await it.append('one', 'two');
    await appendFile(it.path, 'thr');
    await it.expectLines('one', 'two');
    await appendFile(it.path, 'ee\n' + 'x'.repeat(9_000));
    await appendFile(it.path, 'x\nfour\n');
    await it.expectLines('one', 'two', 'three', 'four');
    expect(it.states).toEqual([true]);
  });

  it('by a lot at once: nothing is lost, and others have their turn', async () => {
    const it = await desk();
    await it.open();
    const lines = Array.from({ length: 60_000 }, (_, n) => `line ${n} ${'x'.repeat(100)}`);
    let longest = 0;
    let last = performance.now();
    const ticking = setInterval(() => {
      longest = Math.max(longest, performance.now() - last);
      last = performance.now();
    }, 5);
    await it.append(...lines);
    await waitFor('all lines', () => (it.lines.length >= lines.length ? true : undefined), 20_000);
    clearInterval(ticking);
    expect(it.lines).toEqual(lines);
    expect(longest).toBeLessThan(1_000);
  });

  it('while nobody wants it, it is not opened', async () => {
    const it = await desk();
    it.isWanted = false;
    it.follow();
    await it.append('unwanted');
    await sleep(5 * LOOK_MS);
    expect(it.states).toEqual([]);
    it.isWanted = true;
    await waitFor('the log to be read', () => (it.states.length > 0 ? true : undefined));
    await it.append('wanted');
    await it.expectLines('wanted');
  });
});

describe('a log that is rotated', () => {
  it('by rename: what still goes to the old file is read, then the new one', async () => {
    const it = await desk();
    await it.open();
    await it.append('one');
    await it.expectLines('one');
    await rename(it.path, `${it.path}.1`);
    await appendFile(`${it.path}.1`, 'two, into the old file\n');
    await writeFile(it.path, '');
    await it.expectLines('one', 'two, into the old file');
    // The new file is there, and the writer has not turned to it yet.
    await appendFile(`${it.path}.1`, 'three, into the old file\n');
    await it.append('four');
    await it.expectLines('one', 'two, into the old file', 'three, into the old file', 'four');
    expect(it.states).toEqual([true]);
  });

  it('by copying and cutting: also where it has grown beyond the old size at the next look', async () => {
    const it = await desk();
    await it.open();
    await it.append('one');
    await it.expectLines('one');
    await copyFile(it.path, `${it.path}.1`);
    await truncate(it.path);
    await it.append('two');
    await it.expectLines('one', 'two');
    const more = Array.from({ length: 20 }, (_, n) => `number ${n}`);
    await writeFile(it.path, more.map((line) => `${line}\n`).join(''));
    await it.expectLines('one', 'two', ...more);
  });

  it('and away for a while: said after that while, once, and when it is back', async () => {
    const it = await desk();
    await it.open({ absentMs: 100 });
    await rename(it.path, `${it.path}.1`);
    await waitFor('the complaint', () => (it.states.length === 2 ? true : undefined));
    await sleep(10 * LOOK_MS);
    await it.append('first of the new file');
    await it.expectLines('first of the new file');
    expect(it.states).toEqual([true, false, true]);
    expect(it.log.entries.map(({ level, message }) => [level, message])).toEqual([
      ['info', 'the log of Postfix is read'],
      ['warn', 'the log of Postfix cannot be read, so failures at routes are not seen'],
      ['info', 'the log of Postfix is read'],
    ]);
    expect(it.log.entries[1]?.fields).toEqual({ file: it.path, reason: 'there is no such file' });
  });
});

describe('a log that is not there', () => {
  it('at the start: said once; all of it is read when it comes', async () => {
    const it = await desk(null);
    await it.open();
    expect(it.states).toEqual([false]);
    await it.append('one');
    await it.expectLines('one');
    expect(it.states).toEqual([false, true]);
  });

  it('but something else in its place, which is not opened: said, and read once it is a file', async () => {
    const it = await desk(null);
    await mkdir(it.path);
    await it.open();
    expect(it.log.entries[0]?.fields['reason']).toBe('it is no regular file');
    await rmdir(it.path);
    await rename(await other(it, 'old\n'), it.path);
    await waitFor('the log to be read', () => (it.states.includes(true) ? true : undefined));
    await it.append('new');
    await waitFor('a line', () => (it.lines.includes('new') ? true : undefined));
  });

  it('nor anywhere: looked for again later', async () => {
    const it = await desk();
    let times = 0;
    it.follow({ findMs: 50 }, () => {
      times += 1;
      return Promise.resolve(times < 3 ? { path: null, reason: 'no such log' } : { path: it.path, reason: null });
    });
    await waitFor('the log to be read', () => (it.states.includes(true) ? true : undefined));
    expect(times).toBe(3);
    expect(it.log.entries[0]).toMatchObject({ level: 'warn', fields: { file: null, reason: 'no such log' } });
    expect(it.states).toEqual([false, true]);
  });
});

const other = async ({ directory }: Desk, content: string): Promise<string> => {
  const path = join(directory, 'other');
  await writeFile(path, content);
  return path;
};

describe('a restart', () => {
  /** A log of which the lines "one" and half of "two" were read. */
  async function stopped(): Promise<Desk> {
    const it = await desk();
    await it.open();
    await it.append('one');
    await appendFile(it.path, 'tw');
    await it.expectLines('one');
    await it.stop();
    return it;
  }

  it('goes on where it was, in the middle of a line too', async () => {
    const it = await stopped();
    await appendFile(it.path, 'o\nthree\n');
    await it.open();
    await it.append('four');
    await it.expectLines('one', 'two', 'three', 'four');
  });

  it('and the log was renamed meanwhile: the rest of the old one, then the new one', async () => {
    const it = await stopped();
    await appendFile(it.path, 'o\n');
    await rename(it.path, `${it.path}-20261125`);
    await it.append('three');
    await it.open();
    await it.expectLines('one', 'two', 'three');
  });

  it('and it is gone, or compressed: the new one from its beginning', async () => {
    const it = await stopped();
    await writeFile(`${it.path}.new`, 'three\n');
    await rm(it.path);
    await rename(`${it.path}.new`, it.path);
    await it.open();
    await it.expectLines('one', 'three');
  });

  it.each([
    ['to nothing', 'three\n'],
    ['and grew beyond where it was', `three ${'x'.repeat(200)}\n`],
  ])('and it was cut %s: from its beginning', async (_, content) => {
    const it = await stopped();
    await truncate(it.path);
    await appendFile(it.path, content);
    await it.open();
    await it.expectLines('one', content.trim());
  });

  it('and the log is another file now: from its end', async () => {
    const it = await stopped();
    const path = await other(it, 'old\n');
    it.follow({}, () => Promise.resolve({ path, reason: null }));
    await waitFor('the log to be read', () => (it.states.length > 1 ? true : undefined));
    await appendFile(path, 'new\n');
    await it.expectLines('one', 'new');
  });

  it.each(['', 'null', '{"path":"/x"}', '{"path":"/x","file":"1:2","before":"","offset":"9"}'])(
    'and the place is lost (%j): said, and from its end',
    async (kept) => {
      const it = await stopped();
      await writeFile(it.positionFile, kept);
      await it.append('o');
      await it.open();
      await it.append('three');
      await it.expectLines('one', 'three');
      expect(it.log.messages('warn')).toEqual([
        'how far the log of Postfix was read is not known, so it is read from its end',
      ]);
    },
  );

  it('that was not one but a kill: from the place of some seconds ago', async () => {
    const it = await desk();
    await it.open({ saveMs: 50 });
    await it.append('one');
    await it.expectLines('one');
    await waitFor('the place', () => readFile(it.positionFile, 'utf8').catch(() => undefined));
    await sleep(100);
    // A second one beside it is what a start after a kill sees.
    const after = new Desk(it.directory);
    onTestFinished(() => after.stop());
    await it.append('two');
    await after.open();
    await after.expectLines('two');
  });

  it('and the place cannot be kept: said once', async () => {
    const it = await desk();
    await writeFile(join(it.directory, 'state'), 'no directory');
    await it.open({ saveMs: 10 });
    await it.append('one');
    await it.expectLines('one');
    await it.append('two');
    await it.expectLines('one', 'two');
    expect(it.log.messages('warn').filter((text) => text.includes('cannot be kept'))).toHaveLength(1);
  });
});

describe('findLog', () => {
  it('the word of the operator, then of Postfix, then the usual places', async () => {
    const directory = await temporaryDirectory({ 'mail.log': '', maillog: '' });
    const usual = [join(directory, 'mail.log'), join(directory, 'maillog')];
    const find = (logFile: string | undefined, maillogFile: string, places = usual): ReturnType<typeof findLog> =>
      findLog({ logFile, maillogFile }, places);
    expect(await find('/x/log', '/y/log')).toEqual({ path: '/x/log', reason: null });
    expect(await find(undefined, '/y/log')).toEqual({ path: '/y/log', reason: null });
    expect(await find(undefined, '')).toEqual({ path: usual[0], reason: null });
    expect(await find(undefined, '', ['/nowhere/mail.log', usual[1]!])).toEqual({ path: usual[1], reason: null });
    expect(await find(undefined, '/dev/stdout')).toEqual({
      path: null,
      reason: 'maillog_file is /dev/stdout, which cannot be read',
    });
    expect(await find(undefined, '', ['/nowhere/mail.log'])).toEqual({
      path: null,
      reason: 'maillog_file is not set, and /nowhere/mail.log: there is no such file',
    });
  });
});
