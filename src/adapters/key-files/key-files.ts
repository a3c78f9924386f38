/**
 * The key store: private keys as PEM files that only their owner can read, and one index with the public facts and
 * states. The index is what a running Postern watches.
 * Source: RFC 5958 (PKCS#8), RFC 7468 (PEM).
 */
import { createPrivateKey, sign as signWithKey, type KeyObject } from 'node:crypto';
import { chmod, chown, readFile, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { PosternError, type KeyFacts, type KeyState, type KeyVault } from '../../services/index.ts';
import { makePrivateDirectory, reasonOf, withLock, writeFileAtomically, type Owner } from '../files/index.ts';

type Index = { readonly version: 1; readonly keys: readonly KeyFacts[] };

const PRIVATE = 0o600;
const ALGORITHMS: readonly unknown[] = ['rsa-sha256', 'ed25519-sha256'] satisfies KeyFacts['algorithm'][];
const STATES: readonly unknown[] = ['created', 'verified', 'active', 'retiring', 'revoked'] satisfies KeyState[];

/** The index of the key store below the state directory. */
export const keyIndexOf = (stateDirectory: string): string => join(stateDirectory, 'keys', 'index.json');

/** Opens the key store below `stateDirectory`; it is made (0700) with the first key. */
export function createKeyFiles(stateDirectory: string): KeyVault {
  return new KeyFiles(join(stateDirectory, 'keys'), keyIndexOf(stateDirectory));
}

class KeyFiles implements KeyVault {
  readonly #directory: string;
  readonly #index: string;
  /** Parsed once: reading PEM costs more than signing a short message. Keys never change under one name. */
  readonly #loaded = new Map<string, Promise<KeyObject>>();

  constructor(directory: string, index: string) {
    this.#directory = directory;
    this.#index = index;
  }

  async list(): Promise<readonly KeyFacts[]> {
    const text = await readFile(this.#index, 'utf8').catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
      const message = `${this.#index} cannot be read: ${reasonOf(error)}`;
      throw new PosternError('POSTERN_KEYS_UNREADABLE', message, { cause: error });
    });
    return text === null ? [] : readIndex(text, this.#index);
  }

  async add(facts: KeyFacts, privateKeyPem: string): Promise<void> {
    await this.#makeDirectory(this.#directory);
    await this.#makeDirectory(join(this.#directory, facts.domain));
    await withLock(this.#index, async () => {
      const keys = await this.list();
      if (keys.some((key) => isSame(key, facts.domain, facts.selector))) {
        const message = `${facts.domain} has a key with the selector ${facts.selector} already; a selector is never used again for another key`;
        throw new PosternError('POSTERN_KEY_EXISTS', message);
      }
      // The key first: an index that names a key which is not there would be worse than a file that nobody names.
      // A file of a command that was killed in between gives its mode to nobody.
      const path = this.#pathOf(facts.domain, facts.selector);
      await rm(path, { force: true });
      await writeFileAtomically(path, privateKeyPem, PRIVATE, await this.#owner());
      await this.#write([...keys, facts]);
    });
  }

  async update(change: (keys: readonly KeyFacts[]) => readonly KeyFacts[]): Promise<readonly KeyFacts[]> {
    await this.#makeDirectory(this.#directory);
    return withLock(this.#index, async () => {
      const changed = change(await this.list());
      await this.#write(changed);
      return changed;
    });
  }

  async sign(domain: string, selector: string, bytes: Uint8Array): Promise<Buffer> {
    const path = this.#pathOf(domain, selector);
    let loading = this.#loaded.get(path);
    if (loading === undefined) {
      loading = readFile(path).then((pem) => createPrivateKey(pem));
      this.#loaded.set(path, loading);
      loading.catch(() => this.#loaded.delete(path));
    }
    const key = await loading;
    // With a callback the work is done in the thread pool: RSA would stop every other answer for its time.
    return new Promise((resolve, reject) => {
      signWithKey(key.asymmetricKeyType === 'rsa' ? 'sha256' : null, bytes, key, (error, signature) => {
        if (error === null) resolve(signature);
        else reject(error);
      });
    });
  }

  async #write(keys: readonly KeyFacts[]): Promise<void> {
    const index: Index = { version: 1, keys };
    await writeFileAtomically(this.#index, `${JSON.stringify(index, null, 2)}\n`, PRIVATE, await this.#owner());
  }

  async #makeDirectory(path: string): Promise<void> {
    await makePrivateDirectory(path);
    await chmod(path, 0o700);
    const owner = await this.#owner();
    if (owner !== undefined) await chown(path, owner.uid, owner.gid);
  }

  /** A command that is run as root leaves the store to the user that serves: the owner of the state directory. */
  async #owner(): Promise<Owner | undefined> {
    return process.getuid?.() === 0 ? stat(dirname(this.#directory)) : undefined;
  }

  #pathOf(domain: string, selector: string): string {
    return join(this.#directory, domain, `${selector.toLowerCase()}.pem`);
  }
}

/** Errors: PosternError where it is damaged, or was written by a version that this one does not know. */
function readIndex(text: string, path: string): readonly KeyFacts[] {
  let raw: unknown;
  try {
    raw = JSON.parse(text);
  } catch (error) {
    throw noIndex(path, error);
  }
  const { version, keys } = (raw ?? {}) as { readonly version?: unknown; readonly keys?: unknown };
  if (version !== 1 || !Array.isArray(keys) || !keys.every(isKeyFacts)) throw noIndex(path);
  return keys;
}

const noIndex = (path: string, cause?: unknown): PosternError =>
  new PosternError('POSTERN_KEYS_UNREADABLE', `${path} is no index of keys; restore it from a backup`, { cause });

function isKeyFacts(raw: unknown): raw is KeyFacts {
  const key = (raw ?? {}) as { readonly [K in keyof KeyFacts]?: unknown };
  const texts = [key.domain, key.selector, key.publicKey];
  return (
    texts.every((text) => typeof text === 'string') &&
    ALGORITHMS.includes(key.algorithm) &&
    STATES.includes(key.state) &&
    Array.isArray(key.history) &&
    key.history.every(isStep)
  );
}

function isStep(raw: unknown): boolean {
  const step = (raw ?? {}) as { readonly [K in keyof KeyFacts['history'][number]]?: unknown };
  return STATES.includes(step.state) && typeof step.at === 'number' && typeof step.by === 'string';
}

/** Selectors are DNS labels: compared without case. */
const isSame = (key: KeyFacts, domain: string, selector: string): boolean =>
  key.domain === domain && key.selector.toLowerCase() === selector.toLowerCase();
