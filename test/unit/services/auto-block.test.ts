import { afterEach, describe, expect, it, vi } from 'vitest';
import { withRouteServers } from '../../../src/snapshot/index.ts';
import { MemoryShortTermBlocks } from '../../contract/memory-short-term-blocks.ts';
import { AutoBlockGround, HOUR, MINUTE, THREE } from '../../support/auto-block.ts';
import { aDocument, aDomain, aRange, aSnapshot } from '../../support/builders.ts';

const inExample = (more: object): AutoBlockGround =>
  new AutoBlockGround({ 'example.com': { autoBlock: THREE, ...more } });

afterEach(() => {
  vi.useRealTimers();
});

describe('counting', () => {
  it('the hit that reaches the number blocks, for the time that is set', () => {
    const ground = new AutoBlockGround();
    ground.hit('192.0.2.1', 2);
    expect(ground.isBlocked('192.0.2.1')).toBe(false);
    expect(ground.blocks.hasBlocks).toBe(false);
    ground.clock.advance(MINUTE - 1);
    ground.hit('192.0.2.1', 1, { kind: 'unknown-recipient' });
    expect(ground.isBlocked('192.0.2.1')).toBe(true);
    expect(ground.blocks.list()).toEqual([
      {
        domain: 'example.com',
        range: aRange('192.0.2.1'),
        since: ground.clock.now(),
        until: ground.clock.now() + HOUR,
        reason: '3 hits within 1m, the last an unknown recipient',
      },
    ]);
    ground.clock.advance(HOUR - 1);
    expect(ground.isBlocked('192.0.2.1')).toBe(true);
    ground.clock.advance(1);
    expect(ground.isBlocked('192.0.2.1')).toBe(false);
    expect(ground.blocks.list()).toEqual([]);
  });

  it('hits that are not within the window together do not block', () => {
    const ground = new AutoBlockGround();
    for (let n = 0; n < 20; n += 1) {
      ground.hit('192.0.2.1');
      ground.clock.advance(MINUTE / 2);
    }
    expect(ground.listed()).toEqual([]);
  });

  it.each(['unknown-recipient', 'blocked', 'gateway-only', 'spam-pattern'] as const)('%s counts', (kind) => {
    const ground = new AutoBlockGround();
    ground.hit('192.0.2.1', 3, { kind });
    expect(ground.listed()).toEqual(['example.com 192.0.2.1']);
  });

  it('kinds count together, own domains and clients apart', () => {
    const ground = new AutoBlockGround({ 'example.com': { autoBlock: THREE }, 'b.example': { autoBlock: THREE } });
    ground.hit('192.0.2.1', 2);
    ground.hit('192.0.2.2', 2);
    ground.hit('192.0.2.1', 2, { domain: 'b.example' });
    expect(ground.listed()).toEqual([]);
    ground.hit('192.0.2.1', 1, { kind: 'spam-pattern' });
    expect(ground.listed()).toEqual(['example.com 192.0.2.1']);
    expect(ground.isBlocked('192.0.2.1', 'b.example')).toBe(false);
  });

  it('IPv6 addresses of one /64 are one client, its neighbour another', () => {
    const ground = new AutoBlockGround();
    for (const host of ['::1', ':ffff::1', ':1:2:3:4']) ground.hit(`2001:db8:1:2${host}`);
    expect(ground.listed()).toEqual(['example.com 2001:db8:1:2::/64']);
    expect(ground.isBlocked('2001:db8:1:2:dead:beef:0:1')).toBe(true);
    expect(ground.isBlocked('2001:db8:1:3::1')).toBe(false);
    // The words of this one are those of an IPv4 client's key.
    expect(ground.isBlocked('192.0.2.1')).toBe(false);
  });

  it('of a number above sixteen each one counts', () => {
    const ground = new AutoBlockGround({ 'example.com': { autoBlock: { after: 1000, within: '10m', for: '1h' } } });
    ground.hit('192.0.2.1', 999);
    expect(ground.listed()).toEqual([]);
    ground.hit('192.0.2.1');
    expect(ground.blocks.list()[0]?.reason).toBe('1000 hits within 10m, the last a refusal by the block list');
  });

  it('while a client is blocked nothing is counted; afterwards it begins afresh', () => {
    const ground = new AutoBlockGround({ 'example.com': { autoBlock: { after: 3, within: '2h', for: '1h' } } });
    ground.hit('192.0.2.1', 3);
    ground.clock.advance(HOUR - 1);
    ground.hit('192.0.2.1', 50);
    ground.clock.advance(1);
    ground.hit('192.0.2.1', 2);
    expect(ground.listed()).toEqual([]);
    ground.hit('192.0.2.1');
    expect(ground.listed()).toEqual(['example.com 192.0.2.1']);
  });

  it('another window counts afresh, another number at once', () => {
    const ground = new AutoBlockGround();
    ground.hit('192.0.2.1', 2);
    ground.current = aSnapshot(aDocument({ 'example.com': { autoBlock: { ...THREE, within: '2m' } } }));
    ground.hit('192.0.2.1', 2);
    expect(ground.listed()).toEqual([]);
    ground.current = aSnapshot(aDocument({ 'example.com': { autoBlock: { ...THREE, within: '2m', after: 2 } } }));
    ground.hit('192.0.2.1');
    expect(ground.listed()).toEqual(['example.com 192.0.2.1']);
  });
});

