import { describe, expect, it } from 'vitest';
import { formatIssue, loadSettings, type Surroundings } from '../../../src/services/index.ts';
import { MemoryStore } from '../../contract/memory-store.ts';
import { surroundings } from './surroundings.ts';

const withLists = (...files: string[]): string =>
  `version: 1
organizations:
  acme:
    primaryDomain: example.com
    domains:
      example.com:
        blockedIps: [${files.map((file) => `{ file: ${file} }`).join(', ')}]
`;

async function load(
  store: MemoryStore,
  around: Surroundings = surroundings(),
): Promise<{ lines: string[]; revision: string | null }> {
  const { issues, snapshot } = await loadSettings(store, around);
  return { lines: issues.map(formatIssue), revision: snapshot?.revision ?? null };
}

describe('issues have places', () => {
  it('every fault of one answer, in order, each as file:line:column: sentence', async () => {
    const store = new MemoryStore(`version: 2
organizations:
  acme:
    primaryDomain: example.com
    domains:
      example.com:
        blockedIps:
          - 192.0.2.0/24
          - 192.0.2.7/24
        gatewayOnyl: true
      a..b: {}
`);
    const { lines, revision } = await load(store);
    expect(revision).toBeNull();
    const places = lines.map((line) => /^settings\.yaml:\d+:\d+: /.exec(line)?.[0]);
    expect(places).toContain('settings.yaml:1:10: ');
    expect(places).toContain('settings.yaml:9:13: ');
    expect(places).toContain('settings.yaml:10:9: ');
    expect(places).toContain('settings.yaml:11:7: ');
    expect(places).not.toContain(undefined);
    expect(lines.find((line) => line.startsWith('settings.yaml:9:13'))).toContain('blockedIps entry 2 ');
  });

  it('a fault of syntax stops there', async () => {
    const { lines } = await load(new MemoryStore('version: 1\nversion: 1\n'));
    expect(lines).toEqual(['settings.yaml:2:1: this key stands twice in the same group; keep one of them']);
  });

  it('an empty file names what is missing', async () => {
    const { lines } = await load(new MemoryStore(''));
    expect(lines).toHaveLength(1);
    expect(lines[0]).toBe('settings.yaml:1:1: the document must begin with "version: 1" and "organizations:"');
  });

  it('what only compiling can know has its place too', async () => {
    const text = withLists().replace('    domains:', '    routes: { here1: { host: 192.0.2.25 } }\n    domains:');
    const around = surroundings({ smtpdListeners: [{ address: null, port: 25 }], localAddresses: ['192.0.2.25'] });
    const { lines, revision } = await load(new MemoryStore(text), around);
    expect(revision).toBeNull();
    expect(lines[0]).toMatch(/^settings\.yaml:5:30: host is 192\.0\.2\.25 port 25, where this Postfix itself listens/);
  });

  it('warnings refuse nothing', async () => {
    const text = withLists().replace('blockedIps: []', 'allowedIps: [10.0.0.0/8]');
    const { lines, revision } = await load(new MemoryStore(text));
    expect(revision).toMatch(/^[0-9a-f]{12}$/);
    expect(lines).toEqual([expect.stringMatching(/^settings\.yaml:7:22: warning: allowedIps entry 1 .*wider than/)]);
  });
});

