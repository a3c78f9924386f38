import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { beforeEach, describe, expect, it } from 'vitest';
import { publishedForms, publishedKey } from '../../../src/dkim/index.ts';
import {
  checkKeyDomain,
  createDkimKeys,
  PosternError,
  type DkimKeys,
  type KeyFacts,
  type TxtAnswer,
} from '../../../src/services/index.ts';
import { FakeResolver, MemoryVault } from '../../contract/memory-vault.ts';
import { aDocument, aDomain, aSettings } from '../../support/builders.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const DOMAIN = aDomain('example.com');
const RSA = { algorithm: 'rsa-sha256', bits: 1024 } as const;
const ED25519 = { algorithm: 'ed25519-sha256' } as const;

let vault: MemoryVault;
let resolver: FakeResolver;
let clock: FakeClock;
let keys: DkimKeys;
beforeEach(() => {
  vault = new MemoryVault();
  resolver = new FakeResolver();
  clock = new FakeClock(1_000);
  keys = createDkimKeys(vault, resolver, clock);
});

const spki = (key: KeyFacts): Buffer => Buffer.from(key.publicKey, 'base64');
const formsOf = (key: KeyFacts): ReturnType<typeof publishedForms> =>
  publishedForms(spki(key), key.selector, key.domain);
const publish = (key: KeyFacts, ...records: (string | readonly string[])[]): void => {
  const found = records.length === 0 ? [[formsOf(key).txt]] : records.map((record) => [record].flat());
  resolver.answers.set(formsOf(key).hostFull, { kind: 'records', records: found });
};
const stateOf = async (selector: string): Promise<string> => (await keys.find(DOMAIN, selector)).state;
const states = async (): Promise<string[]> =>
  (await keys.list()).map(({ selector, state, domain }) => `${selector} of ${domain} ${state}`);

describe('create and import', () => {
  it.each([
    [RSA, 1024, 'rsa'],
    [{ algorithm: 'rsa-sha256', bits: 2048 } as const, 2048, 'rsa'],
    [ED25519, null, 'ed25519'],
  ])('%o is created, not active', async (kind, bits, type) => {
    const key = await keys.create(DOMAIN, 's1', kind, 'root');
    expect(key).toMatchObject({ domain: DOMAIN, selector: 's1', algorithm: kind.algorithm, bits, state: 'created' });
    expect(key.history).toEqual([{ state: 'created', at: 1_000, by: 'root' }]);
    expect(createPublicKey({ key: spki(key), format: 'der', type: 'spki' }).asymmetricKeyType).toBe(type);
    expect(await keys.list()).toEqual([key]);
    expect(resolver.asked).toEqual([]);
  });

  it('SIG-17 the selector of another key is refused', async () => {
    const first = await keys.create(DOMAIN, 's1', RSA, 'root');
    await expect(keys.create(DOMAIN, 'S1', ED25519, 'root')).rejects.toMatchObject({ code: 'POSTERN_KEY_EXISTS' });
    expect(await keys.list()).toEqual([first]);
    await keys.create(aDomain('example.net'), 's1', RSA, 'root');
  });

  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 1024 });
  const pem = (key: KeyObject, type: 'pkcs1' | 'pkcs8' | 'sec1' = 'pkcs8'): string =>
    key.export({ type, format: 'pem' } as { type: 'pkcs8'; format: 'pem' }).toString();

  it.each([
    ['PKCS#1', pem(privateKey, 'pkcs1'), 1024],
    ['PKCS#8', pem(privateKey), 1024],
    ['Ed25519', pem(generateKeyPairSync('ed25519').privateKey), null],
  ])('%s is imported with its public key, not active', async (_, text, bits) => {
    const key = await keys.import(DOMAIN, 'old', text, 'root');
    expect(key).toMatchObject({ bits, state: 'created' });
    expect(spki(key)).toEqual(createPublicKey(text).export({ type: 'spki', format: 'der' }));
  });

  const NO_KEY = 'the file holds no private key in PEM (PKCS#1 or PKCS#8, without a pass phrase)';
  it.each([
    ['encrypted', privateKey.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'x' }), NO_KEY],
    ['an EC key', pem(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey), /a key of type ec; DKIM takes/],
    [
      '512 bits',
      pem(generateKeyPairSync('rsa', { modulusLength: 512 }).privateKey),
      /an RSA key of 512 bits; DKIM takes/,
    ],
    ['RSA-PSS', pem(generateKeyPairSync('rsa-pss', { modulusLength: 1024 }).privateKey), /a key of type rsa-pss/],
    ['a public key', createPublicKey(privateKey).export({ type: 'spki', format: 'pem' }), NO_KEY],
    ['cut', pem(privateKey).slice(0, 300), NO_KEY],
    ['nothing', '', NO_KEY],
  ])('refused with the reason: %s', async (_, text, message) => {
    const refusal = keys.import(DOMAIN, 'old', text.toString(), 'root');
    await expect(refusal).rejects.toThrow(message);
    await expect(refusal).rejects.toMatchObject({ code: 'POSTERN_KEY_INVALID' });
    expect(await keys.list()).toEqual([]);
  });
});

