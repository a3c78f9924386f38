/**
 * Decides each case beside it. A case is a YAML file that an administrator can read:
 *
 *   case         what it shows; with the number of the requirement, where there is one
 *   settings     a settings.yaml, whole
 *   lists, recipientLists, recipientDelimiter, trustedNetworks, internalDomain, originDomain, reinjectionServices
 *                what stands around the settings, where it matters; lists and recipientLists: texts of files by name
 *   maps         what is in Postfix's maps of recipients: names, or why one cannot be read
 *   transaction  client (an address, local or unknown), user, tls, daemon, sender (<> for a bounce), recipient, at
 *   earlierDomain   the own domain of the recipient that was taken first, where there is one
 *   shortTermBlock  until and reason of an automatic block of the client, where there is one
 *   decision     verdict, reply, rule (the one that decided), setting (what it rests on), mail, trust (the proof) and
 *                domain (the own domain that decided); where it matters text, observed, trueClient, throughGateway and
 *                bypassSpamFilter. "none" stands for what is not there.
 */
import { readFileSync, readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { decideRecipient, type RecipientDecision } from '../../../src/decide/index.ts';
import { formatIpAddress, type Domain } from '../../../src/mail/index.ts';
import { actionOf, aSnapshot, aTransaction, type Around, type TransactionTexts } from '../../support/builders.ts';
import { existenceOf, type MapTexts } from '../../support/existence.ts';

type Texts = Readonly<Record<string, unknown>>;
type Case = Around & {
  readonly case: string;
  readonly settings: unknown;
  readonly maps?: MapTexts;
  readonly transaction: TransactionTexts;
  readonly earlierDomain?: string;
  readonly shortTermBlock?: { readonly until: string; readonly reason: string };
  readonly decision: Texts;
};

const CASE_KEYS = [
  'case',
  'settings',
  'lists',
  'recipientLists',
  'recipientDelimiter',
  'maps',
  'trustedNetworks',
  'internalDomain',
  'originDomain',
  'reinjectionServices',
  'transaction',
  'shortTermBlock',
  'earlierDomain',
  'decision',
];
const TRANSACTION_KEYS = ['client', 'user', 'tls', 'daemon', 'sender', 'recipient', 'at'];
const NEEDED = ['verdict', 'reply', 'rule', 'setting', 'mail', 'trust', 'domain'];

function describeDecision(decision: RecipientDecision): Texts {
  const { verdict, observed, decisive, trust, trueClient } = decision;
  return {
    verdict: verdict.kind,
    reply: verdict.kind === 'pass' ? 'none' : actionOf(verdict),
    rule: decisive.rule,
    setting: decisive.setting ?? 'none',
    mail: decision.mail,
    trust: trust.proof ?? 'none',
    domain: decision.domain ?? 'none',
    text: decisive.text,
    observed: observed === null ? 'none' : actionOf(observed),
    trueClient: trueClient === null ? 'none' : formatIpAddress(trueClient),
    throughGateway: decision.throughGateway,
    bypassSpamFilter: decision.bypassSpamFilter,
  };
}

const files = readdirSync(import.meta.dirname).filter((name) => name.endsWith('.case.yaml'));
const cases = files.map(
  (file) => [file, parse(readFileSync(`${import.meta.dirname}/${file}`, 'utf8')) as Case] as const,
);

describe('decisions', () => {
  it('there is a case for each rule that may decide', () => {
    const rules = new Set(cases.map(([, { decision }]) => decision['rule']));
    expect([...rules].sort()).toEqual([
      'gateway-only',
      'internal-domain',
      'ip-allow',
      'ip-block',
      'one-domain',
      'own-domain',
      'short-term-block',
      'tls-required',
      'unknown-recipient',
    ]);
  });

  it.each(cases.map(([file, one]) => [one.case, file, one] as const))('%s (%s)', (_, file, one) => {
    expect(Object.keys(one).filter((key) => !CASE_KEYS.includes(key))).toEqual([]);
    expect(Object.keys(one.transaction).filter((key) => !TRANSACTION_KEYS.includes(key))).toEqual([]);
    const { shortTermBlock: block, earlierDomain } = one;
    const snapshot = aSnapshot(one.settings, one);
    const asked = aTransaction(one.transaction);
    const existence = existenceOf(snapshot, asked.recipient, one.maps);
    const transaction = {
      ...asked,
      ...(existence !== null && { existence }),
      ...(earlierDomain !== undefined && { earlierDomain: earlierDomain as Domain }),
      ...(block !== undefined && { shortTermBlock: { until: Date.parse(block.until), reason: block.reason } }),
    };
    const decided = describeDecision(decideRecipient(snapshot, transaction));
    expect(Object.keys(one.decision), file).toEqual(expect.arrayContaining(NEEDED));
    expect(Object.fromEntries(Object.keys(one.decision).map((key) => [key, decided[key]]))).toEqual(one.decision);
  });
});
