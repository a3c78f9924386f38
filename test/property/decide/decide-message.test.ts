import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { renderMilterChanges } from '../../../src/answers/index.ts';
import { decideMessage } from '../../../src/decide/index.ts';
import { authservIdOf } from '../../../src/mail/index.ts';
import { validate } from '../../../src/settings/index.ts';
import { aDocument, installedAs, type Keys } from '../../support/builders.ts';
import { aField, aKeyedSnapshot, aMessage, type MessageTexts } from '../../support/messages.ts';
import { domainSettings, pick, routingSettings } from '../snapshot/documents.ts';

const AROUND = {
  lists: { 'drop.txt': '192.0.2.0/25\n203.0.113.9\n' },
  trustedNetworks: ['127.0.0.0/8', '198.51.100.0/24', '192.0.2.30'],
  reinjectionServices: ['reinject'],
  recipientLists: { 'recipients.txt': 'bob\n' },
};
const ROUTES = { routes: { r: { host: '192.0.2.30' }, s: { host: 'relay.example.net' } } };

const line = pick(
  'From: x@partner.example',
  'From: alice@a.example',
  'From: bob@b.example',
  'from: Team: alice@a.example;',
  'X-Postern-Verdict: ham',
  'x-postern-route: r',
  'X-Spam-Flag: YES',
  'Authentication-Results: mx.example.com; none',
  'Authentication-Results: mx.example.com; dmarc=pass header.from=a.example',
  'authentication-results: "MX.example.com" 1; dmarc=pass header.from=b.example',
  'Authentication-Results: mx.partner.example; dmarc=pass header.from=a.example',
  'Subject: x',
);
const message: fc.Arbitrary<MessageTexts> = fc.record({
  client: pick(
    '192.0.2.1',
    '203.0.113.1',
    '198.51.100.3',
    '198.51.100.200',
    '192.0.2.30',
    '127.0.0.1',
    'local',
    'unknown',
  ),
  sender: pick('<>', 'x@partner.example', 'alice@a.example'),
  user: pick(null, null, 'alice', 'alice@a.example', 'bob@b.example', 'carol@other.example'),
  daemon: pick(null, 'smtpd', 'reinject'),
  recipients: fc.uniqueArray(pick('bob@a.example', 'bob@b.example', 'carol@elsewhere.example'), { minLength: 1 }),
  headers: fc.array(line, { maxLength: 6 }),
  at: pick('2025-12-31T12:00:00Z', '2026-01-02T00:00:00Z'),
});
const KEYED = { 'a.example': ['s1'], 'b.example': ['s2', 'ed2'] };

/** The snapshot of a good document; null where it is refused. */
const snapshotOf = (good: Keys, keys: Record<string, string[]> = KEYED): ReturnType<typeof aKeyedSnapshot> | null =>
  validate(good).settings === null || JSON.stringify(good).includes('(?=a)') || JSON.stringify(good).includes('([')
    ? null
    : installedAs(aKeyedSnapshot(good, keys, AROUND));
/** Settings of all kinds. */
const settings = fc.tuple(domainSettings, routingSettings).map(([one, other]): Keys => ({ ...one, ...other }));

