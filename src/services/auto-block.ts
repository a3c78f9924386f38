/**
 * Automatic short-term blocks: counts refusals and spam-pattern hits per client and own domain, and blocks a client for
 * a while once it has enough of them within the window. One IPv6 client is one /64. Allowed IPs, gateways and servers of
 * routes are never counted; trusted clients are left out by whoever calls.
 * Never holds more than a fixed number of clients: under a flood those are given up that were not met for longest.
 */
import { LRUCache } from 'lru-cache';
import {
  compileIpSet,
  findInIpSet,
  ipRangeOf,
  ipSetOverlaps,
  type Domain,
  type IpAddress,
  type IpRange,
} from '../mail/index.ts';
import type { AutoBlockPolicy, DomainPolicy, Snapshot } from '../snapshot/index.ts';
import { BlockKeeping } from './block-keeping.ts';
import { HitWindow } from './hit-window.ts';
import type { Clock, Lift, Log, ShortTermBlock, ShortTermBlockStore } from './ports.ts';
import type { Problem } from './snapshots.ts';

/** What counts against a client. */
export type HitKind = 'unknown-recipient' | 'blocked' | 'gateway-only' | 'spam-pattern';

/** One hit: of the true client, against one own domain, at a time in milliseconds since 1970. */
export type Hit = {
  readonly policy: DomainPolicy;
  readonly address: IpAddress;
  readonly kind: HitKind;
  readonly at: number;
};

/** Counts hits and knows who is blocked. */
export type AutoBlock = {
  /** Takes up what was kept, and what waits to be lifted. */
  start(): Promise<void>;
  /** Counts a hit of a client that is not trusted. */
  note(hit: Hit): void;
  /** Whether any client may be blocked; where not, nothing needs to be looked up. */
  readonly hasBlocks: boolean;
  /** How many clients are held: counted, and blocked (those that are over included, for half a minute). */
  held(): { readonly counted: number; readonly blocked: number };
  /** The block that acts on a client at that time; null where there is none. */
  find(domain: Domain, address: IpAddress, at: number): ShortTermBlock | null;
  /** The blocks that act now, the newest first: of one own domain, or all. */
  list(domain?: Domain): readonly ShortTermBlock[];
  /** Lifts the blocks of an own domain that share an address with one of the ranges; gives how many. */
  lift(domain: Domain, ranges: readonly IpRange[]): number;
  /** Why blocks would not survive a restart; null where they would. */
  problem(): Problem | null;
  /** Saves, and ends. Never rejects. */
  stop(): Promise<void>;
};

/** Numbers of the memory and of the disk. */
export type AutoBlockLimits = {
  readonly mostCounters: number;
  readonly mostBlocks: number;
  readonly saveAfterMs: number;
  readonly lookEveryMs: number;
};

/** What automatic blocks work with. */
export type AutoBlockParts = {
  /** The settings as they are now: blocks of an own domain without `autoBlock` go. */
  readonly current: () => Snapshot;
  readonly store: ShortTermBlockStore;
  readonly clock: Clock;
  readonly log: Log;
  readonly limits?: Partial<AutoBlockLimits>;
};

const LIMITS: AutoBlockLimits = { mostCounters: 100_000, mostBlocks: 50_000, saveAfterMs: 1000, lookEveryMs: 400 };
const SWEEP_EVERY_MS = 30_000;
const SAY_EVERY_MS = 60_000;

const WORDS: Readonly<Record<HitKind, string>> = {
  'unknown-recipient': 'an unknown recipient',
  blocked: 'a refusal by the block list',
  'gateway-only': 'a refusal of mail past the gateway',
  'spam-pattern': 'a match of the spam pattern',
};

/** Begins with nobody blocked; `start` takes up what was kept. */
export const createAutoBlock = (parts: AutoBlockParts): AutoBlock => new Blocker(parts);

/** A client of one own domain: a number for IPv4, a text for an IPv6 /64. */
type Key = number | string;

class Blocker implements AutoBlock {
  readonly #parts: AutoBlockParts;
  readonly #counters: LRUCache<Key, HitWindow>;
  readonly #blocks: LRUCache<Key, ShortTermBlock>;
  readonly #keeping: BlockKeeping;
  /** Own domains by number, which makes for short keys. */
  readonly #domains = new Map<string, number>();
  #seen: Snapshot | null = null;
  #sweptAt = -Infinity;
  #givenUp = 0;
  #saidAt = -Infinity;

