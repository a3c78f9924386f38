/**
 * Settings, snapshots and transactions for tests: good ones, of which a test changes what it is about.
 */
import { encodeAction } from '../../src/wire/policy/index.ts';
import { renderPolicyAction } from '../../src/answers/index.ts';
import type { Client, RecipientTransaction, Verdict } from '../../src/decide/index.ts';
import {
  parseAddress,
  parseClientAddress,
  parseDomain,
  parseIpListFile,
  parseRecipientFile,
  parseIpRange,
  type Address,
  type Domain,
  type IpList,
  type RecipientList,
  type IpRange,
} from '../../src/mail/index.ts';
import { knownRoutesOf } from '../../src/services/index.ts';
import { validate, type Settings } from '../../src/settings/index.ts';
import {
  checkPattern,
  compile,
  withInstallation,
  type HostSettings,
  type KnownRoute,
  type Materials,
  type RevisionId,
  type RouteId,
  type Snapshot,
} from '../../src/snapshot/index.ts';

/** Every key that a document may have. */
export const EVERYTHING = `
version: 1
provider:
  sharedDomains: [shared.example]
  signingDomain: mail.provider.example
organizations:
  acme:
    primaryDomain: example.com
    routes:
      archive: { host: archive.example.net, port: 25, mx: false, tls: may, description: "compliance archive" }
      dlp:     { host: 192.0.2.30, port: 2525, certificateName: dlp.example.net }
      gw:      { host: gw.example.net }
    domains:
      example.com:
        enforcement: enforce
        recipients: [ recipients/example.com, { map: "hash:/etc/postfix/virtual" } ]
        allowedIps:
          - { ip: 198.51.100.7, note: "phishing drill", expires: 2027-01-31 }
          - 203.0.113.0/24
          - { file: lists/friends.txt, note: "ours" }
        blockedIps: [ { ip: 192.0.2.66, note: "abuse 4711" } ]
        autoBlock: { after: 20, within: 10m, for: 1h }
        inboundGateway:
          enabled: true
          ips: [192.0.2.10, 192.0.2.32/28]
          onlyFromGateway: true
          internalThroughGateway: gw
          spamPattern: '^X-Gw-Score: (9|10)'
          skipSpamFilter: true
          blockedBehindGateway: reject
        inboundRouting:
          - { mail: [external], recipients: [existing, missing], route: archive, alsoSave: true, suppressBounces: true }
        outboundRouting:
          - { mail: [external], action: change, route: dlp }
          - { mail: [internal, external], action: additionally, route: archive }
        dkim: { selector: postern, bits: 2048 }
        tls:
          - { title: Bank, applyTo: [incoming, outgoing], domains: [bank.example], trustedCa: true, hostnameMatch: true }
`;

/** A group of keys of a document, as YAML or JSON would give it. */
export type Keys = Readonly<Record<string, unknown>>;

/** One organization `acme` around `domains`; its primary domain is the first of them. */
export function aDocument(domains: Keys, organization: Keys = {}, top: Keys = {}): Keys {
  const acme = { primaryDomain: Object.keys(domains)[0], domains, ...organization };
  return { version: 1, organizations: { acme }, ...top };
}

/** A document with the one own domain example.com. */
export const withDomain = (settings: unknown, organization: Keys = {}, top: Keys = {}): Keys =>
  aDocument({ 'example.com': settings }, organization, top);

/** The pointer of a setting of example.com in {@link withDomain}. */
export const inDomain = (path: string): string => `/organizations/acme/domains/example.com/${path}`;

/** The errors of a document as `[pointer, message]`; a refused document gives no settings. */
export function errorsOf(document: unknown): [pointer: string, message: string][] {
  const { settings, issues } = validate(document, checkPattern);
  const errors = issues.filter((issue) => issue.severity === 'error');
  if ((settings === null) !== errors.length > 0)
    throw new Error('settings must be null exactly where there are errors');
  return errors.map(({ pointer, message }) => [pointer, message]);
}

/** The warnings of a document as `[pointer, message]`. */
export const warningsOf = (document: unknown): [pointer: string, message: string][] =>
  validate(document, checkPattern)
    .issues.filter((issue) => issue.severity === 'warning')
    .map(({ pointer, message }) => [pointer, message]);

/** The settings of a document that must be good. */
export function aSettings(document: unknown): Settings {
  const { settings, issues } = validate(document, checkPattern);
  if (settings === null) throw new Error(issues.map(({ pointer, message }) => `${pointer} ${message}`).join('\n'));
  return settings;
}

/** A range that must be good. */
export function aRange(text: string): IpRange {
  const range = parseIpRange(text);
  if (!range.ok) throw new Error(range.error.message);
  return range.value;
}

/** A domain that must be good. */
export function aDomain(text: string): Domain {
  const domain = parseDomain(text);
  if (!domain.ok) throw new Error(`${text} ${domain.error}`);
  return domain.value;
}

/** An address that is not the null reverse-path. */
function anAddress(text: string): Address {
  const address = parseAddress(text);
  if (address === null) throw new Error('the null reverse-path is no address');
  return address;
}

/** Addresses that must be good. */
const someAddresses = (...texts: string[]): IpRange['first'][] => texts.map((text) => aRange(text).first);

/** What surrounds settings, in texts. */
export type Around = {
  readonly trustedNetworks?: readonly string[];
  readonly reinjectionServices?: readonly string[];
  readonly internalDomain?: string;
  readonly originDomain?: string;
  /** The texts of list files by name. */
  readonly lists?: Readonly<Record<string, string>>;
  /** The texts of files of recipients by name. */
  readonly recipientLists?: Readonly<Record<string, string>>;
  readonly recipientDelimiter?: string;
  /** `address:port` of each smtpd; `*` for every address. */
  readonly smtpd?: readonly string[];
  readonly local?: readonly string[];
};

