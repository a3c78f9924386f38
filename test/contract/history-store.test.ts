/** What every history keeps to: HistoryStore and HistoryReader. */
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createHistoryStore, openHistory } from '../../src/adapters/history-sqlite/index.ts';
import { parseIpRange, type IpRange } from '../../src/mail/index.ts';
import type { HistoryAddition, HistoryQuery, HistoryReader, HistoryStore } from '../../src/services/index.ts';
import { FakeLog } from '../support/fake-log.ts';
import { additions, anAddition, aRecord, NOON } from '../support/history.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { MemoryHistory } from './memory-history.ts';

type Opened = { readonly store: HistoryStore; readonly reader: () => HistoryReader };

const histories: Readonly<Record<string, () => Promise<Opened>>> = {
  'a SQLite database': async () => {
    const state = join(await temporaryDirectory(), 'state');
    const log = new FakeLog();
    const store = createHistoryStore(state, log, { retentionMs: Number.MAX_SAFE_INTEGER });
    onTestFinished(async () => {
      await store.stop();
      expect(log.entries).toEqual([]);
    });
    return {
      store,
      reader: () => {
        const reader = openHistory(state);
        onTestFinished(() => {
          reader.close();
        });
        return reader;
      },
    };
  },
  memory: () => {
    const history = new MemoryHistory();
    return Promise.resolve({ store: history, reader: () => history });
  },
};

const range = (text: string): IpRange => {
  const parsed = parseIpRange(text);
  if (!parsed.ok) throw new Error(text);
  return parsed.value;
};

const hit = (
  entry: string,
  address: string,
  domain = 'example.com',
  list: 'allow' | 'block' = 'block',
): HistoryAddition['hits'][number] => ({
  domain,
  list,
  entry,
  address,
});

