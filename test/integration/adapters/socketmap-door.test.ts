/** The socketmap door on real sockets. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openSocketmapDoor } from '../../../src/adapters/socketmap-server/index.ts';
import type { OpenDoor } from '../../../src/adapters/socket/index.ts';
import { answerSocketmap } from '../../../src/answers/index.ts';
import { IDLE_LIMIT_MS } from '../../../src/adapters/socket/door.ts';
import type { PrometheusMeters } from '../../../src/adapters/metrics/index.ts';
import type { SocketmapReply } from '../../../src/wire/socketmap/index.ts';
import { waitFor } from '../../support/waiting.ts';
import { anyPort, isWholeProof, KeptLog, metersForTest, ownGroup, RawClient, samplesOf, snapshotOf } from './peers.ts';

const policy = { title: 'Peer', applyTo: ['outgoing'], domains: ['peer.example'], hostnameMatch: true };
const snapshot = snapshotOf({ 'a.example': { tls: [policy], allowedIps: ['198.51.100.7'] } });

const frame = (payload: string): string => `${Buffer.byteLength(payload)}:${payload},`;
const known = frame('tls_policy peer.example');
const knownReply = frame('OK secure match=nexthop:dot-nexthop');
const notFound = frame('NOTFOUND ');

let door: OpenDoor;
let log: KeptLog;
let meters: PrometheusMeters;
const clients: RawClient[] = [];

beforeEach(async () => {
  log = new KeptLog();
  meters = metersForTest();
  door = await openSocketmapDoor({
    listener: anyPort,
    unix: ownGroup,
    log,
    meters,
    answer(map, key) {
      if (key === 'boom') throw new Error('broken invariant');
      if (key === 'void') return { kind: 'ok', value: '' };
      if (key.startsWith('wait ')) return late(key.slice(5));
      return answerSocketmap(snapshot, map, key, { at: Date.now(), milter: 'inet:127.0.0.1:10041' });
    },
  });
});

afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  await door.close(0);
});

/** Answers at a later turn of the loop; `boom` fails there, and `void` cannot be told to Postfix. */
async function late(key: string): Promise<SocketmapReply> {
  await sleep(30);
  if (key === 'boom') throw new Error('broken invariant');
  return { kind: 'ok', value: key === 'void' ? '' : key };
}

async function connectToDoor(): Promise<RawClient> {
  const client = await RawClient.open(door.listener);
  clients.push(client);
  return client;
}

describe('answers that have to be waited for', () => {
  const ask = (...keys: string[]): string => keys.map((key) => frame(`recipients ${key}`)).join('');

  it('keep their order, and are counted when they are there', async () => {
    const client = await connectToDoor();
    client.send(ask('wait a', 'b') + known + ask('wait c'));
    const replies = [frame('OK a'), notFound, knownReply, frame('OK c')].join('');
    expect(await client.receive(replies.length)).toBe(replies);
    const samples = await samplesOf(meters);
    expect(samples.get('postern_socketmap_answers_total{map="recipients",status="ok"}')).toBe(2);
  });

  it.each(['boom', 'void'])(
    'one that fails (%s) is TEMP, counted so once, and the next one is answered',
    async (key) => {
      const client = await connectToDoor();
      client.send(ask(`wait ${key}`, 'wait b'));
      await waitFor('both answers', () => (client.text.endsWith(frame('OK b')) ? true : undefined));
      expect(client.text).toMatch(/^[0-9]+:TEMP [^,]*,4:OK b,$/);
      expect(log.at('error')).toHaveLength(1);
      const samples = await samplesOf(meters);
      expect(samples.get('postern_socketmap_answers_total{map="recipients",status="temp"}')).toBe(1);
    },
  );
});

