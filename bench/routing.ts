/**
 * Routing end to end, in alternating rounds: a throwaway Postfix alone, with Postern and no rule, and with Postern and three
 * conditional rules, of which the last sends each message to a route. What Postfix itself spends on that shows beside it:
 * the smallest milter there can be, which changes nothing, or puts the same encoded recipient in. Needs root.
 * POSTERN_BENCH_NODE holds options of node for Postern, for example "--cpu-prof --cpu-prof-dir=/tmp/profiles".
 */
import { chmod } from 'node:fs/promises';
import { join } from 'node:path';
import { PosternProcess } from '../test/support/postern-process.ts';
import type { PostfixLab } from '../test/support/postfix-lab.ts';
import { freePorts, waitFor } from '../test/support/waiting.ts';
import {
  flowTable,
  messagesPerRound,
  RECIPIENT,
  SENDER,
  startLab,
  startSink,
  writeMessage,
  type Contender,
  type Ends,
} from './postfix.ts';
import type { Table } from './report.ts';
import { Daemon, posternProgram } from './signers.ts';

const DOMAIN = SENDER.slice(SENDER.indexOf('@') + 1);

/** Of the servers of routes: a client at the address of one is never trusted, so it is not that of the load. */
const ROUTE_HOST = '127.0.0.2';

/** Three rules that look at the sender; the last is for what the benchmark sends. */
const threeRules = (sink: number): object => ({
  routes: {
    archive: { host: ROUTE_HOST, port: sink },
    dlp: { host: ROUTE_HOST, port: sink },
  },
  domains: {
    [DOMAIN]: {
      inboundRouting: [{ mail: ['external'], route: 'archive', alsoSave: true }],
      outboundRouting: [
        { mail: ['internal'], action: 'additionally', route: 'archive' },
        { mail: ['external'], action: 'change', route: 'dlp' },
      ],
    },
  },
});

interface Beside {
  readonly daemon: Daemon;
  readonly files: PosternProcess;
}

/** Starts Postern beside a Postfix and has it told of all that it needs. Errors: any step refused, or not ready in time. */
async function startBeside(lab: PostfixLab, organization: object, ends: Ends): Promise<Beside> {
  const { metrics, socketmap } = await freePorts('metrics', 'socketmap');
  const inQueue = (name: string): string => `unix:${join(lab.queueDirectory, 'postern', name)}`;
  const files = await PosternProcess.prepare({
    listen: {
      policy: inQueue('policy.sock'),
      milter: inQueue('milter.sock'),
      socketmap: `127.0.0.1:${socketmap}`,
      metrics: `127.0.0.1:${metrics}`,
    },
    settings: { version: 1, organizations: { acme: { primaryDomain: DOMAIN, ...organization } } },
    operator: {
      postfix: { configDirectory: lab.configDirectory },
      socket: { group: 'postfix', mode: '0660' },
      dns: { servers: ['127.0.0.1:9'] },
    },
  });
  ends.push(() => files.destroy());
  const options = (process.env.POSTERN_BENCH_NODE ?? '').split(' ').filter((option) => option !== '');
  const daemon = new Daemon(
    process.execPath,
    [...options, posternProgram, 'serve', '-c', files.operatorFile],
    files.directory,
  );
  ends.push(() => daemon.stop());
  await daemon.untilReady('the log line "ready"', () => daemon.output().includes('"msg":"ready"'));
  const { code, stdout, stderr } = await files.run('postfix', 'apply');
  if (code !== 0) throw new Error(`postern postfix apply: ${stdout}${stderr}`);
  await waitFor(
    'live tables',
    async () => {
      const answer = (await (await fetch(`http://127.0.0.1:${metrics}/readyz`)).json()) as {
        readonly problems: readonly unknown[];
        readonly mapsNotLive: readonly unknown[];
      };
      return answer.problems.length + answer.mapsNotLive.length === 0 ? true : undefined;
    },
    60_000,
    200,
  );
  return { daemon, files };
}

/** Messages that a route's own service has delivered. */
const countRouted = (lab: PostfixLab) => (): number =>
  lab.logLines().filter((line) => line.includes('/postern-r') && line.includes('status=sent')).length;

async function startBareMilter(lab: PostfixLab, name: string, args: readonly string[], ends: Ends): Promise<Daemon> {
  const path = join(lab.queueDirectory, 'postern', 'bare.sock');
  const daemon = new Daemon(
    process.execPath,
    [join(import.meta.dirname, 'bare-milter.ts'), path, ...args],
    lab.directory,
  );
  ends.push(() => daemon.stop());
  await daemon.untilReady(name, () => daemon.output().includes('ready'));
  await chmod(path, 0o666);
  await lab.set({
    smtpd_milters: '{ unix:postern/bare.sock, default_action=tempfail }',
    non_smtpd_milters: '',
    smtpd_recipient_restrictions: 'permit_mynetworks, reject_unauth_destination',
  });
  return daemon;
}

/** The encoded recipient that Postern makes of the one that the benchmark sends to. */
async function encodedRecipient(lab: PostfixLab): Promise<string> {
  const maps = (await lab.parameter('transport_maps')).split(/[\s,]+/);
  const lines = (await Promise.all(maps.map((map) => lab.command('postmap', '-s', map)))).join('\n').split('\n');
  const label = lines.find((line) => /^r2-/.test(line))?.split(/\s/)[0];
  if (label === undefined) throw new Error('no table has the label of the second route');
  return `${RECIPIENT.replace('@', '=')}@${label}`;
}

async function startContenders(ends: Ends): Promise<readonly Contender[]> {
  const sink = await startSink(ends);
  const routeSink = await startSink(ends, ROUTE_HOST);
  const alone: Contender = { name: 'alone', lab: await startLab(sink, ends) };

  const bareLab = await startLab(sink, ends);
  const bare = await startBareMilter(bareLab, 'the bare milter', [], ends);

  const routedLab = await startLab(sink, ends);
  const { daemon: first } = await startBeside(routedLab, threeRules(routeSink), ends);
  await first.stop();
  const encoded = await encodedRecipient(routedLab);
  const reroute = await startBareMilter(routedLab, 'the routing milter', [RECIPIENT, encoded, RECIPIENT], ends);

  const plainLab = await startLab(sink, ends);
  const plain = await startBeside(plainLab, { domains: { [DOMAIN]: {} } }, ends);

  const lab = await startLab(sink, ends);
  const rules = await startBeside(lab, threeRules(routeSink), ends);
  return [
    alone,
    { name: 'a milter that does nothing', lab: bareLab, signer: bare },
    { name: 'a milter that only routes', lab: routedLab, signer: reroute, done: countRouted(routedLab) },
    { name: 'Postern, no rule', lab: plainLab, signer: plain.daemon },
    { name: 'Postern, three rules', lab, signer: rules.daemon, done: countRouted(lab) },
  ];
}

/** Measures. Errors: not root, a program is missing, mail is refused or deferred, or does not go by its route. */
export async function benchRouting(): Promise<readonly Table[]> {
  const ends: Ends = [];
  try {
    const file = await writeMessage(ends);
    const table = await flowTable(await startContenders(ends), file, messagesPerRound());
    return [{ ...table, title: `Routing: ${table.title}` }];
  } finally {
    for (const end of ends.reverse()) await end();
  }
}
