/** Loading settings in a thread: what did not change stays the same object, the loop goes on, a dead thread costs one load. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  createLastGood,
  createSettingsFile,
  createSettingsThread,
} from '../../../src/adapters/store-embedded/index.ts';
import { createSettingsLoader, type SettingsLoader } from '../../../src/services/index.ts';
import { recipientListHas, recipientListSize, type Domain, type RecipientList } from '../../../src/mail/index.ts';
import type { Snapshot } from '../../../src/snapshot/index.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { surroundings } from '../../unit/services/surroundings.ts';

const address = (n: number): string => `10.${n >> 16}.${(n >> 8) & 255}.${n & 255}`;
const list = (count: number): string => Array.from({ length: count }, (_, n) => `          - ${address(n)}\n`).join('');
const settings = (blocked: string, more = ''): string => `version: 1
organizations:
  acme:
    primaryDomain: a.example
    domains:
      a.example:
        allowedIps:
${list(30)}        blockedIps:
${blocked}${more}      b.example: { blockedIps: [192.0.2.1] }
`;

async function snapshotOf(loader: SettingsLoader): Promise<Snapshot> {
  const { report, kept } = await loader.load(surroundings());
  await kept;
  if (report.snapshot === null) throw new Error(JSON.stringify(report.errors));
  return report.snapshot;
}

const filesIn = (directory: string) => ({
  settings: join(directory, 'settings.yaml'),
  name: 'settings.yaml',
  state: join(directory, 'state'),
});

describe('createSettingsThread', () => {
  it('an edit of one list leaves the other lists and domains the objects that they were', async () => {
    const directory = await temporaryDirectory({ 'settings.yaml': settings(list(40)) });
    const loader = createSettingsThread(filesIn(directory));
    const before = await snapshotOf(loader);
    await writeFile(join(directory, 'settings.yaml'), settings(list(41)));
    loader.prepare();
    loader.prepare();
    const after = await snapshotOf(loader);
    const [a, b] = ['a.example', 'b.example'].map((name) => name as Domain) as [Domain, Domain];
    expect(after.revision).not.toBe(before.revision);
    expect(after.domains.get(b)).toBe(before.domains.get(b));
    expect(after.domains.get(a)?.allowed).toBe(before.domains.get(a)?.allowed);
    expect(after.domains.get(a)?.blocked.entries).toHaveLength(41);
    expect(before.domains.get(a)?.blocked.entries).toHaveLength(40);
    expect(before.domains.get(a)?.blocked.set.v4.first).toHaveLength(40);
  });

  it.each([
    ['an address', '192.0.2.1\n192.0.2.9\n'],
    ['only a line', '\n192.0.2.1\n192.0.2.5\n'],
  ])('a list file in which %s changes is another list, as long as it was', async (_, content) => {
    const own = settings(list(1), '          - { file: drop.txt }\n');
    const directory = await temporaryDirectory({
      'settings.yaml': own,
      'drop.txt': '192.0.2.1\n192.0.2.5\n',
    });
    const loader = createSettingsThread(filesIn(directory));
    const before = await snapshotOf(loader);
    await writeFile(join(directory, 'drop.txt'), content);
    const after = await snapshotOf(loader);
    const a = 'a.example' as Domain;
    expect(after.domains.get(a)?.blocked.set.v4.first).toHaveLength(3);
    expect(after.domains.get(a)?.blocked.set).not.toEqual(before.domains.get(a)?.blocked.set);
    expect(after.domains.get(a)?.allowed).toBe(before.domains.get(a)?.allowed);
  });

  it('a file of recipients that domains share is one list, and only an edit of it makes it another', async () => {
    const a = 'a.example' as Domain;
    const [b, c] = ['b.example', 'c.example'] as Domain[] as [Domain, Domain];
    const text = (more: string): string => `version: 1
organizations:
  acme:
    primaryDomain: a.example
    domains:
      a.example: { recipients: [all.txt, { map: "hash:/v" }]${more} }
      b.example: { recipients: [own.txt, all.txt] }
      c.example: { recipients: [same.txt] }
`;
    // Long enough to be handed over without a copy.
    const all = Array.from({ length: 40_000 }, (_, n) => `u${n}@a.example\n`).join('');
    const directory = await temporaryDirectory({
      ...{ 'settings.yaml': text(''), 'all.txt': all, 'own.txt': 'bob\n', 'same.txt': all },
    });
    const loader = createSettingsThread(filesIn(directory));
    const listsOf = (snapshot: Snapshot, domain: Domain): RecipientList[] =>
      (snapshot.domains.get(domain)?.recipients ?? []).flatMap((source) =>
        source.kind === 'file' ? [source.list] : [],
      );
    const before = await snapshotOf(loader);
    const [list] = listsOf(before, a);
    if (list === undefined) throw new Error('there is no list');
    expect([recipientListSize(list), recipientListHas(list, 'u39999@a.example')]).toEqual([40_000, true]);
    expect(listsOf(before, b)[1]).toBe(list);
    expect(listsOf(before, c)[0]).toBe(list);
    expect(before.domains.get(a)?.recipients).toMatchObject([
      { kind: 'file', file: 'all.txt', pointer: '/organizations/acme/domains/a.example/recipients/0' },
      { kind: 'map', map: 'hash:/v', pointer: '/organizations/acme/domains/a.example/recipients/1' },
    ]);

    // Another setting of a domain: its list, and the other domains, are the objects that they were.
    await writeFile(join(directory, 'settings.yaml'), text(', enforcement: observe'));
    const edited = await snapshotOf(loader);
    expect(edited.domains.get(a)?.enforcement).toBe('observe');
    expect(listsOf(edited, a)[0]).toBe(list);
    expect([edited.domains.get(b), edited.domains.get(c)]).toEqual([before.domains.get(b), before.domains.get(c)]);
    expect(edited.domains.get(b)).toBe(before.domains.get(b));

    // The file itself: the same list anew for all who name it, and the one that only looked alike stays.
    await writeFile(join(directory, 'all.txt'), `${all}more@a.example\n`);
    const grown = await snapshotOf(loader);
    expect(grown.revision).not.toBe(edited.revision);
    expect(listsOf(grown, a)[0]).not.toBe(list);
    expect(recipientListSize(listsOf(grown, a)[0] as RecipientList)).toBe(40_001);
    expect(listsOf(grown, b)[1]).toBe(listsOf(grown, a)[0]);
    expect(listsOf(grown, b)[0]).toBe(listsOf(before, b)[0]);
    expect(listsOf(grown, c)[0]).toBe(list);
    // What was handed over before is whole still.
    expect(recipientListHas(list, 'u1@a.example')).toBe(true);

    // Back again.
    await writeFile(join(directory, 'settings.yaml'), text(''));
    await writeFile(join(directory, 'all.txt'), all);
    expect(await snapshotOf(loader)).toEqual(before);
  });

  it('a file of recipients of which a name changes is another list, as long as it was', async () => {
    const own = `version: 1\norganizations: { acme: { primaryDomain: a.example, domains: { a.example: { recipients: [r.txt] } } } }\n`;
    const directory = await temporaryDirectory({ 'settings.yaml': own, 'r.txt': 'ab\nc\n' });
    const loader = createSettingsThread(filesIn(directory));
    const sizes = [];
    for (const content of ['ab\nc\n', 'a\nbc\n', 'ab\nd\n']) {
      await writeFile(join(directory, 'r.txt'), content);
      const [source] = (await snapshotOf(loader)).domains.get('a.example' as Domain)?.recipients ?? [];
      if (source?.kind !== 'file') throw new Error('there is no file');
      sizes.push(['ab', 'c', 'a', 'bc', 'd'].filter((name) => recipientListHas(source.list, name)));
    }
    expect(sizes).toEqual([
      ['ab', 'c'],
      ['a', 'bc'],
      ['ab', 'd'],
    ]);
  });

  it('a domain that goes and comes back is whole again', async () => {
    const directory = await temporaryDirectory({ 'settings.yaml': settings(list(9)) });
    const loader = createSettingsThread(filesIn(directory));
    const before = await snapshotOf(loader);
    await writeFile(join(directory, 'settings.yaml'), settings(list(9)).replace(/ +b\.example.*\n/, ''));
    expect((await snapshotOf(loader)).domains.size).toBe(1);
    await writeFile(join(directory, 'settings.yaml'), settings(list(9)));
    expect(await snapshotOf(loader)).toEqual(before);
  });

  it.each([
    ['ends', 'process.exit(3)', 'the thread that loads settings ended'],
    ['throws', 'throw new Error("out of order")', 'the thread that loads settings failed: out of order'],
  ])('a thread that %s is a failed load, and the next one has a new thread', async (_, program, message) => {
    const directory = await temporaryDirectory({ 'settings.yaml': settings(list(9)) });
    const loader = createSettingsThread(filesIn(directory), new URL(`data:text/javascript,${program}`));
    await expect(loader.load(surroundings())).rejects.toThrow(message);
    loader.prepare();
    await new Promise((resolve) => setTimeout(resolve, 300));
    await expect(loader.load(surroundings())).rejects.toThrow(message);
  });

  it('the event loop goes on while 10,000 entries and a list file of 100,000 are loaded', async () => {
    const directory = await temporaryDirectory({
      // No two lines alike for the reader of long lists: a comment stands between them.
      'settings.yaml': settings(
        list(9_999).replaceAll('\n', '\n          # why\n'),
        '          - { file: drop.txt }\n',
      ),
      'drop.txt': Array.from({ length: 100_000 }, (_, n) => `${address(n * 4)}\n`).join(''),
    });
    const files = filesIn(directory);
    const inPlace = createSettingsLoader(createSettingsFile(files.settings), createLastGood(files.state, Date.now));
    const alone = await worstPause(() => snapshotOf(inPlace));
    const beside = await worstPause(() => snapshotOf(createSettingsThread(files)));
    console.log(`worst pause: ${Math.round(alone)} ms in place, ${Math.round(beside)} ms with a thread`);
    expect(beside).toBeLessThan(alone / 2);
  });
});

/** The longest time in milliseconds that no timer ran while `work` did. */
async function worstPause(work: () => Promise<unknown>): Promise<number> {
  let worst = 0;
  let last = performance.now();
  const look = (): void => {
    const now = performance.now();
    worst = Math.max(worst, now - last);
    last = now;
  };
  const timer = setInterval(look, 1);
  await work();
  look();
  clearInterval(timer);
  return worst;
}
