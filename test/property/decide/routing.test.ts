/** What holds of routing whatever the settings and the message. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { renderRouteChanges, type EnvelopeRecipient } from '../../../src/answers/index.ts';
import {
  decideMessage,
  recipientReading,
  ROUTE_FIELD,
  type ExistenceFact,
  type Mailbox,
  type MessageDecision,
  type MessageTransaction,
  type RouteDelivery,
} from '../../../src/decide/index.ts';
import { decodeRecipient } from '../../../src/mail/index.ts';
import { validate } from '../../../src/settings/index.ts';
import type { RouteId, Snapshot } from '../../../src/snapshot/index.ts';
import { aDocument, aSnapshot, installedAs, knownRoute, type Installed } from '../../support/builders.ts';
import { aMessage, type MessageTexts, type ResolvedTexts } from '../../support/messages.ts';
import { pick, routingSettings } from '../snapshot/documents.ts';

const AROUND = {
  trustedNetworks: ['127.0.0.0/8', '192.0.2.30'],
  reinjectionServices: ['reinject'],
  originDomain: 'b.example',
  recipientLists: { 'recipients.txt': 'bob\n' },
};
const ROUTES = { routes: { r: { host: '192.0.2.30' }, s: { host: 'relay.example.net', mx: true } } };
const INTERNAL = 'route.postern.internal';

/** A snapshot of two own domains; Postfix knows what `installed` says. */
const document = fc
  .tuple(routingSettings, routingSettings)
  .map(([a, b]) => aDocument({ 'a.example': a, 'b.example': b }, ROUTES));
function snapshotOf(good: object, installed: Installed = {}): Snapshot | null {
  return validate(good).settings === null ? null : installedAs(aSnapshot(good, AROUND), installed);
}

const installation: fc.Arbitrary<Installed> = fc.record(
  {
    isAsked: fc.boolean(),
    isLive: fc.boolean(),
    installed: pick<string[]>([], ['r'], ['s'], ['r', 's']),
    numbered: pick<string[]>([], ['r'], ['r', 's']),
  },
  { requiredKeys: [] },
);
const recipient = pick<string | ResolvedTexts>(
  ...['bob@a.example', 'Bob@A.example', 'alice@a.example', 'bob@b.example', 'carol@elsewhere.example', 'postmaster'],
  ...['bob@sub.a.example', 'bob@nota.example', 'bob@a.example.evil.example', '"a b"@a.example', 'a(b)@b.example'],
  ...['bob%a.example', 'bob@a.example.', 'bob@[192.0.2.1]'],
  { to: 'bob@a.example', by: 'postern-r1', at: '[192.0.2.30]:25' },
  { to: 'bob@b.example', by: 'postern-r2', at: 'relay.example.net:25' },
  { to: 'bob@a.example', by: 'relay', at: 'a.example' },
  { to: 'bob%a.example@elsewhere.example' },
);
const encoded = pick<string | ResolvedTexts>(`u=a.example@r7-00000000.${INTERNAL}`, {
  to: 'odd',
  as: `u=a.example@r7-00000000.${INTERNAL}`,
});
type Texts = MessageTexts & { readonly marks: readonly string[]; readonly kinds: readonly ExistenceFact['kind'][] };

const message: fc.Arbitrary<Texts> = fc.record({
  client: pick('203.0.113.1', '192.0.2.30', '127.0.0.1', 'local', 'unknown'),
  sender: pick(
    '<>',
    'x@partner.example',
    'alice@a.example',
    'alice@A.EXAMPLE',
    'bob@b.example',
    'alice',
    'a(b)@a.example',
  ),
  user: pick(null, null, 'alice', 'alice@a.example', 'carol@other.example'),
  daemon: pick(null, null, null, 'reinject'),
  recipients: fc.uniqueArray(fc.oneof({ weight: 9, arbitrary: recipient }, { weight: 1, arbitrary: encoded }), {
    minLength: 1,
    maxLength: 5,
  }),
  kinds: fc.array(pick<ExistenceFact['kind']>('existing', 'existing', 'missing', 'missing', 'unknown'), {
    minLength: 5,
    maxLength: 5,
  }),
  marks: fc.oneof({ weight: 2, arbitrary: fc.constant<string[]>([]) }, fc.subarray(['r', 's', 'forged'])),
});

