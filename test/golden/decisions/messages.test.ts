/**
 * Decides each message beside it. A case is a YAML file (`*.message.yaml`) that an administrator can read:
 *
 *   case         what it shows; with the number of the requirement, where there is one
 *   settings     a settings.yaml, whole
 *   keys         active keys: selectors by domain (Ed25519 where they begin with "ed", else RSA)
 *   trustedNetworks, reinjectionServices, originDomain, recipientLists, recipientDelimiter
 *                what stands around the settings, where it matters
 *   maps         what is in Postfix's maps of recipients: names, or why one cannot be read
 *   installed    what Postfix knows of the routes: isAsked, isLive, and the routes that have a service (installed) or a
 *                number (numbered); all of it where nothing is said
 *   transaction  client (an address, local or unknown), user, daemon, sender (<> for a bounce), at, and recipients:
 *                addresses, or { to, as, by, at } with the address, service and next hop that Postfix makes of it
 *   hits         what spam patterns found, by own domain: the name of a field, or none, cut or unknown
 *   blocks       automatic blocks, by own domain: until and reason
 *   headers      the lines of the header, in order; the name of Authentication-Results is mx.example.com, and <mark of
 *                dlp> stands for what the service of the route dlp writes
 *   decision     removed and added (lines), signatures (selector._domainkey.domain), skipped (why there is none, or
 *                "none"), reason (of signing or not); where it matters marks, setting and bypassSpamFilter.
 *                For what came through a gateway instead: verdict, reply (what is told, or why it is held, or "none"),
 *                rule (that decided), spam, trueClients (by own domain), removed and added; where it matters decided
 *                (the reason) and observed.
 *                For routing instead: verdict, reply (or "none"), routes (a line for each delivery; "by line" where the
 *                transport table says it too) and why (the reasons; each with its setting from the own domain on); where
 *                it matters loop (the routes that end loops)
 */
