import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { parse } from 'yaml';
import { describe, expect, it } from 'vitest';
import { cliWorkspace, lines, OPERATOR, SETTINGS, type CliWorkspace } from './workspace.ts';

type Entry = string | { ip: string; note?: string; expires?: string };
type Lists = { blockedIps?: Entry[]; allowedIps?: Entry[] };

const BLOCK = ['ip', 'add', 'block', 'example.com'];

async function listsOf({ settings }: CliWorkspace, domain = 'example.com'): Promise<Lists> {
  const document = parse(await settings()) as { organizations: { acme: { domains: Record<string, Lists> } } };
  return document.organizations.acme.domains[domain] ?? {};
}

/** Settings with this many blocked IPs in one own domain. */
const settingsWith = (count: number): string => `version: 1
organizations:
  acme:
    primaryDomain: example.com
    domains:
      example.com:
        blockedIps:
${Array.from({ length: count }, (_, n) => `          - ${address(n)}`).join('\n')}
`;
const address = (n: number): string => `10.${n >> 16}.${(n >> 8) & 255}.${n & 255}`;

describe('ip add', () => {
  it('adds to the file and keeps every other line of it', async () => {
    const workspace = await cliWorkspace();
    const { code, stdout } = await workspace.run([...BLOCK, '192.0.2.1', '2001:db8::/32']);
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'added 2\n' });
    expect(await workspace.settings()).toBe(
      SETTINGS.replace('# abuse\n', '# abuse\n          - 192.0.2.1\n          - 2001:db8::/32\n'),
    );
  });

  it('opens up the settings of a domain that had none', async () => {
    const workspace = await cliWorkspace();
    await workspace.run(['ip', 'add', 'allow', 'EXAMPLE.net', '192.0.2.1']);
    expect(await workspace.settings()).toBe(
      SETTINGS.replace('{} # nothing yet', '# nothing yet\n        allowedIps:\n          - 192.0.2.1'),
    );
  });

  it('a note and an expiry go to every entry', async () => {
    const workspace = await cliWorkspace();
    const note = 'said "no": {a}, [b] # c <img src=x onerror=alert(1)> 🎣';
    await workspace.run([...BLOCK, '192.0.2.1,192.0.2.2', '--note', note, '--expires', '2090-01-31']);
    expect((await listsOf(workspace)).blockedIps?.slice(1)).toEqual([
      { ip: '192.0.2.1', note, expires: '2090-01-31' },
      { ip: '192.0.2.2', note, expires: '2090-01-31' },
    ]);
    expect((await workspace.run(['check'])).code).toBe(0);
  });

  it('ADM-04 a note one above the limit is refused', async () => {
    const workspace = await cliWorkspace();
    const { code, stderr } = await workspace.run([...BLOCK, '192.0.2.1', '--note', 'n'.repeat(501)]);
    expect(code).toBe(1);
    expect(stderr).toContain('--note is 501 characters long, and the limit is 500; nothing was saved');
    expect(await workspace.settings()).toBe(SETTINGS);
    expect((await workspace.run([...BLOCK, '192.0.2.1', '--note', 'n'.repeat(500)])).code).toBe(0);
  });

  it.each([
    ['no date', 'soon', 'is no date'],
    ['a day that is not', '2027-02-30', 'is no date'],
    ['a day that is over', '2001-01-01', 'is over already'],
  ])('an expiry that is %s is wrong usage', async (_, date, message) => {
    const workspace = await cliWorkspace();
    const { code, stderr } = await workspace.run([...BLOCK, '192.0.2.1', '--expires', date]);
    expect(code).toBe(2);
    expect(stderr).toContain(message);
    expect(await workspace.settings()).toBe(SETTINGS);
  });

  it('IP-10 what people paste: commas, spaces, tabs, no-break spaces, line ends, duplicates', async () => {
    const workspace = await cliWorkspace();
    const paste = '192.0.2.1, 192.0.2.2,,\r\n192.0.2.3\t192.0.2.4 \u00a0192.0.2.5\n\n192.0.2.1,';
    const { code, stdout } = await workspace.run([...BLOCK, '--note', 'pasted'], paste);
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'added 5\n' });
    const added = (await listsOf(workspace)).blockedIps?.slice(1);
    expect(added).toEqual([1, 2, 3, 4, 5].map((n) => ({ ip: `192.0.2.${n}`, note: 'pasted' })));
  });

  it.each(['，', ';'])('IP-10 "%s" is refused with a clear message, not glued to an address', async (separator) => {
    const workspace = await cliWorkspace();
    const { code, stderr } = await workspace.run(BLOCK, `192.0.2.1${separator}192.0.2.2\n`);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^<stdin>:1:1: .*192\.0\.2\.1/);
    expect(await workspace.settings()).toBe(SETTINGS);
  });

  it('IP-07 a dash range is one entry; with spaces around the dash it is refused with a hint', async () => {
    const workspace = await cliWorkspace();
    for (const words of [['192.0.2.1', '-', '192.0.2.9'], ['192.0.2.1 - 192.0.2.9'], ['192.0.2.1 -', '192.0.2.9']]) {
      const { code, stderr } = await workspace.run([...BLOCK, ...words]);
      expect(code).toBe(1);
      expect(stderr).toContain('write a range without spaces, here 192.0.2.1-192.0.2.9');
    }
    expect(await workspace.settings()).toBe(SETTINGS);
    expect((await workspace.run([...BLOCK, '192.0.2.1-192.0.2.9'])).stdout).toBe('added 1\n');
    expect((await listsOf(workspace)).blockedIps?.at(-1)).toBe('192.0.2.1-192.0.2.9');
  });

  it('IP-01 IP-02 IP-03 IP-09 one bad entry refuses all, each is named with its place and reason', async () => {
    const workspace = await cliWorkspace();
    const { code, stderr, stdout } = await workspace.run(
      BLOCK,
      '192.0.2.1\n010.1.1.1 192.0.2.7/24\n1.1.1.1/33, 192.0.2.*\n',
    );
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    const said = lines(stderr);
    expect(said.map((line) => line.split(': ')[0])).toEqual([
      '<stdin>:2:1',
      '<stdin>:2:11',
      '<stdin>:3:1',
      '<stdin>:3:13',
      'nothing was saved',
    ]);
    expect(said[0]).toContain('leading zero');
    expect(said[1]).toContain('192.0.2.0/24');
    expect(said[3]).toContain('192.0.2.0/24');
    expect(await workspace.settings()).toBe(SETTINGS);
  });

  it('entries that are there already, in whatever spelling, are left as they are', async () => {
    const workspace = await cliWorkspace();
    const { code, stdout } = await workspace.run([
      ...BLOCK,
      '::ffff:192.0.2.66',
      '192.0.2.66/32',
      '192.0.2.1',
      '--json',
    ]);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toEqual({ added: 1, alreadyThere: 1 });
    expect((await listsOf(workspace)).blockedIps).toEqual(['192.0.2.66', '192.0.2.1']);
    const again = await workspace.run([...BLOCK, '192.0.2.1']);
    expect(again.stdout).toBe('added 0, 1 already there and left as they are\n');
  });

  it('an entry that has expired acts again: what is added takes its place', async () => {
    const expired = SETTINGS.replace(
      '- 192.0.2.66 # abuse',
      '- { ip: 192.0.2.66, expires: 2020-01-01 }\n          - 192.0.2.67',
    );
    const workspace = await cliWorkspace(expired);
    const { stdout } = await workspace.run([...BLOCK, '192.0.2.66', '--note', 'again']);
    expect(stdout).toBe('added 1\n');
    expect((await listsOf(workspace)).blockedIps).toEqual(['192.0.2.67', { ip: '192.0.2.66', note: 'again' }]);
  });

  it('wide entries and addresses that many senders share are taken with a warning', async () => {
    const workspace = await cliWorkspace();
    const { code, stdout, stderr } = await workspace.run([
      'ip',
      'add',
      'allow',
      'example.com',
      '10.0.0.0/8',
      '209.85.128.1',
      '192.0.2.1',
    ]);
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'added 3\n' });
    expect(lines(stderr)).toEqual([
      expect.stringMatching(/^warning: 10\.0\.0\.0\/8: .*wider/),
      expect.stringMatching(/^warning: 209\.85\.128\.1: .*Google/),
    ]);
    const check = await workspace.run(['check']);
    expect(check.code).toBe(0);
    expect(check.stderr).toMatch(/settings\.yaml:\d+:\d+: warning: allowedIps entry \d+ .*209\.85\.128\.1.*Google/);
  });

  it.each([
    ['another list', ['ip', 'add', 'deny', 'example.com', '192.0.2.1'], 2, '"deny" is no list; write allow or block'],
    ['no domain', ['ip', 'add', 'block'], 2, "missing required argument 'domain'"],
    ['no entry', BLOCK, 2, 'no entry was given'],
    [
      'a domain that is not ours',
      ['ip', 'add', 'block', 'elsewhere.example', '192.0.2.1'],
      1,
      'elsewhere.example is no own domain',
    ],
    ['an unknown option', [...BLOCK, '192.0.2.1', '--comment', 'x'], 2, "unknown option '--comment'"],
  ])('%s is refused and changes nothing', async (_, args, code, message) => {
    const workspace = await cliWorkspace();
    const result = await workspace.run(args);
    expect(result.code).toBe(code);
    expect(result.stderr).toContain(message);
    expect(await workspace.settings()).toBe(SETTINGS);
  });

  it('settings that are broken already are not touched, their faults are named as check names them', async () => {
    const workspace = await cliWorkspace(`${SETTINGS}foo: 1\n`);
    const { code, stderr } = await workspace.run([...BLOCK, '192.0.2.1']);
    expect(code).toBe(1);
    expect(lines(stderr)[0]).toMatch(/^settings\.yaml:13:1: foo is an unknown key/);
    expect(stderr).toContain('nothing was saved; mend the settings first');
    expect(await workspace.settings()).toBe(`${SETTINGS}foo: 1\n`);
  });

  it('a list shared through an alias is refused, not changed for another domain too', async () => {
    const shared = SETTINGS.replace('blockedIps:\n', 'blockedIps: &shared\n').replace(
      '{} # nothing yet',
      '{ blockedIps: *shared }',
    );
    const workspace = await cliWorkspace(shared);
    for (const domain of ['example.com', 'example.net']) {
      const { code, stderr } = await workspace.run(['ip', 'add', 'block', domain, '192.0.2.1']);
      expect(code).toBe(1);
      expect(stderr).toContain('edit the file by hand');
    }
    expect(await workspace.settings()).toBe(shared);
  });
});

