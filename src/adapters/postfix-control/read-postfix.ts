/**
 * What the Postfix at hand says of itself: read with postconf(1), never changed here.
 * Source: postconf(1), postconf(5), master(5).
 */
import { access, readFile } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { parseIpAddress, parseIpRange, type IpAddress, type IpRange } from '../../mail/index.ts';
import { PosternError } from '../../services/index.ts';
import type { SmtpdListener } from '../../snapshot/index.ts';
import { runPostfixCommand } from './run-command.ts';

/** A service line of master.cf. */
export type MasterService = {
  readonly name: string;
  readonly type: string;
  readonly command: string;
  readonly options: ReadonlyMap<string, string>;
};

/** The Postfix at hand. */
export type PostfixFacts = {
  readonly configDirectory: string;
  /** Every parameter set in main.cf. Source: postconf -n. */
  readonly main: ReadonlyMap<string, string>;
  readonly services: readonly MasterService[];
  readonly version: string;
  readonly queueDirectory: string;
  readonly hostname: string;
  /** The parent domain of this host. Source: postconf(5) mydomain. */
  readonly domain: string;
  /** The domain that an address without one gets. Source: postconf(5) myorigin. */
  readonly origin: string;
  /** Characters that begin an address extension. Source: postconf(5) recipient_delimiter. */
  readonly recipientDelimiter: string;
  readonly defaultDatabaseType: string;
  /** The part of mynetworks that is addresses; `unreadableNetworks` is the rest (tables, files, exclusions). */
  readonly networks: readonly IpRange[];
  readonly unreadableNetworks: readonly string[];
  readonly smtpdListeners: readonly SmtpdListener[];
  /** Those of them that greet a client at once and in clear text. */
  readonly greetingListeners: readonly SmtpdListener[];
  readonly localAddresses: readonly IpAddress[];
  /** Addresses of a proxy or NAT in front of this host. Source: postconf(5) proxy_interfaces. */
  readonly proxyAddresses: readonly IpAddress[];
  /** How smtp(8) connects; `-o` options of single services are not in it. */
  readonly smtpClient: SmtpClientFacts;
};

/** Parameters of smtp(8) as they hold, defaults included. Source: postconf(5) smtp_helo_name and so on. */
export type SmtpClientFacts = {
  readonly heloName: string;
  /** The `smtp_tls_security_level`, where that is empty what `smtp_use_tls` and `smtp_enforce_tls` mean. */
  readonly tlsLevel: string;
  /** Empty where it is not set. */
  readonly caFile: string;
  readonly caPath: string;
  readonly appendsDefaultCa: boolean;
  readonly matchesManyLabels: boolean;
  readonly hasDnssec: boolean;
  /** Words of `inet_protocols`. */
  readonly protocols: readonly string[];
  readonly addressLimit: number;
  readonly sessionLimit: number;
};

const PARAMETERS = [
  'mynetworks',
  'inet_interfaces',
  'queue_directory',
  'myhostname',
  'myorigin',
  'recipient_delimiter',
  'mail_version',
  'default_database_type',
  'mydomain',
  'proxy_interfaces',
  'inet_protocols',
  'smtp_helo_name',
  'smtp_tls_security_level',
  'smtp_use_tls',
  'smtp_enforce_tls',
  'smtp_tls_enforce_peername',
  'smtp_tls_CAfile',
  'smtp_tls_CApath',
  'tls_append_default_CA',
  'tls_wildcard_matches_multiple_labels',
  'smtp_dns_support_level',
  'smtp_mx_address_limit',
  'smtp_mx_session_limit',
] as const;

/**
 * Reads the Postfix whose configuration lies in `configDirectory`. Null where there is none: no postconf command, or
 * no main.cf. Errors: PosternError with what postconf says where the configuration is broken.
 */
