/** What the services need of the outside world. Adapters implement these; nothing here does anything. */
import type { MessageVerdict, NotSigned, RuleId, Stage } from '../decide/index.ts';
import type { Domain, IpAddress, IpRange } from '../mail/index.ts';
import type { MapFile } from '../wire/postfix-map/index.ts';

/** The doors that Postern listens at. */
export type Door = 'policy' | 'milter' | 'socketmap' | 'admin' | 'metrics';

/** Milliseconds since 1970. */
export type Clock = { now(): number };

/** Structured log. `fields` use the spelling of Postfix attributes (`queue_id`, `client_address`). */
export type Log = {
  debug(message: string, fields?: Readonly<Record<string, unknown>>): void;
  info(message: string, fields?: Readonly<Record<string, unknown>>): void;
  warn(message: string, fields?: Readonly<Record<string, unknown>>): void;
  error(message: string, fields?: Readonly<Record<string, unknown>>): void;
};

/** The labels of one counted decision. `domain` is an own domain or null; the adapter bounds how many it keeps. */
export type DecisionLabels = {
  readonly stage: Stage;
  readonly verdict: 'pass' | 'reject' | 'defer';
  readonly rule: RuleId;
  readonly enforcement: 'enforce' | 'observe';
  readonly domain: string | null;
};

/** What the running snapshot looks like from outside. */
export type SnapshotState = {
  /** The revision as a number: its hexadecimal digits. */
  readonly revisionNumber: number;
  /** When the snapshot became live, in milliseconds since 1970. */
  readonly liveSince: number;
  readonly ownDomains: number;
  /** Whether the settings as they stand now are the ones that act. */
  readonly settingsValid: boolean;
  /** Whether the settings could be read at all. */
  readonly storeUp: boolean;
};

/** Counters, histograms and gauges. */
export type Meters = {
  countDecision(labels: DecisionLabels): void;
  /** One answered request, with the time from its last octet to the answer, in seconds. */
  observeAnswer(door: Door, seconds: number): void;
  connectionOpened(door: Door): void;
  connectionClosed(door: Door): void;
  countConnectionRefused(door: Door): void;
  countProtocolFault(door: Door): void;
  countSocketmapAnswer(map: string, status: string): void;
  /** One message answered by the milter door; `skipped` says why it has no signature, null where it has. */
  countMessage(labels: {
    readonly verdict: MessageVerdict['kind'];
    readonly signatures: number;
    readonly skipped: NotSigned | null;
  }): void;
  /** A message that came through the gateway of an own domain; `at` in milliseconds since 1970. */
  noteGatewayMail(domain: string, at: number): void;
  /** A signed message with a line that smtp(8) breaks in its default configuration. */
  countOverlong(): void;
  /** How many keys are in each state. */
  setKeys(states: Readonly<Record<KeyState, number>>): void;
  /** How many tables are in each state. */
  setMaps(states: Readonly<Record<MapState['state'], number>>): void;
  setSnapshot(state: SnapshotState): void;
};

/** Gauges of inbound gateways. */
export type GatewayMeters = {
  /** Whether the MX of an own domain points to its gateway; null where that is not known. */
  setGatewayMx(domain: string, points: boolean | null): void;
  /** The own domain has no gateway any more. */
  forgetGateway(domain: string): void;
};

/** A place in a text file, both from 1. */
export type Place = { readonly line: number; readonly column: number };

/** A parsed settings text that still knows where everything stands. */
export type SettingsText = {
  /** How messages name it, such as `settings.yaml`. */
  readonly name: string;
  readonly text: string;
  readonly raw: unknown;
  readonly syntaxIssues: readonly (Place & { readonly message: string })[];
  /** The place of a JSON pointer: of its value, or of its key; of the nearest parent where there is no such value. */
  locate(pointer: string, atKey: boolean): Place;
};

