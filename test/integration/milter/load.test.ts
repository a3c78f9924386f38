/** Many messages over many connections: no error, and nothing is left of them. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, it } from 'vitest';
import { isSignedBy } from '../../support/dkim-check.ts';
import type { MilterClient } from '../../support/milter-client.ts';
import { waitFor } from '../../support/waiting.ts';
import { isWholeProof, samplesOf } from '../adapters/peers.ts';
import { milterGround, signaturesOf } from './ground.ts';

const MESSAGES = isWholeProof ? 10_000 : 500;
const CONNECTIONS = 50;
/** Far above what 10,000 forgotten messages could leave, far below what they would leave if they were kept. */
const GROWTH_MB = 30;

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** Megabytes in use once there is nothing left to collect. */
async function usedMb(): Promise<number> {
  for (let n = 0; n < 3; n += 1) {
    collect();
    await new Promise(setImmediate);
  }
  return process.memoryUsage().heapUsed / 2 ** 20;
}

const openSockets = (): number =>
  process.getActiveResourcesInfo().filter((kind) => /^(?:TCP|Pipe)(?:Socket|)Wrap$/.test(kind)).length;

it.each(['unix', 'tcp'] as const)(
  `${MESSAGES} messages over ${CONNECTIONS} connections: all signed, no error, handles and memory settle (%s)`,
  async (over) => {
    const { open, door, log, meters, key } = await milterGround({ over, key: 'rsa' });
    const bodies = Array.from({ length: 7 }, (_, n) => Buffer.from(`line ${n} \t \r\n`.repeat(n * 600 + 1)));
    let signed = 0;
    let peak = 0;
    const talk = async (client: MilterClient, from: number, count: number): Promise<void> => {
      for (let n = from; n < from + count; n += 1) {
        const body = bodies[n % bodies.length] ?? Buffer.alloc(0);
        const message = {
          user: 'alice',
          queueId: `4Q${n}`,
          fields: ['From: alice@example.com', `Subject: ${n}`],
          body,
        };
        const { verdict, fields } = await client.message(message);
        const [signature = ''] = signaturesOf(fields);
        expect(verdict).toBe('c');
        // Each answer belongs to its own message; one in ten is verified in full.
        if (n % 10 === 0) expect(isSignedBy(signature, message.fields, body, key.publicKey)).toBe(true);
        signed += signature === '' ? 0 : 1;
      }
    };
    const round = async (count: number): Promise<void> => {
      const clients = await Promise.all(Array.from({ length: CONNECTIONS }, () => open()));
      // Both ends are in this process.
      peak = openSockets();
      await Promise.all(clients.map((client, at) => talk(client, at * count, count)));
      for (const client of clients) client.quit();
      await waitFor('all connections to end', () => (door.connections === 0 ? true : undefined), 10_000, 5);
      await Promise.all(clients.map((client) => client.ended()));
    };
    await round(2);
    log.lines.length = 0;
    const [socketsBefore, before] = [openSockets(), await usedMb()];
    const startedAt = performance.now();
    await round(MESSAGES / CONNECTIONS);
    const seconds = (performance.now() - startedAt) / 1000;
    expect(signed).toBe(MESSAGES + 2 * CONNECTIONS);
    const decisions = log.lines.filter(({ message }) => message === 'decision');
    expect(new Set(decisions.map(({ fields }) => fields['queue_id'])).size).toBe(MESSAGES);
    expect(log.lines.filter(({ level }) => level === 'warn' || level === 'error')).toEqual([]);
    log.lines.length = decisions.length = 0;
    expect(peak).toBe(socketsBefore + 2 * CONNECTIONS);
    expect(openSockets()).toBe(socketsBefore);
    const grown = (await usedMb()) - before;
    expect(grown).toBeLessThan(GROWTH_MB);
    const samples = await samplesOf(meters);
    expect(samples.get('postern_messages_total{verdict="pass"}')).toBe(signed);
    expect(samples.get('postern_connections{door="milter"}')).toBe(0);
    console.log(
      `${over}: ${Math.round(MESSAGES / seconds)} messages/s with their client, heap ${grown.toFixed(1)} MB more`,
    );
  },
  300_000,
);