describe('who is never counted', () => {
  it('an own domain without the setting blocks nobody', () => {
    const ground = new AutoBlockGround({ 'example.com': {} });
    ground.hit('192.0.2.1', 100);
    expect(ground.listed()).toEqual([]);
  });

  it('allowed IPs, until they expire', () => {
    const ground = inExample({ allowedIps: ['192.0.2.0/24', { ip: '198.51.100.7', expires: '2027-01-01' }] });
    ground.hit('192.0.2.1', 10);
    ground.hit('198.51.100.7', 10);
    expect(ground.listed()).toEqual([]);
    ground.clock.advance(24 * HOUR);
    ground.hit('198.51.100.7', 3);
    expect(ground.listed()).toEqual(['example.com 198.51.100.7']);
  });

  it('addresses of the gateway', () => {
    const ground = inExample({ inboundGateway: { enabled: true, ips: ['192.0.2.32/28'] } });
    ground.hit('192.0.2.40', 10);
    ground.hit('192.0.2.48', 10);
    expect(ground.listed()).toEqual(['example.com 192.0.2.48']);
  });

  it('servers of the routes', () => {
    const ground = new AutoBlockGround();
    const routes = { dlp: { host: '192.0.2.30' } };
    ground.current = aSnapshot(aDocument({ 'example.com': { autoBlock: THREE } }, { routes }));
    ground.hit('192.0.2.30', 10);
    expect(ground.listed()).toEqual([]);
    const named = aSnapshot(
      aDocument({ 'example.com': { autoBlock: THREE } }, { routes: { dlp: { host: 'dlp.example.net' } } }),
    );
    ground.current = withRouteServers(named, new Map());
    ground.hit('192.0.2.30', 10);
    expect(ground.listed()).toEqual(['example.com 192.0.2.30']);
  });
});

describe('what is said', () => {
  it('a block is one line with its setting', () => {
    const ground = new AutoBlockGround();
    ground.hit('2001:db8::1', 3);
    expect(ground.log.entries).toEqual([
      {
        level: 'info',
        message: 'client blocked',
        fields: {
          domain: 'example.com',
          client: '2001:db8::/64',
          until: '2027-01-01T01:00:00.000Z',
          text: '3 hits within 1m, the last a refusal by the block list',
          setting: '/organizations/acme/domains/example.com/autoBlock',
        },
      },
    ]);
  });

  it('an observed domain counts and says who would be blocked, and blocks nobody', () => {
    const ground = inExample({ enforcement: 'observe' });
    ground.hit('192.0.2.1', 7);
    expect(ground.log.messages('info')).toEqual(['client would be blocked', 'client would be blocked']);
    expect(ground.listed()).toEqual([]);
    expect(ground.isBlocked('192.0.2.1')).toBe(false);
  });
});

