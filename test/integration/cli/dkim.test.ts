/** `postern dkim` as a process, against a small DNS server. */
import { createPrivateKey, createPublicKey, generateKeyPairSync } from 'node:crypto';
import { readFile, readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CliResult } from '../../support/run-cli.ts';
import { errorsOf, withDomain } from '../../support/builders.ts';
import { UdpDns } from '../../support/udp-dns.ts';
import { cliWorkspace, type CliWorkspace } from './workspace.ts';

let dns: UdpDns;
beforeAll(async () => {
  dns = await UdpDns.start();
});
afterAll(() => dns.stop());

const SETTINGS = `version: 1
provider: { sharedDomains: [shared.example], signingDomain: mail.provider.example }
organizations:
  acme:
    primaryDomain: example.com
    domains:
      example.com: { dkim: { selector: chosen, bits: 1024 } }
      bücher.example: {}
  tenant:
    primaryDomain: tenant.shared.example
    domains:
      tenant.shared.example: {}
      second.example: {}
`;

type Answer = {
  readonly domain: string;
  readonly selector: string;
  readonly state: string;
  readonly algorithm: string;
  readonly bits: number | null;
  readonly publicKey: string;
  readonly txt: string;
  readonly strings: string[];
  readonly hostShort: string;
  readonly hostFull: string;
  readonly history: { state: string; at: number; by: string }[];
};
type Ground = CliWorkspace & {
  readonly dkim: (...args: string[]) => Promise<CliResult>;
  /** Runs, expects the exit code, and reads the JSON answer. */
  readonly json: (code: number, ...args: string[]) => Promise<Answer>;
};

/** The tests share one DNS server: each has its own selectors. */
async function ground(more: Readonly<Record<string, string>> = {}): Promise<Ground> {
  const operator = `settings: settings.yaml\npostfix: { configDirectory: ./no-postfix }\ndns: { servers: ['${dns.address}'] }\n`;
  const workspace = await cliWorkspace(SETTINGS, operator, more);
  const dkim: Ground['dkim'] = (...args) => workspace.run(['dkim', ...args]);
  return {
    ...workspace,
    dkim,
    json: async (code, ...args) => {
      const result = await dkim(...args, '--json');
      expect({ code: result.code, stderr: result.stderr }).toEqual({ code, stderr: '' });
      return JSON.parse(result.stdout) as Answer;
    },
  };
}

const privateLinesOf = (pem: string): string[] =>
  pem.split('\n').filter((line) => line.length > 10 && !line.startsWith('-----'));

