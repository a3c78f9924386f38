/** Keys in memory, and a resolver that answers as it is told: for tests of what rests on these ports. */
import { createPrivateKey, sign as signWithKey } from 'node:crypto';
import {
  PosternError,
  type KeyFacts,
  type KeyVault,
  type TxtAnswer,
  type TxtResolver,
} from '../../src/services/index.ts';

export class MemoryVault implements KeyVault {
  #keys: readonly KeyFacts[] = [];
  readonly #pems = new Map<string, string>();
  /** Where set, reading fails with it. */
  fault: Error | null = null;
  /** How often the keys were written. */
  writes = 0;

  list(): Promise<readonly KeyFacts[]> {
    return this.fault === null ? Promise.resolve(this.#keys) : Promise.reject(this.fault);
  }

  async add(facts: KeyFacts, privateKeyPem: string): Promise<void> {
    const name = nameOf(facts.domain, facts.selector);
    await this.list();
    if (this.#pems.has(name)) throw new PosternError('POSTERN_KEY_EXISTS', `${name} is there already`);
    this.#pems.set(name, privateKeyPem);
    this.#keys = [...this.#keys, facts];
    this.writes += 1;
  }

  async update(change: (keys: readonly KeyFacts[]) => readonly KeyFacts[]): Promise<readonly KeyFacts[]> {
    await this.list();
    this.#keys = change(this.#keys);
    this.writes += 1;
    return this.#keys;
  }

  async sign(domain: string, selector: string, bytes: Uint8Array): Promise<Uint8Array> {
    const pem = this.#pems.get(nameOf(domain, selector));
    if (pem === undefined) throw new Error('there is no such key');
    const key = createPrivateKey(pem);
    return Promise.resolve(signWithKey(key.asymmetricKeyType === 'rsa' ? 'sha256' : null, bytes, key));
  }

  /** The private key is lost. */
  lose(domain: string, selector: string): void {
    this.#pems.delete(nameOf(domain, selector));
  }
}

const nameOf = (domain: string, selector: string): string => `${selector.toLowerCase()}._domainkey.${domain}`;

export class FakeResolver implements TxtResolver {
  readonly answers = new Map<string, TxtAnswer>();
  readonly asked: string[] = [];
  /** Runs while a question is on its way. */
  meanwhile: (() => Promise<unknown>) | null = null;

  async txt(name: string): Promise<TxtAnswer> {
    this.asked.push(name);
    await this.meanwhile?.();
    return this.answers.get(name) ?? { kind: 'no-such-name' };
  }
}