describe('connection life', () => {
  it('TLS-08 many connections with one to three queries each are answered, and leave nothing behind', async () => {
    const total = isWholeProof ? 10_000 : 500;
    const session = async (n: number): Promise<void> => {
      const client = await RawClient.open(door.listener);
      for (let query = 0; query <= n % 3; query += 1) {
        client.send(known);
        expect(await client.receive(knownReply.length)).toBe(knownReply);
      }
      client.close();
    };
    const handles = (): number => process.getActiveResourcesInfo().filter((name) => /TCP|Pipe/.test(name)).length;
    const run = async (from: number, to: number): Promise<void> => {
      let next = from;
      const worker = async (): Promise<void> => {
        while (next < to) await session(next++);
      };
      await Promise.all(Array.from({ length: 50 }, worker));
      await waitFor('the door to forget its connections', () => (door.connections === 0 ? true : undefined));
    };
    await run(0, 50);
    const before = handles();
    await run(50, total);
    expect(handles()).toBeLessThanOrEqual(before);
    const samples = await samplesOf(meters);
    expect(samples.get('postern_connections{door="socketmap"}')).toBe(0);
    const queries = Array.from({ length: total }, (_, n) => 1 + (n % 3)).reduce((sum, count) => sum + count, 0);
    expect(samples.get('postern_socketmap_answers_total{map="tls_policy",status="ok"}')).toBe(queries);
  }, 300_000);

  it('TLS-08 a connection that was idle is answered, and one that never sends is not closed before its time', async () => {
    const client = await connectToDoor();
    const silent = await connectToDoor();
    await sleep(isWholeProof ? 11_000 : 300);
    client.send(known);
    expect(await client.receive(knownReply.length)).toBe(knownReply);
    expect(silent.isEnded).toBe(false);
    expect(IDLE_LIMIT_MS).toBeGreaterThan(600_000);
  });
});

describe('framing', () => {
  it('TLS-08 a netstring cut in two is one query', async () => {
    const client = await connectToDoor();
    client.send(known.slice(0, 9));
    await sleep(30);
    expect(client.text).toBe('');
    client.send(known.slice(9));
    expect(await client.receive(knownReply.length)).toBe(knownReply);
  });

  it('TLS-08 two queries in one write are two answers', async () => {
    const client = await connectToDoor();
    client.send(frame('tls_policy a.b') + known);
    expect(await client.receive(notFound.length + knownReply.length)).toBe(notFound + knownReply);
  });

  it('TLS-08 an empty key is not found', async () => {
    const client = await connectToDoor();
    client.send(frame('tls_policy '));
    expect(await client.receive(notFound.length)).toBe(notFound);
  });

  it('a fault answers the earlier queries, is warned about, and ends the connection', async () => {
    const client = await connectToDoor();
    client.send(`${known}7:abc`.replace('7:abc', 'x:abc,'));
    await client.ended();
    expect(client.text).toBe(knownReply);
    expect(log.at('warn')[0]?.fields).toMatchObject({ door: 'socketmap', code: 'bad-length' });
    expect((await samplesOf(meters)).get('postern_protocol_faults_total{door="socketmap"}')).toBe(1);
  });
});

describe('answers', () => {
  it('an exception or an answer that cannot be sent is TEMP, logged, and costs one query', async () => {
    const client = await connectToDoor();
    const failure = frame('TEMP internal error');
    client.send(frame('transport boom') + frame('transport void') + known);
    expect(await client.receive(2 * failure.length + knownReply.length)).toBe(failure + failure + knownReply);
    expect(log.at('error')).toHaveLength(2);
    expect((await samplesOf(meters)).get('postern_socketmap_answers_total{map="transport",status="temp"}')).toBe(2);
  });

  it('a client that every own domain allows gets one milter, counted under its map', async () => {
    const client = await connectToDoor();
    const ours = frame(
      'OK { inet:127.0.0.1:10041, default_action=tempfail, connect_timeout=10s, command_timeout=30s, content_timeout=60s }',
    );
    client.send(frame('milters 198.51.100.7') + frame('milters 198.51.100.8') + frame('milters unknown'));
    expect(await client.receive(ours.length + 2 * notFound.length)).toBe(ours + notFound + notFound);
    const samples = await samplesOf(meters);
    expect(samples.get('postern_socketmap_answers_total{map="milters",status="ok"}')).toBe(1);
    expect(samples.get('postern_socketmap_answers_total{map="milters",status="notfound"}')).toBe(2);
  });

  it('a map that Postern does not have is PERM, and counted as "other" whatever its name', async () => {
    const client = await connectToDoor();
    for (let n = 0; n < 50; n += 1) client.send(frame(`map${n} key`));
    await waitFor('all answers', () => (client.text.split('PERM').length === 51 ? true : undefined));
    const maps = [...(await samplesOf(meters)).entries()].filter(([name]) => name.startsWith('postern_socketmap'));
    expect(maps).toEqual([['postern_socketmap_answers_total{map="other",status="perm"}', 50]]);
  });
});