/** Where settings come from. Errors: PosternError with POSTERN_SETTINGS_UNREADABLE. */
export type SettingsStore = {
  read(): Promise<SettingsText>;
  /** The text of a list file that the settings name. */
  readList(file: string): Promise<string>;
};

/** Settings with everything they name, as they were when they last were good. */
export type GoodSettings = { readonly settings: string; readonly lists: ReadonlyMap<string, string> };

/** Keeps the last good settings for a start with broken ones. */
export type LastGood = {
  save(good: GoodSettings): Promise<void>;
  /** Null where nothing was saved yet. Errors: PosternError where what was saved cannot be used. */
  load(): Promise<{ readonly store: SettingsStore; readonly savedAt: number } | null>;
};

/** The states of a key, in the order of its life. */
export type KeyState = 'created' | 'verified' | 'active' | 'retiring' | 'revoked';

/** What may be known of a key by anybody who runs Postern. `publicKey` is SubjectPublicKeyInfo DER in base64. */
export type KeyFacts = {
  readonly domain: Domain;
  readonly selector: string;
  readonly algorithm: 'rsa-sha256' | 'ed25519-sha256';
  /** RSA key size; null for Ed25519. */
  readonly bits: number | null;
  readonly publicKey: string;
  readonly state: KeyState;
  /** When each state began, in milliseconds since 1970, and who brought it about. */
  readonly history: readonly { readonly state: KeyState; readonly at: number; readonly by: string }[];
};

/** Keeps private keys and never gives one away. Errors: PosternError. */
export type KeyVault = {
  list(): Promise<readonly KeyFacts[]>;
  add(facts: KeyFacts, privateKeyPem: string): Promise<void>;
  update(change: (keys: readonly KeyFacts[]) => readonly KeyFacts[]): Promise<readonly KeyFacts[]>;
  /** Signs with the key of a selector: RSA over SHA-256 of `bytes`, Ed25519 over `bytes`. */
  sign(domain: string, selector: string, bytes: Uint8Array): Promise<Uint8Array>;
};

/** What a TXT look-up gave. */
export type TxtAnswer =
  | { readonly kind: 'records'; readonly records: readonly (readonly string[])[] }
  | { readonly kind: 'no-such-name' | 'no-such-record' | 'no-answer' }
  | { readonly kind: 'server-failure'; readonly code: string };

/** Asks DNS for TXT records, afresh each time. Never throws. */
export type TxtResolver = { txt(name: string): Promise<TxtAnswer> };

/** Looks up where a mail server is. Never throws; null where DNS did not tell. Source: RFC 5321 §5.1. */
export type AddressResolver = {
  /** The addresses of a host, or with `mx` those of the mail exchangers of a domain. */
  addresses(name: string, mx: boolean): Promise<readonly IpAddress[] | null>;
};

/** A host that takes mail for a domain. */
export type MailHost = {
  /** As DNS has it, in lower case, without a dot at the end. */
  readonly name: string;
  readonly addresses: readonly IpAddress[];
  /** False where a look-up failed or was not made: the host may have other addresses too. */
  readonly isComplete: boolean;
};

/**
 * Where mail for a domain goes. `mx`: its mail exchangers, the preferred ones first. `implicit`: no MX record, but an
 * address record of its own. `null-mx`: it takes no mail. `none`: neither record, or no such name. `unknown`: DNS did
 * not tell. Source: RFC 5321 §5.1, RFC 7505 §3.
 */
export type MailHosts =
  | { readonly kind: 'mx'; readonly hosts: readonly MailHost[] }
  | { readonly kind: 'implicit'; readonly hosts: readonly MailHost[] }
  | { readonly kind: 'null-mx' | 'none' }
  | { readonly kind: 'unknown'; readonly code: string };

/** Asks DNS where mail for a domain goes. Never throws; answers within `timeoutMs` and ten seconds, or when told to end. */
export type MailHostResolver = {
  mailHosts(domain: string, timeoutMs: number, end?: AbortSignal): Promise<MailHosts>;
};