describe('find', () => {
  it('by selector in any case; without one the newest of the domain', async () => {
    await keys.create(DOMAIN, 'One', RSA, 'root');
    await keys.create(DOMAIN, 'two', ED25519, 'root');
    await keys.create(aDomain('example.net'), 'three', ED25519, 'root');
    expect((await keys.find(DOMAIN, 'oNE')).selector).toBe('One');
    expect((await keys.find(DOMAIN, undefined)).selector).toBe('two');
  });

  it.each([
    ['example.org', undefined, 'example.org has no key; "postern dkim create example.org" makes one'],
    ['example.com', 's2', 'example.com has no key with the selector s2; "postern dkim create example.com" makes one'],
  ])('%s %s: refused with the way out', async (domain, selector, message) => {
    await keys.create(DOMAIN, 's1', ED25519, 'root');
    const refusal = keys.find(aDomain(domain), selector);
    await expect(refusal).rejects.toThrow(message);
    await expect(refusal).rejects.toMatchObject({ code: 'POSTERN_NOT_FOUND' });
  });
});

describe('verify and activate', () => {
  const NAME = 's1._domainkey.example.com';

  it('SIG-16 a check against empty DNS changes nothing; against the right record the key is verified, then active', async () => {
    const key = await keys.create(DOMAIN, 's1', RSA, 'root');
    expect(await keys.activate(key, 'root')).toMatchObject({ kind: 'no-such-name', isMatch: false });
    expect(await stateOf('s1')).toBe('created');
    publish(key);
    clock.advance(1_000);
    expect(await keys.verify(key, 'alice')).toEqual({ kind: 'match', isMatch: true, text: '' });
    clock.advance(1_000);
    expect(await keys.activate(await keys.find(DOMAIN, 's1'), 'bob')).toMatchObject({ isMatch: true });
    expect((await keys.find(DOMAIN, 's1')).history).toEqual([
      { state: 'created', at: 1_000, by: 'root' },
      { state: 'verified', at: 2_000, by: 'alice' },
      { state: 'active', at: 3_000, by: 'bob' },
    ]);
    expect(resolver.asked).toEqual([NAME, NAME, NAME]);
  });

  it('SIG-16 a second key does not take over before it is activated itself', async () => {
    const first = await keys.create(DOMAIN, 's1', RSA, 'root');
    publish(first);
    await keys.activate(first, 'root');
    const second = await keys.create(DOMAIN, 's2', RSA, 'root');
    expect(await keys.activate(second, 'root')).toMatchObject({ isMatch: false });
    publish(second);
    await keys.verify(second, 'root');
    expect(await states()).toEqual(['s1 of example.com active', 's2 of example.com verified']);
  });

  it('SIG-17 from the switch only the new key is active; the old one retires with its date', async () => {
    const first = await keys.create(DOMAIN, 's1', RSA, 'root');
    const second = await keys.create(DOMAIN, 's2', RSA, 'root');
    for (const key of [first, second]) publish(key);
    await keys.activate(first, 'root');
    clock.advance(5_000);
    await keys.activate(second, 'bob');
    expect(await states()).toEqual(['s1 of example.com retiring', 's2 of example.com active']);
    expect((await keys.find(DOMAIN, 's1')).history.at(-1)).toEqual({ state: 'retiring', at: 6_000, by: 'bob' });
    await keys.activate(first, 'root');
    expect(await states()).toEqual(['s1 of example.com active', 's2 of example.com retiring']);
  });

  it('keys of another algorithm, of another domain and not active ones stay as they are', async () => {
    const all = [
      await keys.create(DOMAIN, 'rsa', RSA, 'root'),
      await keys.create(DOMAIN, 'ed', ED25519, 'root'),
      await keys.create(aDomain('example.net'), 'rsa', RSA, 'root'),
    ];
    await keys.create(DOMAIN, 'idle', RSA, 'root');
    for (const key of all) publish(key);
    for (const key of all) await keys.activate(key, 'root');
    expect(await states()).toEqual([
      'rsa of example.com active',
      'ed of example.com active',
      'rsa of example.net active',
      'idle of example.com created',
    ]);
  });

  it('activating an active key again changes nothing of it, nor does verifying one', async () => {
    const key = await keys.create(DOMAIN, 's1', RSA, 'root');
    publish(key);
    await keys.activate(key, 'root');
    const before = await keys.list();
    clock.advance(1_000);
    const now = await keys.find(DOMAIN, 's1');
    expect(await keys.activate(now, 'bob')).toMatchObject({ isMatch: true });
    expect(await keys.verify(now, 'bob')).toMatchObject({ isMatch: true });
    expect(await keys.list()).toEqual(before);
  });

  it('a revoked key is never active again, also where it is revoked while DNS is asked', async () => {
    const key = await keys.create(DOMAIN, 's1', RSA, 'root');
    publish(key);
    const revoke = (): Promise<unknown> => vault.update((all) => all.map((one) => ({ ...one, state: 'revoked' })));
    resolver.meanwhile = revoke;
    await expect(keys.activate(key, 'root')).rejects.toThrow('s1 of example.com is revoked; create a key with');
    expect(await stateOf('s1')).toBe('revoked');
    resolver.asked.length = 0;
    const refusal = keys.activate(await keys.find(DOMAIN, 's1'), 'root');
    await expect(refusal).rejects.toMatchObject({ code: 'POSTERN_KEY_STATE' });
    expect(resolver.asked).toEqual([]);
  });

  const NEGATIVE: readonly [string, TxtAnswer, RegExp][] = [
    ['DNS-10 NXDOMAIN', { kind: 'no-such-name' }, /^s1\._domainkey\.example\.com does not exist in DNS; .* 72 hours$/],
    ['DNS-10 NODATA', { kind: 'no-such-record' }, /^s1\._domainkey\.example\.com exists in DNS but has no TXT record/],
    [
      'DNS-10 SERVFAIL',
      { kind: 'server-failure', code: 'ESERVFAIL' },
      /^the DNS server failed to look up s1\._domainkey/,
    ],
    [
      'DNS-10 time-out',
      { kind: 'no-answer' },
      /^no DNS server answered for s1\._domainkey\.example\.com in time; .*dns\.servers/,
    ],
  ];
  it.each(NEGATIVE)('%s has its own words and changes nothing', async (_, answer, text) => {
    const key = await keys.create(DOMAIN, 's1', RSA, 'root');
    resolver.answers.set(NAME, answer);
    const { writes } = vault;
    for (const what of ['verify', 'activate'] as const) {
      const found = await keys[what](key, 'root');
      expect(found).toMatchObject({ kind: answer.kind, isMatch: false });
      expect(found.text).toMatch(text);
    }
    expect(vault.writes).toBe(writes);
    expect(await keys.list()).toEqual([key]);
  });

  it('DNS-10 the four messages differ', async () => {
    const key = await keys.create(DOMAIN, 's1', RSA, 'root');
    const texts = new Set<string>();
    for (const [, answer] of NEGATIVE) {
      resolver.answers.set(NAME, answer);
      texts.add((await keys.verify(key, 'root')).text);
    }
    expect(texts.size).toBe(4);
  });

  it.each<[string, (txt: string) => (string | readonly string[])[]]>([
    [
      'DNS-01 in several strings, cut anywhere',
      (txt) => [[txt.slice(0, 19), txt.slice(19, 100), '', txt.slice(100, 101), txt.slice(101)]],
    ],
    ['DNS-02 without spaces, with s= and t=s', (txt) => [`v=DKIM1;k=rsa;t=s;s=email;${txt.slice(txt.indexOf('p='))}`]],
    ['DNS-02 only p=', (txt) => [txt.slice(txt.indexOf('p='))]],
    ['DNS-02 folded base64 and a final semicolon', (txt) => [`${txt.replace(/.{50}/g, '$& ')} ;`]],
    ['DNS-02 t=y is a match with a warning', (txt) => [`${txt}; t=y`]],
  ])('%s: active', async (name, records) => {
    const key = await keys.create(DOMAIN, 's1', RSA, 'root');
    publish(key, ...records(formsOf(key).txt));
    const found = await keys.activate(key, 'root');
    expect(found).toMatchObject({ kind: 'match', isMatch: true });
    expect(found.text).toMatch(name.includes('t=y') ? /testing/ : /^$/);
    expect(await stateOf('s1')).toBe('active');
  });

  const other = publishedKey(
    generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey.export({ type: 'spki', format: 'der' }),
  );
  it.each<[string, (txt: string) => (string | readonly string[])[], string, RegExp]>([
    ['DNS-02 v=dkim1', (txt) => [txt.replace('DKIM1', 'dkim1')], 'wrong-version', /v=dkim1 is not v=DKIM1/],
    [
      'DNS-03 two records',
      (txt) => [txt, 'v=DKIM1; p=half'],
      'several-records',
      /^2 records found, remove: "v=DKIM1; p=half"/,
    ],
    ['DNS-03 an unrelated TXT beside it', (txt) => [txt, 'hello'], 'several-records', /remove: "hello"/],
    ['DNS-04 cut', (txt) => [txt.slice(0, 200)], 'cut', /cut after 200 characters/],
    ['DNS-06 revoked', () => ['v=DKIM1; p='], 'revoked', /revoked \(empty p=\)/],
    ['DNS-06 another key', () => [`v=DKIM1; p=${other.base64}`], 'other-key', /another key \(starts .*, ours /],
    ['DNS-06 another key type', () => ['v=DKIM1; k=ed25519; p=AAAA'], 'other-key-type', /other key type ed25519/],
    ['DNS-06 an SPF text', () => ['v=spf1 -all'], 'not-dkim', /not a DKIM record/],
  ])('%s: said so, and nothing changed', async (_, records, kind, text) => {
    const key = await keys.create(DOMAIN, 's1', RSA, 'root');
    publish(key, ...records(formsOf(key).txt));
    const found = await keys.activate(key, 'root');
    expect(found).toMatchObject({ kind, isMatch: false });
    expect(found.text).toMatch(text);
    expect(await keys.list()).toEqual([key]);
  });
});

describe('checkKeyDomain', () => {
  const settings = aSettings({
    ...aDocument(
      { 'example.com': {} },
      {},
      { provider: { sharedDomains: ['shared.example'], signingDomain: 'mail.provider.example' } },
    ),
    organizations: {
      acme: { primaryDomain: 'example.com', domains: { 'example.com': {} } },
      tenant: {
        primaryDomain: 'tenant.shared.example',
        domains: { 'tenant.shared.example': {}, 'second.example': {} },
      },
    },
  });

  it.each(['example.com', 'mail.provider.example'])('%s may have keys', (domain) => {
    expect(() => {
      checkKeyDomain(settings, aDomain(domain));
    }).not.toThrow();
  });

  const refusalOf = (domain: string): PosternError => {
    try {
      checkKeyDomain(settings, aDomain(domain));
    } catch (error) {
      if (error instanceof PosternError) return error;
    }
    throw new Error('it was not refused');
  };

  it.each(['tenant.shared.example', 'second.example'])('ADM-02 %s may not: the reason is said', (domain) => {
    expect(refusalOf(domain).code).toBe('POSTERN_NOT_AVAILABLE');
    expect(refusalOf(domain).message).toBe(
      `DKIM is not available for ${domain}: the primary domain tenant.shared.example of its organization is under shared.example, which belongs to the provider`,
    );
  });

  it('a domain that is not ours may not', () => {
    expect(refusalOf('elsewhere.example')).toMatchObject({ code: 'POSTERN_NOT_FOUND' });
    expect(refusalOf('sub.example.com').message).toMatch(/^sub\.example\.com is neither an own domain/);
  });
});