describe('limits and numbers', () => {
  it('IP-11 9,999 and 2 new are refused whole; 1 new and 3 present make 10,000; lists count apart', async () => {
    const workspace = await cliWorkspace(settingsWith(9999));
    const before = await workspace.settings();
    const refused = await workspace.run([...BLOCK, '192.0.2.1', '192.0.2.2']);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(/holds 10001 entries, and the limit is 10000/);
    expect(await workspace.settings()).toBe(before);
    const taken = await workspace.run([...BLOCK, address(1), address(2), '192.0.2.1', address(3)]);
    expect(taken).toMatchObject({ code: 0, stdout: 'added 1, 3 already there and left as they are\n' });
    expect((await listsOf(workspace)).blockedIps).toHaveLength(10_000);
    expect((await workspace.run([...BLOCK, '192.0.2.2'])).code).toBe(1);
    expect((await workspace.run(['ip', 'add', 'allow', 'example.com', '192.0.2.2'])).code).toBe(0);
  });

  it('10,000 entries from stdin, and their removal', async () => {
    const workspace = await cliWorkspace();
    const bulk = Array.from({ length: 9999 }, (_, n) => address(n)).join('\n');
    const timed = async (args: readonly string[]): Promise<number> => {
      const startedAt = performance.now();
      expect((await workspace.run(args, bulk)).code).toBe(0);
      return performance.now() - startedAt;
    };
    const addMs = await timed([...BLOCK, '--note', 'bulk']);
    expect((await listsOf(workspace)).blockedIps).toHaveLength(10_000);
    const removeMs = await timed(['ip', 'remove', 'block', 'example.com']);
    expect(await workspace.settings()).toBe(SETTINGS);
    expect(Math.max(addMs, removeMs)).toBeLessThan(1000);
    console.log(`10,000 entries: ${Math.round(addMs)} ms to add, ${Math.round(removeMs)} ms to remove`);
  });

  it('an edit in the middle of full lists touches its lines alone', async () => {
    const line = (n: number): string =>
      [
        `- ${address(n)}`,
        `- { ip: ${address(n)}, note: "abuse ${n}", expires: 2090-01-31 }`,
        `- ${address(n)}  # why ${n}`,
      ][n % 3] as string;
    const lines = Array.from(
      { length: 9_990 },
      (_, n) => `          ${line(n)}${n % 1000 === 7 ? '\n          # part' : ''}\n`,
    );
    const settings = (blocked: readonly string[]): string =>
      SETTINGS.replace('          - 192.0.2.66 # abuse\n', blocked.join(''));
    const workspace = await cliWorkspace(settings(lines));
    const gone = [0, 1, 4321, 4322, 4323, 9_989];
    const removed = await workspace.run(['ip', 'remove', 'block', 'example.com', ...gone.map(address)]);
    expect(removed).toMatchObject({ code: 0, stdout: 'removed 6\n' });
    const left = lines.filter((_, n) => !gone.includes(n));
    expect(await workspace.settings()).toBe(settings(left));
    await workspace.run([...BLOCK, '192.0.2.1', '2001:db8::1', '--note', 'new']);
    const added = ['192.0.2.1', '2001:db8::1'].map((ip) => `          - { ip: ${ip}, note: new }\n`);
    expect(await workspace.settings()).toBe(settings([...left, ...added]));
  });

  it('20 commands at once: every edit survives, no lock and no left-over stays', async () => {
    const workspace = await cliWorkspace();
    const results = await Promise.all(
      Array.from({ length: 20 }, (_, n) => workspace.spawn([...BLOCK, `203.0.113.${n}`])),
    );
    expect(results.map(({ code }) => code)).toEqual(Array(20).fill(0));
    const { blockedIps } = await listsOf(workspace);
    expect(new Set(blockedIps)).toEqual(
      new Set(['192.0.2.66', ...Array.from({ length: 20 }, (_, n) => `203.0.113.${n}`)]),
    );
    expect((await readdir(workspace.directory)).sort()).toEqual(['postern.yaml', 'settings.yaml']);
  }, 60_000);
});

