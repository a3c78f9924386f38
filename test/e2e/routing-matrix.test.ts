/**
 * The matrix of routing: messages of every kind of sender to every kind of recipient, under rules of every kind, to servers
 * in every state. What arrives anywhere is compared with a reference model, message by message.
 * POSTERN_SEED repeats a run; without it the clock chooses.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { isWholeProof } from '../integration/adapters/peers.ts';
import { Arrivals, tableOf, type Difference, type Places } from '../proof/routing/accounts.ts';
import { accountOf, handIn, messageDealer, password, type Message, type Reply } from '../proof/routing/mail.ts';
import { outcomeOf, type ServerState, type World } from '../proof/routing/model.ts';
import { chanceFrom, seedOfThisRun } from '../proof/routing/random.ts';
import {
  drawDomains,
  organizations,
  places,
  postfixSettings,
  settingsOf,
  writeLists,
} from '../proof/routing/worlds.ts';
import { RoutedGround } from '../support/routed-ground.ts';
import { waitFor } from '../support/waiting.ts';

const count = isWholeProof ? 2_000 : 100;
const domainsEach = isWholeProof ? 36 : 12;
const sessions = 6;
/** So long Postfix may remember the answers of a table before ours; until then Postern does not rely on a line of it. */
const linesTrustedAfterMs = 35_000;

const chance = chanceFrom(seedOfThisRun());
const domains = drawDomains(chance, domainsEach);

/** The servers as they are while mail comes in: "down" is the state of those too that never answer again. */
const atFirst = Object.fromEntries(
  places.map((place): [string, ServerState] => {
    const [, route = ''] = place.split('/');
    if (route === 'slow' || route === 'down' || route === 'refusing' || route === 'refusing-data')
      return [place, route];
    return [place, route === 'gone' ? 'down' : 'up'];
  }),
);
const become = (from: World['servers'], state: ServerState, route: string): World['servers'] => ({
  ...from,
  ...Object.fromEntries(organizations.map((each) => [`${each}/${route}`, state])),
});
const worldAtFirst: World = { domains, servers: atFirst };
const worldUpAgain: World = { domains, servers: become(atFirst, 'up', 'down') };
const worldInTheEnd: World = { domains, servers: become(worldUpAgain.servers, 'gone', 'gone') };

const prefix = `matrix-${chance.seed}`;
const deal = messageDealer(chance, worldAtFirst, prefix);
const messages: readonly Message[] = Array.from({ length: count }, deal);

let routed: RoutedGround;
let lists: string;
/** Number of the log line up to which Postfix was not told of all yet. */
let appliedAt = 0;

beforeAll(async () => {
  lists = await mkdtemp(join(tmpdir(), 'postern-lists-'));
  await writeLists(domains, lists);
  routed = await RoutedGround.start({
    routes: places,
    ownDomains: Object.keys(domains),
    settings: (routes) => stringify(settingsOf(domains, routes, lists)),
    lab: () => ({
      accounts: Object.fromEntries(organizations.map((each) => [accountOf(each), password])),
      settings: postfixSettings(domains),
    }),
  });
  appliedAt = routed.ground.postern.lines.length;
  for (const place of places) {
    const state = atFirst[place];
    const server = routed.server(place);
    if (state === 'down') await routed.down(place);
    if (state === 'slow') server.conduct = { delayMs: 200 };
    if (state === 'refusing') server.conduct = { rcpt: '550 5.7.1 not taken here' };
    if (state === 'refusing-data') server.conduct = { message: '554 5.7.1 not such a text' };
  }
});

afterAll(async () => {
  await routed.destroy();
  await rm(lists, { recursive: true });
});

const taken = (): Places => [
  ['here', routed.ground.sink.messages],
  ...places.map((place) => [place, routed.server(place).messages] as const),
];

const table = (differences: readonly Difference[]): string =>
  tableOf(differences, messages, (domain) => domains[domain], chance.seed);

