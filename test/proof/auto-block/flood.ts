/**
 * A flood of attackers over many policy connections: node flood.ts PORT CONNECTIONS FROM TO PER_SECOND [ordinary].
 * With `ordinary` as many requests come from a few clients that nobody refuses: what the load alone costs.
 * Attackers come in groups; within a group each asks again only after the others have asked. Groups begin on a schedule
 * of PER_SECOND attackers. Prints one JSON line: how many were answered, which answers were wrong, seconds.
 */
import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { policyRequest } from '../../integration/adapters/peers.ts';
import { attackerOf, ordinaryOf, type Attacker } from './attackers.ts';

/** Small, so that they come as evenly as independent attackers would. */
const GROUP = 2;
const isOrdinary = process.argv[7] === 'ordinary';
const clientOf = isOrdinary ? ordinaryOf : attackerOf;
const expected = isOrdinary ? 'action=DUNNO' : 'action=550 5.7.1 ';
const [port = 0, connections = 0, from = 0, to = 0, perSecond = 0] = process.argv.slice(2, 7).map(Number);

function* group(first: number): Generator<[Attacker, number]> {
  const attackers = Array.from({ length: Math.min(GROUP, to - first) }, (_, n) => clientOf(first + n));
  const most = Math.max(...attackers.map(({ requests }) => requests));
  for (let request = 0; request < most; request += 1) {
    for (const attacker of attackers) if (request < attacker.requests) yield [attacker, request];
  }
}

let answered = 0;
const wrong: string[] = [];

async function open(): Promise<(attacker: Attacker, request: number) => Promise<void>> {
  const socket = connect({ host: '127.0.0.1', port, noDelay: true });
  await once(socket, 'connect');
  return async ({ domain, address }, request) => {
    const attributes = { client_address: address(request), recipient: `known@${domain}` };
    socket.write(policyRequest({ ...attributes, instance: `2b7c.${answered}.0` }));
    let received = '';
    while (!received.endsWith('\n\n')) received += String((await once(socket, 'data'))[0]);
    answered += 1;
    if (!received.startsWith(expected)) wrong.push(`${JSON.stringify(attributes)}: ${received}`);
  };
}

const asks = await Promise.all(Array.from({ length: connections }, open));
const startedAt = performance.now();
for (let first = from; first < to; first += GROUP) {
  const due = startedAt + ((first - from) / perSecond) * 1000;
  // A timer takes a millisecond at least, also where nothing is left to wait.
  if (performance.now() < due) await sleep(due - performance.now());
  const todo = group(first);
  await Promise.all(
    asks.map(async (ask) => {
      for (const [attacker, request] of todo) await ask(attacker, request);
    }),
  );
}
const seconds = (performance.now() - startedAt) / 1000;
await new Promise<void>((resolve) => {
  process.stdout.write(`${JSON.stringify({ answered, wrong: wrong.slice(0, 10), seconds })}\n`, () => {
    resolve();
  });
});
process.exit();