describe.each(Object.entries(histories))('history: %s', (_, open) => {
  it('nothing kept yet is no error', async () => {
    const { reader } = await open();
    expect(await reader().search({ limit: 10 })).toEqual([]);
    expect(await reader().hits('example.com', 'block')).toEqual(new Map());
  });

  it('gives back what was kept, each part as it was', async () => {
    const { store, reader } = await open();
    const record = aRecord({
      stage: 'message',
      queueId: '4ZKq3x1Hsdz9',
      trueClient: '2001:db8::7',
      saslUsername: 'anna@example.com',
      sender: '<>',
      recipients: [
        'anna@example.com',
        '"a b"@example.com',
        'jürgen@bücher.example',
        "o'neil; DROP TABLE hits--@x.example",
      ],
      domains: ['example.com', 'example.net'],
      verdict: 'pass',
      observed: 'reject',
      text: 'a text with \n, \u0000, "quotes", \ud83c\udfa3',
    });
    await store.append([{ ...record, hits: [] }]);
    expect(await reader().search({ limit: 10 })).toEqual([record]);
  });

  it('absent parts are null', async () => {
    const { store, reader } = await open();
    const record = aRecord({
      instance: null,
      reply: null,
      setting: null,
      recipients: [],
      domains: [],
      clientAddress: 'local',
    });
    await store.append([{ ...record, hits: [] }]);
    expect(await reader().search({ limit: 10 })).toEqual([record]);
  });

  it('the newest come first, and no more than asked for', async () => {
    const { store, reader } = await open();
    await store.append(additions(3));
    await store.append(additions(3, {}, 3));
    const found = await reader().search({ limit: 4 });
    expect(found.flatMap(({ recipients }) => recipients)).toEqual([5, 4, 3, 2].map((n) => `r${n}@example.com`));
  });

  const kept: readonly HistoryAddition[] = [
    anAddition({ text: 'a', clientAddress: '192.0.2.1', at: NOON }),
    anAddition({ text: 'b', clientAddress: '192.0.2.255', sender: 'Boss@Example.com', at: NOON + 1 }),
    anAddition({ text: 'c', clientAddress: '192.0.3.0', queueId: '4ZKq3x1Hsdz9', at: NOON + 2 }),
    anAddition({ text: 'd', clientAddress: '2001:db8::1', sender: '<>', verdict: 'defer', at: NOON + 3 }),
    anAddition({
      text: 'e',
      clientAddress: '203.0.113.9',
      trueClient: '2001:db8::ffff',
      domains: ['example.net'],
      at: NOON + 4,
    }),
    anAddition({ text: 'f', clientAddress: 'local', recipients: ['x@a.example', 'Anna@Example.COM'], at: NOON + 5 }),
    anAddition({
      text: 'g',
      clientAddress: '255.255.255.255',
      recipients: [],
      domains: [],
      verdict: 'pass',
      at: NOON + 6,
    }),
  ];
  it.each<[string, Omit<HistoryQuery, 'limit'>, string]>([
    ['everything', {}, 'gfedcba'],
    ['one client', { client: range('192.0.2.1') }, 'a'],
    ['a network, with its ends and nothing beside it', { client: range('192.0.2.0/24') }, 'ba'],
    ['a range', { client: range('192.0.2.255-192.0.3.0') }, 'cb'],
    ['all of IPv4', { client: range('0.0.0.0/0') }, 'gecba'],
    ['IPv6, also behind a gateway', { client: range('2001:db8::/64') }, 'ed'],
    ['a gateway', { client: range('203.0.113.9') }, 'e'],
    ['a recipient, without case, also among others', { recipient: 'anna@example.com' }, 'fedcba'],
    ['another recipient', { recipient: 'x@a.example' }, 'f'],
    ['a sender, without case', { sender: 'boss@example.com' }, 'b'],
    ['the null sender', { sender: '<>' }, 'd'],
    ['an own domain', { domain: 'EXAMPLE.net' }, 'e'],
    ['a queue id', { queueId: '4ZKq3x1Hsdz9' }, 'c'],
    ['a queue id in another case, which is another one', { queueId: '4zkq3x1hsdz9' }, ''],
    ['a verdict', { verdict: 'defer' }, 'd'],
    ['a time on', { since: NOON + 5 }, 'gf'],
    ['before a time', { until: NOON + 1 }, 'a'],
    ['between times', { since: NOON + 1, until: NOON + 3 }, 'cb'],
    [
      'all of it together',
      { client: range('192.0.0.0/16'), recipient: 'anna@example.com', since: NOON + 1, verdict: 'reject' },
      'cb',
    ],
    ['nothing', { recipient: "' OR 1=1 --" }, ''],
  ])('finds %s', async (__, query, texts) => {
    const { store, reader } = await open();
    await store.append(kept);
    expect((await reader().search({ ...query, limit: 100 })).map(({ text }) => text).join('')).toBe(texts);
  });

  it('hits are counted by own domain, list and entry, with the last time and address', async () => {
    const { store, reader } = await open();
    await store.append([
      anAddition({ hits: [hit('192.0.2.0/24', '192.0.2.1')] }),
      anAddition({ at: NOON + 5, hits: [hit('192.0.2.0/24', '192.0.2.2'), hit('file drop.txt', '192.0.2.2')] }),
      anAddition({
        hits: [hit('192.0.2.0/24', '192.0.2.9', 'example.net'), hit('192.0.2.9', '192.0.2.9', 'example.com', 'allow')],
      }),
    ]);
    await store.append([anAddition({ at: NOON + 9, hits: [hit('192.0.2.0/24', '192.0.2.3')] })]);
    const history = reader();
    expect(await history.hits('example.com', 'block')).toEqual(
      new Map([
        ['192.0.2.0/24', { count: 3, lastAt: NOON + 9, lastAddress: '192.0.2.3' }],
        ['file drop.txt', { count: 1, lastAt: NOON + 5, lastAddress: '192.0.2.2' }],
      ]),
    );
    expect([...(await history.hits('example.net', 'block')).keys()]).toEqual(['192.0.2.0/24']);
    expect([...(await history.hits('example.com', 'allow')).keys()]).toEqual(['192.0.2.9']);
    expect(await history.hits('example.net', 'allow')).toEqual(new Map());
  });

  it('a clock that was set back does not make a hit older', async () => {
    const { store, reader } = await open();
    await store.append([anAddition({ hits: [hit('192.0.2.1', '192.0.2.1')] })]);
    await store.append([anAddition({ at: NOON - 60_000, hits: [hit('192.0.2.1', '192.0.2.1')] })]);
    const found = (await reader().hits('example.com', 'block')).get('192.0.2.1');
    expect(found).toMatchObject({ count: 2, lastAt: NOON });
  });
});
