/**
 * `npm run try`: a throwaway Postfix on loopback with Postern beside it. Sends the samples, shows what was decided and
 * why, and stays until Ctrl-C; every edit of the settings file sends the samples again.
 * With `--once`, or where CI is set, it ends after the samples: exit 0 only if every sample went as expected.
 */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { askDkimpy } from '../support/dkim-verifiers.ts';
import type { Ground } from '../support/ground.ts';
import type { LogLine } from '../support/postern-process.ts';
import { RoutedGround } from '../support/routed-ground.ts';
import type { SmtpSink } from '../support/smtp-sink.ts';
import {
  accounts,
  type Arrived,
  ownDomains,
  routes,
  type Sample,
  samples,
  services,
  settings,
  signingDomain,
} from './samples.ts';

const once = process.argv.includes('--once') || (process.env.CI ?? '') !== '';

interface Outcome {
  readonly sample: Sample;
  readonly reply: string;
  readonly decision: LogLine;
  /** What there is to see beside the decision. */
  readonly shown: readonly string[];
  readonly asExpected: boolean;
}

/** Resolves with the first signal that asks us to end. */
const asked = new Promise<NodeJS.Signals>((resolve) => {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, resolve);
});

let sent = 0;

async function sendSample(routed: RoutedGround, sample: Sample): Promise<Outcome> {
  const { ground } = routed;
  const logged = ground.postern.lines.length;
  const { attempt } = sample;
  sent += 1;
  const id = `sample-${sent}@sender.example`;
  const text = sample.message ?? `Subject: ${sample.what}\nFrom: ${attempt.sender ?? ''}\n\nA sample.\n`;
  const reply = await ground.send({ ...attempt, message: `Message-Id: <${id}>\n${text}` });
  const decision = await ground.postern.rcptDecision(attempt.recipient, logged);
  const end = sample.atEnd === undefined ? undefined : await ground.postern.messageDecision(logged);
  const arrival = reply.startsWith('250 ') ? await arrivalOf(routed, sample, id, reply) : undefined;
  const asExpected =
    reply.startsWith(sample.reply) &&
    decision.verdict === sample.verdict &&
    (sample.rule ?? decision.rule) === decision.rule &&
    end?.rule === sample.atEnd &&
    arrival?.asExpected !== false;
  return {
    sample,
    reply,
    decision,
    shown: [...(end === undefined ? [] : [whyOf('at its end', end)]), ...(arrival?.shown ?? [])],
    asExpected,
  };
}

const whyOf = (when: string, { rule, text, setting }: LogLine): string =>
  `${when}: ${rule ?? '?'}: ${text ?? '?'}${setting === undefined ? '' : `  [${setting}]`}`;

interface Arrival {
  readonly shown: readonly string[];
  readonly asExpected: boolean;
}

/** Where a message arrived, once Postfix is done with it, and what it shows there. */
async function arrivalOf(routed: RoutedGround, sample: Sample, id: string, reply: string): Promise<Arrival> {
  const { at = ['here'], attempt } = sample;
  const isDone = await isRemoved(routed.ground, / queued as (\S+)/.exec(reply)?.[1] ?? '');
  const seen = routed.seen(id);
  const isWhereExpected = seen.join() === at.map((place) => `${place}: ${attempt.recipient}`).join();
  const places = seen.map((each) => each.replace(/^here: /, 'here as ').replace(/^(\S+): /, 'at the server of $1 as '));
  const waiting = isDone ? [] : ['in the queue, still; the Postfix log says why'];
  const isTold = sample.at !== undefined || !isWhereExpected;
  const where = isTold ? [`arrived: ${[...places, ...waiting].join('; ') || 'nowhere'}`] : [];
  const found = sinkOf(routed, at[0] ?? 'here').messages.find(({ content }) => content.includes(id));
  const shown = found === undefined ? undefined : sample.arrived?.(await look(routed.ground, found.content));
  return {
    shown: [
      ...(await whyRouted(routed.ground, sample)),
      ...where,
      ...(shown === undefined ? [] : [`arrived: ${shown.text}`]),
    ],
    asExpected: isDone && isWhereExpected && (sample.arrived === undefined || shown?.asExpected === true),
  };
}

/** Waits until Postfix says that a message has left its queue. False: it waits for a server, say of an edited route. */
async function isRemoved({ lab }: Ground, queueId: string): Promise<boolean> {
  const ending = `: ${queueId}: removed`;
  const end = Date.now() + 15_000;
  while (!lab.logLines().some((line) => line.endsWith(ending))) {
    if (Date.now() > end) return false;
    await sleep(50);
  }
  return true;
}

const sinkOf = (routed: RoutedGround, place: string): SmtpSink =>
  place === 'here' ? routed.ground.sink : routed.server(place);

/** Which rule sends a message to a route, as `postern explain` tells: the decision at RCPT does not speak of it yet. */
async function whyRouted({ postern }: Ground, { at, attempt }: Sample): Promise<string[]> {
  if (at === undefined) return [];
  const { client = '127.0.0.1', sender = '', recipient } = attempt;
  const question = ['--client', client, '--sender', sender, '--recipient', recipient];
  const { code, stdout, stderr } = await postern.run('explain', '--json', ...question);
  if (code !== 0) throw new Error(`postern explain: ${stderr}`);
  const { reasons } = JSON.parse(stdout) as { readonly reasons: readonly LogLine[] };
  return reasons
    .filter(({ rule }) => rule === 'routing')
    .map(({ text, setting }) => `why: routing: ${text ?? '?'}${setting ? `  [${setting}]` : ''}`);
}