describe('decideMessage', () => {
  it('is a function, removes each field once, and a signed From is that of the signing domain', () => {
    fc.assert(
      fc.property(settings, settings, message, (a, b, texts) => {
        const snapshot = snapshotOf(aDocument({ 'a.example': a, 'b.example': b }, ROUTES));
        fc.pre(snapshot !== null);
        const t = aMessage(texts);
        const decision = decideMessage(snapshot, t);
        expect(decideMessage(structuredClone(snapshot), t)).toEqual(decision);
        expect(new Set(decision.removed).size).toBe(decision.removed.length);
        const { signatures, skipped } = decision.signing;
        expect(signatures.length > 0).toBe(skipped === null);
        for (const { domain } of signatures) expect(domain).toBe(t.author.domain);
      }),
      { numRuns: 3000 },
    );
  });

  it('ADM-03 domains do not leak: no setting or key of one own domain changes a message of another', () => {
    fc.assert(
      fc.property(settings, settings, settings, message, (a, otherA, b, texts) => {
        const [before, after] = [a, otherA].map((one) =>
          snapshotOf(aDocument({ 'a.example': one, 'b.example': b }, ROUTES)),
        );
        const keyless = snapshotOf(aDocument({ 'a.example': a, 'b.example': b }, ROUTES), {
          'b.example': ['s2', 'ed2'],
        });
        fc.pre(!!before && !!after && !!keyless);
        // Neither a recipient, nor the sender, nor the author is in a.example.
        const t = aMessage({
          ...texts,
          sender: texts.sender === 'alice@a.example' ? 'bob@b.example' : texts.sender!,
          recipients: ['bob@b.example', 'carol@elsewhere.example'],
          headers: texts.headers!.filter((field) => !/^from:.*a\.example/i.test(field)),
        });
        const decision = decideMessage(before, t);
        expect(decideMessage(after, t)).toEqual(decision);
        expect(decideMessage(keyless, t)).toEqual(decision);
      }),
      { numRuns: 2000 },
    );
  });

  it('nobody who is not trusted for the author gets a signature, at once or by handing it in again', () => {
    let tried = 0;
    fc.assert(
      fc.property(domainSettings, domainSettings, message, (a, b, texts) => {
        const snapshot = snapshotOf(
          aDocument(
            { 'a.example': { ...a, enforcement: 'enforce' }, 'b.example': { ...b, enforcement: 'enforce' } },
            ROUTES,
          ),
        );
        fc.pre(snapshot !== null);
        const author = `From: x@${texts.recipients!.length === 1 ? 'a' : 'b'}.example`;
        const headers = [...texts.headers!.filter((field) => !/^from:/i.test(field)), author];
        const t = aMessage({ ...texts, headers, daemon: null });
        const first = decideMessage(snapshot, t);
        if (first.signing.skipped !== 'not_trusted') return;
        tried += 1;
        const kept = t.headers.filter((_, at) => !first.removed.includes(at));
        const again = { ...t, client: { kind: 'local' } as const, saslUsername: null };
        const second = decideMessage(snapshot, { ...again, headers: [...first.added, ...kept] });
        expect(second.signing.skipped).toBe('came_from_outside');
      }),
      { numRuns: 2000 },
    );
    expect(tried).toBeGreaterThan(200);
  });

  it('VER-02 after a stranger no field of our name is left but ours, and no mark, whatever else stays', () => {
    fc.assert(
      fc.property(fc.array(line, { maxLength: 12 }), (lines) => {
        const snapshot = aKeyedSnapshot(aDocument({ 'a.example': {} }));
        const t = aMessage({ recipients: ['bob@a.example'], headers: lines });
        const { removed, added } = decideMessage(snapshot, t);
        const changes = renderMilterChanges(t.headers, removed, added, []);
        const result = [...t.headers];
        // Counted as the protocol does, at each moment.
        for (const change of changes) {
          if (change.kind === 'insertHeader') result.splice(change.index, 0, aField(`${change.name}: ${change.value}`));
          if (change.kind !== 'deleteHeader') continue;
          const places = result.flatMap(({ name }, at) =>
            name.toLowerCase() === change.name.toLowerCase() ? [at] : [],
          );
          result.splice(places[change.index - 1]!, 1);
        }
        const isMark = (field: string): boolean =>
          /^x-postern-/i.test(field) ||
          (/^authentication-results:/i.test(field) && authservIdOf(field.slice(23)) === 'mx.example.com');
        expect(result.map(({ name, value }) => `${name}:${value}`)).toEqual([
          'Authentication-Results: mx.example.com; none',
          ...lines.filter((field) => !isMark(field)),
        ]);
      }),
      { numRuns: 2000 },
    );
  });
});