/** What differs from the model, and what came from nowhere. */
function differencesFrom(world: World): { readonly differences: Difference[]; readonly stray: readonly string[] } {
  const arrivals = new Arrivals(taken(), messages, prefix);
  const differences = messages.flatMap(({ id, envelope }) => {
    const difference = arrivals.difference(id, [outcomeOf(world, envelope)]);
    return difference === undefined ? [] : [difference];
  });
  return { differences, stray: arrivals.stray };
}

/** Waits until what arrived is what the model says. Errors: the table of what differs. */
async function expectOutcomes(world: World, timeoutMs: number): Promise<void> {
  const isSame = (): true | undefined => (differencesFrom(world).differences.length === 0 ? true : undefined);
  try {
    await waitFor('what the model says', isSame, timeoutMs, 500);
  } catch {
    expect.fail(table(differencesFrom(world).differences));
  }
  expect(differencesFrom(world).stray).toEqual([]);
}

/** What was answered, against what the model says. */
function wrongReplies(message: Message, reply: Reply): string[] {
  if (message.way === 'sendmail') return [];
  const { refused } = outcomeOf(worldAtFirst, message.envelope);
  const wanted = message.envelope.recipients.map((recipient) =>
    refused.includes(recipient) ? '550 5.1.1' : '250 2.1.5',
  );
  const said = reply.recipients.map((text) => text.slice(0, 9));
  const isEnd = wanted.includes('250 2.1.5') ? reply.end?.startsWith('250 ') === true : reply.end === undefined;
  if (reply.mail === undefined && said.join() === wanted.join() && isEnd) return [];
  return [
    `${message.id} ${message.way} ${JSON.stringify(message.envelope)} wanted ${wanted.join()}: ${JSON.stringify(reply)}`,
  ];
}

/** Hands messages in by several sessions at a time. Errors: an answer is not what the model says. */
async function pour(some: readonly Message[]): Promise<void> {
  const queue = [...some];
  const wrong: string[] = [];
  const work = async (): Promise<void> => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      wrong.push(...wrongReplies(next, await handIn(routed.ground, next, routed.lines)));
    }
  };
  await Promise.all(Array.from({ length: sessions }, work));
  expect(wrong, `seed ${chance.seed}`).toEqual([]);
}

it(
  `RT-MATRIX ${count} messages to 1 to 5 recipients arrive where the model says, and nowhere else`,
  { timeout: isWholeProof ? 900_000 : 240_000 },
  async () => {
    console.log(`routing matrix: seed ${chance.seed}, ${count} messages, ${domainsEach * 2} own domains`);
    await pour(messages.slice(0, count / 2));
    if (isWholeProof) await sleep(linesTrustedAfterMs);
    await pour(messages.slice(count / 2));

    await expectOutcomes(worldAtFirst, 60_000);
    for (const each of organizations) await routed.up(`${each}/down`);
    await routed.ground.lab.flush();
    await expectOutcomes(worldUpAgain, 60_000);
    await routed.ground.lab.set({ maximal_queue_lifetime: '1s', bounce_queue_lifetime: '1s' });
    await routed.ground.lab.flush();
    await routed.quiet();
    await expectOutcomes(worldInTheEnd, 1_000);
    const complaints = new Set(routed.ground.postern.complaints(appliedAt).map(({ msg }) => msg));
    complaints.delete('a delivery to a route failed');
    expect([...complaints]).toEqual([]);

    const arrivals = new Arrivals(taken(), messages, prefix);
    const total = messages.reduce((sum, { id }) => sum + arrivals.count(id), 0);
    const byLine = routed.ground.lab
      .logLines()
      .filter((line) => /\/postern-r\d+\/.* to=<[^=>]+@d\d+\./.test(line)).length;
    console.log(
      `routing matrix: ${total} copies and bounces arrived as the model says, ${byLine} deliveries by lines of the table`,
    );
    if (isWholeProof) expect(byLine).toBeGreaterThan(0);
  },
);
