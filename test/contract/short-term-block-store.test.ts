/** What every ShortTermBlockStore keeps to. */
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createShortTermBlockFile, requestLift } from '../../src/adapters/short-term-blocks/index.ts';
import type { Lift, ShortTermBlock, ShortTermBlockStore } from '../../src/services/index.ts';
import { aDomain, aRange } from '../support/builders.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { MemoryShortTermBlocks } from './memory-short-term-blocks.ts';

type Opened = { readonly store: ShortTermBlockStore; readonly request: (lift: Lift) => Promise<unknown> };

const stores: Readonly<Record<string, () => Promise<Opened>>> = {
  'a file': async () => {
    const state = join(await temporaryDirectory(), 'state');
    const store = createShortTermBlockFile(state);
    // Nothing can be lifted before something was kept.
    await store.save([]);
    return { store, request: (lift) => requestLift(state, lift) };
  },
  memory: () => {
    const store = new MemoryShortTermBlocks();
    return Promise.resolve({ store, request: (lift) => Promise.resolve(store.request(lift)) });
  },
};

const block = (client: string, more: Partial<ShortTermBlock> = {}): ShortTermBlock => ({
  domain: aDomain('example.com'),
  range: aRange(client),
  since: 1_800_000_000_000,
  until: 1_800_003_600_000,
  reason: '3 hits within 1m, "quoted"\n',
  ...more,
});

describe.each(Object.entries(stores))('a store of short-term blocks: %s', (_, open) => {
  it('gives back what was saved last, in its order', async () => {
    const { store } = await open();
    expect(await store.load()).toEqual({ blocks: [], fault: null });
    const blocks = [block('2001:db8:1:2::/64', { domain: aDomain('xn--bcher-kva.example') }), block('192.0.2.1')];
    await store.save(blocks);
    expect(await store.load()).toEqual({ blocks, fault: null });
    await store.save([block('192.0.2.2')]);
    expect((await store.load()).blocks).toEqual([block('192.0.2.2')]);
  });

  it('keeps 2,000 blocks', async () => {
    const { store } = await open();
    const blocks = Array.from({ length: 2000 }, (__, n) => block(`10.0.${n >> 8}.${n & 255}`));
    await store.save(blocks);
    expect((await store.load()).blocks).toEqual(blocks);
  });

  it('passes requests on, the oldest first, until they are ended', async () => {
    const { store, request } = await open();
    expect(await store.waitingLifts()).toEqual([]);
    const lifts = [1, 20].map((at): Lift => ({
      domain: 'example.com',
      ranges: [aRange('192.0.2.0/24'), aRange('::1')],
      at,
    }));
    for (const lift of lifts) await request(lift);
    const waiting = await store.waitingLifts();
    expect(waiting.map(({ lift }) => lift)).toEqual(lifts);
    await store.endLift(waiting[0]?.id ?? '');
    expect((await store.waitingLifts()).map(({ lift }) => lift)).toEqual(lifts.slice(1));
  });
});
