/** What every KeyVault keeps to. */
import { generateKeyPairSync, verify, type KeyObject } from 'node:crypto';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createKeyFiles } from '../../src/adapters/key-files/index.ts';
import type { KeyFacts, KeyVault } from '../../src/services/index.ts';
import { aDomain } from '../support/builders.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { MemoryVault } from './memory-vault.ts';

const RSA = generateKeyPairSync('rsa', { modulusLength: 1024 });
const ED25519 = generateKeyPairSync('ed25519');
const pemOf = (key: KeyObject): string => key.export({ type: 'pkcs8', format: 'pem' }) as string;
const facts = (selector: string, more: Partial<KeyFacts> = {}): KeyFacts => ({
  domain: aDomain('example.com'),
  selector,
  algorithm: 'rsa-sha256',
  bits: 1024,
  publicKey: RSA.publicKey.export({ type: 'spki', format: 'der' }).toString('base64'),
  state: 'created',
  history: [{ state: 'created', at: 1, by: 'test' }],
  ...more,
});

const vaults: Readonly<Record<string, () => Promise<KeyVault>>> = {
  'key files': async () => createKeyFiles(join(await temporaryDirectory(), 'state')),
  memory: () => Promise.resolve(new MemoryVault()),
};

describe.each(Object.entries(vaults))('a key vault: %s', (_, open) => {
  it('is empty at first, and gives back what was added, in order', async () => {
    const vault = await open();
    expect(await vault.list()).toEqual([]);
    const second = facts('s1', { domain: aDomain('example.net') });
    await vault.add(facts('s1'), pemOf(RSA.privateKey));
    await vault.add(second, pemOf(RSA.privateKey));
    expect(await vault.list()).toEqual([facts('s1'), second]);
  });

  it('SIG-17 a selector is never used again for another key of the domain, in any case of letters', async () => {
    const vault = await open();
    await vault.add(facts('s1'), pemOf(RSA.privateKey));
    for (const selector of ['s1', 'S1']) {
      await expect(vault.add(facts(selector), pemOf(ED25519.privateKey))).rejects.toMatchObject({
        code: 'POSTERN_KEY_EXISTS',
      });
    }
    expect(await vault.list()).toEqual([facts('s1')]);
    const signature = await vault.sign('example.com', 's1', Buffer.from('x'));
    expect(verify('sha256', Buffer.from('x'), RSA.publicKey, signature)).toBe(true);
  });

  it('update gives the change to the keys as they are, and what throws changes nothing', async () => {
    const vault = await open();
    await vault.add(facts('s1'), pemOf(RSA.privateKey));
    const changed = await vault.update((keys) => keys.map((key) => ({ ...key, state: 'verified' })));
    expect(changed).toEqual([facts('s1', { state: 'verified' })]);
    const refused = vault.update(() => {
      throw new Error('no');
    });
    await expect(refused).rejects.toThrow('no');
    expect(await vault.list()).toEqual(changed);
  });

  it('changes at the same time all come about', async () => {
    const vault = await open();
    await Promise.all(
      Array.from({ length: 12 }, async (__, n) => {
        await vault.add(facts(`s${n}`), pemOf(RSA.privateKey));
        await vault.update((keys) => keys.map((key) => (key.selector === `s${n}` ? { ...key, state: 'active' } : key)));
      }),
    );
    const keys = await vault.list();
    expect(keys.map(({ selector }) => selector).sort()).toEqual(Array.from({ length: 12 }, (__, n) => `s${n}`).sort());
    expect(keys.every(({ state }) => state === 'active')).toBe(true);
  });

  it('signs with RSA over the SHA-256 and with Ed25519 over the octets themselves', async () => {
    const vault = await open();
    await vault.add(facts('r'), pemOf(RSA.privateKey));
    await vault.add(facts('e', { algorithm: 'ed25519-sha256', bits: null }), pemOf(ED25519.privateKey));
    const bytes = Buffer.from('octets');
    expect(verify('sha256', bytes, RSA.publicKey, await vault.sign('example.com', 'R', bytes))).toBe(true);
    expect(verify(null, bytes, ED25519.publicKey, await vault.sign('example.com', 'e', bytes))).toBe(true);
  });

  it('a key that is not there cannot sign', async () => {
    await expect((await open()).sign('example.com', 's1', Buffer.from('x'))).rejects.toThrow();
  });
});
