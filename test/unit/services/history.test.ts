import { aMessage } from '../../support/messages.ts';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { decideMessage, decideRecipient } from '../../../src/decide/index.ts';
import { createHistory, type History, type HistoryEvent } from '../../../src/services/index.ts';
import type { Snapshot } from '../../../src/snapshot/index.ts';
import { MemoryHistory } from '../../contract/memory-history.ts';
import { aDocument, aSnapshot, aTransaction, inDomain, type TransactionTexts } from '../../support/builders.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { FakeLog } from '../../support/fake-log.ts';
import { FakeHistoryMeters } from '../../support/history.ts';

const LISTS = {
  allowedIps: ['198.51.100.0/24'],
  blockedIps: ['192.0.2.99', { ip: '192.0.2.66-192.0.2.67', note: 'abuse' }],
};
const snapshot = aSnapshot(
  aDocument({ 'example.com': LISTS, 'watched.example': { ...LISTS, enforcement: 'observe' } }),
);
const context = { queueId: null, instance: '1.2.3' };

function anEvent(texts: TransactionTexts = {}, from: Snapshot = snapshot): HistoryEvent {
  const transaction = aTransaction(texts);
  const decision = decideRecipient(from, transaction);
  return { kind: 'recipient', at: transaction.at, snapshot: from, transaction, context, decision };
}

type Made = {
  readonly history: History;
  readonly store: MemoryHistory;
  readonly log: FakeLog;
  readonly meters: FakeHistoryMeters;
  readonly clock: FakeClock;
};

function aHistory(limits: NonNullable<Parameters<typeof createHistory>[0]['limits']> = {}): Made {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  const [store, log, meters, clock] = [new MemoryHistory(), new FakeLog(), new FakeHistoryMeters(), new FakeClock()];
  return { history: createHistory({ store, log, meters, clock, limits }), store, log, meters, clock };
}

const recordMany = (history: History, count: number, event = anEvent()): void => {
  for (let n = 0; n < count; n += 1) history.record(event);
};

