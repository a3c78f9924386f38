/**
 * Where a command works: the operator's file read and resolved, the settings behind it, the Postfix beside it.
 * The only place that knows how they hang together.
 */
import { access, readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname, isAbsolute, join, relative, resolve } from 'node:path';
import { reasonOf } from '../adapters/files/index.ts';
import { createSettingsFile, parseYamlBytes } from '../adapters/store-embedded/index.ts';
import { readPostfix, type PostfixFacts } from '../adapters/postfix-control/index.ts';
import { parseDomain, parseIpRange, type Domain, type IpRange } from '../mail/index.ts';
import { mapDoors, validateOperatorFile, type Listener, type OperatorFile } from '../operator/index.ts';
import {
  formatIssue,
  locateIssues,
  PosternError,
  syntaxIssues,
  type LocatedIssue,
  type SettingsStore,
  type Surroundings,
} from '../services/index.ts';
import type { Ourselves } from '../snapshot/index.ts';

/** Where the operator's file is looked for when `-c` does not say. */
const DEFAULT_FILES = ['postern.yaml', '/etc/postern/postern.yaml'];

/** An operator's file, found good, with every path absolute. */
export type Workspace = {
  /** The operator's file. */
  readonly file: string;
  readonly operator: OperatorFile;
  readonly settingsFile: string;
  /** How messages call the settings file: relative to the working directory where that is shorter. */
  readonly settingsName: string;
  readonly store: SettingsStore;
  /** Null where there is no Postfix at hand. */
  readonly postfix: PostfixFacts | null;
  readonly surroundings: Surroundings;
  /** What an operator should know of how the defaults came about. */
  readonly remarks: readonly string[];
};

/** Settings that can be checked though the operator's file is broken. */
export type BareSettings = Pick<Workspace, 'settingsName' | 'store' | 'surroundings'>;

/** An operator's file that cannot be used, with every fault, and the settings file that it names all the same. */
export class OperatorFileError extends PosternError {
  readonly issues: readonly LocatedIssue[];
  readonly settings: BareSettings | null;
  constructor(issues: readonly LocatedIssue[], settings: BareSettings | null) {
    super('POSTERN_OPERATOR_FILE_INVALID', issues.map(formatIssue).join('\n'));
    this.issues = issues;
    this.settings = settings;
  }
}

/** Opens the workspace of `config`, or of the first default file that is there. Errors: PosternError, OperatorFileError. */
export async function openWorkspace(config: string | undefined): Promise<Workspace> {
  const given = config ?? (await firstPresent(DEFAULT_FILES));
  const file = resolve(given);
  const operator = resolvePaths(await readOperatorFile(file, given), dirname(file));
  const postfix = await readPostfix(operator.postfix.configDirectory);
  const trusted = trustedNetworksOf(operator, postfix);
  const settingsName = shortName(operator.settings);
  return {
    file,
    operator,
    settingsFile: operator.settings,
    settingsName,
    store: createSettingsFile(operator.settings, settingsName),
    postfix,
    remarks: trusted.remarks,
    surroundings: surroundingsOf(operator, postfix, trusted.networks),
  };
}

async function firstPresent(files: readonly string[]): Promise<string> {
  for (const file of files) {
    if (
      await access(file).then(
        () => true,
        () => false,
      )
    )
      return file;
  }
  const places = files.join(' and ');
  throw new PosternError(
    'POSTERN_NOT_FOUND',
    `there is no ${places}; name the operator's file with -c FILE, or make one with "postern init"`,
  );
}

async function readOperatorFile(file: string, name: string): Promise<OperatorFile> {
  let content: Buffer;
  try {
    content = await readFile(file);
  } catch (error) {
    throw new PosternError('POSTERN_NOT_FOUND', `${name} cannot be read: ${reasonOf(error)}`, { cause: error });
  }
  const text = parseYamlBytes(name, content);
  if (text.syntaxIssues.length > 0) throw new OperatorFileError(syntaxIssues(text), null);
  const { file: operator, issues } = validateOperatorFile(text.raw);
  if (operator === null) throw new OperatorFileError(locateIssues(text, issues), bareSettings(text.raw, dirname(file)));
  return operator;
}

/** The settings file that a broken operator's file names; the operator's other values are the defaults. */
function bareSettings(raw: unknown, base: string): BareSettings | null {
  const named = (raw as { readonly settings?: unknown } | null)?.settings;
  if (typeof named !== 'string' || named === '' || /^postgres(?:ql)?:/.test(named)) return null;
  const path = resolve(base, named);
  const settingsName = shortName(path);
  const { file: defaults } = validateOperatorFile({ settings: path });
  if (defaults === null) return null;
  const surroundings = surroundingsOf(defaults, null, LOOPBACK);
  return { settingsName, store: createSettingsFile(path, settingsName), surroundings };
}