describe('ip remove', () => {
  it('removes in whatever spelling, and keeps the comments that are about something else', async () => {
    const workspace = await cliWorkspace();
    const { code, stdout } = await workspace.run(['ip', 'remove', 'block', 'example.com', '::ffff:192.0.2.66']);
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'removed 1\n' });
    expect(await workspace.settings()).toBe(
      SETTINGS.replace('blockedIps:\n          - 192.0.2.66 # abuse\n', 'blockedIps: []\n'),
    );
  });

  it('one that is not there refuses all', async () => {
    const workspace = await cliWorkspace();
    const { code, stderr } = await workspace.run(['ip', 'remove', 'block', 'example.com', '192.0.2.66', '192.0.2.1']);
    expect(code).toBe(1);
    expect(stderr).toContain('not in the list: 192.0.2.1; nothing was removed');
    expect(await workspace.settings()).toBe(SETTINGS);
  });

  it('removes duplicates together, and answers in JSON', async () => {
    const workspace = await cliWorkspace(
      SETTINGS.replace('[198.51.100.7]', '[198.51.100.7, 192.0.2.1, 198.51.100.7/32]'),
    );
    const { stdout } = await workspace.run(['ip', 'remove', 'allow', 'example.com', '198.51.100.7', '--json']);
    expect(JSON.parse(stdout)).toEqual({ removed: 2 });
    expect((await listsOf(workspace)).allowedIps).toEqual(['192.0.2.1']);
  });
});