async function look(ground: Ground, content: Buffer): Promise<Arrived> {
  const [dkim = []] = await askDkimpy([content], ground.dns);
  return { header: content.toString('latin1').split('\r\n\r\n')[0] ?? '', dkim };
}

async function sendSamples(routed: RoutedGround): Promise<readonly Outcome[]> {
  const outcomes: Outcome[] = [];
  for (const sample of samples) outcomes.push(await sendSample(routed, sample));
  return outcomes;
}

/** Tells Postfix as the manual says, and waits until what Postern wrote acts there. */
async function tellPostfix(ground: Ground): Promise<void> {
  const { code, stdout, stderr } = await ground.postern.run('postfix', 'apply');
  if (code !== 0) throw new Error(`postern postfix apply: ${stdout}${stderr}`);
  console.log(`postern postfix apply\n${stdout.trimEnd().replaceAll(/^/gm, '    ')}\n`);
  await ground.ready();
}

/** One row a sample, and below it the reason; `whereOtherwise` where it did not go as expected. */
function renderTable(outcomes: readonly Outcome[], whereOtherwise: string): string {
  const head = ['Sample', 'Client', 'Recipient', 'Postern', 'Postfix answered'];
  const rows = outcomes.map(({ sample, decision, reply }) => [
    sample.what,
    sample.attempt.client ?? '127.0.0.1',
    sample.attempt.recipient,
    decision.verdict ?? '?',
    reply,
  ]);
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => (row[column] ?? '').length)));
  const line = (cells: readonly string[]): string =>
    cells.map((cell, column) => (column === cells.length - 1 ? cell : cell.padEnd(widths[column] ?? 0))).join('  ');
  const rule = widths.map((width, column) => '-'.repeat(column === head.length - 1 ? 16 : width)).join('  ');
  const body = outcomes.flatMap(({ decision, shown, asExpected }, index) => [
    line(rows[index] ?? []),
    `    ${whyOf('why', decision)}`,
    ...shown.map((text) => `    ${text}`),
    ...(asExpected ? [] : [`    ${whereOtherwise}`]),
  ]);
  return [line(head), rule, ...body].join('\n');
}

function renderAddresses({ ground, lines }: RoutedGround): string {
  const { postern, lab } = ground;
  return [
    `settings     ${postern.settingsFile}`,
    `metrics      ${postern.metricsUrl}/metrics`,
    `health       ${postern.metricsUrl}/healthz  ${postern.metricsUrl}/readyz`,
    `SMTP         127.0.0.1:${lab.port()}  (any client address: EHLO x, XCLIENT ADDR=192.0.2.66, EHLO x, MAIL FROM:<...>)`,
    `submission   127.0.0.1:${lab.port('submission')}  (AUTH PLAIN, ${Object.entries(accounts)
      .map(([user, password]) => `${user} "${password}"`)
      .join(', ')})`,
    ...Object.entries(lines).map(([route, line]) => `${route.padEnd(13)}${line}`),
    `DNS          ${ground.dns.address}`,
    `Postfix log  ${join(lab.directory, 'log/maillog')}`,
    `commands     node src/cli.ts postfix apply -c ${postern.operatorFile}  (a new route needs it; likewise explain, dkim list)`,
  ].join('\n');
}

/** Sends the samples again after each edit that acts, and shows what Postern says about one that does not. */
async function followEdits(routed: RoutedGround): Promise<never> {
  const { ground } = routed;
  let seen = ground.postern.lines.length;
  for (;;) {
    await sleep(200);
    const fresh = ground.postern.lines.slice(seen);
    seen += fresh.length;
    const complaints = fresh.filter((line) => ['warn', 'error', 40, 50].includes(line.level ?? ''));
    for (const complaint of complaints) console.log(`Postern: ${complaint.msg ?? ''}`);
    if (!fresh.some((line) => line.msg === 'change')) continue;
    console.log(
      `\nThe settings changed; the same samples again:\n\n${renderTable(await sendSamples(routed), 'other than before the edits')}`,
    );
    seen = ground.postern.lines.length;
  }
}

async function run(): Promise<number> {
  console.log('Starting a throwaway Postfix and a DNS server on loopback, and Postern beside them.\n');
  const routed = await RoutedGround.start({
    routes,
    settings,
    ownDomains,
    dns: {},
    isNotApplied: true,
    lab: (policy) => ({ accounts, tls: true, services: services(policy) }),
  });
  const { ground } = routed;
  try {
    const prepared = Promise.all([tellPostfix(ground), ground.activateKey(signingDomain)]);
    const outcomes = await Promise.race([prepared.then(() => sendSamples(routed)), asked]);
    if (typeof outcomes === 'string') return 1;
    console.log(`${renderTable(outcomes, 'NOT AS EXPECTED')}\n\n${renderAddresses(routed)}\n`);
    const failed = outcomes.filter((outcome) => !outcome.asExpected).length;
    console.log(
      failed === 0
        ? 'Every sample went as expected.'
        : `${failed} of ${outcomes.length} samples did not go as expected.`,
    );
    if (once) return failed === 0 ? 0 : 1;
    console.log('Edit the settings file and see the effect. Ctrl-C ends everything and cleans up.');
    const ended = ground.postern.ended.then((code) => {
      throw new Error(`Postern ended by itself with ${code}\n${ground.postern.otherOutput}`);
    });
    await Promise.race([asked, ended, followEdits(routed)]);
    console.log('\nEnding: Postern, Postfix, the DNS server, and their temporary directories.');
    return failed === 0 ? 0 : 1;
  } finally {
    await routed.destroy();
  }
}

try {
  process.exit(await run());
} catch (error) {
  console.error(`try: ${error instanceof Error ? error.message : String(error)}`);
  process.exit(1);
}