function surroundingsOf(
  operator: OperatorFile,
  postfix: PostfixFacts | null,
  trustedNetworks: readonly IpRange[],
): Surroundings {
  const { internalDomain, reinjectionServices } = operator;
  const authservId = operator.authservId ?? hostDomain(postfix);
  const origin = parseDomain(postfix?.origin ?? '');
  return {
    host: {
      trustedNetworks,
      internalDomain,
      reinjectionServices,
      authservId,
      ...(origin.ok && { originDomain: origin.value }),
      recipientDelimiter: postfix?.recipientDelimiter ?? '',
    },
    postfix: ourselvesOf(postfix),
  };
}

/** Where the Postfix at hand is reached. */
export function ourselvesOf(postfix: PostfixFacts | null): Ourselves {
  if (postfix === null) return { smtpdListeners: [], localAddresses: [] };
  const { smtpdListeners, localAddresses, proxyAddresses } = postfix;
  const hostName = parseDomain(postfix.hostname);
  const loopbackNames = ['localhost', `localhost.${postfix.domain}`].flatMap((name) => {
    const domain = parseDomain(name);
    return domain.ok ? [domain.value] : [];
  });
  return {
    smtpdListeners,
    localAddresses,
    proxyAddresses,
    loopbackNames,
    ...(hostName.ok && { hostName: hostName.value }),
  };
}

function resolvePaths(operator: OperatorFile, base: string): OperatorFile {
  const absolute = (path: string): string => resolve(base, path);
  const place = (listener: Listener): Listener =>
    listener.kind === 'unix' ? { ...listener, path: absolute(listener.path) } : listener;
  const listen = mapDoors(operator.listen, (listeners) => listeners.map(place));
  return {
    ...operator,
    listen,
    settings: absolute(operator.settings),
    state: absolute(operator.state),
    maps: { ...operator.maps, directory: absolute(operator.maps.directory) },
    postfix: {
      configDirectory: absolute(operator.postfix.configDirectory),
      ...(operator.postfix.logFile !== undefined && { logFile: absolute(operator.postfix.logFile) }),
    },
  };
}

function trustedNetworksOf(
  operator: OperatorFile,
  postfix: PostfixFacts | null,
): { networks: readonly IpRange[]; remarks: string[] } {
  if (operator.trustedNetworks !== undefined) return { networks: operator.trustedNetworks, remarks: [] };
  if (postfix === null) return { networks: LOOPBACK, remarks: ['no Postfix at hand: trustedNetworks is loopback'] };
  const { networks, unreadableNetworks } = postfix;
  if (unreadableNetworks.length === 0) return { networks, remarks: [] };
  const words = unreadableNetworks.join(', ');
  const effect = networks.length === 0 ? 'no network is trusted' : 'the rest of it is trusted';
  const remark = `mynetworks of Postfix holds ${words}, which Postern cannot read: ${effect}; set trustedNetworks in postern.yaml`;
  return { networks, remarks: [remark] };
}

const LOOPBACK: readonly IpRange[] = ['127.0.0.0/8', '::1'].flatMap((text) => {
  const range = parseIpRange(text);
  return range.ok ? [range.value] : [];
});

/** The name of this host for Authentication-Results. Source: RFC 8601 §2.2, postconf(5) myhostname. */
function hostDomain(postfix: PostfixFacts | null): Domain {
  const parsed = parseDomain(postfix?.hostname ?? hostname());
  return parsed.ok ? parsed.value : ('localhost' as Domain);
}

/** A path as messages show it. */
export function shortName(path: string): string {
  const short = relative(process.cwd(), path);
  return short === '' || short.startsWith('..') || isAbsolute(short) ? path : short;
}

/** Where Postfix reaches a listener: unix sockets inside its queue directory by a relative path, which chroot does not break. */
export function endpointOf(listener: Listener | undefined, postfix: PostfixFacts | null): string | null {
  if (listener === undefined) return null;
  if (listener.kind === 'tcp')
    return `inet:${listener.host.includes(':') ? `[${listener.host}]` : listener.host}:${listener.port}`;
  const inside = postfix === null ? null : relative(postfix.queueDirectory, listener.path);
  return `unix:${inside === null || inside.startsWith('..') ? listener.path : join(inside)}`;
}
