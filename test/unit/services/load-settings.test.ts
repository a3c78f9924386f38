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