describe('ip remove --expired', () => {
  const settings = SETTINGS.replace(
    '- 192.0.2.66 # abuse',
    [
      '- 192.0.2.66 # abuse',
      '- { ip: 192.0.2.1, expires: 2020-01-01 } # old',
      '# kept',
      '- { ip: 192.0.2.2, expires: 2090-01-01 }',
      '- { ip: 192.0.2.3, expires: 2020-01-01T00:00:00Z }',
    ].join('\n          '),
  );

  it('removes what has expired and nothing else', async () => {
    const workspace = await cliWorkspace(settings);
    const { code, stdout } = await workspace.run(['ip', 'remove', 'block', 'example.com', '--expired']);
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'removed 2\n' });
    expect(await workspace.settings()).toBe(
      settings
        .replace('          - { ip: 192.0.2.1, expires: 2020-01-01 } # old\n', '')
        .replace('          - { ip: 192.0.2.3, expires: 2020-01-01T00:00:00Z }\n', ''),
    );
    const again = await workspace.run(['ip', 'remove', 'block', 'example.com', '--expired', '--json']);
    expect(JSON.parse(again.stdout)).toEqual({ removed: 0 });
  });

  it('with entries beside it is wrong usage', async () => {
    const workspace = await cliWorkspace(settings);
    const { code, stderr } = await workspace.run(['ip', 'remove', 'block', 'example.com', '192.0.2.66', '--expired']);
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining('but not both') as string });
    expect(await workspace.settings()).toBe(settings);
  });
});