describe('create and show', () => {
  it('DNS-11 show prints the whole TXT value on one line first, then the zone-file form, short and full name', async () => {
    const { dkim } = await ground();
    const created = await dkim('create', 'example.com', '--bits', '2048');
    expect({ code: created.code, stderr: created.stderr }).toEqual({ code: 0, stderr: '' });
    const { code, stdout } = await dkim('show', 'example.com');
    expect(code).toBe(0);
    const lines = stdout.split('\n');
    expect(lines[0]).toMatch(/^v=DKIM1; k=rsa; p=[A-Za-z0-9+/]{390,}={0,2}$/);
    expect(created.stdout.split('\n')[0]).toBe(lines[0]);
    expect(stdout).toContain('chosen._domainkey ');
    const zone = /^zone file +chosen\._domainkey\.example\.com\. IN TXT \( (".*") \)$/m.exec(stdout)?.[1] ?? '';
    const strings = [...zone.matchAll(/"([^"]*)"/g)].map((match) => match[1] ?? '');
    expect(strings.length).toBe(2);
    expect(strings.every((text) => text.length <= 255)).toBe(true);
    expect(strings.join('')).toBe(lines[0]);
    expect(stdout).toMatch(/^state +created, RSA 2048$/m);
    expect(created.stdout).toContain('publish this record, then: postern dkim activate example.com');
  });

  it('takes selector and size of the settings, else "postern" and 2048; Ed25519 beside it', async () => {
    const { json } = await ground();
    expect(await json(0, 'create', 'example.com')).toMatchObject({ selector: 'chosen', bits: 1024, state: 'created' });
    const ed = await json(0, 'create', 'example.com', '--selector', 'ed', '--ed25519');
    expect(ed).toMatchObject({ algorithm: 'ed25519-sha256', bits: null });
    expect(ed.txt).toMatch(/^v=DKIM1; k=ed25519; p=[A-Za-z0-9+/]{43}=$/);
    const other = await json(0, 'create', 'Bücher.Example');
    expect(other).toMatchObject({ domain: 'xn--bcher-kva.example', selector: 'postern', bits: 2048 });
    expect(await json(0, 'show', 'example.com')).toMatchObject({ selector: 'ed' });
    expect(await json(0, 'show', 'example.com', '--selector', 'CHOSEN')).toMatchObject({ selector: 'chosen' });
    expect(await json(0, 'create', 'mail.provider.example')).toMatchObject({ selector: 'postern' });
  });

  it('the private key is in its file alone: 0600, and in no output and no other file', async () => {
    const { dkim, directory } = await ground();
    const outputs = [
      await dkim('create', 'example.com', '--json'),
      await dkim('show', 'example.com', '--json'),
      await dkim('list', '--json'),
      await dkim('activate', 'example.com', '--json'),
    ].flatMap(({ stdout, stderr }) => [stdout, stderr]);
    const pem = join(directory, 'state/keys/example.com/chosen.pem');
    const secret = privateLinesOf(await readFile(pem, 'utf8'));
    expect(secret.length).toBeGreaterThan(5);
    expect(((await stat(pem)).mode & 0o777).toString(8)).toBe('600');
    const files = (await readdir(directory, { recursive: true, withFileTypes: true })).filter((one) => one.isFile());
    const texts = await Promise.all(
      files
        .map((one) => join(one.parentPath, one.name))
        .filter((path) => path !== pem)
        .map((path) => readFile(path, 'utf8')),
    );
    for (const text of [...outputs, ...texts]) {
      expect(text).not.toContain('PRIVATE KEY');
      for (const line of secret) expect(text).not.toContain(line);
    }
  });

  it('ADM-02 refused for an organization under a provider-shared domain, with the reason', async () => {
    const { dkim, directory } = await ground({ 'key.pem': 'x' });
    for (const args of [
      ['create', 'second.example'],
      ['import', 'tenant.shared.example', 'key.pem', '--selector', 'a'],
    ]) {
      const { code, stdout, stderr } = await dkim(...args);
      expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
      expect(stderr).toMatch(
        /tenant\.shared\.example of its organization is under shared\.example, which belongs to the provider \(POSTERN_NOT_AVAILABLE\)$/m,
      );
    }
    expect(await readdir(directory)).not.toContain('state');
  });

  it('SIG-17 the selector of another key is refused, and nothing is changed', async () => {
    const { dkim, json } = await ground();
    const first = await json(0, 'create', 'example.com', '--selector', 'S1');
    const { code, stderr } = await dkim('create', 'example.com', '--selector', 's1', '--ed25519');
    expect(code).toBe(1);
    expect(stderr).toMatch(/a selector is never used again for another key \(POSTERN_KEY_EXISTS\)$/m);
    expect((await json(0, 'show', 'example.com')).txt).toBe(first.txt);
  });
});

describe('selectors', () => {
  const refused = ['-a', 'a-', 'a_b', 'a.b', '셀렉터', 'a'.repeat(64), ' a ', '../x', 'a/b', 'a\nb'];
  const taken: [string, string][] = [
    ['', 'chosen'],
    ['naver-2025', 'naver-2025'],
    ['A1', 'A1'],
    ['a'.repeat(63), 'a'.repeat(63)],
  ];

  it('SIG-18 what is refused in the file is a usage error in the command, and nothing is made', async () => {
    const { dkim, directory } = await ground({ 'key.pem': 'x' });
    const rule = 'letters, digits or hyphens, with no hyphen first or last';
    for (const [at, selector] of refused.entries()) {
      const [[, message] = []] = errorsOf(withDomain({ dkim: { selector } }));
      expect(message, selector).toContain(rule);
      const words = at % 2 === 0 ? ['create', 'example.com'] : ['import', 'example.com', 'key.pem'];
      const { code, stdout, stderr } = await dkim(...words, `--selector=${selector}`);
      expect({ code, stdout }, selector).toEqual({ code: 2, stdout: '' });
      expect(stderr).toContain(rule);
    }
    expect(await readdir(directory)).not.toContain('state');
  });

  it('SIG-18 what is taken in the file is taken in the command; the empty one is the default', async () => {
    const { json } = await ground();
    for (const [selector, name] of taken) {
      expect(errorsOf(withDomain({ dkim: { selector } })), selector).toEqual([]);
      expect(await json(0, 'create', 'example.com', `--selector=${selector}`)).toMatchObject({ selector: name });
    }
    expect(await json(0, 'show', 'example.com', '--selector=')).toMatchObject({ selector: 'a'.repeat(63) });
  });
});

