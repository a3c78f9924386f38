/** `postern ip`: the allowed and blocked IPs of an own domain, listed and edited in the settings file. */
import { text as textOf } from 'node:stream/consumers';
import type { Command } from 'commander';
import type { ListEdit } from '../../adapters/store-embedded/index.ts';
import { parseDomain, parseIpListInput, warnAboutRange, type IpListEntry } from '../../mail/index.ts';
import { PosternError, type EntryHits } from '../../services/index.ts';
import {
  characterCount,
  identityOf,
  LIMITS,
  ownDomains,
  parseExpiry,
  type IpEntry,
  type OwnDomain,
  type Settings,
} from '../../settings/index.ts';
import { openWorkspace } from '../workspace.ts';
import { editSettings } from './edit-settings.ts';
import { byLastHit, hitsText, readHits } from './ip-hits.ts';
import { readGood } from './load.ts';
import { complain, EXIT, say, sayJson, table, UsageError } from './output.ts';
import { liftingOf, shortTermBlocksOf, shortTermJson, shortTermRow } from './short-term.ts';

type ListName = 'allowedIps' | 'blockedIps';
type Options = { config?: string; json?: true; note?: string; expires?: string; sort?: string; expired?: true };

/** Adds `ip list`, `ip add` and `ip remove`. */
export function addIp(program: Command): void {
  const ip = program
    .command('ip')
    .summary('list and edit allowed and blocked IPs')
    .description('Allowed and blocked IPs of an own domain.');
  const list = '<allow|block>';
  ip.command('list')
    .summary('the entries with notes, expiry and hits')
    .argument(list, 'which list')
    .argument('<domain>', 'the own domain')
    .option('--sort <order>', '"file" (the order of the settings) or "recent" (the last hit first)', 'file')
    .option('--json', 'the answer as JSON')
    .action((which: string, domain: string, _: unknown, command: Command) =>
      listEntries(which, domain, command.optsWithGlobals()),
    );
  ip.command('add')
    .summary('add entries, all or none')
    .description(
      'Adds addresses and ranges (192.0.2.1, 192.0.2.0/24, 192.0.2.1-192.0.2.9), all or none. Without ENTRY they are read from stdin.',
    )
    .argument(list, 'which list')
    .argument('<domain>', 'the own domain')
    .argument('[entry...]', 'addresses and ranges')
    .option('--note <text>', 'a note to every entry')
    .option('--expires <date>', 'when the entries stop acting: 2027-01-31 (to its end, UTC) or 2027-01-31T18:00:00Z')
    .option('--json', 'the answer as JSON')
    .action((which: string, domain: string, entries: string[], _: unknown, command: Command) =>
      addEntries(which, domain, entries, command.optsWithGlobals()),
    );
  ip.command('remove')
    .summary('remove entries, all or none')
    .argument(list, 'which list')
    .argument('<domain>', 'the own domain')
    .argument('[entry...]', 'addresses and ranges as listed; without any they are read from stdin')
    .option('--expired', 'every entry that has expired, in place of ENTRY')
    .option('--json', 'the answer as JSON')
    .action((which: string, domain: string, entries: string[], _: unknown, command: Command) =>
      removeEntries(which, domain, entries, command.optsWithGlobals()),
    );
}

async function listEntries(which: string, domain: string, options: Options): Promise<void> {
  const key = listName(which);
  const isRecent = options.sort === 'recent';
  if (!isRecent && options.sort !== 'file') {
    throw new UsageError(`--sort "${options.sort ?? ''}" is no order; write file or recent`);
  }
  const workspace = await openWorkspace(options.config);
  const settings = await readGood(workspace.store);
  if (settings === null) return;
  const own = findOwn(settings, domain);
  const list = key === 'allowedIps' ? 'allow' : 'block';
  const hits = await readHits(workspace.operator.state, own.domain, list, isRecent);
  const rows = own[key].map((entry): Listed => {
    const name = identityOf(entry);
    return { name, note: entry.note, expiry: expiryOf(entry), hits: hits.get(name) };
  });
  if (isRecent) rows.sort(byLastHit);
  const blocks = await shortTermBlocksOf(workspace.operator.state, key, own);
  if (options.json) sayJson([...rows.map(jsonOf), ...blocks.map(shortTermJson)]);
  else if (rows.length + blocks.length > 0) {
    const until = ({ expiry }: Listed): string =>
      expiry === null ? '' : `${expiry.isExpired ? 'expired' : 'until'} ${expiry.expires}`;
    // Where nothing was ever met there is nothing to compare with.
    const met = (row: Listed): string => (hits.size === 0 ? '' : hitsText(row.hits));
    const cells = rows.map((row) => [row.name, until(row), met(row), row.note ?? '']);
    say(table([...cells, ...blocks.map(shortTermRow)]));
  }
}