describe('memory', () => {
  it('100,000 distinct clients: no more is held than the bound, and those that go on are blocked', () => {
    const ground = new AutoBlockGround(undefined, { limits: { mostCounters: 1000, mostBlocks: 500 } });
    for (let n = 0; n < 100_000; n += 1) {
      ground.hit(`10.${n >> 16}.${(n >> 8) & 255}.${n & 255}`);
      if (n % 500 === 0) ground.hit('192.0.2.1');
    }
    expect(ground.listed()).toEqual(['example.com 192.0.2.1']);
    expect(ground.blocks.held()).toEqual({ counted: 1000, blocked: 1 });
  });

  it('what is over is forgotten, not only hidden', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const ground = new AutoBlockGround();
    await ground.blocks.start();
    ground.hit('192.0.2.1', 3);
    await inTime(ground, HOUR);
    expect(ground.blocks.held()).toEqual({ counted: 0, blocked: 0 });
    expect(ground.blocks.hasBlocks).toBe(false);
  });

  it('of too many blocks those are given up that were not met for longest, and it is said once a minute', () => {
    const ground = new AutoBlockGround(
      { 'example.com': { autoBlock: { after: 1, within: '1m', for: '1h' } } },
      { limits: { mostBlocks: 100 } },
    );
    ground.hit('192.0.2.1');
    for (let n = 0; n < 250; n += 1) {
      ground.hit(`10.0.0.${n}`);
      ground.isBlocked('192.0.2.1');
    }
    expect(ground.blocks.list()).toHaveLength(100);
    expect(ground.isBlocked('192.0.2.1')).toBe(true);
    expect(ground.isBlocked('10.0.0.0')).toBe(false);
    expect(ground.isBlocked('10.0.0.249')).toBe(true);
    expect(ground.log.entries.filter(({ level }) => level === 'warn')).toHaveLength(1);
    ground.clock.advance(MINUTE);
    ground.hit('10.0.1.1');
    expect(ground.log.entries.filter(({ level }) => level === 'warn').at(-1)?.fields).toEqual({
      given_up: 151,
      kept: 100,
    });
  });
});

describe('lifting', () => {
  const blocked = (): AutoBlockGround => {
    const ground = new AutoBlockGround({ 'example.com': { autoBlock: THREE }, 'b.example': { autoBlock: THREE } });
    for (const client of ['192.0.2.1', '192.0.2.9', '2001:db8:1:2::5']) ground.hit(client, 3);
    ground.hit('192.0.2.1', 3, { domain: 'b.example' });
    return ground;
  };

  it.each([
    ['192.0.2.1', 1],
    ['192.0.2.0/24', 2],
    ['2001:db8:1:2::77', 1],
    ['2001:db8:1:2::/64', 1],
    ['2001:db8::/32', 1],
    ['198.51.100.1', 0],
  ])('%s lifts %i of one own domain', (range, count) => {
    const ground = blocked();
    expect(ground.blocks.lift(aDomain('example.com'), [aRange(range)])).toBe(count);
    expect(ground.blocks.list(aDomain('example.com'))).toHaveLength(3 - count);
    expect(ground.isBlocked('192.0.2.1', 'b.example')).toBe(true);
  });

  it('what was lifted is counted afresh', () => {
    const ground = blocked();
    ground.blocks.lift(aDomain('example.com'), [aRange('192.0.2.1'), aRange('192.0.2.9')]);
    ground.hit('192.0.2.1', 2);
    expect(ground.isBlocked('192.0.2.1')).toBe(false);
    ground.hit('192.0.2.1');
    expect(ground.isBlocked('192.0.2.1')).toBe(true);
  });
});