describe('list files', () => {
  it('a broken line is named by list file and line, and so is every other', async () => {
    const store = new MemoryStore(withLists('a.txt', 'b.txt'), {
      'a.txt': '192.0.2.1\n010.1.1.1\n; comment\nnonsense\n',
      'b.txt': '192.0.2.7/24\n',
    });
    const { lines, revision } = await load(store);
    expect(revision).toBeNull();
    expect(lines.map((line) => line.split(': ')[0])).toEqual(['a.txt:2:1', 'a.txt:4:1', 'b.txt:1:1']);
    expect(lines[0]).toContain('leading zero');
  });

  it('more faults than anybody reads are counted', async () => {
    const { lines } = await load(new MemoryStore(withLists('a.txt'), { 'a.txt': 'x\n'.repeat(250) }));
    expect(lines).toHaveLength(101);
    expect(lines.at(-1)).toBe('a.txt:1:1: and 150 more lines are refused');
  });

  it('a file that cannot be read is a fault of the entry that names it', async () => {
    const { lines } = await load(new MemoryStore(withLists('a.txt', 'gone.txt'), { 'a.txt': '' }));
    expect(lines).toEqual([
      'settings.yaml:7:39: blockedIps entry 2 names the list file gone.txt, which cannot be read: there is no such file',
    ]);
  });

  it('one above the limit of entries is refused', async () => {
    const lines = Array.from({ length: 1_000_001 }, (_, n) => `10.${n >> 16}.${(n >> 8) & 255}.${n & 255}`).join('\n');
    const refused = await load(new MemoryStore(withLists('a.txt'), { 'a.txt': lines }));
    expect(refused.lines).toEqual([expect.stringContaining('holds 1000001 entries; the limit is 1000000')]);
    const fits = await load(new MemoryStore(withLists('a.txt'), { 'a.txt': lines.slice(lines.indexOf('\n') + 1) }));
    expect(fits.lines).toEqual([]);
  });

  it('a last good text stands in, its faults are still said', async () => {
    const store = new MemoryStore(withLists('a.txt', 'gone.txt'), { 'a.txt': 'nonsense\n' });
    const last = new Map([
      ['a.txt', '192.0.2.1\n'],
      ['gone.txt', '192.0.2.2\n'],
    ]);
    const loaded = await loadSettings(store, surroundings(), (file) => Promise.resolve(last.get(file) ?? null));
    expect(loaded.snapshot).not.toBeNull();
    expect(loaded.lists).toEqual(last);
    expect(loaded.issues.map((issue) => `${issue.severity} ${formatIssue(issue).split(':')[0] ?? ''}`)).toEqual([
      'error a.txt',
      'error settings.yaml',
    ]);
  });

  it('a last good text that is broken too does not stand in', async () => {
    const store = new MemoryStore(withLists('a.txt'), { 'a.txt': 'nonsense\n' });
    const loaded = await loadSettings(store, surroundings(), () => Promise.resolve('also nonsense\n'));
    expect(loaded.snapshot).toBeNull();
    expect(loaded.listFiles).toEqual(['a.txt']);
  });
});

