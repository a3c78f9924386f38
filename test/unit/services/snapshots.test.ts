import { beforeEach, describe, expect, it } from 'vitest';
import { createSettingsLoader, createSnapshots, PosternError, type Snapshots } from '../../../src/services/index.ts';
import { MemoryLastGood, MemoryStore } from '../../contract/memory-store.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { FakeLog, FakeMeters } from '../../support/fake-log.ts';
import { surroundings } from './surroundings.ts';

const settings = (own: string, more = ''): string =>
  `version: 1
organizations:
  acme:
    primaryDomain: example.com
    domains:
      example.com: ${own}
${more}`;
const GOOD = settings('{ blockedIps: [192.0.2.1] }');
const OTHER = settings('{ blockedIps: [192.0.2.2] }');
const BROKEN = settings('{ blokedIps: [] }');
const WITH_LIST = settings('{ blockedIps: [{ file: drop.txt }] }');

let store: MemoryStore;
let lastGood: MemoryLastGood;
let clock: FakeClock;
let log: FakeLog;
let meters: FakeMeters;

beforeEach(() => {
  store = new MemoryStore(GOOD);
  lastGood = new MemoryLastGood();
  clock = new FakeClock();
  log = new FakeLog();
  meters = new FakeMeters();
});

const make = (): Snapshots => {
  const loader = createSettingsLoader(store, lastGood);
  return createSnapshots({ loader, surroundings: surroundings(), clock, log, meters });
};
const started = async (): Promise<Snapshots> => {
  const snapshots = make();
  await snapshots.start();
  return snapshots;
};
const blockedBy = (snapshots: Snapshots): string[] =>
  [...snapshots.current().domains.values()].flatMap(({ blocked }) => blocked.entries.map((entry) => entry.text));
const codes = (snapshots: Snapshots): string[] => snapshots.problems().map(({ code }) => code);

describe('start', () => {
  it('runs on good settings, says the change once, and keeps them', async () => {
    const snapshots = await started();
    expect(blockedBy(snapshots)).toEqual(['192.0.2.1']);
    expect(snapshots.problems()).toEqual([]);
    expect(log.entries).toEqual([
      { level: 'info', message: 'change', fields: { revision: snapshots.current().revision, own_domains: 1 } },
    ]);
    expect(lastGood.saved?.settings).toBe(GOOD);
    expect(meters.states).toEqual([
      {
        revisionNumber: Number.parseInt(snapshots.current().revision, 16),
        liveSince: clock.now(),
        ownDomains: 1,
        settingsValid: true,
        storeUp: true,
      },
    ]);
  });

  it('nothing is current before it', () => {
    expect(() => make().current()).toThrow('no snapshot yet');
  });

  it('broken settings: the last good ones run, and the problem is said', async () => {
    await started();
    store.settings = BROKEN;
    const snapshots = await started();
    expect(blockedBy(snapshots)).toEqual(['192.0.2.1']);
    expect(codes(snapshots)).toEqual(['POSTERN_SETTINGS_INVALID']);
    expect(snapshots.problems()[0]?.text).toMatch(/^settings\.yaml:6:22: blokedIps is an unknown key/);
    expect(meters.lastState).toMatchObject({ settingsValid: false, storeUp: true });
    expect(log.messages('error')).toContain('started from the last good settings');
    expect(lastGood.saved?.settings).toBe(GOOD);
  });

  it('POL-06 settings that cannot be read at start: the last good ones run, and the store is down', async () => {
    await started();
    store.settings = null;
    const snapshots = await started();
    expect(blockedBy(snapshots)).toEqual(['192.0.2.1']);
    expect(codes(snapshots)).toEqual(['POSTERN_SETTINGS_UNREADABLE']);
    expect(meters.lastState).toMatchObject({ settingsValid: false, storeUp: false });
  });

  it.each([
    ['broken', BROKEN, 'POSTERN_SETTINGS_INVALID', /blokedIps is an unknown key.*\nThere are no last good settings/],
    ['unreadable', null, 'POSTERN_SETTINGS_UNREADABLE', /there is no such file\nThere are no last good settings/],
  ])('%s settings without last good ones: refused with the reason', async (_, text, code, message) => {
    store.settings = text;
    const refusal = await make()
      .start()
      .catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(PosternError);
    expect(refusal).toMatchObject({ code });
    expect((refusal as Error).message).toMatch(message);
  });

  it('last good settings that are damaged: refused with both reasons', async () => {
    store.settings = BROKEN;
    lastGood.loadFault = new PosternError('POSTERN_STATE_UNREADABLE', 'last-good.json is broken');
    await expect(make().start()).rejects.toThrow(
      /blokedIps is an unknown key.*\nThe last good settings cannot be used: last-good\.json is broken/,
    );
  });

  it('last good settings that this version refuses: refused with both reasons', async () => {
    store.settings = null;
    lastGood.saved = { settings: BROKEN, lists: new Map(), savedAt: 1 };
    await expect(make().start()).rejects.toThrow(
      /no such file\nThe last good settings cannot be used:\nsettings\.yaml:6:22/,
    );
  });

  it('a broken list file: the settings as they are run with its last good content', async () => {
    store = new MemoryStore(WITH_LIST, { 'drop.txt': '192.0.2.1\n' });
    await started();
    store.settings = settings('{ blockedIps: [{ file: drop.txt }, 192.0.2.9] }');
    store.lists.set('drop.txt', 'nonsense\n');
    const snapshots = await started();
    expect(blockedBy(snapshots)).toEqual(['drop.txt', '192.0.2.9']);
    expect(snapshots.problems()[0]?.text).toMatch(/^drop\.txt:1:1: /);
  });
});