describe('verify and activate', () => {
  it('SIG-16 against empty DNS both are refused with the cause and change nothing; then they go through', async () => {
    const { dkim, json } = await ground();
    const key = await json(0, 'create', 'example.com', '--selector', 'life');
    for (const what of ['verify', 'activate']) {
      const { code, stdout } = await dkim(what, 'example.com', '--selector', 'life');
      expect(code).toBe(1);
      expect(stdout).toBe(
        'life._domainkey.example.com does not exist in DNS; publish the record that "postern dkim show" prints, and try again: it may take up to 72 hours\nnothing was changed; the key is created\n',
      );
      expect(await json(1, what, 'example.com', '--selector', 'life')).toMatchObject({
        ...{ ok: false, cause: 'no-such-name' },
        key: { state: 'created' },
      });
    }
    dns.set(key.hostFull, { records: [key.strings] });
    expect((await dkim('verify', 'example.com')).stdout).toBe(
      'DNS shows the key at life._domainkey.example.com; it is verified\n',
    );
    expect(await json(0, 'activate', 'example.com')).toMatchObject({
      ok: true,
      cause: 'match',
      text: '',
      key: { state: 'active' },
    });
    const { history } = await json(0, 'show', 'example.com');
    expect(history.map(({ state }) => state)).toEqual(['created', 'verified', 'active']);
    for (const { by, at } of history) {
      expect(by).not.toBe('');
      expect(Math.abs(Date.now() - at)).toBeLessThan(60_000);
    }
  });

  it('SIG-17 a new key takes over, and the old one retires', async () => {
    const { json, dkim } = await ground();
    for (const selector of ['r1', 'r2']) {
      const key = await json(0, 'create', 'example.com', '--selector', selector);
      dns.set(key.hostFull, { records: [key.txt] });
      await json(0, 'activate', 'example.com', '--selector', selector);
    }
    const { stdout, code } = await dkim('list');
    expect(code).toBe(0);
    expect(stdout.split('\n').filter(Boolean)).toEqual([
      expect.stringMatching(/^example\.com {2}r1 {2}RSA 1024 {2}retiring {2}\d{4}-\d\d-\d\dT/) as string,
      expect.stringMatching(/^example\.com {2}r2 {2}RSA 1024 {2}active {4}\d{4}-\d\d-\d\dT/) as string,
    ]);
  });

  it.each([
    ['DNS-10 NODATA', 'no-such-record', 'no-such-record', /has no TXT record/],
    ['DNS-10 SERVFAIL', 'server-failure', 'server-failure', /trouble on the DNS side/],
    ['DNS-06 revoked', { records: ['v=DKIM1; p='] }, 'revoked', /revoked \(empty p=\)/],
    ['DNS-03 two records', { records: ['v=spf1 -all', 'hello'] }, 'several-records', /2 records found, remove/],
  ] as const)('%s has exit code 1 and its own words', async (_, answer, cause, text) => {
    const { json } = await ground();
    const key = await json(0, 'create', 'example.com', '--selector', 'fails');
    dns.set(key.hostFull, answer);
    const found = await json(1, 'activate', 'example.com');
    expect(found).toMatchObject({
      ok: false,
      cause,
      text: expect.stringMatching(text) as string,
      key: { state: 'created' },
    });
  });

  it('DNS-02 t=y is active with the warning', async () => {
    const { json, dkim } = await ground();
    const key = await json(0, 'create', 'example.com', '--selector', 'testing');
    dns.set(key.hostFull, { records: [`${key.txt}; t=y`] });
    const { code, stdout } = await dkim('activate', 'example.com');
    expect(code).toBe(0);
    expect(stdout).toMatch(/it is active\nThe record says t=y \(testing\)/);
  });
});

