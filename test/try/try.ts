/**
 * `npm run try`: a throwaway Postfix on loopback with Postern beside it. Sends the samples, shows what was decided and
 * why, and stays until Ctrl-C; every edit of the settings file sends the samples again.
 * With `--once`, or where CI is set, it ends after the samples: exit 0 only if every sample went as expected.
 */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Ground } from '../support/ground.ts';
import { askDkimpy } from '../support/dkim-verifiers.ts';
import type { LogLine } from '../support/postern-process.ts';
import type { SinkMessage } from '../support/smtp-sink.ts';
import {
  accounts,
  type Arrived,
  ownDomains,
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
  readonly shown: string | undefined;
  readonly asExpected: boolean;
}

/** Resolves with the first signal that asks us to end. */
const asked = new Promise<NodeJS.Signals>((resolve) => {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, resolve);
});

async function sendSample(ground: Ground, sample: Sample): Promise<Outcome> {
  const logged = ground.postern.lines.length;
  const taken = ground.sink.messages.length;
  const { attempt } = sample;
  const reply = await ground.send({
    ...attempt,
    message: sample.message ?? `Subject: ${sample.what}\nFrom: ${attempt.sender ?? ''}\n\nA sample.\n`,
  });
  const decision = await ground.postern.rcptDecision(attempt.recipient, logged);
  const arrived = reply.startsWith('250 ') ? await ground.sink.messageTo(attempt.recipient, 15_000, taken) : undefined;
  const shown = arrived === undefined ? undefined : sample.arrived?.(await look(ground, arrived));
  const asExpected =
    reply.startsWith(sample.reply) &&
    decision.verdict === sample.verdict &&
    (sample.rule ?? decision.rule) === decision.rule &&
    (sample.arrived === undefined || shown?.asExpected === true);
  return { sample, reply, decision, shown: shown?.text, asExpected };
}

async function look(ground: Ground, { content }: SinkMessage): Promise<Arrived> {
  const [dkim = []] = await askDkimpy([content], ground.dns);
  return { header: content.toString('latin1').split('\r\n\r\n')[0] ?? '', dkim };
}

async function sendSamples(ground: Ground): Promise<readonly Outcome[]> {
  const outcomes: Outcome[] = [];
  for (const sample of samples) outcomes.push(await sendSample(ground, sample));
  return outcomes;
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
    `    why: ${decision.rule ?? '?'}: ${decision.text ?? '?'}${decision.setting === undefined ? '' : `  [${decision.setting}]`}`,
    ...(shown === undefined ? [] : [`    arrived: ${shown}`]),
    ...(asExpected ? [] : [`    ${whereOtherwise}`]),
  ]);
  return [line(head), rule, ...body].join('\n');
}

function renderAddresses(ground: Ground): string {
  const { postern, lab } = ground;
  return [
    `settings     ${postern.settingsFile}`,
    `metrics      ${postern.metricsUrl}/metrics`,
    `health       ${postern.metricsUrl}/healthz  ${postern.metricsUrl}/readyz`,
    `SMTP         127.0.0.1:${lab.port()}  (any client address: EHLO x, XCLIENT ADDR=192.0.2.66, EHLO x, MAIL FROM:<...>)`,
    `submission   127.0.0.1:${lab.port('submission')}  (AUTH PLAIN, ${Object.entries(accounts)
      .map(([user, password]) => `${user} "${password}"`)
      .join(', ')})`,
    `DNS          ${ground.dns.address}`,
    `Postfix log  ${join(lab.directory, 'log/maillog')}`,
    `commands     node src/cli.ts dkim list -c ${postern.operatorFile}`,
  ].join('\n');
}

/** Sends the samples again after each edit that acts, and shows what Postern says about one that does not. */
async function followEdits(ground: Ground): Promise<never> {
  let seen = ground.postern.lines.length;
  for (;;) {
    await sleep(200);
    const fresh = ground.postern.lines.slice(seen);
    seen += fresh.length;
    const complaints = fresh.filter((line) => ['warn', 'error', 40, 50].includes(line.level ?? ''));
    for (const complaint of complaints) console.log(`Postern: ${complaint.msg ?? ''}`);
    if (!fresh.some((line) => line.msg === 'change')) continue;
    console.log(
      `\nThe settings changed; the same samples again:\n\n${renderTable(await sendSamples(ground), 'other than before the edits')}`,
    );
    seen = ground.postern.lines.length;
  }
}

async function run(): Promise<number> {
  console.log('Starting a throwaway Postfix and a DNS server on loopback, and Postern beside them.\n');
  const ground = await Ground.start({
    settings,
    ownDomains,
    milter: true,
    dns: {},
    lab: (policy) => ({ accounts, tls: true, services: services(policy) }),
  });
  try {
    const outcomes = await Promise.race([ground.activateKey(signingDomain).then(() => sendSamples(ground)), asked]);
    if (typeof outcomes === 'string') return 1;
    console.log(`${renderTable(outcomes, 'NOT AS EXPECTED')}\n\n${renderAddresses(ground)}\n`);
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
    await Promise.race([asked, ended, followEdits(ground)]);
    console.log('\nEnding: Postern, Postfix, the DNS server, and their temporary directories.');
    return failed === 0 ? 0 : 1;
  } finally {
    await ground.destroy();
  }
}

try {
  process.exit(await run());
} catch (error) {
  console.error(`try: ${error instanceof Error ? error.message : String(error)}`);
  process.exit(1);
}
