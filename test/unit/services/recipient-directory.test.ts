import { describe, expect, it } from 'vitest';
import { ownReading, type ExistenceFact, type MapAnswer, type OwnReading } from '../../../src/decide/index.ts';
import { createRecipientDirectory, existencesOf, NO_RECIPIENT_MAPS } from '../../../src/services/index.ts';
import type { RecipientMaps } from '../../../src/services/index.ts';
import type { Snapshot } from '../../../src/snapshot/index.ts';
import { aDocument, aSnapshot, aTransaction, type Keys } from '../../support/builders.ts';
import { atOnce } from '../../support/at-once.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { FakeLog } from '../../support/fake-log.ts';
import { aRecipient, type ResolvedTexts } from '../../support/messages.ts';

const V = 'hash:/etc/postfix/virtual';
const W = 'ldap:/etc/postfix/ldap.cf';
const RULES = { routes: { archive: { host: 'archive.example.net' } } };
const ROUTED = { inboundRouting: [{ mail: ['external'], route: 'archive' }] };

/** Maps that keep what they were asked; an answer is a promise where a test wants to wait. */
class KeptMaps implements RecipientMaps {
  readonly asked: string[] = [];
  readonly answers = new Map<string, MapAnswer | Promise<MapAnswer>>();
  find(map: string, names: readonly string[]): Promise<MapAnswer> {
    this.asked.push(`${map} ${names[0] ?? ''}`);
    return Promise.resolve(this.answers.get(map) ?? 'absent');
  }
}

const snapshotOf = (settings: Keys, more: Keys = {}): Snapshot =>
  aSnapshot(aDocument({ 'example.com': settings, ...more }, RULES), {
    recipientLists: { 'bob.txt': 'bob@example.com\n' },
  });
function ground(settings: Keys = { recipients: [{ map: V }] }) {
  const [maps, clock, log] = [new KeptMaps(), new FakeClock(), new FakeLog()];
  const directory = createRecipientDirectory(maps, clock, log);
  const snapshot = snapshotOf(settings);
  const ownOf = (recipient: string): OwnReading => {
    const own = ownReading(snapshot, aTransaction({ recipient }).recipient);
    if (own === undefined) throw new Error(`${recipient} is not ours`);
    return own;
  };
  const find = (recipient = 'bob@example.com') => directory.find(snapshot, ownOf(recipient));
  const kindOf = async (recipient?: string): Promise<ExistenceFact['kind'] | undefined> =>
    (await find(recipient))?.kind;
  return { maps, clock, log, directory, snapshot, find, kindOf };
}

describe('without a map to ask', () => {
  it('nothing is said of a domain that does not say who exists', () => {
    const { find, maps } = ground({});
    expect(find()).toBeNull();
    expect(maps.asked).toEqual([]);
  });

  it('files are searched at once, and who is named there is not asked for', () => {
    const { find, maps } = ground({ recipients: ['bob.txt', { map: V }] });
    expect(atOnce(find())).toMatchObject({ kind: 'existing' });
    expect(atOnce(find('postmaster@example.com'))).toMatchObject({ kind: 'existing' });
    expect(maps.asked).toEqual([]);
  });

  it('with no Postfix at hand a map leaves it open', async () => {
    const directory = createRecipientDirectory(NO_RECIPIENT_MAPS, new FakeClock(), new FakeLog());
    const snapshot = snapshotOf({ recipients: [{ map: V }] });
    const own = ownReading(snapshot, aTransaction().recipient)!;
    expect(await directory.find(snapshot, own)).toMatchObject({
      kind: 'unknown',
      text: `whether bob@example.com exists cannot be found out: ${V}: there is no Postfix at hand to ask it by`,
    });
  });
});

