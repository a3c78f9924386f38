import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { checkKeyRecord, publishedForms, publishedKey } from '../../../src/dkim/index.ts';
import type { Domain } from '../../../src/mail/index.ts';

const spki = (key: KeyObject): Buffer => key.export({ type: 'spki', format: 'der' });
const rsaKey = (bits: number): Buffer => spki(generateKeyPairSync('rsa', { modulusLength: bits }).publicKey);
const ours = rsaKey(2048);
const older = rsaKey(2048);
const short = rsaKey(1024);
const ed25519 = spki(generateKeyPairSync('ed25519').publicKey);
const domain = 'example.com' as Domain;

const p = publishedKey(ours).base64;
const right = publishedForms(ours, 'postern', domain).txt;
const check = (...records: readonly string[]): ReturnType<typeof checkKeyRecord> =>
  checkKeyRecord(
    records.map((text) => [text]),
    ours,
  );
const MATCH = { kind: 'match', warnings: [], text: '' };

describe('DNS-01 a record in several strings', () => {
  it.each<[string, readonly number[]]>([
    ['at 255', [255]],
    ['in the middle of p=', [right.indexOf('p=') + 1]],
    ['in the middle of the base64', [300]],
    ['in five', [20, 100, 180, 255]],
  ])('DNS-01 cut %s', (_, cuts) => {
    const strings = [0, ...cuts].map((at, index) => right.slice(at, cuts[index]));
    expect(strings.join('')).toBe(right);
    expect(checkKeyRecord([strings], ours)).toEqual(MATCH);
  });
});

describe('DNS-02 white space and order in a record', () => {
  it.each<[string, string]>([
    ['white space in the key', `v=DKIM1;k=rsa;t=s;s=email;p=${p.replace(/(.{40})/g, '$1 ')}`],
    ['folds in the key', `v=DKIM1; p=${p.replace(/(.{40})/g, '$1\r\n\t')}`],
    ['p= alone', `p=${p}`],
    ['tags in other order', `v=DKIM1; p=${p}; s=*; k=rsa; t=s`],
    ['a semicolon at the end', `v=DKIM1; k=rsa; p=${p};`],
    ['white space around tags', ` v = DKIM1 ;\tk = rsa ; p = ${p} ; `],
    ['hashes, notes and unknown tags', `v=DKIM1; h=sha1:sha256; n=a note; x_1=y; s=other : email; p=${p}`],
    ['no padding in the base64', `v=DKIM1; p=${p.replace(/=+$/, '')}`],
  ])('DNS-02 %s is right', (_, record) => {
    expect(check(record)).toEqual(MATCH);
  });

  it('DNS-02 v=dkim1 is not DKIM1', () => {
    const found = check(`v=dkim1; k=rsa; p=${p}`);
    expect(found).toMatchObject({ kind: 'wrong-version', found: 'dkim1', expected: 'DKIM1' });
    expect(found.text).toContain('v=dkim1 is not v=DKIM1');
  });

  it('DNS-02 v= after another tag is a fault of its own', () => {
    expect(check(`k=rsa; v=DKIM1; p=${p}`)).toMatchObject({ kind: 'version-not-first' });
  });

  it('DNS-02 t=y is right with a warning', () => {
    const found = check(`v=DKIM1; t=s:y; p=${p}`);
    expect(found).toMatchObject({ kind: 'match', warnings: [{ kind: 'testing' }] });
    expect(found.text).toContain('t=y (testing)');
  });

  it('DNS-02 a record that does not allow our use', () => {
    expect(check(`v=DKIM1; h=sha1; p=${p}`)).toMatchObject({ kind: 'hash-refused', found: 'sha1' });
    expect(check(`v=DKIM1; h=sha1; p=${p}`).text).toContain('Remove h=');
    expect(check(`v=DKIM1; s=tlsrpt; p=${p}`)).toMatchObject({ kind: 'other-service', found: 'tlsrpt' });
    expect(check(`v=DKIM1; s=tlsrpt; p=${p}`).text).toContain('Remove s=');
  });

  it.each<[string, string, string]>([
    ['backslashes of a zone file', right.replaceAll(';', '\\;'), 'v= is "DKIM1\\"'],
    ['quotes of a zone file', `"${right}"`, 'is not a tag'],
    ['a tag twice', `v=DKIM1; p=${p}; p=${p}`, 'the tag p= is there twice'],
    ['no p=', 'v=DKIM1; k=rsa', 'it has no p= tag'],
    ['a text in p=', 'v=DKIM1; p=<your key here>', 'p= is not base64'],
    ['an empty tag', `v=DKIM1;; p=${p}`, '"" is not a tag'],
    ['a long text that is no tag', `v=DKIM1; ${'x'.repeat(100)}`, `"${'x'.repeat(60)}…" is not a tag`],
  ])('DNS-02 %s: the record cannot be read', (_, record, problem) => {
    const found = check(record);
    expect(found.kind).toBe('malformed');
    expect(found.text).toContain(problem);
    expect(found.text).toContain('postern dkim show');
  });
});

describe('DNS-03 more than one record', () => {
  const half = right.slice(0, 255);
  it.each<[string, readonly string[], string | null, readonly string[]]>([
    ['a left-over half key', [right, half], right, [half]],
    ['a left-over half key first', [half, right], right, [half]],
    ['an unrelated record', [right, 'hello'], right, ['hello']],
    ['the right one twice', [right, right], right, [right]],
    ['none of them ours', [half, 'hello'], null, [half, 'hello']],
    ['three', ['a', right, 'b'], right, ['a', 'b']],
  ])('DNS-03 %s', (_, records, keep, remove) => {
    const found = check(...records);
    expect(found).toMatchObject({ kind: 'several-records', keep, remove });
    expect(found.text).toContain(`${records.length} records found, remove: "${remove[0]!}"`);
    for (const record of records) expect(found.text).toContain(`"${record}"`);
    expect(found.text.includes('none of these is ours')).toBe(keep === null);
  });
});

