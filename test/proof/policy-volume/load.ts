/**
 * Policy requests over many connections, each of which asks again when it has its answer, as smtpd(8) does:
 * node load.ts PORT CONNECTIONS PER_CONNECTION FROM TO.
 * No two requests have a client, a sender, a HELO name or a recipient in common. A connection ends after PER_CONNECTION
 * requests and another takes its place. Prints one JSON line: how many were answered, which answers were wrong, seconds.
 */
import { once } from 'node:events';
import { connect } from 'node:net';
import { policyRequest } from '../../integration/adapters/peers.ts';
import { attributesOf, expectedAnswer } from './requests.ts';

const [port = 0, connections = 0, perConnection = 0, from = 0, to = 0] = process.argv.slice(2).map(Number);
let next = from;
let answered = 0;
const wrong: string[] = [];

async function talk(): Promise<void> {
  while (next < to) {
    const socket = connect({ host: '127.0.0.1', port, noDelay: true });
    await once(socket, 'connect');
    const ended = Promise.withResolvers<undefined>();
    let asked = -1;
    let received = '';
    let left = perConnection;
    const ask = (): void => {
      if (next >= to || left === 0) {
        socket.end();
        return;
      }
      left -= 1;
      asked = next++;
      socket.write(policyRequest(attributesOf(asked)));
    };
    socket.on('data', (chunk: Buffer) => {
      received += chunk.toString('latin1');
      if (!received.endsWith('\n\n')) return;
      answered += 1;
      if (!expectedAnswer(asked).test(received)) wrong.push(`${asked}: ${received}`);
      received = '';
      ask();
    });
    socket.on('error', ended.reject);
    socket.on('close', ended.resolve);
    ask();
    await ended.promise;
    if (received !== '') wrong.push(`${asked}: ${received} and the end of the connection`);
  }
}

const startedAt = performance.now();
await Promise.all(Array.from({ length: connections }, talk));
const seconds = (performance.now() - startedAt) / 1_000;
process.stdout.write(`${JSON.stringify({ answered, wrong: wrong.slice(0, 10), seconds })}\n`);