describe('maps', () => {
  it('are asked in the order of the sources, and only as far as it takes', async () => {
    const { maps, kindOf } = ground({ recipients: [{ map: V }, 'bob.txt', { map: W }] });
    expect(await kindOf()).toBe('existing');
    expect(await kindOf('carol@example.com')).toBe('missing');
    expect(maps.asked).toEqual([`${V} bob@example.com`, `${V} carol@example.com`, `${W} carol@example.com`]);
    maps.answers.set(V, 'found');
    expect(await kindOf('dora@example.com')).toBe('existing');
    expect(maps.asked.at(-1)).toBe(`${V} dora@example.com`);
  });

  it.each<[string, MapAnswer, ExistenceFact['kind'], number]>([
    ['found is remembered for a minute', 'found', 'existing', 60_000],
    ['absent for ten seconds', 'absent', 'missing', 10_000],
    ['unreadable for one', { unreadable: 'no such file' }, 'unknown', 1000],
  ])('%s', async (_, answer, kind, ageMs) => {
    const { maps, clock, find, kindOf } = ground();
    maps.answers.set(V, answer);
    expect(await kindOf()).toBe(kind);
    clock.advance(ageMs - 1);
    // At once: nobody waits for what is known.
    expect(atOnce(find())).toMatchObject({ kind });
    expect(maps.asked).toHaveLength(1);
    clock.advance(1);
    maps.answers.set(V, kind === 'existing' ? 'absent' : 'found');
    expect(await kindOf()).toBe(kind === 'existing' ? 'missing' : 'existing');
    expect(maps.asked).toHaveLength(2);
  });

  it('what is known of one recipient, or of one map, is nothing known of another; letter case makes none', async () => {
    const { maps, kindOf, find } = ground();
    maps.answers.set(V, 'found');
    await kindOf('bob@example.com');
    expect(atOnce(find('BOB@Example.COM'))).toMatchObject({ kind: 'existing' });
    maps.answers.set(V, 'absent');
    expect(await kindOf('bobby@example.com')).toBe('missing');
    expect(maps.asked).toEqual([`${V} bob@example.com`, `${V} bobby@example.com`]);
  });

  it('one question is in flight for many that ask the same', async () => {
    const { maps, kindOf } = ground();
    const gate = Promise.withResolvers<MapAnswer>();
    maps.answers.set(V, gate.promise);
    const waiting = Array.from({ length: 100 }, () => kindOf());
    const other = kindOf('carol@example.com');
    expect(maps.asked).toEqual([`${V} bob@example.com`, `${V} carol@example.com`]);
    gate.resolve('found');
    expect(new Set(await Promise.all(waiting))).toEqual(new Set(['existing']));
    expect(await other).toBe('existing');
    expect(maps.asked).toHaveLength(2);
  });

  it('a question that fails costs only those who asked, and is asked again', async () => {
    const { maps, kindOf } = ground();
    maps.answers.set(V, Promise.reject(new Error('broken invariant')));
    await expect(kindOf()).rejects.toThrow('broken invariant');
    maps.answers.set(V, 'found');
    expect(await kindOf()).toBe('existing');
  });

  it('answers are forgotten where there are too many: the least used first', async () => {
    const { maps, kindOf } = ground();
    for (let n = 0; n < 20_000; n += 1) await kindOf(`u${n}@example.com`);
    await kindOf('u0@example.com');
    expect(maps.asked).toHaveLength(20_000);
    await kindOf('one-more@example.com');
    await kindOf('u0@example.com');
    expect(maps.asked).toHaveLength(20_001);
    await kindOf('u1@example.com');
    expect(maps.asked).toHaveLength(20_002);
  });

  it('one that cannot be read is said at most once a minute, each by itself', async () => {
    const { maps, clock, log, kindOf } = ground({ recipients: [{ map: V }, { map: W }] });
    maps.answers.set(V, { unreadable: 'no such file' });
    const said = (): unknown[] => log.entries.map(({ level, fields }) => [level, fields['map'], fields['reason']]);
    for (let n = 0; n < 30; n += 1) {
      await kindOf(`u${n}@example.com`);
      clock.advance(1999);
    }
    expect(said()).toEqual([['warn', V, 'no such file']]);
    maps.answers.set(W, { unreadable: 'no server' });
    await kindOf('other@example.com');
    clock.advance(30);
    await kindOf('another@example.com');
    expect(said()).toEqual([
      ['warn', V, 'no such file'],
      ['warn', W, 'no server'],
      ['warn', V, 'no such file'],
    ]);
    expect(log.entries[0]?.message).toBe(
      'a map of recipients cannot be read; mail for those whom no other source names has to wait',
    );
  });
});

describe('the recipients of a message', () => {
  const existences = (settings: Keys, recipients: (string | ResolvedTexts)[], more: Keys = {}) => {
    const maps = new KeptMaps();
    maps.answers.set(V, 'found');
    const found = existencesOf(
      createRecipientDirectory(maps, new FakeClock(), new FakeLog()),
      snapshotOf(settings, more),
      recipients.map(aRecipient),
    );
    return { found, maps };
  };

  it('are asked for only where a rule depends on them', () => {
    const map = { recipients: [{ map: V }] };
    for (const settings of [
      {},
      ROUTED,
      map,
      { ...map, outboundRouting: [{ mail: ['external'], action: 'change', route: 'archive' }] },
    ]) {
      const { found, maps } = existences(settings, ['bob@example.com', 'carol@elsewhere.example', 'odd']);
      expect([found, maps.asked]).toEqual([null, []]);
    }
  });

  it.each<[string, Keys]>([
    ['an inbound rule', ROUTED],
    [
      'a way through the gateway',
      { inboundGateway: { enabled: true, ips: ['192.0.2.1'], internalThroughGateway: 'archive' } },
    ],
  ])('where there is %s, each in its place', async (_, settings) => {
    const { found, maps } = existences(
      { ...settings, recipients: ['bob.txt', { map: V }] },
      [...['carol@elsewhere.example', 'bob@example.com', 'dora@example.com', 'x@b.example']],
      { 'b.example': { recipients: ['bob.txt'] } },
    );
    expect((await found)?.map((each) => each?.kind ?? null)).toEqual([null, 'existing', 'existing', null]);
    expect(maps.asked).toEqual([`${V} dora@example.com`]);
  });

  it('at once, where no map has to be asked', () => {
    const { found } = existences({ ...ROUTED, recipients: ['bob.txt'] }, ['bob@example.com', 'ghost@example.com']);
    expect(atOnce(found)?.map((each) => each?.kind)).toEqual(['existing', 'missing']);
  });

  it('by what Postfix makes of them', () => {
    const { found } = existences({ ...ROUTED, recipients: ['bob.txt'] }, [
      { to: 'bob%example.com@elsewhere.example' },
      { to: 'x@elsewhere.example', as: 'bob@example.com' },
      { to: 'ghost', as: 'ghost@example.com' },
    ]);
    expect(atOnce(found)?.map((each) => each?.kind ?? null)).toEqual([null, 'existing', 'missing']);
  });
});
