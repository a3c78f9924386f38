/**
 * Blocks one client after the other for as long as it runs, with automatic blocks kept in the state directory that is
 * given. Says on standard output what it took up ("loaded N"), and what is on disk ("saved N"), by number of blocks.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { createShortTermBlockFile } from '../../../src/adapters/short-term-blocks/index.ts';
import { createAutoBlock, type Log, type ShortTermBlockStore } from '../../../src/services/index.ts';
import { aDomain, aSnapshot, withDomain } from '../../support/builders.ts';

const say = (text: string): void => void process.stdout.write(`${text}\n`);
const log: Log = {
  debug: () => undefined,
  info: () => undefined,
  warn: (message) => {
    say(`warn ${message}`);
  },
  error: (message) => {
    say(`error ${message}`);
  },
};
const [state = ''] = process.argv.slice(2);
const file = createShortTermBlockFile(state);
const store: ShortTermBlockStore = {
  load: () => file.load(),
  waitingLifts: () => file.waitingLifts(),
  endLift: (id) => file.endLift(id),
  save: async (blocks) => {
    await file.save(blocks);
    say(`saved ${blocks.length}`);
  },
};
const snapshot = aSnapshot(withDomain({ autoBlock: { after: 1, within: '1m', for: '1d' } }));
const policy = snapshot.domains.get(aDomain('example.com'));
if (policy === undefined) throw new Error('no own domain');
const blocks = createAutoBlock({
  current: () => snapshot,
  store,
  clock: { now: Date.now },
  log,
  limits: { saveAfterMs: 1, lookEveryMs: 20 },
});
await blocks.start();
let next = blocks.list().length;
say(`loaded ${next}`);
for (;;) {
  blocks.note({ policy, address: { family: 4, value: 0x0a000000 + next }, kind: 'blocked', at: Date.now() });
  next += 1;
  await sleep(5);
}
