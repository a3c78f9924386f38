/**
 * The life of DKIM keys: created → verified → active → retiring → revoked. No key signs before DNS was seen to show
 * it, and a check that fails changes nothing.
 * Source: RFC 6376 §3.6 (key records), §3.1 (selectors); RFC 8301 §3.2 (key sizes).
 */
import { createPrivateKey, createPublicKey, generateKeyPair, type KeyObject } from 'node:crypto';
import { promisify } from 'node:util';
import { checkKeyRecord, type KeyRecordCheck } from '../dkim/index.ts';
import type { Domain } from '../mail/index.ts';
import { ownDomains, sharedSuffix, type Settings } from '../settings/index.ts';
import { PosternError } from './errors.ts';
import type { Clock, KeyFacts, KeyState, KeyVault, TxtAnswer, TxtResolver } from './ports.ts';

const generate = promisify(generateKeyPair);

/** What kind of key is made. */
export type KeyKind =
  { readonly algorithm: 'rsa-sha256'; readonly bits: number } | { readonly algorithm: 'ed25519-sha256' };

/** What DNS says of a key. `text` is a sentence for the operator; empty for a plain match. */
export type DnsCheck = {
  readonly kind: KeyRecordCheck['kind'] | Exclude<TxtAnswer['kind'], 'records'>;
  readonly isMatch: boolean;
  readonly text: string;
};

/** The use cases of keys. `by` names who acts. */
export type DkimKeys = {
  create(domain: Domain, selector: string, kind: KeyKind, by: string): Promise<KeyFacts>;
  /** Takes an existing private key, PKCS#1 or PKCS#8 PEM. */
  import(domain: Domain, selector: string, pem: string, by: string): Promise<KeyFacts>;
  list(): Promise<readonly KeyFacts[]>;
  /** The key of a selector; without one, the domain's only or newest key. */
  find(domain: Domain, selector: string | undefined): Promise<KeyFacts>;
  /** Asks DNS afresh and compares; a created key that matches becomes verified. */
  verify(key: KeyFacts, by: string): Promise<DnsCheck>;
  /** Verifies, and on a match makes the key active; an active key of the same algorithm becomes retiring. */
  activate(key: KeyFacts, by: string): Promise<DnsCheck>;
};

/** The key use cases over a vault and a resolver. */
export function createDkimKeys(vault: KeyVault, resolver: TxtResolver, clock: Clock): DkimKeys {
  const check = async (key: KeyFacts): Promise<DnsCheck> =>
    compare(key, await resolver.txt(`${key.selector}._domainkey.${key.domain}`));
  const setStates = (change: (key: KeyFacts) => KeyState | null, by: string): Promise<unknown> =>
    vault.update((keys) =>
      keys.map((key) => {
        const state = change(key);
        return state === null || state === key.state ? key : withState(key, state, clock.now(), by);
      }),
    );
  return {
    async create(domain, selector, kind, by) {
      const { privateKey } =
        kind.algorithm === 'rsa-sha256'
          ? await generate('rsa', { modulusLength: kind.bits })
          : await generate('ed25519');
      return store(vault, domain, selector, privateKey, clock.now(), by);
    },
    async import(domain, selector, pem, by) {
      return store(vault, domain, selector, readPrivateKey(pem), clock.now(), by);
    },
    list: () => vault.list(),
    find: async (domain, selector) => findKey(await vault.list(), domain, selector),
    async verify(key, by) {
      const found = await check(key);
      if (found.isMatch)
        await setStates((one) => (isSame(one, key) && one.state === 'created' ? 'verified' : null), by);
      return found;
    },
    async activate(key, by) {
      refuseRevoked(key);
      const found = await check(key);
      if (!found.isMatch) return found;
      await setStates((one) => {
        if (isSame(one, key)) {
          // Somebody may have revoked it while DNS was asked.
          refuseRevoked(one);
          return 'active';
        }
        return one.domain === key.domain && one.algorithm === key.algorithm && one.state === 'active'
          ? 'retiring'
          : null;
      }, by);
      return found;
    },
  };
}

/** Refuses a domain for which no key may be made. Errors: PosternError that says why. */
export function checkKeyDomain(settings: Settings, domain: Domain): void {
  if (settings.provider.signingDomain === domain) return;
  for (const { organization, own } of ownDomains(settings)) {
    if (own.domain !== domain) continue;
    const suffix = sharedSuffix(organization.primaryDomain, settings.provider.sharedDomains);
    if (suffix === null) return;
    const message = `DKIM is not available for ${domain}: the primary domain ${organization.primaryDomain} of its organization is under ${suffix}, which belongs to the provider`;
    throw new PosternError('POSTERN_NOT_AVAILABLE', message);
  }
  throw new PosternError(
    'POSTERN_NOT_FOUND',
    `${domain} is neither an own domain of these settings nor provider.signingDomain`,
  );
}