describe('DNS-04 a key cut by the DNS panel', () => {
  it('DNS-04 says where it is cut and two ways out', () => {
    const found = check(right.slice(0, 255));
    expect(found).toMatchObject({ kind: 'cut', foundCharacters: 255 });
    expect(found.text).toContain('cut after 255 characters');
    expect(found.text).toContain('several strings of at most 255 characters');
    expect(found.text).toContain('1024-bit key');
  });

  it('DNS-04 offers no shorter key where there is none', () => {
    for (const key of [short, ed25519]) {
      const found = checkKeyRecord([[publishedForms(key, 's', domain).txt.slice(0, -4)]], key);
      expect(found.kind).toBe('cut');
      expect(found.text).not.toContain('1024');
      expect(found.text).toContain('enter the whole value again');
    }
    const found = checkKeyRecord([[publishedForms(rsaKey(1024), 's', domain).txt]], ours);
    expect(found.kind).toBe('other-key');
  });
});

describe('DNS-06 revoked, another key, another type, another record', () => {
  it('DNS-06 an empty p= is a revoked key', () => {
    for (const record of ['v=DKIM1; p=', 'v=DKIM1; k=rsa; p= ;', 'p=']) {
      expect(check(record).kind).toBe('revoked');
      expect(check(record).text).toContain('revoked (empty p=)');
    }
  });

  it('DNS-06 the key of an older selector', () => {
    const found = check(publishedForms(older, 'old', domain).txt);
    const { foundStart, expectedStart } = found as { foundStart: string; expectedStart: string } & typeof found;
    expect(found.kind).toBe('other-key');
    expect(foundStart).not.toBe(expectedStart);
    expect(p.startsWith(expectedStart)).toBe(true);
    expect(found.text).toContain(`another key (starts ${foundStart}…, ours ${expectedStart}…)`);
  });

  it('DNS-06 a key of another size', () => {
    const found = checkKeyRecord([[right]], short);
    expect(found).toMatchObject({ kind: 'other-key', foundStart: 'MIIB', expectedStart: 'MIGf' });
    expect(found.text).toContain('another key (starts MIIB…, ours MIGf…)');
    expect(check(`v=DKIM1; p=${p}AAAA`)).toMatchObject({ kind: 'other-key' });
  });

  it('DNS-06 another key type', () => {
    const found = check(publishedForms(ed25519, 's', domain).txt);
    expect(found).toMatchObject({ kind: 'other-key-type', found: 'ed25519', expected: 'rsa' });
    expect(found.text).toContain('other key type ed25519, ours is rsa');
    expect(checkKeyRecord([[right]], ed25519)).toMatchObject({ kind: 'other-key-type', found: 'rsa' });
    expect(checkKeyRecord([[publishedForms(ed25519, 's', domain).txt]], ed25519)).toEqual(MATCH);
  });

  it.each([
    'v=spf1 include:_spf.example.com -all',
    'google-site-verification=abc',
    'hello',
    '',
    'v=DMARC1; p=none',
    'x=y',
  ])('DNS-06 %j is not a DKIM record', (record) => {
    expect(check(record)).toMatchObject({ kind: 'not-dkim', found: record });
    expect(check(record).text).toContain('is not a DKIM record');
  });

  it('DNS-06 control characters of a record do not reach the sentence', () => {
    expect(check('\u001b[31mhello\u009b')).toMatchObject({ kind: 'not-dkim', found: '\u001b[31mhello\u009b' });
    expect(check('\u001b[31mhello\u009b').text).toContain('"?[31mhello?"');
  });

  it('DNS-06 no record at all', () => {
    expect(checkKeyRecord([], ours)).toMatchObject({ kind: 'no-record' });
    expect(checkKeyRecord([], ours).text).toContain('no TXT record');
  });
});

describe('DNS-11 what is shown to copy', () => {
  it.each<[string, Buffer, string, number]>([
    ['2048 bits', ours, `v=DKIM1; k=rsa; p=${ours.toString('base64')}`, 2],
    ['1024 bits', short, `v=DKIM1; k=rsa; p=${short.toString('base64')}`, 1],
    ['Ed25519', ed25519, `v=DKIM1; k=ed25519; p=${ed25519.subarray(12).toString('base64')}`, 1],
  ])('DNS-11 %s', (_, key, txt, count) => {
    const forms = publishedForms(key, 'postern', domain);
    expect(forms.hostShort).toBe('postern._domainkey');
    expect(forms.hostFull).toBe('postern._domainkey.example.com');
    expect(forms.txt).toBe(txt);
    expect(forms.strings).toHaveLength(count);
    expect(forms.strings.join('')).toBe(txt);
    for (const text of forms.strings) expect(text.length).toBeLessThanOrEqual(255);
    expect(forms.zoneValue).toBe(forms.strings.map((text) => `"${text}"`).join(' '));
    expect(checkKeyRecord([forms.strings], key)).toEqual(MATCH);
  });

  it('DNS-11 a key that DKIM does not know is a broken invariant', () => {
    const ec = spki(generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey);
    expect(() => publishedKey(ec)).toThrow(TypeError);
    const ed448 = spki(generateKeyPairSync('ed448').publicKey);
    expect(() => publishedForms(ed448, 's', domain)).toThrow('neither RSA nor Ed25519');
  });
});
