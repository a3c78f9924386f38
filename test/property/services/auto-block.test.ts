/** Automatic blocks against a plain model that keeps every hit; and their bounds under a flood. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { IpAddress } from '../../../src/mail/index.ts';
import { AutoBlockGround } from '../../support/auto-block.ts';
import { aDomain } from '../../support/builders.ts';

const client = (n: number): IpAddress =>
  n < 3
    ? { family: 4, value: 0xc000_0200 + n }
    : { family: 6, w0: 0x2001_0db8, w1: n >> 2, w2: n & 1, w3: 0xc000_0200 + n };
/** What counts as one client. */
const nameOf = (address: IpAddress): string => (address.family === 4 ? String(address.value) : `v6 ${address.w1}`);

describe('automatic blocks', () => {
  it('block exactly from the hit on that fills the window, for as long as is set', () => {
    const step = fc.record({
      who: fc.integer({ min: 0, max: 8 }),
      domain: fc.constantFrom('a.example', 'b.example'),
      pauseMs: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 4000 })),
    });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 6 }), fc.array(step, { maxLength: 150 }), (after, steps) => {
        const autoBlock = { after, within: '10s', for: '15s' };
        const ground = new AutoBlockGround({ 'a.example': { autoBlock }, 'b.example': { autoBlock } });
        const hits = new Map<string, number[]>();
        const until = new Map<string, number>();
        for (const { who, domain, pauseMs } of steps) {
          ground.clock.advance(pauseMs);
          const at = ground.clock.now();
          const address = client(who);
          const name = `${domain} ${nameOf(address)}`;
          const isBlocked = at < (until.get(name) ?? 0);
          expect(ground.blocks.find(aDomain(domain), address, at) !== null).toBe(isBlocked);
          ground.blocks.note({ policy: ground.policy(domain), address, kind: 'blocked', at });
          if (isBlocked) continue;
          const young = [...(hits.get(name) ?? []), at].filter((time) => at - time < 10_000);
          hits.set(name, young.length >= after ? [] : young);
          if (young.length >= after) until.set(name, at + 15_000);
        }
        const now = ground.clock.now();
        expect(ground.blocks.list()).toHaveLength([...until.values()].filter((end) => now < end).length);
      }),
      { numRuns: 300 },
    );
  });

  it('300,000 distinct clients: the bounds hold, each note is quick, and one that goes on is blocked', () => {
    const ground = new AutoBlockGround({ 'a.example': { autoBlock: { after: 20, within: '10m', for: '1h' } } });
    const policy = ground.policy('a.example');
    const startedAt = performance.now();
    for (let n = 0; n < 300_000; n += 1) {
      const at = ground.clock.now();
      const address: IpAddress = n % 2 === 0 ? { family: 4, value: n } : { family: 6, w0: n, w1: n, w2: 0, w3: 1 };
      ground.blocks.note({ policy, address, kind: 'unknown-recipient', at });
      if (n % 10_000 === 0) {
        ground.clock.advance(1000);
        ground.blocks.note({ policy, address: { family: 4, value: 0xcb00_7109 }, kind: 'blocked', at });
      }
    }
    const micros = ((performance.now() - startedAt) * 1000) / 300_000;
    expect(ground.blocks.held()).toEqual({ counted: 100_000, blocked: 1 });
    expect(micros).toBeLessThan(50);
    for (let n = 0; n < 120_000; n += 1) {
      for (let hit = 0; hit < 20; hit += 1) {
        ground.blocks.note({ policy, address: { family: 4, value: n }, kind: 'blocked', at: ground.clock.now() });
      }
    }
    const { counted, blocked } = ground.blocks.held();
    expect(blocked).toBe(50_000);
    expect(counted).toBeLessThanOrEqual(100_000);
  });
});