describe('ip list', () => {
  const settings = SETTINGS.replace(
    '- 192.0.2.66 # abuse',
    [
      '- 192.0.2.66',
      '- { ip: 192.0.2.0/28, note: "two\\nlines \\u001b[31m" }',
      '- { ip: 192.0.2.99, expires: 2020-01-01 }',
      '- { file: drop.txt, note: list }',
    ].join('\n          '),
  );

  it('shows entries, expiry and notes, and nothing that a terminal would obey', async () => {
    const { run } = await cliWorkspace(settings, OPERATOR, { 'drop.txt': '' });
    const { code, stdout } = await run(['ip', 'list', 'block', 'example.com']);
    expect(code).toBe(0);
    expect(stdout.split('\n').map((line) => line.replace(/ {2,}/g, '  '))).toEqual([
      '192.0.2.66',
      '192.0.2.0/28  two lines  [31m',
      '192.0.2.99  expired 2020-01-02T00:00:00.000Z',
      'file drop.txt  list',
      '',
    ]);
  });

  it('--json gives the same to a script', async () => {
    const { run } = await cliWorkspace(settings, OPERATOR, { 'drop.txt': '' });
    const { stdout } = await run(['ip', 'list', 'block', 'example.com', '--json']);
    expect(JSON.parse(stdout)).toEqual([
      { entry: '192.0.2.66' },
      { entry: '192.0.2.0/28', note: 'two\nlines \u001b[31m' },
      { entry: '192.0.2.99', expires: '2020-01-02T00:00:00.000Z', isExpired: true },
      { entry: 'file drop.txt', note: 'list' },
    ]);
  });

  it('an empty list is no output, and [] as JSON', async () => {
    const { run } = await cliWorkspace();
    expect(await run(['ip', 'list', 'block', 'example.net'])).toMatchObject({ code: 0, stdout: '' });
    expect(await run(['ip', 'list', 'block', 'example.net', '--json'])).toMatchObject({ code: 0, stdout: '[]\n' });
  });

  it('a reader that has seen enough is no fault', async () => {
    const { directory } = await cliWorkspace(settingsWith(10_000));
    const cli = join(import.meta.dirname, '../../../src/cli.ts');
    const child = spawn('/bin/sh', ['-c', '"$0" "$1" ip list block example.com | head -n 1', process.execPath, cli], {
      cwd: directory,
    });
    const [stdout, stderr, [code]] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      once(child, 'close') as Promise<[number]>,
    ]);
    expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: '10.0.0.0\n', stderr: '' });
  });
});