type Expiry = { readonly expires: string; readonly isExpired: boolean };

type Listed = {
  readonly name: string;
  readonly note: string | undefined;
  readonly expiry: Expiry | null;
  readonly hits: EntryHits | undefined;
};

const jsonOf = ({ name, note, expiry, hits }: Listed): object => ({
  entry: name,
  note,
  ...expiry,
  ...(hits !== undefined && {
    hits: { ...hits, lastAt: new Date(hits.lastAt).toISOString() },
  }),
});

/** When an entry stops acting; null where it never does. */
function expiryOf(entry: IpEntry): Expiry | null {
  if (entry.kind !== 'range' || entry.expiresAt === undefined) return null;
  return { expires: new Date(entry.expiresAt).toISOString(), isExpired: entry.expiresAt <= Date.now() };
}

async function addEntries(which: string, domain: string, words: readonly string[], options: Options): Promise<void> {
  const key = listName(which);
  const extras = checkedExtras(options);
  const ranges = await readEntries(words);
  if (ranges === null) return;
  const workspace = await openWorkspace(options.config);
  const { added, alreadyThere } = await editSettings(workspace, (settings) => {
    const own = findOwn(settings, domain);
    const pointer = `${own.pointer}/${key}`;
    const acting = new Set(own[key].filter((entry) => expiryOf(entry)?.isExpired !== true).map(identityOf));
    const news = ranges.filter(({ range }) => !acting.has(range.text));
    // An expired entry does nothing: what is added takes its place.
    const fresh = new Set(news.map(({ range }) => range.text));
    const replaced = new Set(own[key].flatMap((entry, index) => (fresh.has(identityOf(entry)) ? [index] : [])));
    const edits: ListEdit[] = [];
    if (replaced.size > 0) edits.push({ kind: 'remove', pointer, indexes: replaced });
    if (news.length > 0) edits.push({ kind: 'append', pointer, entries: news.map((entry) => written(entry, extras)) });
    return { edits, result: { added: news, alreadyThere: ranges.length - news.length } };
  });
  for (const { text, range } of key === 'allowedIps' ? added : []) {
    const warning = warnAboutRange(range);
    if (warning !== null) complain(`warning: ${text}: ${warning}`);
  }
  if (options.json) sayJson({ added: added.length, alreadyThere });
  else say(`added ${added.length}${alreadyThere > 0 ? `, ${alreadyThere} already there and left as they are` : ''}`);
}

/** An entry as it stands in the file: short where there is nothing to say about it. */
function written({ text, range }: IpListEntry, { note, expires }: Extras): string | Record<string, string> {
  const ip = text.startsWith('[') ? range.text : text;
  if (note === undefined && expires === undefined) return ip;
  return { ip, ...(note !== undefined && { note }), ...(expires !== undefined && { expires }) };
}