  constructor(parts: AutoBlockParts) {
    this.#parts = parts;
    const { mostCounters, mostBlocks, saveAfterMs, lookEveryMs } = { ...LIMITS, ...parts.limits };
    this.#counters = new LRUCache({ max: mostCounters });
    this.#blocks = new LRUCache({
      max: mostBlocks,
      dispose: (block, _, why) => {
        if (why === 'evict') this.#giveUp(block);
      },
    });
    this.#keeping = new BlockKeeping({
      store: parts.store,
      log: parts.log,
      blocks: () => this.#acting(),
      count: () => this.#blocks.size,
      lift: (lift) => this.#lift(lift),
      onLook: () => {
        this.#tidy();
      },
      saveAfterMs,
      lookEveryMs,
    });
  }

  get hasBlocks(): boolean {
    return this.#blocks.size > 0;
  }

  held(): { counted: number; blocked: number } {
    return { counted: this.#counters.size, blocked: this.#blocks.size };
  }

  async start(): Promise<void> {
    const { blocks, fault } = await this.#parts.store.load();
    if (fault !== null) this.#parts.log.error(fault, { code: 'POSTERN_STATE_UNREADABLE' });
    const now = this.#parts.clock.now();
    // They are kept in the order of their use, the last first.
    for (const block of blocks.toReversed()) {
      if (now < block.until) this.#blocks.set(this.#key(block.domain, block.range.first), block);
    }
    await this.#keeping.start();
  }

  note({ policy, address, kind, at }: Hit): void {
    const { autoBlock, domain } = policy;
    if (autoBlock === null || isExempt(policy, address, at)) return;
    const key = this.#key(domain, address);
    const block = this.#blocks.peek(key);
    if (block !== undefined && at < block.until) return;
    let hits = this.#counters.get(key);
    if (hits?.withinMs !== autoBlock.withinMs) {
      hits = new HitWindow(autoBlock.withinMs);
      this.#counters.set(key, hits);
    }
    const count = hits.add(at);
    if (count < autoBlock.after) return;
    this.#counters.delete(key);
    this.#block(policy, autoBlock, key, {
      domain,
      range: clientRange(address),
      since: at,
      until: at + autoBlock.forMs,
      reason: reasonText(count, autoBlock.withinMs, kind),
    });
  }

  find(domain: Domain, address: IpAddress, at: number): ShortTermBlock | null {
    if (this.#blocks.size === 0) return null;
    const block = this.#blocks.get(this.#key(domain, address));
    return block !== undefined && at < block.until ? block : null;
  }

  list(domain?: Domain): readonly ShortTermBlock[] {
    return this.#acting()
      .filter((block) => domain === undefined || block.domain === domain)
      .sort((a, b) => b.since - a.since);
  }

  lift(domain: Domain, ranges: readonly IpRange[]): number {
    return this.#lift({ domain, ranges, at: Infinity });
  }

  problem(): Problem | null {
    return this.#keeping.problem();
  }

  stop(): Promise<void> {
    return this.#keeping.stop();
  }

  #block(policy: DomainPolicy, { pointer: setting }: AutoBlockPolicy, key: Key, block: ShortTermBlock): void {
    const { domain, range, until, reason: text } = block;
    const isObserved = policy.enforcement === 'observe';
    this.#parts.log.info(isObserved ? 'client would be blocked' : 'client blocked', {
      domain,
      client: range.text,
      until: new Date(until).toISOString(),
      text,
      setting,
    });
    if (isObserved) return;
    this.#blocks.set(key, block);
    this.#keeping.changed();
  }

  #lift({ domain, ranges, at }: Lift): number {
    const wanted = compileIpSet(ranges.map((range) => ({ range })));
    return this.#forget((block) => block.domain === domain && block.since <= at && ipSetOverlaps(wanted, block.range));
  }

  /** Takes out what has expired, and what an own domain has no setting for any more. */
  #tidy(): void {
    const now = this.#parts.clock.now();
    const snapshot = this.#parts.current();
    if (snapshot === this.#seen && Math.abs(now - this.#sweptAt) < SWEEP_EVERY_MS) return;
    this.#seen = snapshot;
    this.#sweptAt = now;
    this.#forget(({ domain, until }) => until <= now || (snapshot.domains.get(domain)?.autoBlock ?? null) === null);
  }

  #forget(isGone: (block: ShortTermBlock) => boolean): number {
    const keys = [...this.#blocks.entries()].flatMap(([key, block]) => (isGone(block) ? [key] : []));
    for (const key of keys) this.#blocks.delete(key);
    if (keys.length > 0) this.#keeping.changed();
    return keys.length;
  }

  #acting(): ShortTermBlock[] {
    const now = this.#parts.clock.now();
    return [...this.#blocks.values()].filter(({ until }) => now < until);
  }

  #giveUp({ until }: ShortTermBlock): void {
    const now = this.#parts.clock.now();
    if (until <= now) return;
    this.#givenUp += 1;
    if (now - this.#saidAt < SAY_EVERY_MS) return;
    this.#parts.log.warn('too many clients are blocked: blocks that were not met for longest are given up', {
      given_up: this.#givenUp,
      kept: this.#blocks.max,
    });
    this.#saidAt = now;
    this.#givenUp = 0;
  }

  #key(domain: string, address: IpAddress): Key {
    let number = this.#domains.get(domain);
    if (number === undefined) {
      number = this.#domains.size;
      this.#domains.set(domain, number);
    }
    // Below 2^53 for the first two million own domains.
    if (address.family === 4) return number * 0x1_0000_0000 + address.value;
    return `${number}/${address.w0}:${address.w1}`;
  }
}

function isExempt({ allowed, gateway, routeServers }: DomainPolicy, address: IpAddress, at: number): boolean {
  if (findInIpSet(allowed.set, address, at) >= 0) return true;
  if (gateway !== null && findInIpSet(gateway.ips, address, at) >= 0) return true;
  return findInIpSet(routeServers, address, at) >= 0;
}

/** What is blocked as one client: an IPv4 address, or the /64 of an IPv6 address, in which a host picks what it likes. */
function clientRange(address: IpAddress): IpRange {
  if (address.family === 4) return ipRangeOf(address, address);
  const last = 0xffff_ffff;
  return ipRangeOf({ ...address, w2: 0, w3: 0 }, { ...address, w2: last, w3: last });
}

function reasonText(count: number, withinMs: number, kind: HitKind): string {
  const hits = count === 1 ? '1 hit' : `${count} hits`;
  return `${hits} within ${spanText(withinMs)}, the last ${WORDS[kind]}`;
}

/** A span of time as settings write it. Source: postconf(5), "time units". */
function spanText(ms: number): string {
  const units = { w: 604_800_000, d: 86_400_000, h: 3_600_000, m: 60_000 };
  for (const [unit, length] of Object.entries(units)) if (ms % length === 0) return `${ms / length}${unit}`;
  return `${ms / 1000}s`;
}