/** The message with the marks of these routes, as their services write them, and what is known of its recipients. */
function marked(snapshot: Snapshot, { marks, kinds, ...texts }: Texts): MessageTransaction {
  const known = (name: string): boolean => snapshot.installation.routes.has(`acme/${name}` as RouteId);
  const valueOf = (name: string): string => (known(name) ? knownRoute(snapshot, name).mark : 'r1-forged');
  const t = aMessage({ ...texts, headers: marks.map((name) => `${ROUTE_FIELD}: ${valueOf(name)}`) });
  const existences = t.recipients.map(({ address, resolved }): ExistenceFact | null => {
    const sources = recipientReading(snapshot, address, resolved?.address ?? null)?.policy.recipients ?? null;
    // One and the same recipient, however it is written, is of one kind.
    const kind = kinds[address.localPart.toLowerCase().charCodeAt(0) % kinds.length] ?? 'existing';
    return sources === null ? null : { kind, setting: '/x', text: 'so it is' };
  });
  return { ...t, existences };
}

const deliveriesOf = ({ routing }: MessageDecision): RouteDelivery[] => [
  ...routing.recipients.flatMap(({ routes }) => routes),
  ...routing.copies,
];
const isGuarded = ({ reasons }: MessageDecision['routing']['recipients'][number]): boolean =>
  reasons.some(({ rule }) => rule === 'internal-domain');
const keyOf = (route: string, { localPart, domain }: Mailbox): string =>
  `${route} ${localPart}@${domain.toLowerCase()}`;
const envelopeOf = ({ recipients }: MessageTransaction): EnvelopeRecipient[] =>
  recipients.map((each) => ({ ...each, exact: `<${each.address.text}>`, parameters: [] }));