describe('reload', () => {
  it('an edit acts, and is said with what it replaced', async () => {
    const snapshots = await started();
    const before = snapshots.current();
    store.settings = OTHER;
    clock.advance(5000);
    await snapshots.reload();
    expect(blockedBy(snapshots)).toEqual(['192.0.2.2']);
    expect(log.entries.at(-1)).toMatchObject({ message: 'change', fields: { previous: before.revision } });
    expect(meters.lastState?.liveSince).toBe(clock.now());
    expect(blockedBy({ ...snapshots, current: () => before })).toEqual(['192.0.2.1']);
  });

  it('without an edit nothing is said and the age goes on', async () => {
    const snapshots = await started();
    const since = clock.now();
    clock.advance(5000);
    await snapshots.reload();
    expect(log.messages('info')).toEqual(['change']);
    expect(meters.lastState?.liveSince).toBe(since);
  });

  it('broken later: what runs stays, the problem is said; mended: it is gone', async () => {
    const snapshots = await started();
    const running = snapshots.current();
    store.settings = BROKEN;
    await snapshots.reload();
    expect(snapshots.current()).toBe(running);
    expect(codes(snapshots)).toEqual(['POSTERN_SETTINGS_INVALID']);
    expect(log.messages('error').at(-1)).toBe('the settings are not good, the running ones stay');
    expect(meters.lastState).toMatchObject({ settingsValid: false, storeUp: true });
    store.settings = OTHER;
    await snapshots.reload();
    expect(snapshots.problems()).toEqual([]);
    expect(blockedBy(snapshots)).toEqual(['192.0.2.2']);
    expect(meters.lastState).toMatchObject({ settingsValid: true, storeUp: true });
  });

  it('POL-06 the store lost while running: answers go on from memory, and the store is down', async () => {
    const snapshots = await started();
    store.settings = null;
    await snapshots.reload();
    expect(blockedBy(snapshots)).toEqual(['192.0.2.1']);
    expect(meters.lastState).toMatchObject({ settingsValid: false, storeUp: false });
    store.settings = GOOD;
    await snapshots.reload();
    expect(meters.lastState).toMatchObject({ settingsValid: true, storeUp: true });
  });

  it('a list file that breaks: its last good content stays, named with its line number, and edits go on acting', async () => {
    store = new MemoryStore(WITH_LIST, { 'drop.txt': '192.0.2.1\n' });
    const snapshots = await started();
    store.lists.set('drop.txt', '192.0.2.1\n192.0.2.300\n');
    await snapshots.reload();
    expect(snapshots.problems()).toEqual([
      { code: 'POSTERN_SETTINGS_INVALID', text: expect.stringMatching(/^drop\.txt:2:1: /) as string },
    ]);
    expect(snapshots.listFiles()).toEqual(['drop.txt']);
    store.settings = settings('{ blockedIps: [{ file: drop.txt }, 192.0.2.9] }');
    await snapshots.reload();
    expect(blockedBy(snapshots)).toEqual(['drop.txt', '192.0.2.9']);
    expect(codes(snapshots)).toEqual(['POSTERN_SETTINGS_INVALID']);
    expect(lastGood.saved?.lists.get('drop.txt')).toBe('192.0.2.1\n');
    store.lists.set('drop.txt', '192.0.2.2\n');
    await snapshots.reload();
    expect(snapshots.problems()).toEqual([]);
    expect(lastGood.saved?.lists.get('drop.txt')).toBe('192.0.2.2\n');
  });

  it('a new list file that is missing is watched, so that it is noticed when it comes', async () => {
    const snapshots = await started();
    store.settings = WITH_LIST;
    await snapshots.reload();
    expect(blockedBy(snapshots)).toEqual(['192.0.2.1']);
    expect(snapshots.listFiles()).toEqual(['drop.txt']);
    store.lists.set('drop.txt', '192.0.2.3\n');
    await snapshots.reload();
    expect(blockedBy(snapshots)).toEqual(['drop.txt']);
    store.settings = 'version: [';
    await snapshots.reload();
    expect(snapshots.listFiles()).toEqual(['drop.txt']);
  });

  it('a state directory that cannot be written is a problem of its own, and answers go on', async () => {
    lastGood.saveFault = new Error('the disk is full');
    const snapshots = await started();
    expect(blockedBy(snapshots)).toEqual(['192.0.2.1']);
    expect(snapshots.problems()).toEqual([
      { code: 'POSTERN_STATE_UNWRITABLE', text: 'the last good settings cannot be saved: the disk is full' },
    ]);
    expect(meters.lastState).toMatchObject({ settingsValid: true, storeUp: true });
    store.settings = BROKEN;
    await snapshots.reload();
    expect(codes(snapshots)).toEqual(['POSTERN_SETTINGS_INVALID', 'POSTERN_STATE_UNWRITABLE']);
    store.settings = OTHER;
    lastGood.saveFault = null;
    await snapshots.reload();
    expect(snapshots.problems()).toEqual([]);
  });

  it('two at once end with the newest, however slow the first', async () => {
    const snapshots = await started();
    let release = (): void => undefined;
    store.gates.push(new Promise((resolve) => (release = resolve)));
    store.settings = OTHER;
    const first = snapshots.reload();
    await Promise.resolve();
    store.settings = settings('{ blockedIps: [192.0.2.3] }');
    const second = snapshots.reload();
    release();
    await Promise.all([first, second]);
    expect(blockedBy(snapshots)).toEqual(['192.0.2.3']);
    expect(lastGood.saved?.settings).toBe(store.settings);
  });

  it('new surroundings act, and stay for later reloads', async () => {
    const snapshots = await started();
    const count = (): number => snapshots.current().host.trustedNetworks.v4.first.length;
    expect(count()).toBe(1);
    await snapshots.reload(surroundings({ trustedNetworks: ['127.0.0.0/8', '10.0.0.0/8'] }));
    expect(count()).toBe(2);
    await snapshots.reload();
    expect(count()).toBe(2);
  });

  it('names the first faults of very many, errors before warnings', async () => {
    const snapshots = await started();
    const wide = Array.from({ length: 30 }, (_, n) => `${n + 1}.0.0.0/8`).join(', ');
    const bad = Array.from({ length: 30 }, (_, n) => `x${n}: 1`).join(', ');
    store.settings = settings(`{ allowedIps: [${wide}], ${bad} }`);
    await snapshots.reload();
    const [problem] = snapshots.problems();
    expect(problem?.text.split('\n')).toHaveLength(21);
    expect(problem?.text).toMatch(/\nand 10 more$/);
    expect(log.messages('error').filter((message) => message.includes('unknown key'))).toHaveLength(20);
    expect(log.messages('warn')).toContain('and 40 more; "postern check" names them all');
  });
});
