import { beforeEach, describe, expect, it } from 'vitest';
import { decideMessage } from '../../../src/decide/index.ts';
import { publishedForms } from '../../../src/dkim/index.ts';
import {
  createDkimKeys,
  createKeyedSnapshots,
  PosternError,
  type DkimKeys,
  type KeyedSnapshots,
  type KeyFacts,
} from '../../../src/services/index.ts';
import type { Snapshot } from '../../../src/snapshot/index.ts';
import { FakeResolver, MemoryVault } from '../../contract/memory-vault.ts';
import { aDomain, aSnapshot, withDomain } from '../../support/builders.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { FakeLog, FakeMeters } from '../../support/fake-log.ts';
import { aMessage } from '../../support/messages.ts';

const DOMAIN = aDomain('example.com');
const ED25519 = { algorithm: 'ed25519-sha256' } as const;

let vault: MemoryVault;
let resolver: FakeResolver;
let keys: DkimKeys;
let base: Snapshot;
let log: FakeLog;
let meters: FakeMeters;
let snapshots: KeyedSnapshots;
beforeEach(async () => {
  vault = new MemoryVault();
  resolver = new FakeResolver();
  keys = createDkimKeys(vault, resolver, new FakeClock());
  base = aSnapshot(withDomain({}));
  log = new FakeLog();
  meters = new FakeMeters();
  snapshots = createKeyedSnapshots(() => base, vault, log, meters);
  await snapshots.start();
});

const publish = (key: KeyFacts): void => {
  const forms = publishedForms(Buffer.from(key.publicKey, 'base64'), key.selector, key.domain);
  resolver.answers.set(forms.hostFull, { kind: 'records', records: [[forms.txt]] });
};

/** Which selectors sign the next outgoing message. */
const signers = (): string[] => {
  const headers = ['From: alice@example.com'];
  const t = aMessage({ client: 'local', recipients: ['carol@elsewhere.example'], headers });
  return decideMessage(snapshots.current(), t).signing.signatures.map(({ key }) => key.selector);
};

describe('createKeyedSnapshots', () => {
  it('SIG-16 a created and a verified key do not sign; an activated one signs the next message', async () => {
    const key = await keys.create(DOMAIN, 's1', ED25519, 'root');
    await snapshots.reload();
    expect(signers()).toEqual([]);
    publish(key);
    await keys.verify(key, 'root');
    await snapshots.reload();
    expect(signers()).toEqual([]);
    await keys.activate(key, 'root');
    expect(signers()).toEqual([]);
    await snapshots.reload();
    expect(signers()).toEqual(['s1']);
    expect(meters.keys.at(-1)).toEqual({ created: 0, verified: 0, active: 1, retiring: 0, revoked: 0 });
  });

  it('SIG-17 from the switch only the new key signs; a message that began before keeps its own', async () => {
    const first = await keys.create(DOMAIN, 's1', ED25519, 'root');
    const second = await keys.create(DOMAIN, 's2', ED25519, 'root');
    for (const key of [first, second]) publish(key);
    await keys.activate(first, 'root');
    await snapshots.reload();
    const begun = snapshots.current();
    await keys.activate(second, 'root');
    await snapshots.reload();
    expect(signers()).toEqual(['s2']);
    expect(begun.domains.get(DOMAIN)?.signing.map(({ selector }) => selector)).toEqual(['s1']);
    expect(meters.keys.at(-1)).toMatchObject({ active: 1, retiring: 1 });
  });

  it('gives the same snapshot until settings or keys change, and says the keys once for each change', async () => {
    const key = await keys.create(DOMAIN, 's1', ED25519, 'root');
    publish(key);
    await keys.activate(key, 'root');
    await snapshots.reload();
    const before = snapshots.current();
    expect(snapshots.current()).toBe(before);
    base = aSnapshot(withDomain({ blockedIps: ['192.0.2.1'] }));
    expect(snapshots.current()).not.toBe(before);
    expect(signers()).toEqual(['s1']);
    await snapshots.reload();
    expect(log.entries).toEqual([
      { level: 'info', message: 'keys', fields: { active: ['s1._domainkey.example.com'] } },
    ]);
  });

  it('a store that cannot be read keeps the last known keys, and says so until it can be read again', async () => {
    const key = await keys.create(DOMAIN, 's1', ED25519, 'root');
    publish(key);
    await keys.activate(key, 'root');
    await snapshots.reload();
    for (const fault of [
      new PosternError('POSTERN_KEYS_UNREADABLE', 'index.json is no index'),
      new Error('index.json is no index'),
    ]) {
      vault.fault = fault;
      await snapshots.reload();
      expect(signers()).toEqual(['s1']);
      expect(snapshots.problem()).toEqual({
        code: 'POSTERN_KEYS_UNREADABLE',
        text: 'the keys cannot be read, the known ones stay: index.json is no index',
      });
      expect(log.entries.at(-1)).toMatchObject({ level: 'error', fields: { code: 'POSTERN_KEYS_UNREADABLE' } });
    }
    vault.fault = null;
    await snapshots.reload();
    expect(snapshots.problem()).toBeNull();
    expect(signers()).toEqual(['s1']);
  });

  it('at start a store that cannot be read is an error: mail would leave unsigned', async () => {
    vault.fault = new PosternError('POSTERN_KEYS_UNREADABLE', 'index.json is no index');
    await expect(createKeyedSnapshots(() => base, vault, log, meters).start()).rejects.toThrow('is no index');
  });
});
