/** `postern history`: what was decided, searched and shown, also while a Postern serves. */
import type { Command } from 'commander';
import { openHistory } from '../../adapters/history-sqlite/index.ts';
import { parseDomain, parseDuration, parseIpRange, type IpRange } from '../../mail/index.ts';
import type { HistoryQuery, HistoryRecord } from '../../services/index.ts';
import { openWorkspace } from '../workspace.ts';
import { say, sayJson, table, UsageError } from './output.ts';

type Options = {
  config?: string;
  json?: true;
  client?: string;
  recipient?: string;
  sender?: string;
  domain?: string;
  queueId?: string;
  verdict?: string;
  since?: string;
  until?: string;
  limit: string;
};

/** The last is of a delivery to a route. */
const VERDICTS = ['pass', 'reject', 'defer', 'quarantine', 'discard', 'failed'];
const MOST_SHOWN = 100_000;
const DAY = /^[0-9]{4}-[0-9]{2}-[0-9]{2}$/;
const TIME =
  /^([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,3})?)?([Zz]|[+-][0-9]{2}:[0-9]{2})$/;

/** Adds `history`. */
export function addHistory(program: Command): void {
  program
    .command('history')
    .summary('search what was decided, and what failed at routes')
    .description(
      'Shows decisions, and deliveries to routes that failed for good, the newest first. They are kept for 30 days, or ' +
        'until they take more than 1 GiB.',
    )
    .option('--client <address>', 'of this client: an address or a range; also one behind a gateway, where it is known')
    .option('--recipient <address>', 'to this recipient')
    .option('--sender <address>', 'from this envelope sender; <> for bounces')
    .option('--domain <domain>', 'about this own domain')
    .option('--queue-id <id>', "with this queue id; Postfix tells none for a message's first recipient")
    .option('--verdict <verdict>', VERDICTS.join(', '))
    .option('--since <time>', 'from then on: 2h (ago; also 30m, 7d), 2027-01-31 (UTC) or 2027-01-31T18:00:00Z')
    .option('--until <time>', 'before then; a day counts to its end')
    .option('--limit <n>', 'at most so many', '100')
    .option('--json', 'the answer as JSON')
    .action((_: unknown, command: Command) => search(command.optsWithGlobals()));
}

async function search(options: Options): Promise<void> {
  const query = queryOf(options, Date.now());
  const workspace = await openWorkspace(options.config);
  const history = openHistory(workspace.operator.state);
  try {
    const found = await history.search(query);
    if (options.json) sayJson(found.map((record) => ({ ...record, at: new Date(record.at).toISOString() })));
    else if (found.length > 0) say(table(found.map(rowOf)));
  } finally {
    history.close();
  }
}

function queryOf(options: Options, now: number): HistoryQuery {
  const { client, recipient, sender, domain, queueId, verdict, since, until } = options;
  if (verdict !== undefined && !VERDICTS.includes(verdict)) {
    throw new UsageError(`--verdict "${verdict}" is none; write one of ${VERDICTS.join(', ')}`);
  }
  return {
    limit: limitOf(options.limit),
    ...(client !== undefined && { client: clientOf(client) }),
    ...(recipient !== undefined && { recipient }),
    ...(sender !== undefined && { sender: sender === '' ? '<>' : sender }),
    ...(domain !== undefined && { domain: domainOf(domain) }),
    ...(queueId !== undefined && { queueId }),
    ...(verdict !== undefined && { verdict }),
    ...(since !== undefined && { since: timeOf('--since', since, now, 'begin') }),
    ...(until !== undefined && { until: timeOf('--until', until, now, 'end') }),
  };
}

function limitOf(text: string): number {
  const limit = /^[0-9]{1,9}$/.test(text) ? Number(text) : 0;
  if (limit < 1 || limit > MOST_SHOWN) {
    throw new UsageError(`--limit "${text}" is no number from 1 to ${MOST_SHOWN}`);
  }
  return limit;
}

function clientOf(text: string): IpRange {
  const range = parseIpRange(text);
  if (range.ok) return range.value;
  throw new UsageError(`--client: ${range.error.message}`);
}

function domainOf(text: string): string {
  const domain = parseDomain(text);
  if (domain.ok) return domain.value;
  throw new UsageError(`--domain "${text}" is no domain: ${domain.error}`);
}

/** A time in milliseconds since 1970. A day begins or ends at midnight, UTC. */
function timeOf(option: string, text: string, now: number, ofDay: 'begin' | 'end'): number {
  const ago = parseDuration(text);
  if (ago.ok) return now - ago.value;
  const day = DAY.test(text) ? text : TIME.exec(text)?.[1];
  const dayStart = day === undefined ? NaN : Date.parse(day);
  const at = Date.parse(text);
  // Date.parse takes 2027-02-30 as the 2nd of March.
  if (Number.isNaN(dayStart) || Number.isNaN(at) || new Date(dayStart).toISOString().slice(0, 10) !== day) {
    throw new UsageError(`${option} "${text}" is no time; write 2h, 30m, 7d, 2027-01-31 or 2027-01-31T18:00:00Z`);
  }
  return text === day && ofDay === 'end' ? dayStart + 86_400_000 : at;
}

function rowOf(record: HistoryRecord): string[] {
  const { at, stage, verdict, observed, clientAddress, trueClient, queueId, sender, recipients, rule, reply, text } =
    record;
  const [first = '', ...more] = recipients;
  return [
    new Date(at).toISOString(),
    stage,
    observed === null ? verdict : `${verdict} (observed: ${observed})`,
    trueClient === null ? clientAddress : `${trueClient} by ${clientAddress}`,
    queueId ?? '-',
    sender === '<>' ? sender : `<${sender}>`,
    more.length === 0 ? `<${first}>` : `<${first}> and ${more.length} more`,
    rule,
    reply === null ? text : `${reply}: ${text}`,
  ];
}