describe('import', () => {
  it.each(['pkcs1', 'pkcs8'] as const)('%s: the record to publish is that of the key', async (type) => {
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const { json, directory } = await ground({ 'old.pem': privateKey.export({ type, format: 'pem' }) as string });
    const key = await json(0, 'import', 'example.com', 'old.pem', '--selector', 'old');
    const spki = createPublicKey(privateKey).export({ type: 'spki', format: 'der' }).toString('base64');
    expect(key).toMatchObject({ selector: 'old', bits: 2048, state: 'created', txt: `v=DKIM1; k=rsa; p=${spki}` });
    const kept = await readFile(join(directory, 'state/keys/example.com/old.pem'));
    expect(createPrivateKey(kept).equals(privateKey)).toBe(true);
  });

  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
  it.each([
    [
      'encrypted',
      rsa.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'secret' }),
      /no private key in PEM/,
    ],
    [
      'EC',
      generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'sec1', format: 'pem' }),
      /a key of type ec;/,
    ],
    [
      '512 bits',
      generateKeyPairSync('rsa', { modulusLength: 512 }).privateKey.export({ type: 'pkcs1', format: 'pem' }),
      /an RSA key of 512 bits;/,
    ],
  ])('%s is refused with the reason, and no octet of it is said', async (_, pem, reason) => {
    const { dkim, json } = await ground({ 'old.pem': pem as string });
    const { code, stdout, stderr } = await dkim('import', 'example.com', 'old.pem', '--selector', 'old');
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(reason);
    expect(stderr).toMatch(/\(POSTERN_KEY_INVALID\)$/m);
    for (const line of privateLinesOf(pem as string)) expect(stderr).not.toContain(line);
    expect(await json(0, 'list')).toEqual([]);
  });

  it('a file that is not there is said', async () => {
    const { dkim } = await ground();
    const { code, stderr } = await dkim('import', 'example.com', 'none.pem', '--selector', 'old');
    expect(code).toBe(1);
    expect(stderr).toContain('none.pem cannot be read: there is no such file');
  });
});

describe('usage and trouble', () => {
  it.each([
    [['create']],
    [['create', 'a..b']],
    [['create', 'example.com', '--bits', '512']],
    [['create', 'example.com', '--bits', 'many']],
    [['create', 'example.com', '--ed25519', '--bits', '2048']],
    [['create', 'example.com', '--colour', 'red']],
    [['import', 'example.com', 'key.pem']],
    [['show']],
    [['show', '*']],
    [['sign', 'example.com']],
  ])('%j exits with 2 and changes nothing', async (args) => {
    const { dkim, directory } = await ground();
    const { code, stdout, stderr } = await dkim(...args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).not.toBe('');
    expect(await readdir(directory)).not.toContain('state');
  });

  it.each([
    [['create', 'elsewhere.example'], /neither an own domain of these settings nor provider\.signingDomain/],
    [['show', 'example.com'], /example\.com has no key; "postern dkim create example\.com" makes one/],
    [['activate', 'example.com', '--selector', 'none'], /has no key with the selector none/],
  ])('%j exits with 1', async (args, text) => {
    const { dkim } = await ground();
    const { code, stdout, stderr } = await dkim(...args);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(text);
  });

  it('a damaged index is said by its path, with the way out', async () => {
    const { dkim, directory } = await ground({ 'state/keys/index.json': '{"version":1}' });
    for (const args of [['list'], ['create', 'example.com']]) {
      const { code, stderr } = await dkim(...args);
      expect(code).toBe(1);
      expect(stderr).toBe(
        `postern: ${join(directory, 'state/keys/index.json')} is no index of keys; restore it from a backup (POSTERN_KEYS_UNREADABLE)\n`,
      );
    }
  });

  it('broken settings are said, and no key is made', async () => {
    const { dkim, directory } = await ground();
    await writeFile(join(directory, 'settings.yaml'), 'version: 2\n');
    const { code, stderr } = await dkim('create', 'example.com');
    expect(code).toBe(1);
    expect(stderr).toMatch(/^settings\.yaml:1:10: /m);
    expect(await readdir(directory)).not.toContain('state');
  });
});
