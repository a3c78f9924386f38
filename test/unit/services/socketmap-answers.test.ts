import { describe, expect, it } from 'vitest';
import type { ExistenceFact, OwnReading } from '../../../src/decide/index.ts';
import { createSocketmapAnswers } from '../../../src/services/index.ts';
import type { RecipientDirectory } from '../../../src/services/index.ts';
import { aRoutedSnapshot, aDocument } from '../../support/builders.ts';
import { atOnce } from '../../support/at-once.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const ROUTES = { routes: { archive: { host: '192.0.2.10' } } };
const DOCUMENT = aDocument(
  {
    'example.com': {
      recipients: [{ map: 'hash:/x' }],
      inboundRouting: [{ mail: ['external', 'internal'], route: 'archive' }],
    },
    'b.example': { allowedIps: [{ ip: '198.51.100.7', expires: '2027-01-31' }] },
  },
  ROUTES,
);
const ROUTED = { kind: 'ok', value: 'routed' };
const NOT_FOUND = { kind: 'notfound' };

type Found = ReturnType<RecipientDirectory['find']>;
const fact = (kind: ExistenceFact['kind']): ExistenceFact => ({ kind, setting: '/x', text: 'so it is' });

function answersWith(found: Found) {
  let snapshot = aRoutedSnapshot(DOCUMENT);
  const clock = new FakeClock(Date.UTC(2027, 0, 31));
  const asked: string[] = [];
  const directory: RecipientDirectory = {
    find(_, { mailbox, policy }: OwnReading) {
      asked.push(`${mailbox.localPart}@${policy.domain}`);
      return found;
    },
  };
  const answer = createSocketmapAnswers(() => snapshot, clock, directory, 'unix:postern/milter.sock');
  return { answer, asked, clock, edit: (document: unknown) => (snapshot = aRoutedSnapshot(document)) };
}

describe('socketmap answers', () => {
  it('of recipients depend on whether they exist, which is found out for those of own domains alone', () => {
    const { answer, asked } = answersWith(fact('existing'));
    expect(atOnce(answer('recipients', 'bob@example.com'))).toEqual(ROUTED);
    for (const key of ['bob@elsewhere.example', '@example.com', 'bob', '']) {
      expect(atOnce(answer('recipients', key)), key).toEqual(NOT_FOUND);
    }
    expect(asked).toEqual(['bob@example.com']);
    expect(atOnce(answersWith(fact('missing')).answer('recipients', 'bob@example.com'))).toEqual(NOT_FOUND);
    expect(atOnce(answersWith(fact('unknown')).answer('recipients', 'bob@example.com'))).toMatchObject({
      kind: 'temp',
    });
    expect(atOnce(answersWith(null).answer('recipients', 'bob@example.com'))).toEqual(ROUTED);
  });

  it('wait where a map has to be asked, and are made with the snapshot that was asked', async () => {
    const gate = Promise.withResolvers<ExistenceFact>();
    const { answer, edit } = answersWith(gate.promise);
    const waiting = answer('recipients', 'bob@example.com');
    expect(waiting).toBeInstanceOf(Promise);
    edit(aDocument({ 'example.com': {} }, ROUTES));
    gate.resolve(fact('existing'));
    expect(await waiting).toEqual(ROUTED);
    expect(await answer('recipients', 'bob@example.com')).toEqual(NOT_FOUND);
  });

  it.each(['transport', 'tls_policy', 'milters', 'nonsense'])('of %s ask for nobody', (map) => {
    const { answer, asked } = answersWith(new Promise<never>(() => undefined));
    const reply = atOnce(answer(map, 'bob@example.com'));
    expect(reply.kind).toBe(map === 'nonsense' ? 'perm' : 'notfound');
    expect(asked).toEqual([]);
  });

  it('know the time and the milter', () => {
    const { answer, clock, edit } = answersWith(null);
    edit(aDocument({ 'b.example': { allowedIps: [{ ip: '198.51.100.7', expires: '2027-01-31' }] } }));
    const reply = atOnce(answer('milters', '198.51.100.7'));
    expect(reply).toMatchObject({ kind: 'ok', value: expect.stringContaining('unix:postern/milter.sock') as unknown });
    clock.advance(86_400_000);
    expect(atOnce(answer('milters', '198.51.100.7'))).toEqual(NOT_FOUND);
  });
});