export async function readPostfix(configDirectory: string): Promise<PostfixFacts | null> {
  // Asked first: without the file every postconf sleeps for a second before it says so.
  if (!(await isPresent(join(configDirectory, 'main.cf')))) return null;
  // All at once: postconf waits for a second where main.cf was changed just now.
  const [main, values, serviceLines, optionLines] = await Promise.all([
    readSettings(configDirectory, ['-n']),
    readSettings(configDirectory, ['-x', ...PARAMETERS]),
    postconf(configDirectory, ['-M']),
    postconf(configDirectory, ['-P']),
  ]);
  if (main === null || values === null) return null;
  const value = (name: (typeof PARAMETERS)[number]): string => values.get(name) ?? '';
  const services = parseServices(serviceLines ?? '', optionLines ?? '');
  return {
    configDirectory,
    main,
    services,
    version: value('mail_version'),
    queueDirectory: value('queue_directory'),
    hostname: value('myhostname'),
    domain: value('mydomain'),
    origin: await readOrigin(value('myorigin')),
    recipientDelimiter: value('recipient_delimiter'),
    defaultDatabaseType: value('default_database_type'),
    ...readNetworks(value('mynetworks')),
    smtpdListeners: listenersOf(services, value('inet_interfaces')),
    greetingListeners: listenersOf(
      services.filter((service) => greetsAtOnce(service, main)),
      value('inet_interfaces'),
    ),
    localAddresses: addressesOfThisHost(),
    proxyAddresses: wordsOf(value('proxy_interfaces'))
      .map((word) => parseIpAddress(word.replace(/^\[|\]$/g, '')))
      .filter((address) => address !== null),
    smtpClient: smtpClientOf(value),
  };
}

const wordsOf = (text: string): string[] => text.split(/[\s,]+/).filter((word) => word !== '');

function smtpClientOf(value: (name: (typeof PARAMETERS)[number]) => string): SmtpClientFacts {
  const isOn = (name: (typeof PARAMETERS)[number]): boolean => value(name) === 'yes';
  const enforced = isOn('smtp_tls_enforce_peername') ? 'verify' : 'encrypt';
  const older = isOn('smtp_enforce_tls') ? enforced : isOn('smtp_use_tls') ? 'may' : 'none';
  return {
    heloName: value('smtp_helo_name'),
    tlsLevel: value('smtp_tls_security_level') || older,
    caFile: value('smtp_tls_CAfile'),
    caPath: value('smtp_tls_CApath'),
    appendsDefaultCa: isOn('tls_append_default_CA'),
    matchesManyLabels: isOn('tls_wildcard_matches_multiple_labels'),
    hasDnssec: value('smtp_dns_support_level') === 'dnssec',
    protocols: wordsOf(value('inet_protocols')),
    addressLimit: Number(value('smtp_mx_address_limit')),
    sessionLimit: Number(value('smtp_mx_session_limit')),
  };
}

/** The output of postconf, or null where there is no postconf, no main.cf, or (`-M`, `-P`) no master.cf. */
async function postconf(configDirectory: string, args: readonly string[]): Promise<string | null> {
  const { stdout, stderr, code } = await runPostfixCommand('postconf', ['-c', configDirectory, ...args]);
  if (code === 0) return stdout;
  if (code === null || /open \S*\/ma(?:in|ster)\.cf: No such file or directory/.test(stderr)) return null;
  const message = `the Postfix configuration in ${configDirectory} cannot be read: ${stderr.trim()}`;
  throw new PosternError('POSTERN_POSTFIX_UNREADABLE', message);
}

async function readSettings(configDirectory: string, args: readonly string[]): Promise<Map<string, string> | null> {
  const text = await postconf(configDirectory, args);
  if (text === null) return null;
  const settings = new Map<string, string>();
  for (const line of text.split('\n')) {
    const match = /^([A-Za-z0-9_$-]+) =(?: (.*))?$/.exec(line);
    if (match?.[1] !== undefined) settings.set(match[1], match[2] ?? '');
  }
  return settings;
}

