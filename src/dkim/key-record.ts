/**
 * Whether the TXT answers at a selector publish our key, and if not, which of the known causes it is.
 * Never asks the DNS: no such name, no data, and resolver trouble are its caller's to tell.
 * Source: RFC 6376 §3.2 (tag lists), §3.6.1 (tags), §3.6.2.2 (one record, strings joined); RFC 8463 §4.
 */
import { Buffer } from 'node:buffer';
import { publishedKey, type KeyType, type PublishedKey } from './public-key.ts';

/** Something that does not keep a signature from being verified. */
interface KeyRecordWarning {
  readonly kind: 'testing';
  readonly text: string;
}

/**
 * Outcomes that keep signatures from being verified. Found texts are the whole TXT value, strings joined; `keep` is null
 * where none of several records is ours.
 */
type KeyRecordFault =
  | { readonly kind: 'no-record' }
  | { readonly kind: 'several-records'; readonly keep: string | null; readonly remove: readonly string[] }
  | { readonly kind: 'not-dkim'; readonly found: string }
  | { readonly kind: 'malformed'; readonly found: string; readonly problem: string }
  | { readonly kind: 'wrong-version'; readonly found: string; readonly expected: 'DKIM1' }
  | { readonly kind: 'version-not-first'; readonly found: string }
  | { readonly kind: 'revoked' }
  | { readonly kind: 'other-key-type'; readonly found: string; readonly expected: KeyType }
  | { readonly kind: 'cut'; readonly foundCharacters: number }
  | { readonly kind: 'other-key'; readonly foundStart: string; readonly expectedStart: string }
  | { readonly kind: 'hash-refused'; readonly found: string; readonly expected: 'sha256' }
  | { readonly kind: 'other-service'; readonly found: string; readonly expected: 'email' };

/** What a key record says about our key. `text` is one or two sentences with the way out; empty for a plain match. */
export type KeyRecordCheck = (
  { readonly kind: 'match'; readonly warnings: readonly KeyRecordWarning[] } | KeyRecordFault
) & { readonly text: string };

/**
 * Compares TXT answers, each an array of strings as the resolver gave them, with our public key (SubjectPublicKeyInfo
 * DER). Errors: throws as `publishedKey` for a key that is neither RSA nor Ed25519; never for an answer.
 */
export function checkKeyRecord(answers: readonly (readonly string[])[], publicKey: Uint8Array): KeyRecordCheck {
  const key = publishedKey(publicKey);
  const records = answers.map((strings) => strings.join(''));
  const [record] = records;
  const outcome = record === undefined ? { kind: 'no-record' as const } : checkRecord(record, key);
  if (records.length < 2) return describe(outcome, key);
  const right = records.findIndex((text) => checkRecord(text, key).kind === 'match');
  const remove = records.filter((_, index) => index !== right);
  return describe({ kind: 'several-records', keep: records[right] ?? null, remove }, key);
}

type Outcome = { readonly kind: 'match'; readonly warnings: readonly KeyRecordWarning[] } | KeyRecordFault;

function checkRecord(found: string, key: PublishedKey): Outcome {
  const tags = parseTags(found);
  if (typeof tags === 'string') {
    return /dkim1/i.test(found) ? { kind: 'malformed', found, problem: tags } : { kind: 'not-dkim', found };
  }
  const version = tags.get('v');
  if (version !== undefined && version !== 'DKIM1') {
    if (version.startsWith('DKIM1')) return { kind: 'malformed', found, problem: `v= is "${shorten(version)}"` };
    return /^dkim/i.test(version)
      ? { kind: 'wrong-version', found: version, expected: 'DKIM1' }
      : { kind: 'not-dkim', found };
  }
  if (version !== undefined && [...tags.keys()][0] !== 'v') return { kind: 'version-not-first', found };
  const p = tags.get('p');
  if (p === undefined) {
    return version === undefined
      ? { kind: 'not-dkim', found }
      : { kind: 'malformed', found, problem: 'it has no p= tag' };
  }
  return checkTags(found, tags, p.replace(/[\t\r\n ]+/g, ''), key);
}

function checkTags(found: string, tags: ReadonlyMap<string, string>, p: string, key: PublishedKey): Outcome {
  if (p === '') return { kind: 'revoked' };
  const keyType = tags.get('k') ?? 'rsa';
  if (keyType !== key.keyType) return { kind: 'other-key-type', found: keyType, expected: key.keyType };
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(p)) return { kind: 'malformed', found, problem: 'p= is not base64' };
  const bare = p.replace(/=+$/, '');
  const expected = key.base64.replace(/=+$/, '');
  if (bare.length < expected.length && expected.startsWith(bare)) return { kind: 'cut', foundCharacters: found.length };
  if (!Buffer.from(bare, 'base64').equals(Buffer.from(expected, 'base64'))) {
    return { kind: 'other-key', ...firstDifference(bare, expected) };
  }
  const hashes = listOf(tags.get('h') ?? 'sha256');
  if (!hashes.includes('sha256')) return { kind: 'hash-refused', found: hashes.join(':'), expected: 'sha256' };
  const services = listOf(tags.get('s') ?? '*');
  if (!services.includes('*') && !services.includes('email')) {
    return { kind: 'other-service', found: services.join(':'), expected: 'email' };
  }
  const isTesting = listOf(tags.get('t') ?? '').includes('y');
  return { kind: 'match', warnings: isTesting ? [{ kind: 'testing', text: TESTING }] : [] };
}