/** The table types that hold an indexed map. Source: Postfix DATABASE_README. */
export type TableType = 'lmdb' | 'cdb' | 'hash' | 'texthash';

/** How a map stands after a publication. */
export type MapOutcome = {
  readonly name: string;
  /** As main.cf names it: `lmdb:/var/lib/postern/maps/transport`. */
  readonly table: string;
  /** `unchanged`: nothing was written and Postfix answers with it. `failed`: the old table stays. */
  readonly status: 'unchanged' | 'live' | 'saved-not-yet-live' | 'failed';
  /** Why it is not live, or failed; null where it is live. */
  readonly reason: string | null;
};

/** The outcome of every map of a publication, in the order given. */
export type PublishResult = { readonly maps: readonly MapOutcome[] };

/** How a map stands now. */
export type MapState = {
  readonly name: string;
  readonly table: string;
  readonly state: 'live' | 'saved-not-yet-live' | 'failed';
  /** Milliseconds since 1970. */
  readonly since: number;
  readonly reason: string | null;
};

/** How all maps stand, for metrics and the readiness answer. */
export type MapsState = {
  readonly directory: string;
  readonly type: TableType;
  readonly maps: readonly MapState[];
  /** Whether Postfix answers with every map as it was last published. False before the first publication. */
  readonly isLive: boolean;
};

/** Writes maps. */
export type MapWriter = {
  readonly type: TableType;
  /**
   * Makes the maps as given. A call during another one waits, and of several waiting ones only the last is written: they
   * all get its result. A map that is not named stays as it is. Never throws: what fails is said per map.
   */
  publish(maps: readonly MapFile[]): Promise<PublishResult>;
  state(): MapsState;
  /** How main.cf names a map, whether or not it is there yet. */
  table(name: string, kind: MapFile['kind']): string;
  /** Writes what is waiting, then ends: no look-up and no reload of Postfix after it. */
  stop(): Promise<void>;
};

/** What is remembered of routes. `key` is 32 random octets in hexadecimal; a route's number is never given to another. */
export type RouteBook = { readonly key: string; readonly numbers: ReadonlyMap<string, number> };

/**
 * Remembers the numbers of routes. Names are `<organization>/<route>`.
 * Errors: PosternError where the state cannot be read or written.
 */
export type RouteRegistry = {
  /** What is remembered; null where no route ever had a number. */
  read(): Promise<RouteBook | null>;
  /**
   * What is remembered, after every name given has a number. It is on disk before this resolves. Numbers are from 1 and
   * only grow, in the order of the names; a name keeps its number for good.
   */
  assign(names: readonly string[]): Promise<RouteBook>;
};

/** Looks for patterns in text, apart from the event loop. Never throws. */
export type PatternSearch = {
  /** The position of the first line that matches; null where none does. `gave-up`: it could not be found out. */
  search(pattern: string, lines: readonly string[]): Promise<number | null | 'gave-up'>;
  /** Gives up what waits, and ends. */
  stop(): Promise<void>;
};

/** What names the message in Postfix's log, and how it came. */
export type MessageContext = {
  readonly queueId: string | null;
  readonly instance: string | null;
  readonly clientName: string | null;
};

/** An entry of a list that a client met: what `ip list` counts. `entry` is the range as written back, or `file NAME`. */
export type EntryHit = {
  readonly domain: string;
  readonly list: 'allow' | 'block';
  readonly entry: string;
  readonly address: string;
};

/** One decision as history keeps it. Texts stay as they were, also where a later version has other words. */
export type HistoryRecord = {
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly stage: string;
  readonly queueId: string | null;
  /** Postfix's name for one message of one session; the queue id comes only after the first recipient. */
  readonly instance: string | null;
  /** The SMTP client, or `local` or `unknown`. */
  readonly clientAddress: string;
  /** The client behind a gateway, where it is another one and known. */
  readonly trueClient: string | null;
  readonly saslUsername: string | null;
  /** `<>` for the null sender. */
  readonly sender: string;
  readonly recipients: readonly string[];
  /** The own domains that it is about. */
  readonly domains: readonly string[];
  readonly verdict: string;
  /** What would have been, where an own domain is only observed. */
  readonly observed: string | null;
  /** The reply of the verdict, or of the observed one. */
  readonly reply: string | null;
  readonly rule: string;
  readonly setting: string | null;
  readonly text: string;
  readonly revision: string;
};