async function removeEntries(which: string, domain: string, words: readonly string[], options: Options): Promise<void> {
  const key = listName(which);
  if (options.expired) return removeExpired(key, domain, words, options);
  const ranges = await readEntries(words);
  if (ranges === null) return;
  const workspace = await openWorkspace(options.config);
  const listed = ranges.map(({ range }) => range);
  const lifting = await liftingOf(workspace.operator.state, key, domain, listed);
  const { removed } = await editSettings(workspace, (settings) => {
    const own = findOwn(settings, domain);
    const present = own[key].map(identityOf);
    const known = new Set(present);
    const missing = ranges
      .filter(({ range }) => !known.has(range.text) && !lifting.covers(range))
      .map((entry) => entry.text);
    if (missing.length > 0) {
      const message = `not in the list: ${missing.join(', ')}; nothing was removed. "postern ip list ${which} ${domain}" shows the entries`;
      throw new PosternError('POSTERN_NOT_FOUND', message);
    }
    const gone = new Set(ranges.map(({ range }) => range.text));
    const indexes = new Set(present.flatMap((identity, index) => (gone.has(identity) ? [index] : [])));
    const removal = { kind: 'remove' as const, pointer: `${own.pointer}/${key}`, indexes };
    return { edits: indexes.size > 0 ? [removal] : [], result: { removed: indexes.size } };
  });
  const lifted = await lifting.lift();
  if (options.json) sayJson({ removed, ...(lifted > 0 && { lifted }) });
  else
    say(`removed ${removed}${lifted > 0 ? `, lifted ${lifted} short-term ${lifted === 1 ? 'block' : 'blocks'}` : ''}`);
}

async function removeExpired(key: ListName, domain: string, words: readonly string[], options: Options): Promise<void> {
  if (words.length > 0) throw new UsageError('name entries, or write --expired, but not both');
  const { removed } = await editSettings(await openWorkspace(options.config), (settings) => {
    const own = findOwn(settings, domain);
    const indexes = new Set(own[key].flatMap((entry, index) => (expiryOf(entry)?.isExpired === true ? [index] : [])));
    const removal = { kind: 'remove' as const, pointer: `${own.pointer}/${key}`, indexes };
    return { edits: indexes.size > 0 ? [removal] : [], result: { removed: indexes.size } };
  });
  if (options.json) sayJson({ removed });
  else say(`removed ${removed}`);
}

function listName(which: string): ListName {
  if (which === 'allow') return 'allowedIps';
  if (which === 'block') return 'blockedIps';
  throw new UsageError(`"${which}" is no list; write allow or block`);
}

function findOwn(settings: Settings, name: string): OwnDomain {
  const domain = parseDomain(name);
  for (const { own } of ownDomains(settings)) if (domain.ok && own.domain === domain.value) return own;
  throw new PosternError(
    'POSTERN_NOT_FOUND',
    `${name} is no own domain of these settings; add it under an organization's domains first`,
  );
}

type Extras = Pick<Options, 'note' | 'expires'>;

function checkedExtras({ note, expires }: Options): Extras {
  if (note !== undefined && characterCount(note) > LIMITS.noteLength) {
    const message = `--note is ${characterCount(note)} characters long, and the limit is ${LIMITS.noteLength}; nothing was saved`;
    throw new PosternError('POSTERN_SETTINGS_INVALID', message);
  }
  const expiresAt = expires === undefined ? undefined : parseExpiry(expires);
  if (expiresAt === null) {
    throw new UsageError(`--expires "${expires ?? ''}" is no date; write 2027-01-31 or 2027-01-31T18:00:00Z`);
  }
  if (expiresAt !== undefined && expiresAt <= Date.now()) {
    throw new UsageError(`--expires ${expires ?? ''} is over already, so the entries would never act`);
  }
  return { ...(note !== undefined && { note }), ...(expires !== undefined && { expires }) };
}

/** The entries of the command line, or of stdin. Null where one is refused: then all are, each with its reason. */
async function readEntries(words: readonly string[]): Promise<readonly IpListEntry[] | null> {
  const { ranges, refusals } = parseIpListInput(words.length > 0 ? words.join(' ') : await readStdin());
  if (refusals.length === 0 && ranges.length > 0) return ranges;
  for (const { position, message } of refusals) {
    const where = words.length > 0 ? `entry ${position.index + 1}` : `<stdin>:${position.line}:${position.column}`;
    complain(`${where}: ${message}`);
  }
  complain(refusals.length > 0 ? 'nothing was saved' : 'no entry was given; name addresses or ranges, or pipe them in');
  process.exitCode = refusals.length > 0 ? EXIT.refused : EXIT.usage;
  return null;
}

const readStdin = (): Promise<string> => (process.stdin.isTTY ? Promise.resolve('') : textOf(process.stdin));