/** Runs with timers that the test moves; the clock moves along. */
async function inTime(ground: AutoBlockGround, ms: number): Promise<void> {
  ground.clock.advance(ms);
  await vi.advanceTimersByTimeAsync(ms);
  // A look lets answers come in between.
  for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

describe('keeping', () => {
  const fake = (): void => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  };

  it('blocks are saved once for many, after a second, and taken up again', async () => {
    fake();
    const ground = new AutoBlockGround();
    await ground.blocks.start();
    for (const client of ['192.0.2.1', '192.0.2.2', '2001:db8::1']) ground.hit(client, 3);
    await inTime(ground, 900);
    expect(ground.store.saves).toBe(0);
    await inTime(ground, 200);
    expect(ground.store.saves).toBe(1);
    const again = new AutoBlockGround(undefined, { kept: ground.store });
    await again.blocks.start();
    expect(again.listed().sort()).toEqual(ground.listed().sort());
    expect(again.isBlocked('2001:db8::77')).toBe(true);
  });

  it('what has expired, and what an own domain has no setting for any more, is not taken up', async () => {
    const before = new AutoBlockGround({ 'example.com': { autoBlock: THREE }, 'b.example': { autoBlock: THREE } });
    before.hit('192.0.2.1', 3);
    before.clock.advance(HOUR / 2);
    before.hit('192.0.2.2', 3);
    before.hit('192.0.2.2', 3, { domain: 'b.example' });
    await before.blocks.stop();
    expect(before.store.kept).toHaveLength(3);
    const after = new AutoBlockGround({ 'example.com': { autoBlock: THREE }, 'b.example': {} }, { kept: before.store });
    after.clock.advance(HOUR);
    await after.blocks.start();
    expect(after.listed()).toEqual(['example.com 192.0.2.2']);
  });

  it('the blocks of an own domain go with its setting', async () => {
    fake();
    const ground = new AutoBlockGround({ 'example.com': { autoBlock: THREE }, 'b.example': { autoBlock: THREE } });
    await ground.blocks.start();
    ground.hit('192.0.2.1', 3);
    ground.hit('192.0.2.1', 3, { domain: 'b.example' });
    ground.current = aSnapshot(aDocument({ 'example.com': {}, 'b.example': { autoBlock: THREE } }));
    await inTime(ground, 500);
    expect(ground.listed()).toEqual(['b.example 192.0.2.1']);
    await inTime(ground, 2000);
    expect(ground.store.kept).toHaveLength(1);
  });

  it('a damaged state is said, and mail goes on without it', async () => {
    const kept = new MemoryShortTermBlocks();
    kept.fault = 'the file is damaged';
    const ground = new AutoBlockGround(undefined, { kept });
    await ground.blocks.start();
    expect(ground.log.messages('error')).toEqual(['the file is damaged']);
    ground.hit('192.0.2.1', 3);
    expect(ground.isBlocked('192.0.2.1')).toBe(true);
  });

  it('a disk that is full is a problem, said once, until it is not', async () => {
    fake();
    const ground = new AutoBlockGround();
    await ground.blocks.start();
    ground.store.canSave = false;
    ground.hit('192.0.2.1', 3);
    await inTime(ground, 1100);
    expect(ground.blocks.problem()).toMatchObject({ code: 'POSTERN_STATE_UNWRITABLE' });
    await inTime(ground, 60_000);
    expect(ground.log.messages('error')).toHaveLength(1);
    expect(ground.store.saves).toBeLessThanOrEqual(8);
    expect(ground.isBlocked('192.0.2.1')).toBe(true);
    ground.store.canSave = true;
    await inTime(ground, 11_000);
    expect(ground.blocks.problem()).toBeNull();
    expect(ground.store.kept).toHaveLength(1);
  });
});

describe('requests of commands', () => {
  const started = async (): Promise<AutoBlockGround> => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const ground = new AutoBlockGround();
    await ground.blocks.start();
    ground.hit('192.0.2.1', 3);
    ground.hit('192.0.2.2', 3);
    return ground;
  };
  const liftOf = (ground: AutoBlockGround, at = ground.clock.now()) => ({
    domain: 'example.com',
    ranges: [aRange('192.0.2.1')],
    at,
  });

  it('a request is done within half a second, and on disk before it is removed', async () => {
    const ground = await started();
    ground.store.request(liftOf(ground));
    ground.store.canSave = false;
    await inTime(ground, 500);
    expect(ground.listed()).toEqual(['example.com 192.0.2.2']);
    expect(ground.store.requests.size).toBe(1);
    ground.store.canSave = true;
    await inTime(ground, 11_000);
    expect(ground.store.requests.size).toBe(0);
    expect(ground.store.kept.map(({ range }) => range.text)).toEqual(['192.0.2.2']);
    expect(ground.log.entries.filter(({ message }) => message === 'short-term blocks lifted')).toHaveLength(1);
  });

  it('a request does not lift what was blocked after it', async () => {
    const ground = await started();
    ground.store.request(liftOf(ground, ground.clock.now() - 1));
    await inTime(ground, 500);
    expect(ground.listed()).toHaveLength(2);
    expect(ground.store.requests.size).toBe(0);
  });

  it('a request that waits is done at the start, before anybody is blocked by it', async () => {
    const before = new AutoBlockGround();
    before.hit('192.0.2.1', 3);
    await before.blocks.stop();
    before.store.request(liftOf(before));
    const after = new AutoBlockGround(undefined, { kept: before.store });
    await after.blocks.start();
    expect(after.listed()).toEqual([]);
    expect(before.store.requests.size).toBe(0);
  });

  it('one that makes no sense is said and dropped; one that stays is done once', async () => {
    const ground = await started();
    ground.store.request(null);
    ground.store.canEnd = false;
    await inTime(ground, 3000);
    expect(ground.log.messages('warn')).toHaveLength(1);
    expect(ground.log.messages('error')).toHaveLength(1);
    ground.store.canEnd = true;
    ground.store.request(liftOf(ground));
    await inTime(ground, 500);
    expect(ground.store.requests.size).toBe(1);
    expect(ground.listed()).toEqual(['example.com 192.0.2.2']);
  });
});
