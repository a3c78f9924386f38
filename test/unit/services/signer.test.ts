import { createHash, createPublicKey, verify } from 'node:crypto';
import { beforeEach, describe, expect, it } from 'vitest';
import { canonicalHeaderField } from '../../../src/dkim/index.ts';
import { createDkimKeys, createSigner, type KeyFacts, type Signer } from '../../../src/services/index.ts';
import { FakeResolver, MemoryVault } from '../../contract/memory-vault.ts';
import { aDomain } from '../../support/builders.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { aField } from '../../support/messages.ts';

const DOMAIN = aDomain('example.com');
const HEADERS = ['From: Alice <alice@example.com>', 'Subject:  two\n\tlines '].map(aField);
const BODY_HASH = createHash('sha256').update('').digest();

let vault: MemoryVault;
let signer: Signer;
const made: KeyFacts[] = [];
beforeEach(async () => {
  vault = new MemoryVault();
  signer = createSigner(vault, new FakeClock(1_234_999));
  const keys = createDkimKeys(vault, new FakeResolver(), new FakeClock());
  made.length = 0;
  made.push(await keys.create(DOMAIN, 's1', { algorithm: 'rsa-sha256', bits: 1024 }, 'root'));
  made.push(await keys.create(DOMAIN, 'ed1', { algorithm: 'ed25519-sha256' }, 'root'));
});

const wanted = (): { domain: KeyFacts['domain']; key: KeyFacts }[] => made.map((key) => ({ domain: DOMAIN, key }));

describe('createSigner', () => {
  it('makes one field for each key, in order, which its public key verifies', async () => {
    const values = await signer.sign(wanted(), HEADERS, BODY_HASH);
    expect(values.map((value) => /s=([^;]+);/.exec(value)?.[1])).toEqual(['s1', 'ed1']);
    for (const [at, value] of values.entries()) {
      expect(value).toMatch(/[ \t]t=1234;/);
      expect(value).not.toMatch(/\r|\n$|^ /);
      const { algorithm, publicKey } = made[at]!;
      const unsigned = value.replace(/b=[^;]*$/, 'b=');
      const names = /h=([^;]+);/.exec(value.replace(/\s/g, ''))![1]!.split(':');
      const left = [...HEADERS];
      const lines = names.flatMap((name) => {
        const place = left.findLastIndex((field) => field.name.toLowerCase() === name);
        return place < 0 ? [] : left.splice(place, 1).map((field) => `${canonicalHeaderField(field, 'relaxed')}\r\n`);
      });
      const own = canonicalHeaderField({ name: 'DKIM-Signature', value: ` ${unsigned}` }, 'relaxed');
      const data = Buffer.from(lines.join('') + own, 'latin1');
      const key = createPublicKey({ key: Buffer.from(publicKey, 'base64'), format: 'der', type: 'spki' });
      const signature = Buffer.from(/b=([^;]*)$/.exec(value)![1]!.replace(/\s/g, ''), 'base64');
      const isRsa = algorithm === 'rsa-sha256';
      const signed = isRsa ? data : createHash('sha256').update(data).digest();
      expect(verify(isRsa ? 'sha256' : null, signed, key, signature)).toBe(true);
    }
  });

  it('rejects when a key is gone: one signature of two is none', async () => {
    vault.lose(DOMAIN, 'ed1');
    await expect(signer.sign(wanted(), HEADERS, BODY_HASH)).rejects.toThrow('there is no such key');
  });

  it('nothing to sign is nothing signed', async () => {
    expect(await signer.sign([], HEADERS, BODY_HASH)).toEqual([]);
  });
});