/** A decision on its way into history, with the entries that were met. */
export type HistoryAddition = HistoryRecord & { readonly hits: readonly EntryHit[] };

/** Keeps decisions, apart from the event loop: a slow, locked or full disk holds up nothing but the promises. */
export type HistoryStore = {
  /** Keeps all of them or none. Rejects where that failed; they may then be given again. */
  append(additions: readonly HistoryAddition[]): Promise<void>;
  /** Keeps what was given, then ends; after two seconds it gives up. Never rejects. */
  stop(): Promise<void>;
};

/** What a search in history must fit; absent parts fit everything. Addresses are compared without case. */
export type HistoryQuery = {
  /** The SMTP client or the client behind a gateway. */
  readonly client?: IpRange;
  readonly recipient?: string;
  readonly sender?: string;
  readonly domain?: string;
  readonly queueId?: string;
  readonly verdict?: string;
  /** From this time on, and before that one; milliseconds since 1970. */
  readonly since?: number;
  readonly until?: number;
  /** At most so many, the newest. */
  readonly limit: number;
};

/** How often an entry was met, and when last by whom. */
export type EntryHits = { readonly count: number; readonly lastAt: number; readonly lastAddress: string };

/** Reads history. Errors: PosternError where it cannot be read; nothing kept yet is no error. */
export type HistoryReader = {
  /** The newest first. */
  search(query: HistoryQuery): Promise<readonly HistoryRecord[]>;
  /** The hits of one list of one own domain, by entry; an entry that was never met is not there. */
  hits(domain: string, list: EntryHit['list']): Promise<ReadonlyMap<string, EntryHits>>;
  close(): void;
};

/** Why a decision is missing in history. */
export type HistoryLoss = 'queue_full' | 'not_written' | 'not_made';

/** Counts what history lost. */
export type HistoryMeters = { countHistoryDropped(decisions: number, why: HistoryLoss): void };

/**
 * An automatic block: for a while an own domain takes no mail from a client. Times are in milliseconds since 1970.
 * `range` is one IPv4 address or one IPv6 /64.
 */
export type ShortTermBlock = {
  readonly domain: Domain;
  readonly range: IpRange;
  readonly since: number;
  readonly until: number;
  /** What it was made for, as a sentence fragment. */
  readonly reason: string;
};

/** That automatic blocks of an own domain are to be lifted: those that share an address with a range and began by `at`. */
export type Lift = { readonly domain: string; readonly ranges: readonly IpRange[]; readonly at: number };

/** Shows how many clients automatic blocks hold; `held` is asked at each look. */
export type ShortTermMeters = {
  watchShortTermClients(held: () => { readonly counted: number; readonly blocked: number }): void;
};

/** Keeps automatic blocks over a restart, and passes on what commands want lifted. */
export type ShortTermBlockStore = {
  /** What was kept. Never rejects: what cannot be used is put aside, and `fault` says so. */
  load(): Promise<{ readonly blocks: readonly ShortTermBlock[]; readonly fault: string | null }>;
  /** Keeps these in place of all that was kept before. Errors: PosternError where they cannot be kept. */
  save(blocks: readonly ShortTermBlock[]): Promise<void>;
  /** The requests that wait, the oldest first; `lift` is null where one cannot be understood. Errors: PosternError. */
  waitingLifts(): Promise<readonly { readonly id: string; readonly lift: Lift | null }[]>;
  /** Removes a request. Errors: PosternError where it stays. */
  endLift(id: string): Promise<void>;
};