/** The operator's part of a compile. */
export const aHost = (around: Around = {}): HostSettings => ({
  trustedNetworks: (around.trustedNetworks ?? ['127.0.0.0/8', '::1']).map(aRange),
  internalDomain: aDomain(around.internalDomain ?? 'route.postern.internal'),
  reinjectionServices: around.reinjectionServices ?? [],
  authservId: 'mx.example.com',
  recipientDelimiter: around.recipientDelimiter ?? '',
  ...(around.originDomain !== undefined && { originDomain: aDomain(around.originDomain) }),
});

/** The materials of a compile. */
export const someMaterials = (around: Around = {}): Materials => ({
  lists: new Map(Object.entries(around.lists ?? {}).map(([name, text]) => [name, aList(text)])),
  recipientLists: new Map(
    Object.entries(around.recipientLists ?? {}).map(([name, text]) => [name, aRecipientList(text)]),
  ),
  smtpdListeners: (around.smtpd ?? []).map((text) => {
    const colon = text.lastIndexOf(':');
    const host = text.slice(0, colon);
    return { address: host === '*' ? null : aRange(host).first, port: Number(text.slice(colon + 1)) };
  }),
  localAddresses: someAddresses(...(around.local ?? ['127.0.0.1', '::1'])),
});

function aList(text: string): IpList {
  const list = parseIpListFile(text);
  if (!list.ok) throw new Error(list.error.refusals.map((refusal) => refusal.message).join('\n'));
  return list.value;
}

function aRecipientList(text: string): RecipientList {
  const list = parseRecipientFile(text);
  if (!list.ok) throw new Error(list.error.refusals.map((refusal) => refusal.message).join('\n'));
  return list.value;
}

/** The revision of every snapshot that tests build. */
export const REVISION = '0123456789ab' as RevisionId;

/** The snapshot of a document that must be good. */
export function aSnapshot(document: unknown, around: Around = {}): Snapshot {
  const compiled = compile(aSettings(document), someMaterials(around), aHost(around), REVISION);
  if (!compiled.ok) throw new Error(compiled.error.map(({ pointer, message }) => `${pointer} ${message}`).join('\n'));
  return compiled.value;
}

/**
 * What Postfix knows of the routes; all of it unless said otherwise. `installed` are the routes that have a service,
 * `numbered` those that have a number, by their names without the organization's.
 */
export type Installed = {
  readonly isAsked?: boolean;
  readonly isLive?: boolean;
  readonly installed?: readonly string[];
  readonly numbered?: readonly string[];
};

/** The snapshot of a document whose routes Postfix knows; they have the numbers 1, 2, … in their order. */
export function aRoutedSnapshot(document: unknown, known: Installed = {}, around: Around = {}): Snapshot {
  return installedAs(aSnapshot(document, around), known);
}

/** The same over a snapshot that is there. */
export function installedAs(snapshot: Snapshot, { isAsked = true, isLive = true, ...names }: Installed = {}): Snapshot {
  const ids = [...snapshot.routes.values()].map(({ id, name }, index) => ({ id, name, number: index + 1 }));
  const numbered = ids.filter(({ name }) => names.numbered?.includes(name) ?? true);
  const services = ids.filter(({ name }) => names.installed?.includes(name) ?? true);
  const book = {
    key: '0123456789abcdef'.repeat(4),
    numbers: new Map(numbered.map(({ id, number }): [string, number] => [id, number])),
  };
  const hasService = (service: string): boolean => services.some(({ number }) => service === `postern-r${number}`);
  return withInstallation(snapshot, { routes: knownRoutesOf(snapshot, book, hasService), isAsked, isLive });
}

/** How Postfix knows a route of the organization acme. */
export function knownRoute({ installation }: Snapshot, name: string): KnownRoute {
  const known = installation.routes.get(`acme/${name}` as RouteId);
  if (known === undefined) throw new Error(`no route ${name} is known to Postfix`);
  return known;
}

/** A transaction in texts: `client` is an address, `local` or `unknown`; `at` a date. */
export type TransactionTexts = {
  readonly client?: string;
  readonly sender?: string;
  readonly recipient?: string;
  readonly user?: string | null;
  readonly daemon?: string | null;
  readonly tls?: boolean;
  readonly at?: string;
};

/** A stranger at 203.0.113.9 in clear: sender@partner.example to bob@example.com, unless said otherwise. */
export function aTransaction(texts: TransactionTexts = {}): RecipientTransaction {
  return {
    stage: 'rcpt',
    client: aClient(texts.client ?? '203.0.113.9'),
    saslUsername: texts.user ?? null,
    daemonName: texts.daemon ?? null,
    encrypted: texts.tls ?? false,
    sender: parseAddress(texts.sender ?? 'sender@partner.example'),
    recipient: anAddress(texts.recipient ?? 'bob@example.com'),
    at: Date.parse(texts.at ?? '2026-11-02T12:00:00Z'),
  };
}

function aClient(text: string): Client {
  if (text === 'local' || text === 'unknown') return { kind: text };
  const address = parseClientAddress(text);
  if (address === null) throw new Error(`${text} is no client address`);
  return { kind: 'smtp', address };
}

/** The policy action of a verdict, as the encoder takes it: it throws for what must never be sent. */
export function actionOf(verdict: Verdict): string {
  const action = renderPolicyAction(verdict);
  encodeAction(action);
  return action;
}