/** Source: postconf(5), mynetworks: addresses in `[ ]`, tables as `type:name`, files as `/name`, exclusions as `!…`. */
function readNetworks(text: string): { networks: IpRange[]; unreadableNetworks: string[] } {
  const networks: IpRange[] = [];
  const unreadableNetworks: string[] = [];
  for (const word of text.split(/[\s,]+/).filter((part) => part !== '')) {
    const range = parseIpRange(word.replace(/^\[([^\]]*)\]/, '$1'));
    if (range.ok) networks.push(range.value);
    else unreadableNetworks.push(word);
  }
  // An exclusion takes back part of what another word gives: without it the rest would trust too much.
  return unreadableNetworks.some((word) => word.startsWith('!'))
    ? { networks: [], unreadableNetworks }
    : { networks, unreadableNetworks };
}

/** `postconf -M` prints a service a line, `postconf -P` its `-o` options as `name/type/parameter = value`. */
function parseServices(serviceLines: string, optionLines: string): MasterService[] {
  const options = new Map<string, Map<string, string>>();
  for (const line of optionLines.split('\n')) {
    const match = /^([^/]+)\/([^/]+)\/([^ ]+) = ?(.*)$/.exec(line);
    if (match === null) continue;
    const key = `${match[1] ?? ''}/${match[2] ?? ''}`;
    const known = options.get(key) ?? new Map<string, string>();
    options.set(key, known.set(match[3] ?? '', match[4] ?? ''));
  }
  return serviceLines
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields.length >= 8)
    .map(([name = '', type = '', , , , , , command = '']) => ({
      name,
      type,
      command,
      options: options.get(`${name}/${type}`) ?? new Map<string, string>(),
    }));
}

/** Addresses and ports of inet services that run smtpd or postscreen. Source: master(5), "Service name". */
function listenersOf(services: readonly MasterService[], inetInterfaces: string): SmtpdListener[] {
  const words = inetInterfaces.split(/[\s,]+/).filter((word) => word !== '');
  const isEverywhere = words.length === 0 || words.includes('all');
  const bound = isEverywhere ? [null] : words.flatMap(addressesOfInterface);
  return services
    .filter(({ type, command }) => type === 'inet' && (command === 'smtpd' || command === 'postscreen'))
    .flatMap(({ name }) => {
      const match = /^(?:\[([^\]]+)\]:|([^:]+):)?([^:]+)$/.exec(name);
      const port = PORT_NAMES.get(match?.[3] ?? '') ?? Number(match?.[3]);
      const host = match?.[1] ?? match?.[2];
      const addresses = host === undefined ? bound : addressesOfInterface(host);
      return Number.isInteger(port) ? addresses.map((address) => ({ address, port })) : [];
    });
}

/** postscreen waits before it greets; a service in TLS, or behind a proxy, waits for its client to begin. */
function greetsAtOnce({ command, options }: MasterService, main: ReadonlyMap<string, string>): boolean {
  const valueOf = (name: string): string => options.get(name) ?? main.get(name) ?? '';
  return (
    command === 'smtpd' && valueOf('smtpd_tls_wrappermode') !== 'yes' && valueOf('smtpd_upstream_proxy_protocol') === ''
  );
}

/** A name other than these two is some address of this host, and which one only a resolver knows: null, any of them. */
function addressesOfInterface(word: string): (IpAddress | null)[] {
  if (word === 'loopback-only') return ['127.0.0.1', '::1'].map((text) => parseIpAddress(text));
  return [parseIpAddress(word === 'localhost' ? '127.0.0.1' : word.replace(/^\[|\]$/g, ''))];
}

const PORT_NAMES: ReadonlyMap<string, number> = new Map([
  ['smtp', 25],
  ['smtps', 465],
  ['submissions', 465],
  ['submission', 587],
]);

function addressesOfThisHost(): IpAddress[] {
  return Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .map(({ address }) => parseIpAddress(address.replace(/%.*$/, '')))
    .filter((address) => address !== null);
}

/** A value that begins with a slash names a file whose first line is meant (Debian: /etc/mailname). */
async function readOrigin(value: string): Promise<string> {
  if (!value.startsWith('/')) return value;
  const text = await readFile(value, 'utf8').catch(() => '');
  return text.split('\n')[0]?.trim() ?? '';
}

/** Whether a file is there; one that may not be looked at counts as there, and the commands say why it cannot be read. */
const isPresent = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    (error: unknown) => (error as NodeJS.ErrnoException).code !== 'ENOENT',
  );