describe('routing', () => {
  it('is a function of plain data', () => {
    fc.assert(
      fc.property(document, installation, message, (good, installed, texts) => {
        const snapshot = snapshotOf(good, installed);
        fc.pre(snapshot !== null);
        const t = marked(snapshot, texts);
        expect(decideMessage(structuredClone(snapshot), structuredClone(t))).toEqual(decideMessage(snapshot, t));
      }),
      { numRuns: 1500 },
    );
  });

  it('no message is passed whose routing wants a route that Postfix does not know', () => {
    let waited = 0;
    fc.assert(
      fc.property(document, installation, message, (good, installed, texts) => {
        const snapshot = snapshotOf(good, installed);
        fc.pre(snapshot !== null);
        const decision = decideMessage(snapshot, marked(snapshot, texts));
        const { isAsked, routes } = snapshot.installation;
        const unknown = deliveriesOf(decision).filter(
          ({ route }) => !isAsked || routes.get(route)?.isInstalled !== true,
        );
        if (unknown.length > 0) expect(decision.verdict.kind).not.toBe('pass');
        if (decision.verdict.kind === 'defer') waited += 1;
        const routed = decision.routing.verdict.kind;
        const mustWait = routed === 'defer' || (unknown.length > 0 && routed === 'pass');
        expect(decision.verdict.kind === 'defer').toBe(mustWait && !isRefused(decision));
      }),
      { numRuns: 3000 },
    );
    expect(waited).toBeGreaterThan(300);
  });

  it('with nothing installed only what no route wants is passed', () => {
    fc.assert(
      fc.property(document, message, (good, texts) => {
        const snapshot = validate(good).settings === null ? null : aSnapshot(good, AROUND);
        fc.pre(snapshot !== null);
        const decision = decideMessage(snapshot, marked(snapshot, texts));
        if (decision.verdict.kind === 'pass') expect(deliveriesOf(decision)).toEqual([]);
      }),
      { numRuns: 1500 },
    );
  });

  it('no delivery goes to a route that has had the message, and an observed domain sends nothing', () => {
    let looped = 0;
    fc.assert(
      fc.property(document, message, (good, texts) => {
        const snapshot = snapshotOf(good);
        fc.pre(snapshot !== null);
        const decision = decideMessage(snapshot, marked(snapshot, texts));
        const visited = texts.marks.map((name) => `acme/${name}`);
        const deliveries = deliveriesOf(decision);
        if (decision.verdict.kind === 'pass') {
          expect(deliveries.filter(({ route }) => visited.includes(route))).toEqual([]);
        } else looped += 1;
        const isObserved = [...snapshot.domains.values()].every(({ enforcement }) => enforcement === 'observe');
        if (isObserved) expect(deliveries).toEqual([]);
      }),
      { numRuns: 3000 },
    );
    expect(looped).toBeGreaterThan(100);
  });

  it('every recipient is delivered somewhere, or the message refused; but encoded ones of a local bounce', () => {
    let routed = 0;
    fc.assert(
      fc.property(document, message, (good, texts) => {
        const snapshot = snapshotOf(good);
        fc.pre(snapshot !== null);
        const t = marked(snapshot, texts);
        const decision = decideMessage(snapshot, t);
        if (decision.verdict.kind !== 'pass') return;
        expect(decision.routing.recipients.length).toBe(t.recipients.length);
        for (const each of decision.routing.recipients) {
          if (each.routes.length > 0) routed += 1;
          if (isGuarded(each))
            expect([each.here, each.routes, t.client.kind, t.sender]).toEqual([false, [], 'local', null]);
          else expect(each.here || each.routes.length > 0).toBe(true);
        }
      }),
      { numRuns: 3000 },
    );
    expect(routed).toBeGreaterThan(300);
  });

  it('what cannot be found out makes no difference, or the message waits; it never goes two ways at once', () => {
    let [same, waiting] = [0, 0];
    const isLocalBounce = ({ client, sender }: MessageTransaction): boolean =>
      client.kind === 'local' && sender === null;
    fc.assert(
      fc.property(document, message, (good, texts) => {
        const snapshot = snapshotOf(good);
        fc.pre(snapshot !== null);
        const [first] = texts.recipients ?? [];
        fc.pre(first !== undefined);
        const decided = (['existing', 'missing', 'unknown'] as const).map((kind) =>
          decideMessage(snapshot, marked(snapshot, { ...texts, recipients: [first], kinds: [kind] })),
        );
        const t = marked(snapshot, { ...texts, recipients: [first] });
        fc.pre(t.existences?.[0] !== null && !isLocalBounce(t));
        const ways = decided.map(({ routing: { recipients } }) => {
          const { here, routes } = recipients[0]!;
          return JSON.stringify([here, routes.map(({ route, bounces }) => [route, bounces])]);
        });
        if (ways[0] === ways[1]) {
          same += 1;
          expect([ways[2], decided[2]!.verdict]).toEqual([ways[0], decided[0]!.verdict]);
        } else {
          waiting += 1;
          expect(decided[2]!.routing.recipients[0]).toMatchObject({
            here: false,
            routes: [],
            refusal: { kind: 'defer' },
          });
        }
      }),
      { numRuns: 3000 },
    );
    expect(Math.min(same, waiting)).toBeGreaterThan(200);
  });

  it('RT-11 a missing recipient that goes to a route is not saved here', () => {
    let routed = 0;
    fc.assert(
      fc.property(document, message, (good, texts) => {
        const snapshot = snapshotOf(good);
        fc.pre(snapshot !== null);
        const t = marked(snapshot, { ...texts, kinds: Array(5).fill('missing') });
        const isBounce = t.client.kind === 'local' && t.sender === null;
        decideMessage(snapshot, t).routing.recipients.forEach((each, index) => {
          if (each.routes.length === 0 || isBounce || (t.existences?.[index] ?? null) === null) return;
          routed += 1;
          expect([each.here, each.routes.length]).toEqual([false, 1]);
        });
      }),
      { numRuns: 2000 },
    );
    expect(routed).toBeGreaterThan(200);
  });

  it('internal mail on its first pass goes to the gateway of its domain and nowhere else', () => {
    let detoured = 0;
    fc.assert(
      fc.property(document, message, (good, texts) => {
        const snapshot = snapshotOf(good);
        fc.pre(snapshot !== null);
        const t = marked(snapshot, {
          ...texts,
          client: '127.0.0.1',
          user: null,
          daemon: null,
          marks: [],
          sender: 'alice@a.example',
        });
        const policy = [...snapshot.domains.values()].find(({ domain }) => domain === 'a.example')!;
        const gateway = policy.gateway?.internalRoute ?? null;
        if (gateway === null || policy.enforcement === 'observe') return;
        decideMessage(snapshot, t).routing.recipients.forEach((each, index) => {
          if (!/^\w+@a\.example$/i.test(t.recipients[index]!.address.text)) return;
          const isElsewhere = t.recipients[index]!.resolved !== null;
          if (t.existences?.[index]?.kind !== 'existing' || isElsewhere) return;
          detoured += 1;
          expect([each.here, each.routes.map(({ route }) => route)]).toEqual([false, [gateway]]);
        });
      }),
      { numRuns: 3000 },
    );
    expect(detoured).toBeGreaterThan(100);
  });

  it('RT-03 the changes of the envelope are the deliveries, each once, and nobody is taken out who is not put in', () => {
    let deleted = 0;
    fc.assert(
      fc.property(document, fc.boolean(), message, (good, isLive, texts) => {
        const snapshot = snapshotOf(good, { isLive });
        fc.pre(snapshot !== null);
        const t = marked(snapshot, texts);
        const decision = decideMessage(snapshot, t);
        if (decision.verdict.kind !== 'pass') return;
        const changes = renderRouteChanges(snapshot, decision.routing, envelopeOf(t));
        const added = changes.flatMap((each) =>
          each.kind === 'addRecipient' ? [arrivalOf(snapshot, each.recipient)] : [],
        );
        expect(new Set(added).size).toBe(added.length);
        const wanted = new Set(deliveriesOf(decision).map(({ route, mailbox }) => keyOf(route, mailbox)));
        for (const each of added) expect(wanted).toContain(each);
        const gone = changes.flatMap((each) => (each.kind === 'deleteRecipient' ? [each.recipient] : []));
        expect(added.length + gone.length).toBe(changes.length);
        deleted += gone.length;
        t.recipients.forEach(({ address }, index) => {
          const each = decision.routing.recipients[index]!;
          const isGone = gone.includes(`<${address.text}>`);
          if (each.here) expect(isGone).toBe(false);
          const isAdded = each.routes.every(({ route, mailbox }) => added.includes(keyOf(route, mailbox)));
          // What is neither put in nor taken out goes by its line.
          if (!isGuarded(each) && !each.here && !isAdded)
            expect([isGone, each.routes[0]!.hasLine, isLive]).toEqual([false, true, true]);
          if (isGone) expect(isGuarded(each) || (isAdded && each.routes.length > 0)).toBe(true);
        });
        for (const { route, mailbox } of decision.routing.copies) expect(added).toContain(keyOf(route, mailbox));
      }),
      { numRuns: 3000 },
    );
    expect(deleted).toBeGreaterThan(500);
  });

  it('RT-06 look-alike domains are never routed by the rule of another, and case makes no difference', () => {
    const alike = pick(
      'sub.a.example',
      'nota.example',
      'a.example.evil.example',
      'example',
      'aexample',
      'xn--a.example',
    );
    const spelling = fc.tuple(pick('a.example', 'b.example'), fc.array(fc.boolean(), { minLength: 9, maxLength: 9 }));
    fc.assert(
      fc.property(document, message, alike, spelling, (good, texts, other, [own, capitals]) => {
        const snapshot = snapshotOf(good);
        fc.pre(snapshot !== null);
        const client = '203.0.113.1';
        const stranger = marked(snapshot, { ...texts, client, user: null, recipients: [`bob@${other}`] });
        expect(decideMessage(snapshot, stranger).routing.recipients).toMatchObject([{ here: true, routes: [] }]);
        const sender = marked(snapshot, {
          ...texts,
          client: '127.0.0.1',
          user: null,
          sender: `alice@${other}`,
          recipients: ['c@elsewhere.example'],
        });
        expect(deliveriesOf(decideMessage(snapshot, sender))).toEqual([]);
        const typed = Array.from(own)
          .map((letter, at) => (capitals[at] ? letter.toUpperCase() : letter))
          .join('');
        const [plain, odd] = [own, typed].map((domain) => {
          const t = marked(snapshot, { ...texts, recipients: [`bob@${domain}`] });
          const { routing, verdict } = decideMessage(snapshot, t);
          return {
            verdict,
            ways: routing.recipients.map(({ here, routes }) => [here, routes.map(({ route }) => route)]),
          };
        });
        expect(odd).toEqual(plain);
      }),
      { numRuns: 2000 },
    );
  });
});

/** Whether the message is refused for an address under the internal domain. */
const isRefused = ({ verdict }: MessageDecision): boolean => verdict.kind === 'reject';

/** Where an added recipient arrives, and as whom. */
function arrivalOf(snapshot: Snapshot, text: string): string {
  const decoded = decodeRecipient(text, INTERNAL);
  if (decoded === null) throw new Error(`${text} is not encoded`);
  const route = [...snapshot.installation.routes].find(([, { label }]) => label === decoded.label)?.[0];
  const at = decoded.address.lastIndexOf('@');
  // Before an address literal the local-part comes back in quotes.
  const localPart = decoded.address.slice(0, at).replace(/^"(\w+)"$/, '$1');
  return keyOf(route!, { localPart, domain: decoded.address.slice(at + 1) });
}