import { readFileSync, readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import {
  decideMessage,
  type MessageDecision,
  type MessageTransaction,
  type RouteDelivery,
  type SpamHit,
} from '../../../src/decide/index.ts';
import { formatIpAddress, formatReply, type Domain } from '../../../src/mail/index.ts';
import type { Snapshot } from '../../../src/snapshot/index.ts';
import { existenceOf, type MapTexts } from '../../support/existence.ts';
import { installedAs, knownRoute, type Around, type Installed } from '../../support/builders.ts';
import { aKeyedSnapshot, aMessage, type MessageTexts } from '../../support/messages.ts';

type Texts = Readonly<Record<string, unknown>>;
type Case = Around & {
  readonly case: string;
  readonly settings: unknown;
  readonly keys?: Readonly<Record<string, readonly string[]>>;
  readonly installed?: Installed;
  readonly maps?: MapTexts;
  readonly transaction: Omit<MessageTexts, 'headers'>;
  readonly headers: readonly string[];
  readonly hits?: Readonly<Record<string, string>>;
  readonly blocks?: Readonly<Record<string, { readonly until: string; readonly reason: string }>>;
  readonly decision: Texts;
};

const CASE_KEYS = [
  ...['case', 'settings', 'keys', 'trustedNetworks', 'reinjectionServices', 'originDomain', 'installed'],
  ...['recipientLists', 'recipientDelimiter', 'maps', 'transaction', 'headers', 'hits', 'blocks', 'decision'],
];
const TRANSACTION_KEYS = ['client', 'user', 'daemon', 'sender', 'recipients', 'at'];
const NEEDED = ['removed', 'added', 'signatures', 'skipped', 'reason'];
const NEEDED_OF_GATEWAYS = ['verdict', 'reply', 'rule', 'spam', 'trueClients', 'removed', 'added'];
const NEEDED_OF_ROUTING = ['verdict', 'reply', 'routes', 'why'];

function describeDecision(t: MessageTransaction, decision: MessageDecision): Texts {
  const { headers } = t;
  const { signing, verdict } = decision;
  return {
    verdict: verdict.kind,
    reply: 'reply' in verdict ? formatReply(verdict.reply) : verdict.kind === 'quarantine' ? verdict.reason : 'none',
    rule: decision.decisive.rule,
    decided: decision.decisive.text,
    observed: decision.observed?.kind ?? 'none',
    spam: decision.isSpam,
    trueClients: Object.fromEntries(
      decision.throughGateways.map(({ policy, decision: { trueClient } }) => [
        policy.domain,
        trueClient === null ? 'unknown' : formatIpAddress(trueClient),
      ]),
    ),
    routes: routesOf(t, decision),
    loop: decision.routing.recipients.flatMap(({ loop }) => loop ?? []),
    why: decision.reasons
      .filter(({ rule }) => ['routing', 'internal-domain', 'unknown-recipient'].includes(rule))
      .map(({ text, setting }) => `${text}${setting === null ? '' : ` [${setting.split('/').slice(4).join('/')}]`}`),
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

/** `recipient -> route (address there)`, in the order of the recipients; the sender's copies last. */
function routesOf({ recipients }: MessageTransaction, { routing }: MessageDecision): string[] {
  const named = ({ route, mailbox, bounces, hasLine }: RouteDelivery): string => {
    const remarks = [...(hasLine ? ['by line'] : []), ...(bounces ? [] : ['without bounces'])].join(', ');
    return `${route.split('/')[1]!} (${mailbox.localPart}@${mailbox.domain})${remarks && `, ${remarks}`}`;
  };
  return [
    ...routing.recipients.map(({ here, routes }, index) => {
      const ways = [...(here ? ['here'] : []), ...routes.map(named)];
      return `${recipients[index]!.address.text} -> ${ways.join(' and ') || 'nowhere'}`;
    }),
    ...routing.copies.map((copy) => `copy -> ${named(copy)}`),
  ];
}

/** Marks are keyed, so that a case names them. */
const withMarks = (headers: readonly string[], snapshot: Snapshot): string[] =>
  headers.map((line) => line.replace(/<mark of (\w+)>/, (_, route: string) => knownRoute(snapshot, route).mark));

/** What was found out beside the message. */
function withFound(snapshot: Snapshot, message: MessageTransaction, { hits, blocks, maps }: Case): MessageTransaction {
  const existences = message.recipients.map(({ address, resolved }) =>
    existenceOf(snapshot, address, maps, resolved?.address),
  );
  const hitOf = (text: string): SpamHit => {
    if (text === 'unknown') return { kind: 'unknown' };
    if (text === 'none' || text === 'cut') return { kind: 'none', isCut: text === 'cut' };
    return { kind: 'match', field: text };
  };
  return {
    ...message,
    ...(existences.some((each) => each !== null) && { existences }),
    ...(hits !== undefined && {
      spamHits: new Map(Object.entries(hits).map(([domain, text]) => [domain as Domain, hitOf(text)])),
    }),
    ...(blocks !== undefined && {
      shortTermBlocks: new Map(
        Object.entries(blocks).map(([domain, { until, reason }]) => [
          domain as Domain,
          { until: Date.parse(until), reason },
        ]),
      ),
    }),
  };
}

const files = readdirSync(import.meta.dirname).filter((name) => name.endsWith('.message.yaml'));
const cases = files.map(
  (file) => [file, parse(readFileSync(`${import.meta.dirname}/${file}`, 'utf8')) as Case] as const,
);

describe('messages', () => {
  it('there is a case for each reason not to sign, and one that signs', () => {
    const skipped = new Set(cases.flatMap(([, { decision }]) => decision['skipped'] ?? []));
    expect([...skipped].sort()).toEqual([
      ...['came_from_outside', 'no_active_key', 'no_author', 'none', 'not_our_domain', 'not_trusted', 'observe'],
    ]);
  });

  it.each(cases.map(([file, one]) => [one.case, file, one] as const))('%s (%s)', (_, file, one) => {
    expect(Object.keys(one).filter((key) => !CASE_KEYS.includes(key))).toEqual([]);
    expect(Object.keys(one.transaction).filter((key) => !TRANSACTION_KEYS.includes(key))).toEqual([]);
    const snapshot = installedAs(aKeyedSnapshot(one.settings, one.keys, one), one.installed);
    const message = withFound(
      snapshot,
      aMessage({ ...one.transaction, headers: withMarks(one.headers, snapshot) }),
      one,
    );
    const decided = describeDecision(message, decideMessage(snapshot, message));
    const needed =
      'routes' in one.decision ? NEEDED_OF_ROUTING : 'trueClients' in one.decision ? NEEDED_OF_GATEWAYS : NEEDED;
    expect(Object.keys(one.decision), file).toEqual(expect.arrayContaining(needed));
    if (!('verdict' in one.decision)) expect(decided['verdict']).toBe('pass');
    expect(Object.fromEntries(Object.keys(one.decision).map((key) => [key, decided[key]]))).toEqual(one.decision);
  });
});
