/** `postern explain`: what would be decided for a message, each rule that was considered, and its setting. */
import { access, readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { systemClock } from '../../adapters/clock/index.ts';
import { reasonOf } from '../../adapters/files/index.ts';
import { createKeyFiles } from '../../adapters/key-files/index.ts';
import { createPatternSearch } from '../../adapters/pattern-search/index.ts';
import { createRecipientMaps } from '../../adapters/postfix-control/index.ts';
import { createRouteRegistry } from '../../adapters/route-registry/index.ts';
import { ownReading, type Client, type HeaderField } from '../../decide/index.ts';
import {
  compileIpSet,
  ipSetHas,
  parseAddress,
  parseClientAddress,
  readMessageText,
  type Address,
} from '../../mail/index.ts';
import {
  createRecipientDirectory,
  createSpamPatterns,
  explain,
  knownRoutesOf,
  messageOf,
  NO_RECIPIENT_MAPS,
  PosternError,
  type Explanation,
  type Log,
  type Question,
} from '../../services/index.ts';
import { withInstallation, withSigningKeys, type RouteInstallation, type Snapshot } from '../../snapshot/index.ts';
import { openWorkspace, type Workspace } from '../workspace.ts';
import { loadGood } from './load.ts';
import { complain, EXIT, printable, say, sayJson, UsageError } from './output.ts';
import { shortTermBlocks } from './short-term.ts';

type Options = {
  config?: string;
  json?: true;
  client: string;
  sender: string;
  recipient: string[];
  user?: string;
  tls?: true;
  helo?: string;
};

/** Adds the command. */
export function addExplain(program: Command): void {
  const collect = (value: string, before: string[] | undefined): string[] => [...(before ?? []), value];
  program
    .command('explain')
    .summary('say what would be decided for a message, and why')
    .description('Decides about a message that is only described. Nothing is sent, logged or counted.')
    .requiredOption('--client <ip>', 'the SMTP client, or "local" for sendmail(1)')
    .requiredOption('--sender <address>', 'the envelope sender; "<>" for none')
    .requiredOption('--recipient <address>', 'an envelope recipient; more may follow', collect)
    .option('--user <name>', 'the SASL user name of an authenticated client')
    .option('--tls', 'the session is encrypted')
    .option('--helo <name>', 'the HELO name')
    .option('--json', 'the answer as JSON')
    .argument('[more...]', 'more recipients, and the file of the message (its headers decide on marks and signature)')
    .action(async (more: string[], _: unknown, command: Command) => {
      process.exitCode = await run(command.optsWithGlobals(), more);
    });
}

async function run(options: Options, more: readonly string[]): Promise<number> {
  const { recipients, file } = await sortWords(more);
  const question = {
    client: clientOf(options.client),
    sender: parseAddress(options.sender.trim()),
    recipients: [...options.recipient, ...recipients].map(recipientOf),
    saslUsername: options.user ?? null,
    encrypted: options.tls === true,
    headers: file === null ? null : await readHeaders(file),
    at: Date.now(),
  };
  const workspace = await openWorkspace(options.config);
  const loaded = await loadGood(workspace.store, workspace);
  const compiled = loaded?.snapshot ?? null;
  if (compiled === null) return EXIT.refused;
  const keys = await createKeyFiles(workspace.operator.state).list();
  const snapshot = withSigningKeys(
    withInstallation(compiled, await assumedInstallation(compiled, workspace)),
    keys.filter(({ state }) => state === 'active'),
  );
  const blockOf = await blocksKept(workspace);
  const known = { ...(await hitsFor(snapshot, question)), ...(await existencesFor(snapshot, question, workspace)) };
  const answer = explain(snapshot, { ...question, ...known, blockOf });
  if (options.json) sayJson(answer);
  else say(describe(answer));
  return EXIT.ok;
}

/** Standard output is for the answer alone. */
const COMPLAINING: Log = { debug: () => undefined, info: () => undefined, warn: complain, error: complain };

/** What the spam patterns of gateways find in the message, where there is one. */
async function hitsFor(snapshot: Snapshot, question: Question): Promise<Pick<Question, 'spamHits'>> {
  if (question.headers === null) return {};
  const search = createPatternSearch(COMPLAINING);
  try {
    const spamHits = await createSpamPatterns(search).look(snapshot, messageOf(question), question.at);
    return spamHits === null ? {} : { spamHits };
  } finally {
    await search.stop();
  }
}

/** Whether each recipient exists, where its domain says so. */
async function existencesFor(
  snapshot: Snapshot,
  { recipients }: Question,
  { postfix }: Workspace,
): Promise<Pick<Question, 'existences'>> {
  const maps = postfix === null ? NO_RECIPIENT_MAPS : createRecipientMaps(postfix.configDirectory);
  const directory = createRecipientDirectory(maps, systemClock, COMPLAINING);
  const existences = await Promise.all(
    recipients.map(async (recipient) => {
      const own = ownReading(snapshot, recipient);
      return own === undefined ? null : await directory.find(snapshot, own);
    }),
  );
  return existences.some((each) => each !== null) ? { existences } : {};
}

/** The automatic blocks that a serving Postern has last kept. */
async function blocksKept({ operator }: Workspace): Promise<NonNullable<Question['blockOf']>> {
  const blocks = (await shortTermBlocks(operator.state)).map((block) => ({
    ...block,
    set: compileIpSet([{ range: block.range }]),
  }));
  return (domain, address) =>
    blocks.find((block) => block.domain === domain && ipSetHas(block.set, address, 0)) ?? null;
}

/** Explains what the settings say, as if Postfix knew every route; `doctor` and `/readyz` tell whether it does. */
async function assumedInstallation(snapshot: Snapshot, { operator }: Workspace): Promise<RouteInstallation> {
  const book = await createRouteRegistry(operator.state).read();
  // A route that no serving Postern has numbered yet stands under a number that none can have.
  const numbers = new Map([...snapshot.routes.keys()].map((id) => [id, book?.numbers.get(id) ?? 0]));
  const routes = knownRoutesOf(snapshot, { key: book?.key ?? '', numbers }, () => true);
  return { routes, isAsked: true, isLive: true };
}

/** What follows the options: more recipients, and at most one file with the message. */
async function sortWords(words: readonly string[]): Promise<{ recipients: string[]; file: string | null }> {
  const recipients: string[] = [];
  let file: string | null = null;
  for (const word of words) {
    if (word.includes('@') && !(await isFile(word))) recipients.push(word);
    else if (file === null) file = word;
    else throw new UsageError(`"${file}" and "${word}" are two message files; name one`);
  }
  return { recipients, file };
}

async function readHeaders(file: string): Promise<readonly HeaderField[]> {
  try {
    return readMessageText(await readFile(file, 'latin1')).headers;
  } catch (error) {
    const message = `the message file ${file} cannot be read: ${reasonOf(error)}`;
    throw new PosternError('POSTERN_NOT_FOUND', message, { cause: error });
  }
}

const isFile = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );

function clientOf(text: string): Client {
  if (text === 'local') return { kind: 'local' };
  const address = parseClientAddress(text);
  if (address === null)
    throw new UsageError(`--client "${text}" is no IP address; for sendmail(1) write --client local`);
  return { kind: 'smtp', address };
}

function recipientOf(text: string): Address {
  const address = parseAddress(text.trim());
  if (address === null) throw new UsageError('--recipient is empty; name a mailbox');
  return address;
}

function describe(answer: Explanation): string {
  const client = answer.trueClient ?? 'not known';
  return [
    `client   ${client}, ${answer.trusted ? 'trusted' : 'not trusted'}`,
    `settings ${answer.revision}`,
    ...answer.recipients.flatMap((recipient) => ['', ...describeRecipient(recipient, answer)]),
    ...answer.tls.flatMap(({ nexthop, policy }) => [
      '',
      `to ${nexthop}: ${policy ?? "no TLS policy; Postfix's own level"}`,
    ]),
    ...describeMessage(answer),
  ].join('\n');
}

function describeRecipient(
  { address, verdict, reply, mail, deliveries, observed }: Explanation['recipients'][number],
  { reasons }: Explanation,
): string[] {
  const isRouted = deliveries.some(({ to }) => to !== 'here');
  return [
    `${address}: ${verdict}${reply === null ? '' : ` with "${reply}"`} (${mail} mail)`,
    ...(observed ? [`  only observed: would be ${observed.verdict} with "${observed.reply ?? ''}"`] : []),
    ...(isRouted ? deliveries : []).map(
      ({ to, recipient, bounces }) => `  -> ${to} (${recipient})${bounces ? '' : ', a failure there makes no bounce'}`,
    ),
    ...reasons
      .filter((reason) => reason.recipient === address)
      .map(({ considered, rule, text, setting }) => {
        const where = setting === null ? '' : `  [${setting}]`;
        return `  ${considered ? '-' : '.'} ${rule.padEnd(15)} ${text}${where}`;
      }),
  ];
}

const FATES: Partial<Record<Explanation['message']['verdict'], string>> = {
  discard: 'taken, and thrown away',
  quarantine: "held in Postfix's hold queue until somebody releases it",
};

function describeMessage({ message, reasons }: Explanation): string[] {
  const { verdict, reply, signatures, added, removed, bypassSpamFilter } = message;
  const why = reasons.filter(({ recipient }) => recipient === null).flatMap(({ text }) => ['', `message: ${text}`]);
  const remark = bypassSpamFilter ? ['', 'later spam filters are not wanted for this message'] : [];
  const fate = FATES[verdict];
  // What is not taken is not changed either.
  if (verdict === 'discard') return ['', `message: ${fate ?? verdict}`, ...why];
  if (reply !== null) return ['', `message: ${verdict} with "${reply}"`, ...why, ...remark];
  return [
    ...(fate === undefined ? [] : ['', `message: ${fate}`]),
    ...why,
    ...signatures.map(({ domain, selector, algorithm }) => `  signed   d=${domain} s=${selector} a=${algorithm}`),
    ...removed.map((field) => `  removed  ${printable(field)}`),
    ...added.map((field) => `  added    ${printable(field)}`),
    ...remark,
  ];
}