const TESTING =
  'The record says t=y (testing), so receivers treat signed mail like unsigned mail. Remove t=y when you are done testing.';

const listOf = (value: string): readonly string[] => value.split(':').map((item) => item.trim());

const shorten = (text: string): string => (text.length > 60 ? `${text.slice(0, 60)}…` : text);

/** Starts that differ: keys of one size share their first characters, which would tell a person nothing. */
function firstDifference(found: string, expected: string): { foundStart: string; expectedStart: string } {
  let same = 0;
  while (same < found.length && found[same] === expected[same]) same += 1;
  const length = same < 4 ? 4 : same + 8;
  return { foundStart: found.slice(0, length), expectedStart: expected.slice(0, length) };
}

/** The tags in their order, or what keeps the text from being a tag list. Source: RFC 6376 §3.2. */
function parseTags(text: string): ReadonlyMap<string, string> | string {
  const tags = new Map<string, string>();
  const specs = text.split(';');
  if (/^[\t\r\n ]*$/.test(specs.at(-1) as string)) specs.pop();
  for (const spec of specs) {
    const parts = /^[\t\r\n ]*([A-Za-z][A-Za-z0-9_]*)[\t\r\n ]*=([^]*)$/.exec(spec);
    if (parts === null) return `"${shorten(spec.trim())}" is not a tag`;
    const [name, value] = [parts[1] as string, (parts[2] as string).trim()];
    if (tags.has(name)) return `the tag ${name}= is there twice`;
    tags.set(name, value);
  }
  return tags;
}

// The text may go to a terminal, and whoever runs the zone writes what is quoted in it.
// eslint-disable-next-line no-control-regex -- control characters are what it must match
const CONTROL = /[\x00-\x1f\x7f-\x9f]/g;

function describe(outcome: Outcome, key: PublishedKey): KeyRecordCheck {
  return { ...outcome, text: explain(outcome, key).replace(CONTROL, '?') };
}

const REPLACE = 'Replace it with the value that "postern dkim show" prints.';

function explain(outcome: Outcome, key: PublishedKey): string {
  switch (outcome.kind) {
    case 'match':
      return outcome.warnings.map(({ text }) => text).join(' ');
    case 'no-record':
      return 'There is no TXT record at this name. Publish the value that "postern dkim show" prints.';
    case 'several-records':
      return explainSeveral(outcome.keep, outcome.remove);
    case 'not-dkim':
      return `The TXT record at this name is not a DKIM record: "${shorten(outcome.found)}". ${REPLACE}`;
    case 'malformed':
      return `The DKIM record cannot be read: ${outcome.problem}. ${REPLACE}`;
    case 'wrong-version':
      return `v=${outcome.found} is not v=DKIM1; capital letters count there. ${REPLACE}`;
    case 'version-not-first':
      return `v=DKIM1 must be the first tag of the record. ${REPLACE}`;
    case 'revoked':
      return `The key is revoked (empty p=). ${REPLACE} If it was revoked on purpose, create a key with another selector.`;
    case 'other-key-type':
      return `The record has the other key type ${shorten(outcome.found)}, ours is ${outcome.expected}. ${REPLACE}`;
    case 'cut':
      return `The key is cut after ${outcome.foundCharacters} characters. ${wayOutOfCut(key)}`;
    case 'other-key':
      return `The record has another key (starts ${outcome.foundStart}…, ours ${outcome.expectedStart}…). ${REPLACE}`;
    case 'hash-refused':
      return `The record allows only the hash ${shorten(outcome.found)} (h=), and signatures here use sha256. Remove h= from the record.`;
    case 'other-service':
      return `The record allows the key only for ${shorten(outcome.found)} (s=), not for email. Remove s= from the record.`;
  }
}

function explainSeveral(keep: string | null, remove: readonly string[]): string {
  const count = remove.length + (keep === null ? 0 : 1);
  const quoted = remove.map((text) => `"${text}"`).join(' and ');
  const end =
    keep === null ? 'none of these is ours; then publish the value that "postern dkim show" prints' : `keep: "${keep}"`;
  return `${count} records found, remove: ${quoted}. Only one TXT record may stand at this name; ${end}.`;
}

function wayOutOfCut({ keyType, base64 }: PublishedKey): string {
  const split =
    'Enter the value as several strings of at most 255 characters (the zone-file form of "postern dkim show")';
  // 1024 bits take 216 characters in base64, so only a longer RSA key gains by that.
  if (keyType === 'ed25519' || base64.length <= 216) return `${split}, or enter the whole value again.`;
  return `${split}; or, where your DNS panel cannot do that, create a 1024-bit key with another selector ("postern dkim create DOMAIN --selector NEW --bits 1024"), whose record fits into one string.`;
}