describe('what is kept of a decision', () => {
  async function keptOf(event: HistoryEvent): Promise<MemoryHistory['kept'][number] | undefined> {
    const { history, store } = aHistory();
    history.record(event);
    await history.stop();
    return store.kept[0];
  }

  it('a refused recipient, with the entry that was met as it is listed', async () => {
    expect(await keptOf(anEvent({ client: '192.0.2.66', sender: 'a@remote.example' }))).toEqual({
      at: aTransaction().at,
      stage: 'rcpt',
      queueId: null,
      instance: '1.2.3',
      clientAddress: '192.0.2.66',
      trueClient: null,
      saslUsername: null,
      sender: 'a@remote.example',
      recipients: ['bob@example.com'],
      domains: ['example.com'],
      verdict: 'reject',
      observed: null,
      reply: '550 5.7.1 Client address blocked by receiving domain policy',
      rule: 'ip-block',
      setting: inDomain('blockedIps/1'),
      text: '192.0.2.66 is blocked by 192.0.2.66/31 (abuse)',
      revision: snapshot.revision,
      hits: [{ domain: 'example.com', list: 'block', entry: '192.0.2.66/31', address: '192.0.2.66' }],
    });
  });

  it('an allowed client is a hit of the allow list', async () => {
    const kept = await keptOf(anEvent({ client: '198.51.100.7' }));
    expect(kept).toMatchObject({ verdict: 'pass', reply: null, rule: 'ip-allow' });
    expect(kept?.hits).toEqual([
      { domain: 'example.com', list: 'allow', entry: '198.51.100.0/24', address: '198.51.100.7' },
    ]);
  });

  it('a client that is in no list is no hit, nor is a recipient that is not ours', async () => {
    expect((await keptOf(anEvent({ client: '203.0.113.5' })))?.hits).toEqual([]);
    const foreign = await keptOf(anEvent({ client: '192.0.2.66', recipient: 'x@elsewhere.example' }));
    expect(foreign).toMatchObject({ domains: [], hits: [], rule: 'own-domain' });
  });

  it('an observed refusal keeps what would have been said, and counts as a hit', async () => {
    const kept = await keptOf(anEvent({ client: '192.0.2.99', recipient: 'x@watched.example' }));
    expect(kept).toMatchObject({
      verdict: 'pass',
      observed: 'reject',
      reply: expect.stringMatching(/^550 5\.7\.1 /) as string,
    });
    expect(kept?.hits).toMatchObject([{ domain: 'watched.example', entry: '192.0.2.99' }]);
  });

  it('a list file is named as file', async () => {
    const from = aSnapshot(aDocument({ 'example.com': { blockedIps: [{ file: 'lists/drop.txt' }] } }), {
      lists: { 'lists/drop.txt': '192.0.2.0/24\n' },
    });
    const kept = await keptOf(anEvent({ client: '192.0.2.7' }, from));
    expect(kept?.hits).toEqual([
      { domain: 'example.com', list: 'block', entry: 'file lists/drop.txt', address: '192.0.2.7' },
    ]);
  });

  it('a message: every recipient, every own domain once, the client behind the gateway and the entries it met', async () => {
    const from = aSnapshot(
      aDocument({
        'example.com': {
          blockedIps: ['192.0.2.66/31'],
          inboundGateway: { enabled: true, ips: ['203.0.113.5'], blockedBehindGateway: 'quarantine' },
        },
        'watched.example': {
          enforcement: 'observe',
          blockedIps: ['192.0.2.66'],
          inboundGateway: { enabled: true, ips: ['203.0.113.5'] },
        },
      }),
    );
    const { at, ...transaction } = aMessage({
      ...{ client: '203.0.113.5', recipients: ['bob@example.com', 'anna@example.com', 'x@watched.example'] },
      headers: ['Received: from a (a [192.0.2.66]) by gw.example (Postfix) with ESMTP id 1;'],
    });
    const decision = decideMessage(from, { ...transaction, at });
    const event = { kind: 'message' as const, at, snapshot: from, transaction, queueId: '4ZKq3x1Hsdz9', decision };
    expect(await keptOf(event)).toMatchObject({
      stage: 'message',
      queueId: '4ZKq3x1Hsdz9',
      clientAddress: '203.0.113.5',
      trueClient: '192.0.2.66',
      recipients: ['bob@example.com', 'anna@example.com', 'x@watched.example'],
      domains: ['example.com', 'watched.example'],
      verdict: 'quarantine',
      observed: 'reject',
      reply: '550 5.7.1 Client address blocked by receiving domain policy',
      rule: 'ip-block',
      setting: inDomain('blockedIps/0'),
      hits: [
        { domain: 'example.com', list: 'block', entry: '192.0.2.66/31', address: '192.0.2.66' },
        { domain: 'watched.example', list: 'block', entry: '192.0.2.66', address: '192.0.2.66' },
      ],
    });
    const unknown = decideMessage(from, { ...transaction, headers: [], at });
    expect(await keptOf({ ...event, decision: unknown })).toMatchObject({ trueClient: null, hits: [], observed: null });
  });
});

