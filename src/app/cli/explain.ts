/** `postern explain`: what would be decided for a message, each rule that was considered, and its setting. */
import { access } from 'node:fs/promises';
import type { Command } from 'commander';
import type { Client } from '../../decide/index.ts';
import { parseAddress, parseClientAddress, type Address } from '../../mail/index.ts';
import { explain, loadSettings, type Explanation } from '../../services/index.ts';
import { openWorkspace } from '../workspace.ts';
import { complainAbout, EXIT, say, sayJson, UsageError } from './output.ts';

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
    .argument('[more...]', 'more recipients')
    .action(async (more: string[], _: unknown, command: Command) => {
      process.exitCode = await run(command.optsWithGlobals(), more);
    });
}

async function run(options: Options, more: readonly string[]): Promise<number> {
  const recipients = [...options.recipient];
  for (const word of more) {
    if (word.includes('@') && !(await isFile(word))) recipients.push(word);
    else
      throw new UsageError(
        `"${word}" is no recipient; this version judges the envelope only and takes no message file yet`,
      );
  }
  const question = {
    client: clientOf(options.client),
    sender: parseAddress(options.sender.trim()),
    recipients: recipients.map(recipientOf),
    saslUsername: options.user ?? null,
    encrypted: options.tls === true,
    at: Date.now(),
  };
  const workspace = await openWorkspace(options.config);
  const { snapshot, issues } = await loadSettings(workspace.store, workspace.surroundings);
  if (snapshot === null) {
    complainAbout(issues);
    return EXIT.refused;
  }
  const answer = explain(snapshot, question);
  if (options.json) sayJson(answer);
  else say(describe(answer));
  return EXIT.ok;
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
  const lines = [
    `client   ${answer.trueClient ?? 'not known from the envelope'}, ${answer.trusted ? 'trusted' : 'not trusted'}`,
    `settings ${answer.revision}`,
  ];
  for (const recipient of answer.recipients) {
    lines.push(
      '',
      `${recipient.address}: ${recipient.verdict}${recipient.reply === null ? '' : ` with "${recipient.reply}"`} (${recipient.mail} mail)`,
    );
    if (recipient.observed)
      lines.push(`  only observed: would be ${recipient.observed.verdict} with "${recipient.observed.reply ?? ''}"`);
    for (const reason of answer.reasons.filter((one) => one.recipient === recipient.address)) {
      const where = reason.setting === null ? '' : `  [${reason.setting}]`;
      lines.push(`  ${reason.considered ? '-' : '.'} ${reason.rule.padEnd(15)} ${reason.text}${where}`);
    }
  }
  for (const { nexthop, policy } of answer.tls)
    lines.push('', `to ${nexthop}: ${policy === null ? "no TLS policy; Postfix's own level" : policy}`);
  if (answer.message.bypassSpamFilter) lines.push('', 'later spam filters are not wanted for this message');
  return lines.join('\n');
}
