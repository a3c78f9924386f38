/**
 * Postern killed (SIGKILL) at random moments while mail flows and its settings change every two seconds: no message is
 * lost, doubled, or led past a route. POSTERN_SEED repeats what is sent; the moments of the kills are the clock's.
 */
import { randomInt } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { isWholeProof } from '../integration/adapters/peers.ts';
import { Arrivals, tableOf, type Difference } from '../proof/routing/accounts.ts';
import { Flow, routes, Versions, worldOf } from '../proof/routing/endless.ts';
import { chanceFrom, seedOfThisRun } from '../proof/routing/random.ts';
import { postfixSettings, settingsOf, writeLists } from '../proof/routing/worlds.ts';
import { RoutedGround } from '../support/routed-ground.ts';
import { waitFor } from '../support/waiting.ts';

const count = isWholeProof ? 5_000 : 300;
const perSecond = isWholeProof ? 14 : 8;
const editEveryMs = 2_000;
const longestLifeMs = 5_000;
const sessions = 8;

const chance = chanceFrom(seedOfThisRun());
const ownDomains = Object.keys(worldOf(0).domains);

let routed: RoutedGround;
let lists: string;
const settings = (version: number, lines: RoutedGround['lines']): string =>
  `# version ${version}\n${stringify(settingsOf(worldOf(version).domains, lines, lists))}`;

beforeAll(async () => {
  lists = await mkdtemp(join(tmpdir(), 'postern-lists-'));
  await writeLists(worldOf(0).domains, lists);
  routed = await RoutedGround.start({
    routes,
    ownDomains,
    settings: (lines) => settings(0, lines),
    lab: () => ({ settings: postfixSettings(worldOf(0).domains) }),
  });
  routed.server('acme/refusing').conduct = { rcpt: '550 5.7.1 not taken here' };
});

afterAll(async () => {
  await routed.destroy();
  await rm(lists, { recursive: true });
});

/** Edits until it is told to stop. */
async function edit(versions: Versions, isOver: () => boolean): Promise<void> {
  while (!isOver()) {
    const version = versions.write();
    await routed.ground.postern.writeSettings(settings(version, routed.lines));
    await sleep(editEveryMs);
  }
}

/** Kills Postern and starts it again until it is told to stop: half of the kills fall just behind an edit. */
async function kill(versions: Versions, isOver: () => boolean): Promise<number> {
  const { postern } = routed.ground;
  let kills = 0;
  while (!isOver()) {
    if (kills % 2 === 0) await sleep(randomInt(longestLifeMs));
    else {
      const { newest } = versions;
      await waitFor('an edit', () => (versions.newest > newest || isOver() ? true : undefined), 10_000, 5);
      await sleep(randomInt(600));
    }
    await postern.kill();
    kills += 1;
    await sleep(randomInt(500));
    versions.starts();
    await postern.start();
  }
  return kills;
}

/** Hands in all messages, so many a second at most. */
async function pour(flow: Flow): Promise<void> {
  const startedAt = performance.now();
  let begun = 0;
  const work = async (): Promise<void> => {
    while (begun < count) {
      begun += 1;
      await sleep(Math.max(0, startedAt + (begun * 1000) / perSecond - performance.now()));
      await flow.send();
    }
  };
  await Promise.all(Array.from({ length: sessions }, work));
}

/** Waits until nothing is left in any queue, that of sendmail(1) included. */
async function drain(): Promise<void> {
  await routed.ground.ready();
  // Another submission has Postfix look at those that wait.
  await routed.ground.lab.sendmail('Subject: the last\n\ntext\n', '-f', 'nobody@remote.example', 'last@else.example');
  await waitFor(
    'an empty queue',
    async () => {
      if ((await routed.ground.lab.queue()).length === 0) return true;
      await routed.ground.lab.flush();
      return undefined;
    },
    120_000,
    1_000,
  );
  await routed.quiet();
}

it(
  `RT-KILLS ${count} messages under kills and edits: zero lost, zero doubled, zero past a route`,
  { timeout: isWholeProof ? 1_800_000 : 300_000 },
  async () => {
    const versions = new Versions();
    const flow = new Flow(routed.ground, versions, chance);
    let isOver = false;
    const disturb = [edit(versions, () => isOver), kill(versions, () => isOver)] as const;
    try {
      await Promise.race([pour(flow), Promise.all(disturb)]);
    } finally {
      isOver = true;
    }
    const [, kills] = await Promise.all(disturb);
    await drain();

    const messages = flow.sent.map(({ message }) => message);
    const arrivals = new Arrivals(
      [
        ['here', routed.ground.sink.messages.filter(({ recipients: [to] }) => to?.address !== 'last@else.example')],
        ...routes.map((place) => [place, routed.server(place).messages] as const),
      ],
      messages,
      flow.prefix,
    );
    const differences: readonly Difference[] = flow.sent.flatMap(({ message, outcomes }) => {
      const difference = arrivals.difference(message.id, outcomes);
      return difference === undefined ? [] : [difference];
    });
    const decided = flow.sent.filter(({ outcomes }) => outcomes.length === 1).length;
    const arrived = messages.reduce((sum, { id }) => sum + arrivals.count(id), 0);
    console.log(
      `routing under kills: seed ${chance.seed}, ${messages.length} messages, ${arrived} copies and bounces, ${kills} kills, ${versions.newest} edits, ${flow.deferrals} deferred attempts, ${flow.lostReplies} lost replies, ${decided} with one right outcome, ${differences.length} wrong`,
    );
    expect(flow.wrong, `seed ${chance.seed}`).toEqual([]);
    expect(arrivals.stray).toEqual([]);
    if (differences.length > 0) {
      expect.fail(tableOf(differences, messages, (domain) => worldOf(0).domains[domain], chance.seed));
    }
    expect(kills).toBeGreaterThan(isWholeProof ? 30 : 3);
    expect(versions.newest).toBeGreaterThan(isWholeProof ? 100 : 10);
    expect(flow.deferrals).toBeGreaterThan(0);
  },
);
