/**
 * Decides each message beside it. A case is a YAML file (`*.message.yaml`) that an administrator can read:
 *
 *   case         what it shows; with the number of the requirement, where there is one
 *   settings     a settings.yaml, whole
 *   keys         active keys: selectors by domain (Ed25519 where they begin with "ed", else RSA)
 *   trustedNetworks, reinjectionServices     what stands around the settings, where it matters
 *   transaction  client (an address, local or unknown), user, daemon, sender (<> for a bounce), recipients, at
 *   headers      the lines of the header, in order; the name of Authentication-Results is mx.example.com
 *   decision     removed and added (lines), signatures (selector._domainkey.domain), skipped (why there is none, or
 *                "none"), reason (of signing or not); where it matters marks, setting and bypassSpamFilter
 */
import { readFileSync, readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { decideMessage, type MessageDecision, type MessageTransaction } from '../../../src/decide/index.ts';
import type { Around } from '../../support/builders.ts';
import { aKeyedSnapshot, aMessage, type MessageTexts } from '../../support/messages.ts';

type Texts = Readonly<Record<string, unknown>>;
type Case = Around & {
  readonly case: string;
  readonly settings: unknown;
  readonly keys?: Readonly<Record<string, readonly string[]>>;
  readonly transaction: Omit<MessageTexts, 'headers'>;
  readonly headers: readonly string[];
  readonly decision: Texts;
};

const CASE_KEYS = [
  ...['case', 'settings', 'keys', 'trustedNetworks', 'reinjectionServices', 'transaction', 'headers', 'decision'],
];
const TRANSACTION_KEYS = ['client', 'user', 'daemon', 'sender', 'recipients', 'at'];
const NEEDED = ['removed', 'added', 'signatures', 'skipped', 'reason'];

function describeDecision({ headers }: MessageTransaction, decision: MessageDecision): Texts {
  const { signing } = decision;
  expect(decision.verdict).toEqual({ kind: 'pass' });
  return {
    removed: decision.removed.map((at) => `${headers[at]!.name}:${headers[at]!.value}`),
    added: decision.added.map(({ name, value }) => `${name}: ${value}`),
    signatures: signing.signatures.map(({ domain, key }) => `${key.selector}._domainkey.${domain}`),
    skipped: signing.skipped ?? 'none',
    reason: signing.reason.text,
    setting: signing.reason.setting ?? 'none',
    marks: decision.reasons.find(({ rule }) => rule === 'marks')?.text,
    bypassSpamFilter: decision.bypassSpamFilter,
  };
}

const files = readdirSync(import.meta.dirname).filter((name) => name.endsWith('.message.yaml'));
const cases = files.map(
  (file) => [file, parse(readFileSync(`${import.meta.dirname}/${file}`, 'utf8')) as Case] as const,
);

describe('messages', () => {
  it('there is a case for each reason not to sign, and one that signs', () => {
    const skipped = new Set(cases.map(([, { decision }]) => decision['skipped']));
    expect([...skipped].sort()).toEqual([
      ...['came_from_outside', 'no_active_key', 'no_author', 'none', 'not_our_domain', 'not_trusted', 'observe'],
    ]);
  });

  it.each(cases.map(([file, one]) => [one.case, file, one] as const))('%s (%s)', (_, file, one) => {
    expect(Object.keys(one).filter((key) => !CASE_KEYS.includes(key))).toEqual([]);
    expect(Object.keys(one.transaction).filter((key) => !TRANSACTION_KEYS.includes(key))).toEqual([]);
    const message = aMessage({ ...one.transaction, headers: one.headers });
    const decided = describeDecision(message, decideMessage(aKeyedSnapshot(one.settings, one.keys, one), message));
    expect(Object.keys(one.decision), file).toEqual(expect.arrayContaining(NEEDED));
    expect(Object.fromEntries(Object.keys(one.decision).map((key) => [key, decided[key]]))).toEqual(one.decision);
  });
});
