/** History in memory: for tests of what rests on its ports. */
import { compareIpAddresses, parseIpAddress, type IpRange } from '../../src/mail/index.ts';
import type {
  EntryHit,
  EntryHits,
  HistoryAddition,
  HistoryQuery,
  HistoryReader,
  HistoryRecord,
  HistoryStore,
} from '../../src/services/index.ts';

export class MemoryHistory implements HistoryStore, HistoryReader {
  readonly kept: HistoryAddition[] = [];
  /** How many were given at a time. */
  readonly batches: number[] = [];
  /** Where set, appends fail with it. */
  fault: Error | null = null;
  /** Where set, appends wait for it. */
  gate: Promise<void> | null = null;
  isStopped = false;

  async append(additions: readonly HistoryAddition[]): Promise<void> {
    this.batches.push(additions.length);
    await this.gate;
    if (this.fault !== null) throw this.fault;
    this.kept.push(...structuredClone(additions));
  }

  stop(): Promise<void> {
    this.isStopped = true;
    return Promise.resolve();
  }

  search(query: HistoryQuery): Promise<readonly HistoryRecord[]> {
    const found = this.kept.filter((record) => isMatch(record, query)).reverse();
    return Promise.resolve(found.slice(0, query.limit).map(({ hits: _, ...record }) => record));
  }

  hits(domain: string, list: EntryHit['list']): Promise<ReadonlyMap<string, EntryHits>> {
    const found = new Map<string, EntryHits>();
    for (const { at, hits } of this.kept) {
      for (const hit of hits.filter((each) => each.domain === domain && each.list === list)) {
        const before = found.get(hit.entry);
        const lastAt = Math.max(at, before?.lastAt ?? 0);
        found.set(hit.entry, { count: (before?.count ?? 0) + 1, lastAt, lastAddress: hit.address });
      }
    }
    return Promise.resolve(found);
  }

  close(): void {
    this.isStopped = true;
  }
}

const same = (a: string, b: string): boolean => a.toLowerCase() === b.toLowerCase();

function isMatch(record: HistoryRecord, query: HistoryQuery): boolean {
  const { client, recipient, sender, domain, queueId, verdict, since, until } = query;
  return [
    client === undefined || [record.clientAddress, record.trueClient].some((text) => isIn(text, client)),
    recipient === undefined || record.recipients.some((each) => same(each, recipient)),
    sender === undefined || same(record.sender, sender),
    domain === undefined || record.domains.some((each) => same(each, domain)),
    queueId === undefined || record.queueId === queueId,
    verdict === undefined || record.verdict === verdict,
    since === undefined || record.at >= since,
    until === undefined || record.at < until,
  ].every(Boolean);
}

function isIn(text: string | null, { first, last }: IpRange): boolean {
  const address = text === null ? null : parseIpAddress(text);
  return (
    address !== null &&
    address.family === first.family &&
    compareIpAddresses(first, address) <= 0 &&
    compareIpAddresses(address, last) <= 0
  );
}