async function store(
  vault: KeyVault,
  domain: Domain,
  selector: string,
  privateKey: KeyObject,
  at: number,
  by: string,
): Promise<KeyFacts> {
  const publicKey = createPublicKey(privateKey);
  const isRsa = publicKey.asymmetricKeyType === 'rsa';
  const facts: KeyFacts = {
    domain,
    selector,
    algorithm: isRsa ? 'rsa-sha256' : 'ed25519-sha256',
    bits: isRsa ? (publicKey.asymmetricKeyDetails?.modulusLength ?? 0) : null,
    publicKey: publicKey.export({ type: 'spki', format: 'der' }).toString('base64'),
    state: 'created',
    history: [{ state: 'created', at, by }],
  };
  await vault.add(facts, privateKey.export({ type: 'pkcs8', format: 'pem' }) as string);
  return facts;
}

/** Errors: PosternError for what is no RSA (1024 bits or more) or Ed25519 private key. */
function readPrivateKey(pem: string): KeyObject {
  let key: KeyObject;
  try {
    key = createPrivateKey(pem);
  } catch (error) {
    throw new PosternError(
      'POSTERN_KEY_INVALID',
      'the file holds no private key in PEM (PKCS#1 or PKCS#8, without a pass phrase)',
      { cause: error },
    );
  }
  const bits = key.asymmetricKeyDetails?.modulusLength ?? 0;
  if (key.asymmetricKeyType === 'ed25519' || (key.asymmetricKeyType === 'rsa' && bits >= 1024)) return key;
  const found =
    key.asymmetricKeyType === 'rsa'
      ? `an RSA key of ${bits} bits`
      : `a key of type ${key.asymmetricKeyType ?? 'unknown'}`;
  throw new PosternError(
    'POSTERN_KEY_INVALID',
    `the file holds ${found}; DKIM takes RSA with 1024 bits or more, or Ed25519`,
  );
}

function findKey(keys: readonly KeyFacts[], domain: Domain, selector: string | undefined): KeyFacts {
  const ofDomain = keys.filter((key) => key.domain === domain);
  const found =
    selector === undefined
      ? ofDomain.at(-1)
      : ofDomain.find((key) => key.selector.toLowerCase() === selector.toLowerCase());
  if (found !== undefined) return found;
  const what = selector === undefined ? 'has no key' : `has no key with the selector ${selector}`;
  throw new PosternError('POSTERN_NOT_FOUND', `${domain} ${what}; "postern dkim create ${domain}" makes one`);
}

function compare(key: KeyFacts, answer: TxtAnswer): DnsCheck {
  const name = `${key.selector}._domainkey.${key.domain}`;
  if (answer.kind === 'records') {
    const found = checkKeyRecord(answer.records, Buffer.from(key.publicKey, 'base64'));
    return { kind: found.kind, isMatch: found.kind === 'match', text: found.text };
  }
  return { kind: answer.kind, isMatch: false, text: NO_RECORDS[answer.kind](name) };
}

/** Source: RFC 2308 §2.1, §2.2. */
const NO_RECORDS: { readonly [K in Exclude<TxtAnswer['kind'], 'records'>]: (name: string) => string } = {
  'no-such-name': (name) =>
    `${name} does not exist in DNS; publish the record that "postern dkim show" prints, and try again: it may take up to 72 hours`,
  'no-such-record': (name) =>
    `${name} exists in DNS but has no TXT record; publish the one that "postern dkim show" prints`,
  'server-failure': (name) =>
    `the DNS server failed to look up ${name}; that is trouble on the DNS side, try again later`,
  'no-answer': (name) =>
    `no DNS server answered for ${name} in time; look at the network and at dns.servers, and try again`,
};

function refuseRevoked({ state, selector, domain }: KeyFacts): void {
  if (state !== 'revoked') return;
  throw new PosternError(
    'POSTERN_KEY_STATE',
    `${selector} of ${domain} is revoked; create a key with another selector`,
  );
}

const isSame = (a: KeyFacts, b: KeyFacts): boolean => a.domain === b.domain && a.selector === b.selector;

const withState = (key: KeyFacts, state: KeyState, at: number, by: string): KeyFacts => ({
  ...key,
  state,
  history: [...key.history, { state, at, by }],
});
