/** `postern dkim`: keys made, shown, verified in DNS and begun to sign with. */
import { readFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import type { Command } from 'commander';
import { createResolver } from '../../adapters/dns/index.ts';
import { createKeyFiles } from '../../adapters/key-files/index.ts';
import { systemClock } from '../../adapters/clock/index.ts';
import { reasonOf } from '../../adapters/files/index.ts';
import { publishedForms } from '../../dkim/index.ts';
import { parseDomain, type Domain } from '../../mail/index.ts';
import {
  checkKeyDomain,
  createDkimKeys,
  PosternError,
  type DkimKeys,
  type DnsCheck,
  type KeyFacts,
  type KeyKind,
} from '../../services/index.ts';
import {
  DEFAULT_SELECTOR,
  DKIM_BITS,
  isSelector,
  ownDomains,
  type OwnDomain,
  type Settings,
} from '../../settings/index.ts';
import { openWorkspace, type Workspace } from '../workspace.ts';
import { loadGood } from './load.ts';
import { EXIT, say, sayJson, table, UsageError } from './output.ts';

type Options = { config?: string; json?: true; selector?: string; bits?: string; ed25519?: true };

/** Adds `dkim create`, `show`, `verify`, `activate`, `import` and `list`. */
export function addDkim(program: Command): void {
  const dkim = program
    .command('dkim')
    .summary('DKIM keys: make, publish, verify, sign')
    .description('DKIM keys of own domains, and of provider.signingDomain.');
  const add = (name: string, summary: string): Command =>
    dkim.command(name).summary(summary).option('--json', 'the answer as JSON');
  add('create', 'make a key and print the record to publish')
    .argument('<domain>', 'the signing domain')
    .option('--selector <name>', 'the selector (default: that of the settings, else "postern")')
    .option('--bits <n>', 'RSA key size: 2048 or 1024 (default: that of the settings, else 2048)')
    .option('--ed25519', 'an Ed25519 key, to sign beside RSA')
    .action((domain: string, _: unknown, command: Command) => create(domain, command.optsWithGlobals()));
  add('show', 'print the record to publish, the whole TXT value on one line first')
    .argument('<domain>', 'the signing domain')
    .option('--selector <name>', 'the selector (default: the newest key)')
    .action((domain: string, _: unknown, command: Command) => show(domain, command.optsWithGlobals()));
  add('verify', 'ask DNS whether it shows the key')
    .argument('<domain>', 'the signing domain')
    .option('--selector <name>', 'the selector (default: the newest key)')
    .action((domain: string, _: unknown, command: Command) => ask('verify', domain, command.optsWithGlobals()));
  add('activate', 'begin authentication: ask DNS, and on a match sign with the key')
    .argument('<domain>', 'the signing domain')
    .option('--selector <name>', 'the selector (default: the newest key)')
    .action((domain: string, _: unknown, command: Command) => ask('activate', domain, command.optsWithGlobals()));
  add('import', 'take an existing private key, so that DNS need not change')
    .argument('<domain>', 'the signing domain')
    .argument('<file>', 'a PEM file, PKCS#1 or PKCS#8')
    .requiredOption('--selector <name>', 'the selector under which the key is published')
    .action((domain: string, file: string, _: unknown, command: Command) =>
      importKey(domain, file, command.optsWithGlobals()),
    );
  add('list', 'all keys and their states').action((_: unknown, command: Command) => list(command.optsWithGlobals()));
}

type Desk = { readonly workspace: Workspace; readonly settings: Settings; readonly keys: DkimKeys };

async function open(options: Options): Promise<Desk | null> {
  const workspace = await openWorkspace(options.config);
  const loaded = await loadGood(workspace.store, workspace);
  const settings = loaded?.settings ?? null;
  if (settings === null) return null;
  const { state, dns } = workspace.operator;
  return {
    workspace,
    settings,
    keys: createDkimKeys(createKeyFiles(state), createResolver(dns?.servers), systemClock),
  };
}

/** Who acts, for the history of a key. In a container the user often has a number only. */
function actor(): string {
  const { SUDO_USER: behindSudo } = process.env;
  if (behindSudo !== undefined && behindSudo !== '') return behindSudo;
  try {
    return userInfo().username;
  } catch {
    return `user ${process.getuid?.() ?? 'unknown'}`;
  }
}

function domainOf(name: string): Domain {
  const domain = parseDomain(name);
  if (!domain.ok) throw new UsageError(`"${name}" ${domain.error}`);
  return domain.value;
}

async function create(name: string, options: Options): Promise<void> {
  const domain = domainOf(name);
  const desk = await open(options);
  if (desk === null) return;
  checkKeyDomain(desk.settings, domain);
  const own = ownDomain(desk.settings, domain);
  const selector = chosenSelector(options.selector, own);
  const key = await desk.keys.create(domain, selector, kindOf(options, own?.dkim?.bits ?? DKIM_BITS[0]), actor());
  showKey(key, options, `publish this record, then: postern dkim activate ${domain}`);
}

function kindOf({ bits, ed25519 }: Options, preset: number): KeyKind {
  if (ed25519) {
    if (bits !== undefined) throw new UsageError('--bits is about RSA keys; leave it out with --ed25519');
    return { algorithm: 'ed25519-sha256' };
  }
  const size = bits === undefined ? preset : Number(bits);
  if (!(DKIM_BITS as readonly number[]).includes(size))
    throw new UsageError(`--bits must be ${DKIM_BITS.join(' or ')}`);
  return { algorithm: 'rsa-sha256', bits: size };
}

const ownDomain = (settings: Settings, domain: Domain): OwnDomain | undefined =>
  [...ownDomains(settings)].find(({ own }) => own.domain === domain)?.own;

/** The selector of a new key. As in the settings, the empty text means the default. */
function chosenSelector(typed: string | undefined, own: OwnDomain | undefined): string {
  if (typed === undefined || typed === '') return own?.dkim?.selector ?? DEFAULT_SELECTOR;
  if (isSelector(typed)) return typed;
  const rule = 'write 1 to 63 letters, digits or hyphens, with no hyphen first or last';
  throw new UsageError(`"${typed}" is no selector; ${rule}`);
}

async function importKey(name: string, file: string, options: Options): Promise<void> {
  const domain = domainOf(name);
  const desk = await open(options);
  if (desk === null) return;
  checkKeyDomain(desk.settings, domain);
  const selector = chosenSelector(options.selector, ownDomain(desk.settings, domain));
  let pem: string;
  try {
    pem = await readFile(file, 'utf8');
  } catch (error) {
    throw new PosternError('POSTERN_NOT_FOUND', `${file} cannot be read: ${reasonOf(error)}`, { cause: error });
  }
  showKey(
    await desk.keys.import(domain, selector, pem, actor()),
    options,
    `then: postern dkim activate ${domain} --selector ${selector}`,
  );
}

async function show(name: string, options: Options): Promise<void> {
  const desk = await open(options);
  if (desk !== null) showKey(await findKey(desk, name, options), options, null);
}

const findKey = ({ keys }: Desk, name: string, { selector }: Options): Promise<KeyFacts> =>
  keys.find(domainOf(name), selector === '' ? undefined : selector);

/** The TXT value on one line comes first, so that a script can take it with `head -n 1`. */
function showKey(key: KeyFacts, options: Options, next: string | null): void {
  const forms = publishedForms(Buffer.from(key.publicKey, 'base64'), key.selector, key.domain);
  if (options.json) {
    sayJson({ ...key, ...forms });
    return;
  }
  say(forms.txt);
  say(`\nhost name   ${forms.hostShort}    (whole: ${forms.hostFull})`);
  say(`type        TXT`);
  say(`zone file   ${forms.hostFull}. IN TXT ( ${forms.zoneValue} )`);
  say(`state       ${key.state}, ${describe(key)}`);
  if (next !== null) say(`\n${next}`);
}

const describe = (key: KeyFacts): string => (key.bits === null ? 'Ed25519' : `RSA ${key.bits}`);

async function ask(what: 'verify' | 'activate', name: string, options: Options): Promise<void> {
  const desk = await open(options);
  if (desk === null) return;
  const key = await findKey(desk, name, options);
  if (what === 'activate') checkKeyDomain(desk.settings, key.domain);
  const found = await desk.keys[what](key, actor());
  const now = await desk.keys.find(key.domain, key.selector);
  if (options.json) sayJson({ ok: found.isMatch, cause: found.kind, text: found.text, key: now });
  else say(verdictText(found, now));
  if (!found.isMatch) process.exitCode = EXIT.refused;
}

function verdictText(found: DnsCheck, key: KeyFacts): string {
  const name = `${key.selector}._domainkey.${key.domain}`;
  if (!found.isMatch) return `${found.text}\nnothing was changed; the key is ${key.state}`;
  const remark = found.text === '' ? '' : `\n${found.text}`;
  return `DNS shows the key at ${name}; it is ${key.state}${remark}`;
}

async function list(options: Options): Promise<void> {
  const desk = await open(options);
  if (desk === null) return;
  const keys = await desk.keys.list();
  if (options.json) sayJson(keys);
  else if (keys.length > 0) {
    say(
      table(
        keys.map((key) => [
          key.domain,
          key.selector,
          describe(key),
          key.state,
          new Date(key.history.at(-1)?.at ?? 0).toISOString(),
        ]),
      ),
    );
  }
}
