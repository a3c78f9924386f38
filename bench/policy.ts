/**
 * Policy requests per second and their latency: our door beside the least that a Node server can do, in one run on the
 * same machine. Each server is a process of its own; each connection sends its next request when it has its answer.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { openSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { policyRequest } from '../test/integration/adapters/peers.ts';
import { listedAddress, ownDomains } from './policy-server.ts';
import { medianRound, percentile, rounded, secondsPerRow, type Row, type Table } from './report.ts';

const WARM_UP_SECONDS = 1;
const CONNECTIONS = [1, 32, 200];
/** A list file of so many entries, beside so many allowed and so many blocked ones in the settings. The first is the base. */
const LISTS: readonly { readonly name: string; readonly file: number; readonly own: number }[] = [
  { name: 'no entries', file: 0, own: 0 },
  { name: '10 entries', file: 10, own: 0 },
  { name: '10,000 entries', file: 10_000, own: 0 },
  { name: '1,000,000 entries', file: 1_000_000, own: 0 },
  { name: '10,000 allowed + 10,000 blocked + a list of 1,000,000', file: 1_000_000, own: 10_000 },
];
/** Measured in turn and the median taken: neighbours on the machine disturb both alike. */
const ROUNDS = 3;

interface Server {
  readonly name: string;
  readonly process: ChildProcess;
  readonly port: number;
}

interface Figures {
  readonly perSecond: number;
  readonly p50Us: number;
  readonly p99Us: number;
  /** Processor time of the server for one request, all its threads and the kernel's part included. */
  readonly cpuUs: number;
}

async function start(name: string, ...which: string[]): Promise<Server> {
  const child = fork(join(import.meta.dirname, 'policy-server.ts'), which, {
    stdio: ['ignore', openSync('/dev/null', 'w'), 'inherit', 'ipc'],
  });
  const ended = once(child, 'exit').then(() => {
    throw new Error(`the server "${name}" did not start`);
  });
  const [port] = (await Promise.race([once(child, 'message'), ended])) as [number];
  // Later it may end as it likes: a lost connection says so.
  ended.catch(() => undefined);
  return { name, process: child, port };
}

/** One request in four comes from a listed client; recipients go over all own domains. */
const requests = Array.from({ length: 512 }, (_, n) =>
  Buffer.from(
    policyRequest({
      client_address: n % 4 === 0 ? listedAddress(n % 8) : `198.51.100.${n % 256}`,
      recipient: `user${n}@${ownDomains[n % ownDomains.length] ?? ''}`,
      instance: `1f3a.6a0c1234.${n}.0`,
      queue_id: '4ZxYk12345z1abc',
      encryption_protocol: 'TLSv1.3',
      encryption_cipher: 'TLS_AES_256_GCM_SHA384',
      encryption_keysize: '256',
    }),
  ),
);

async function cpuUsed(server: Server): Promise<number> {
  server.process.send('cpu');
  const [used] = (await once(server.process, 'message')) as [number];
  return used;
}

async function measure(server: Server, connections: number, seconds: number): Promise<Figures> {
  const cpuBefore = await cpuUsed(server);
  const latencies: number[] = [];
  let next = 0;
  let isOver = false;
  const sockets: Socket[] = [];
  const talk = async (): Promise<void> => {
    const socket = connect({ host: '127.0.0.1', port: server.port, noDelay: true });
    sockets.push(socket);
    await once(socket, 'connect');
    await new Promise<void>((resolve, reject) => {
      let sentAt = 0;
      const send = (): void => {
        sentAt = performance.now();
        socket.write(requests[next++ % requests.length] ?? '');
      };
      socket.on('error', reject);
      socket.on('close', () => {
        reject(new Error('the server closed a connection'));
      });
      socket.on('data', (chunk: Buffer) => {
        // An answer is far shorter than a segment; one cut in two ends the run rather than being counted wrongly.
        if (chunk.at(-1) !== 10 || chunk.at(-2) !== 10) throw new Error('an answer came in two pieces');
        latencies.push(performance.now() - sentAt);
        if (isOver) resolve();
        else send();
      });
      send();
    });
    socket.removeAllListeners('close').destroy();
  };
  const talks = Array.from({ length: connections }, talk);
  const startedAt = performance.now();
  const timer = setTimeout(() => (isOver = true), seconds * 1000);
  await Promise.all(talks);
  clearTimeout(timer);
  const elapsed = (performance.now() - startedAt) / 1000;
  const sorted = Float64Array.from(latencies).sort();
  const at = (share: number): number => Math.round(percentile(sorted, share) * 1000);
  const cpuUs = ((await cpuUsed(server)) - cpuBefore) / sorted.length;
  return { perSecond: Math.round(sorted.length / elapsed), p50Us: at(0.5), p99Us: at(0.99), cpuUs };
}

async function measureAll(connections: number, servers: readonly Server[]): Promise<Row[]> {
  const seconds = secondsPerRow() / ROUNDS;
  const rounds = new Map<Server, Figures[]>(servers.map((server) => [server, []]));
  for (const server of servers) await measure(server, connections, Math.min(WARM_UP_SECONDS, seconds));
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const server of servers) rounds.get(server)?.push(await measure(server, connections, seconds));
  }
  const medians = servers.map((server) => medianRound(rounds.get(server) ?? [], ({ perSecond }) => perSecond));
  const base = medians[0]?.perSecond ?? NaN;
  // The first server after the bare one has no entries.
  const baseP99 = medians[1]?.p99Us ?? NaN;
  return medians.map((figures, at) => ({
    connections,
    server: servers[at]?.name ?? '',
    'requests/s': figures.perSecond,
    'p50 µs': figures.p50Us,
    'p99 µs': figures.p99Us,
    'server CPU µs': rounded(figures.cpuUs, 1),
    'of bare': rounded(figures.perSecond / base, 2),
    'p99 of no entries': rounded(figures.p99Us / baseP99, 2),
  }));
}

/** Measures. Errors: a server does not start, or closes a connection. */
export async function benchPolicy(): Promise<Table> {
  const servers: Server[] = [];
  try {
    servers.push(await start('bare', 'bare'));
    for (const { name, file, own } of LISTS) {
      servers.push(await start(`postern, ${name}`, 'postern', String(file), String(own)));
    }
    const rows: Row[] = [];
    for (const connections of CONNECTIONS) rows.push(...(await measureAll(connections, servers)));
    return { title: 'Policy: requests answered, each decided, logged and counted', rows };
  } finally {
    for (const server of servers) server.process.disconnect();
  }
}
