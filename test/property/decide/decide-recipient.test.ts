import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decideRecipient } from '../../../src/decide/index.ts';
import { validate } from '../../../src/settings/index.ts';
import { compile, type Snapshot } from '../../../src/snapshot/index.ts';
import {
  actionOf,
  aDocument,
  aHost,
  aTransaction,
  REVISION,
  someMaterials,
  type Around,
  type Keys,
  type TransactionTexts,
} from '../../support/builders.ts';
import { document, domainSettings, pick } from '../snapshot/documents.ts';

const AROUND: Around = {
  lists: { 'drop.txt': '192.0.2.0/25\n203.0.113.9\n' },
  trustedNetworks: ['127.0.0.0/8', '198.51.100.0/24', '192.0.2.30'],
};

/** The snapshot of a good document; null where it is refused. */
function snapshotOf(good: Keys): Snapshot | null {
  const { settings } = validate(good);
  if (settings === null) return null;
  const compiled = compile(settings, someMaterials(AROUND), aHost(AROUND), REVISION);
  return compiled.ok ? compiled.value : null;
}

const transaction: fc.Arbitrary<TransactionTexts> = fc.record({
  client: pick(
    '192.0.2.1',
    '192.0.2.200',
    '::ffff:192.0.2.1',
    '2001:db8::1',
    '203.0.113.1',
    '203.0.113.9',
    '198.51.100.3',
    '192.0.2.30',
    '127.0.0.1',
    'local',
    'unknown',
  ),
  sender: pick(
    '<>',
    'x@p.example',
    'x@P.example',
    'alice@a.example',
    'alice@b.example',
    'x@bücher.example',
    'x',
    'x@r7.route.postern.internal',
  ),
  recipient: pick(
    'bob@a.example',
    'bob@A.EXAMPLE',
    'bob@b.example',
    'bob@elsewhere.example',
    '"a@b.example"@a.example',
    'bob@[192.0.2.1]',
    'u=b.example@r7.route.postern.internal',
  ),
  user: pick(null, null, 'alice', 'alice@a.example', 'bob@b.example'),
  daemon: pick(null, 'smtpd'),
  tls: fc.boolean(),
  at: pick('2025-12-31T12:00:00Z', '2026-01-01T23:59:59Z', '2026-01-02T00:00:00Z'),
});

describe('decideRecipient', () => {
  it('is a function: the same snapshot and transaction give the same decision, which Postfix is always sent', () => {
    fc.assert(
      fc.property(document, transaction, (good, texts) => {
        const snapshot = snapshotOf(good);
        fc.pre(snapshot !== null);
        const decision = decideRecipient(snapshot, aTransaction(texts));
        expect(decideRecipient(snapshot, aTransaction(texts))).toEqual(decision);
        expect(decideRecipient(structuredClone(snapshot), aTransaction(texts))).toEqual(decision);
        const action = actionOf(decision.verdict);
        expect(action).toMatch(/^(?:DUNNO|[45][0-9]{2} [45]\.[0-9]\.[0-9] .+)$/);
        expect(action.length).toBeLessThanOrEqual(400);
      }),
      { numRuns: 2000 },
    );
  });

  it('ADM-03 domains do not leak: no setting of one own domain changes a decision about another', () => {
    fc.assert(
      fc.property(domainSettings, domainSettings, domainSettings, transaction, (a, otherA, b, texts) => {
        const routes = { routes: { r: { host: '192.0.2.30' }, s: { host: 'relay.example.net' } } };
        const [before, after, alone] = [
          { 'a.example': a, 'b.example': b },
          { 'a.example': otherA, 'b.example': b },
          { 'b.example': b, 'a.example': {} },
        ].map((domains) => snapshotOf(aDocument(domains, routes)));
        fc.pre(!!before && !!after && !!alone);
        const toB = aTransaction({ ...texts, recipient: 'bob@b.example' });
        const decision = decideRecipient(before, toB);
        expect(decideRecipient(after, toB)).toEqual(decision);
        expect(decideRecipient(alone, toB)).toEqual(decision);
      }),
      { numRuns: 2000 },
    );
  });

  it('observe refuses nothing, and would have done exactly what enforce does', () => {
    fc.assert(
      fc.property(domainSettings, transaction, (settings, texts) => {
        const routes = { routes: { r: { host: '192.0.2.30' }, s: { host: 'relay.example.net' } } };
        const [enforced, observed] = ['enforce', 'observe'].map((enforcement) =>
          snapshotOf(aDocument({ 'a.example': { ...settings, enforcement } }, routes)),
        );
        fc.pre(!!enforced && !!observed);
        const t = aTransaction({ ...texts, recipient: 'bob@a.example', sender: 'x@p.example' });
        const really = decideRecipient(enforced, t);
        const watched = decideRecipient(observed, t);
        expect(watched.verdict).toEqual({ kind: 'pass' });
        expect(watched.observed).toEqual(really.verdict.kind === 'pass' ? null : really.verdict);
        expect(watched.decisive).toEqual(really.decisive);
        expect(watched.bypassSpamFilter).toBe(false);
      }),
      { numRuns: 1000 },
    );
  });

  it('only SASL, network and local submission are proofs, and internal mail needs one', () => {
    fc.assert(
      fc.property(document, transaction, (good, texts) => {
        const snapshot = snapshotOf(good);
        fc.pre(snapshot !== null);
        const { trust, mail, domain } = decideRecipient(snapshot, aTransaction(texts));
        expect(trust.trusted).toBe(trust.proof !== null);
        if (mail === 'internal')
          expect([trust.trusted, texts.sender?.endsWith(`@${domain ?? ''}`)]).toEqual([true, true]);
      }),
      { numRuns: 1000 },
    );
  });
});