describe('the queue before the store', () => {
  it('nothing is handed over before its time, then all of it, in order and in batches', async () => {
    const { history, store, meters } = aHistory({ batch: 3, flushMs: 500, pauseMs: 40 });
    for (const n of [0, 1, 2, 3, 4, 5, 6]) history.record(anEvent({ recipient: `r${n}@example.com` }));
    await vi.advanceTimersByTimeAsync(499);
    expect(store.batches).toEqual([]);
    await vi.advanceTimersByTimeAsync(1);
    expect(store.batches).toEqual([3]);
    await vi.advanceTimersByTimeAsync(40);
    expect(store.batches).toEqual([3, 3]);
    await vi.advanceTimersByTimeAsync(500);
    expect(store.kept.flatMap(({ recipients }) => recipients)).toEqual(
      [0, 1, 2, 3, 4, 5, 6].map((n) => `r${n}@example.com`),
    );
    expect(vi.getTimerCount()).toBe(0);
    expect(meters.total).toBe(0);
  });

  it('a full queue drops what comes, and counts it; the log says so once a minute', async () => {
    const { history, store, log, meters, clock } = aHistory({ mostWaiting: 5 });
    recordMany(history, 8);
    expect(meters.lost).toEqual({ queue_full: 3, not_written: 0, not_made: 0 });
    expect(log.messages('error')).toEqual(['decisions are missing in history']);
    clock.advance(60_000);
    recordMany(history, 2);
    expect(log.entries.filter(({ level }) => level === 'error').map(({ fields }) => fields['dropped'])).toEqual([1, 3]);
    await vi.advanceTimersByTimeAsync(500);
    expect(store.kept).toHaveLength(5);
    recordMany(history, 1);
    expect(meters.total).toBe(5);
  });

  it('while a batch is on its way the queue fills and no second batch follows it', async () => {
    const { history, store, meters } = aHistory({ mostWaiting: 10, batch: 4 });
    let openGate = (): void => undefined;
    store.gate = new Promise((resolve) => (openGate = resolve));
    recordMany(history, 4);
    await vi.advanceTimersByTimeAsync(500);
    recordMany(history, 7);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(store.batches).toEqual([4]);
    expect(meters.lost.queue_full).toBe(1);
    openGate();
    await vi.advanceTimersByTimeAsync(2_000);
    expect(store.kept).toHaveLength(10);
  });

  it('a message with many recipients counts as many', async () => {
    const { history, meters } = aHistory({ mostWaiting: 100 });
    const { recipient, stage: _, ...facts } = aTransaction();
    const recipients = Array.from({ length: 100 }, () => ({ address: recipient, resolved: null }));
    const transaction = { ...facts, recipients, headers: [], author: { domain: null, reason: 'none' } as const };
    const decision = decideMessage(snapshot, transaction);
    history.record({ kind: 'message', at: 0, snapshot, transaction, queueId: null, decision });
    recordMany(history, 1);
    expect(meters.lost.queue_full).toBe(1);
    await history.stop();
  });

  it('a batch that fails is tried again and nothing is lost; the log says when it began and ended', async () => {
    const { history, store, log, meters } = aHistory({ tries: 10 });
    store.fault = new Error('database is locked');
    recordMany(history, 2);
    await vi.advanceTimersByTimeAsync(3_000);
    expect(store.batches.length).toBeGreaterThan(3);
    store.fault = null;
    await vi.advanceTimersByTimeAsync(1_000);
    expect(store.kept).toHaveLength(2);
    expect(meters.total).toBe(0);
    expect(log.entries).toMatchObject([
      { level: 'warn', fields: { reason: 'database is locked' } },
      { level: 'info', message: 'history is written again', fields: { dropped: 0 } },
    ]);
  });

  it('a batch that fails every time is dropped, counted, and the next one has its turn', async () => {
    const { history, store, log, meters } = aHistory({ tries: 3, batch: 2 });
    store.fault = new Error('disk full');
    recordMany(history, 3);
    await vi.advanceTimersByTimeAsync(1_500);
    expect(meters.lost).toEqual({ queue_full: 0, not_written: 2, not_made: 0 });
    store.fault = null;
    await vi.advanceTimersByTimeAsync(1_000);
    expect(store.kept).toHaveLength(1);
    expect(log.entries.at(-1)).toMatchObject({ message: 'history is written again', fields: { dropped: 2 } });
  });

  it('a disk that has room now and then is spoken of once a minute', async () => {
    const { history, store, log, clock } = aHistory();
    const failAndRecover = async (): Promise<void> => {
      store.fault = new Error('disk full');
      recordMany(history, 1);
      await vi.advanceTimersByTimeAsync(600);
      store.fault = null;
      await vi.advanceTimersByTimeAsync(600);
    };
    for (let n = 0; n < 5; n += 1) await failAndRecover();
    expect(log.entries.map(({ level }) => level)).toEqual(['warn', 'info']);
    clock.advance(60_000);
    await failAndRecover();
    expect(log.entries.map(({ level }) => level)).toEqual(['warn', 'info', 'warn', 'info']);
    expect(store.kept).toHaveLength(6);
  });

  it('a decision that cannot be put into words is counted and does not throw', () => {
    const { history, log, meters } = aHistory();
    history.record({ ...anEvent(), decision: null } as unknown as HistoryEvent);
    expect(meters.lost).toEqual({ queue_full: 0, not_written: 0, not_made: 1 });
    expect(log.entries[0]?.fields['why']).toBe('not_made');
  });
});

describe('the end of history', () => {
  it('hands over all that waits, then stops the store; what comes later is dropped', async () => {
    const { history, store, meters } = aHistory({ batch: 2 });
    recordMany(history, 5);
    const stopping = history.stop();
    await vi.advanceTimersByTimeAsync(1_000);
    await stopping;
    expect(store.kept).toHaveLength(5);
    expect(store.isStopped).toBe(true);
    recordMany(history, 1);
    expect(meters.total).toBe(1);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('does not wait for a dead store; what is left is counted', async () => {
    const { history, store, meters } = aHistory({ batch: 2, stopMs: 3_000 });
    store.gate = new Promise(() => undefined);
    recordMany(history, 5);
    const stopping = history.stop();
    await vi.advanceTimersByTimeAsync(3_000);
    await stopping;
    expect(meters.lost.not_written).toBe(5);
    expect(store.isStopped).toBe(true);
  });

  it('a second stop is no fault', async () => {
    const { history } = aHistory();
    await history.stop();
    await history.stop();
  });
});
