/** Automatic blocks for tests: example.com with `autoBlock`, a clock that stands still, and a store in memory. */
import { onTestFinished } from 'vitest';
import { parseClientAddress, type IpAddress } from '../../src/mail/index.ts';
import { createAutoBlock, type AutoBlock, type AutoBlockParts, type HitKind } from '../../src/services/index.ts';
import type { DomainPolicy, Snapshot } from '../../src/snapshot/index.ts';
import { MemoryShortTermBlocks } from '../contract/memory-short-term-blocks.ts';
import { aDocument, aDomain, aSnapshot, type Keys } from './builders.ts';
import { FakeClock } from './fake-clock.ts';
import { FakeLog } from './fake-log.ts';

/** Three hits within a minute block for an hour. */
export const THREE = { after: 3, within: '1m', for: '1h' };
export const MINUTE = 60_000;
export const HOUR = 3_600_000;

/** An address that must be good. */
export function anIp(text: string): IpAddress {
  const address = parseClientAddress(text);
  if (address === null) throw new Error(`${text} is no address`);
  return address;
}

export class AutoBlockGround {
  readonly clock = new FakeClock();
  readonly log = new FakeLog();
  readonly store: MemoryShortTermBlocks;
  readonly blocks: AutoBlock;
  current: Snapshot;

  constructor(
    domains: Keys = { 'example.com': { autoBlock: THREE } },
    more: Partial<AutoBlockParts> & { readonly kept?: MemoryShortTermBlocks } = {},
  ) {
    const { kept = new MemoryShortTermBlocks(), ...parts } = more;
    this.store = kept;
    this.current = aSnapshot(aDocument(domains));
    const { clock, log, store } = this;
    this.blocks = createAutoBlock({ current: () => this.current, clock, log, store, ...parts });
    onTestFinished(() => this.blocks.stop());
  }

  policy(domain = 'example.com'): DomainPolicy {
    const policy = this.current.domains.get(aDomain(domain));
    if (policy === undefined) throw new Error(`${domain} is no own domain`);
    return policy;
  }

  /** So many hits now. */
  hit(
    client: string,
    times = 1,
    { domain = 'example.com', kind = 'blocked' }: { domain?: string; kind?: HitKind } = {},
  ): void {
    for (let n = 0; n < times; n += 1) {
      this.blocks.note({ policy: this.policy(domain), address: anIp(client), kind, at: this.clock.now() });
    }
  }

  isBlocked(client: string, domain = 'example.com'): boolean {
    return this.blocks.find(aDomain(domain), anIp(client), this.clock.now()) !== null;
  }

  listed(): string[] {
    return this.blocks.list().map(({ domain, range }) => `${domain} ${range.text}`);
  }
}