describe('files of recipients', () => {
  const settings = (recipients: string, more = '', domains = ''): string => `version: 1
organizations:
  acme:
    primaryDomain: example.com
    domains:
      example.com:
        recipients: ${recipients}
${more}${domains}`;
  const namesNobody = 'which names nobody: mail for recipients that no other source names is refused';

  it('are read, and a map is not: Postfix is asked for it when mail comes', async () => {
    const store = new MemoryStore(settings('[r.txt, { map: "hash:/etc/postfix/virtual" }]'), {
      'r.txt': 'bob\nanna\n',
    });
    const { snapshot, issues, lists, listFiles } = await loadSettings(store, surroundings());
    expect(issues).toEqual([]);
    expect([[...lists], listFiles]).toEqual([[['r.txt', 'bob\nanna\n']], ['r.txt']]);
    const [policy] = [...(snapshot?.domains.values() ?? [])];
    expect(policy?.recipients).toMatchObject([
      { kind: 'file', file: 'r.txt', list: { starts: new Uint32Array([0, 4, 7]) } },
      { kind: 'map', map: 'hash:/etc/postfix/virtual' },
    ]);
  });

  it('that cannot be read are faults of the place that names them', async () => {
    const { lines, revision } = await load(new MemoryStore(settings('[r.txt, gone.txt]'), { 'r.txt': 'bob\n' }));
    expect(revision).toBeNull();
    expect(lines).toEqual([
      'settings.yaml:7:29: recipients entry 2 names the file of recipients gone.txt, which cannot be read: there is no such file',
    ]);
  });

  it('every broken line is named by file and line, beside those of other files, and what is more is counted', async () => {
    const store = new MemoryStore(settings('[r.txt, s.txt]', '        blockedIps: [{ file: a.txt }]\n'), {
      'r.txt': 'bob\n# x\nbob anna\nbob@\n',
      's.txt': 'a b\n'.repeat(101),
      'a.txt': '010.1.1.1\n',
    });
    const { lines, revision } = await load(store);
    expect(revision).toBeNull();
    expect(lines.slice(0, 4).map((line) => line.slice(0, 40))).toEqual([
      ...['a.txt:1:1: "010.1.1.1" has a leading zer', 'r.txt:3:1: "bob anna" is not one address'],
      ...['r.txt:4:1: "bob@" is no address: "" is n', 's.txt:1:1: "a b" is not one address; wri'],
    ]);
    expect(lines).toHaveLength(1 + 2 + 100 + 1);
    expect(lines.at(-1)).toBe('s.txt:1:1: and 1 more lines are refused');
  });

  it('one name above the limit is refused; names that stand twice are one', async () => {
    const names = Array.from({ length: 1_000_001 }, (_, n) => `u${n}`).join('\n');
    const refused = await load(new MemoryStore(settings('[r.txt]'), { 'r.txt': names }));
    expect(refused.lines).toEqual([
      expect.stringMatching(
        /^settings\.yaml:7:22: .* names the file of recipients r\.txt, which holds 1000001 entries; the limit is 1000000$/,
      ),
    ]);
    const fits = await load(new MemoryStore(settings('[r.txt]'), { 'r.txt': `${names.slice(3)}\nU1\n` }));
    expect(fits.lines).toEqual([]);
  }, 60_000);

  it('that name nobody are warned about, and taken', async () => {
    const { lines, revision } = await load(new MemoryStore(settings('[r.txt]'), { 'r.txt': '# to come\n' }));
    expect(revision).not.toBeNull();
    expect(lines).toEqual([
      `settings.yaml:7:22: warning: recipients entry 1 names the file of recipients r.txt, ${namesNobody}`,
    ]);
  });

  it('a last good text stands in for a broken one and for one that is gone, and the faults are still said', async () => {
    const store = new MemoryStore(settings('[r.txt, gone.txt]'), { 'r.txt': 'bob anna\n' });
    const last = new Map([
      ['r.txt', 'bob\n'],
      ['gone.txt', '# nobody\n'],
    ]);
    const loaded = await loadSettings(store, surroundings(), (file) => Promise.resolve(last.get(file) ?? null));
    expect(loaded.snapshot).not.toBeNull();
    expect(loaded.lists).toEqual(last);
    expect(loaded.issues.map(formatIssue).map((line) => line.slice(0, 60))).toEqual([
      'r.txt:1:1: "bob anna" is not one address; write one address ',
      'settings.yaml:7:29: recipients entry 2 names the file of rec',
      'settings.yaml:7:29: warning: recipients entry 2 names the fi',
    ]);
    const none = await loadSettings(store, surroundings(), () => Promise.resolve('bob anna\n'));
    expect([none.snapshot, none.listFiles]).toEqual([null, ['r.txt', 'gone.txt']]);
  });

  it('one file may be a list of IPs and of recipients, and is named once', async () => {
    const text = settings('[both.txt]', '        blockedIps: [{ file: both.txt }]\n');
    const { snapshot, listFiles, lists } = await loadSettings(
      new MemoryStore(text, { 'both.txt': '# empty\n' }),
      surroundings(),
    );
    expect(snapshot).not.toBeNull();
    expect([listFiles, [...lists]]).toEqual([['both.txt'], [['both.txt', '# empty\n']]]);
    // As recipients these are taken, as IPs not.
    const { lines } = await load(new MemoryStore(text, { 'both.txt': 'bob\n' }));
    expect(lines).toEqual([expect.stringMatching(/^both\.txt:1:1: "bob" /)]);
  });

  it('domains share a file, and have it read once', async () => {
    const store = new MemoryStore(settings('[r.txt]', '', '      b.example: { recipients: [r.txt] }\n'), {
      'r.txt': 'bob\n',
    });
    const read: string[] = [];
    const readList = store.readList.bind(store);
    store.readList = (file) => {
      read.push(file);
      return readList(file);
    };
    const { snapshot } = await loadSettings(store, surroundings());
    expect(read).toEqual(['r.txt']);
    expect(snapshot?.domains.size).toBe(2);
  });

  it('the revision changes with them', async () => {
    const revisions = ['bob\n', 'anna\n', '', 'bob\n# x\n', 'bob\n'].map(
      async (content) => (await load(new MemoryStore(settings('[r.txt]'), { 'r.txt': content }))).revision,
    );
    const [first, ...others] = await Promise.all(revisions);
    expect(others.pop()).toBe(first);
    expect(new Set([first, ...others]).size).toBe(4);
  });
});

describe('the revision', () => {
  const text = withLists('a.txt');
  const revisionOf = async (settings: string, list: string): Promise<string | null> =>
    (await load(new MemoryStore(settings, { 'a.txt': list }))).revision;

  it('is the same for the same text and lists, wherever they are loaded', async () => {
    expect(await revisionOf(text, '192.0.2.1\n')).toBe(await revisionOf(text, '192.0.2.1\n'));
  });

  it('changes with the text, be it a comment, and with a list', async () => {
    const revisions = [
      await revisionOf(text, '192.0.2.1\n'),
      await revisionOf(`${text}# more\n`, '192.0.2.1\n'),
      await revisionOf(text, '192.0.2.2\n'),
      await revisionOf(text, ''),
    ];
    expect(new Set(revisions).size).toBe(4);
  });

  it('tells which list has which content', async () => {
    const both = withLists('a.txt', 'b.txt');
    const one = await load(new MemoryStore(both, { 'a.txt': '192.0.2.1', 'b.txt': '' }));
    const other = await load(new MemoryStore(both, { 'a.txt': '', 'b.txt': '192.0.2.1' }));
    expect(one.revision).not.toBe(other.revision);
  });
});
