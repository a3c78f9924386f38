/**
 * Policy requests per second and their latency: our door beside the least that a Node server can do, in one run on the
 * same machine. Each server is a process of its own; each connection sends its next request when it has its answer.
 * POSTERN_BENCH_SECONDS sets how long each row is measured (3 where absent).
 */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { openSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { policyRequest } from '../test/integration/adapters/peers.ts';
import { listedAddress, ownDomains } from './policy-server.ts';

const SECONDS = Number(process.env.POSTERN_BENCH_SECONDS ?? '3');
const WARM_UP_SECONDS = 1;
const CONNECTIONS = [1, 32, 200];
const ENTRIES = [10, 10_000, 1_000_000];
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
  const at = (share: number): number => Math.round((sorted[Math.floor(share * (sorted.length - 1))] ?? 0) * 1000);
  const cpuUs = ((await cpuUsed(server)) - cpuBefore) / sorted.length;
  return { perSecond: Math.round(sorted.length / elapsed), p50Us: at(0.5), p99Us: at(0.99), cpuUs };
}

function median(figures: readonly Figures[]): Figures {
  const middle = figures.toSorted((a, b) => a.perSecond - b.perSecond)[Math.floor(figures.length / 2)];
  if (middle === undefined) throw new Error('nothing was measured');
  return middle;
}

const bare = await start('bare', 'bare');
const doors: Server[] = [];
for (const entries of ENTRIES)
  doors.push(await start(`postern, ${entries.toLocaleString('en')} entries`, 'postern', String(entries)));

const rows: Record<string, string | number>[] = [];
for (const connections of CONNECTIONS) {
  const servers = [bare, ...doors];
  const measured = new Map<Server, Figures[]>(servers.map((server) => [server, []]));
  for (const server of servers) await measure(server, connections, WARM_UP_SECONDS);
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const server of servers) measured.get(server)?.push(await measure(server, connections, SECONDS / ROUNDS));
  }
  const base = median(measured.get(bare) ?? []).perSecond;
  for (const server of servers) {
    const figures = median(measured.get(server) ?? []);
    rows.push({
      connections,
      server: server.name,
      'requests/s': figures.perSecond,
      'p50 µs': figures.p50Us,
      'p99 µs': figures.p99Us,
      'server CPU µs': figures.cpuUs.toFixed(1),
      'of bare': (figures.perSecond / base).toFixed(2),
    });
  }
}
console.table(rows);
for (const server of [bare, ...doors]) server.process.disconnect();
