import { describe, expect, it } from 'vitest';
import { decideMessage, decideRecipient, type MessageDecision } from '../../../src/decide/index.ts';
import { mailboxOf, visitedRoutes } from '../../../src/decide/rules/routing.ts';
import { formatReply, parseAddress, parseIpAddress, type IpAddress } from '../../../src/mail/index.ts';
import { routeHostKey, withRouteServers, type RouteId } from '../../../src/snapshot/index.ts';
import {
  aDocument,
  aRoutedSnapshot,
  aSnapshot,
  aTransaction,
  knownRoute,
  withDomain,
  type Around,
  type Keys,
} from '../../support/builders.ts';
import { existenceOf } from '../../support/existence.ts';
import { aField, aMessage, type MessageTexts } from '../../support/messages.ts';

const ROUTES = { archive: { host: 'archive.example.net' }, dlp: { host: '192.0.2.30' } };
const EXTERNAL = { inboundRouting: [{ mail: ['external'], route: 'archive' }] };
const DLP = { outboundRouting: [{ mail: ['external'], action: 'change', route: 'dlp' }] };

const snapshotOf = (settings: Keys, around: Around = {}) =>
  aRoutedSnapshot(withDomain(settings, { routes: ROUTES }), {}, around);
const decide = (settings: Keys, texts: MessageTexts, around: Around = {}): MessageDecision =>
  decideMessage(snapshotOf(settings, around), aMessage(texts));
const waysOf = ({ routing }: MessageDecision): string[][] =>
  routing.recipients.map(({ here, routes }) => [...(here ? ['here'] : []), ...routes.map(({ route }) => route)]);
const replyOf = ({ verdict }: MessageDecision): string =>
  'reply' in verdict ? formatReply(verdict.reply) : verdict.kind;

describe('the mailbox that a server of a route sees', () => {
  it.each([
    ['bob@example.com', 'bob', 'example.com'],
    ['Bob+x@Example.COM', 'Bob+x', 'Example.COM'],
    ['"a b"@example.com', '"a b"', 'example.com'],
    ['"a@b"@example.com', '"a@b"', 'example.com'],
    ['jürgen@bücher.example', 'jürgen', 'bücher.example'],
    ['bob@[192.0.2.1]', 'bob', '[192.0.2.1]'],
    ['bob%example.com', 'bob', 'example.com'],
    ['Example.com!bob', 'bob', 'example.com'],
    ['bob@example.com.', 'bob', 'example.com'],
    ['bob@example.com..', 'bob', 'example.com..'],
    ['bob@.', 'bob', '.'],
  ])('of %s is %s at %s', (text, localPart, domain) => {
    expect(mailboxOf(parseAddress(text)!)).toEqual({ localPart, domain });
  });

  it.each(['postmaster', 'bob@', '"bob"'])('%s has none', (text) => {
    expect(mailboxOf(parseAddress(text)!)).toBeNull();
  });
});

describe('the routes that a message has been at', () => {
  const marks = new Map([
    ['r1-aa', 'acme/one' as RouteId],
    ['r2-bb', 'acme/two' as RouteId],
  ]);
  const visited = (...lines: string[]): string[] => [...visitedRoutes(lines.map(aField), marks)];

  it.each<[string, string[], string[]]>([
    ['none without a mark', ['Subject: r1-aa', 'X-Postern-Verdict: r1-aa'], []],
    ['that of a mark', ['X-Postern-Route: r1-aa'], ['acme/one']],
    ['in any case of the name, with white space around the value', ['x-POSTERN-route:\t r1-aa \n '], ['acme/one']],
    [
      'all of several marks, each once',
      ['X-Postern-Route: r2-bb', 'X-Postern-Route: r1-aa', 'X-Postern-Route: r2-bb'],
      ['acme/two', 'acme/one'],
    ],
    [
      'not that of a value which only looks like one',
      ['X-Postern-Route: r1-AA', 'X-Postern-Route: r1-aa x', 'X-Postern-Route: acme/one', 'X-Postern-Route:'],
      [],
    ],
  ])('are %s', (_, lines, routes) => {
    expect(visited(...lines)).toEqual(routes);
  });
});

describe('RT-06 look-alike domains', () => {
  it.each(['sub.example.com', 'notexample.com', 'example.com.evil.example', 'example.co', 'xn--example.com'])(
    'RT-06 neither a recipient nor a trusted sender in %s is routed by the rules of example.com',
    (domain) => {
      const settings = { ...EXTERNAL, ...DLP };
      expect(waysOf(decide(settings, { recipients: [`bob@${domain}`] }))).toEqual([['here']]);
      const texts = { client: '127.0.0.1', sender: `alice@${domain}`, recipients: ['c@elsewhere.example'] };
      expect(waysOf(decide(settings, texts))).toEqual([['here']]);
    },
  );

  it.each(['example.com', 'EXAMPLE.com', 'eXample.Com', 'Example.com.'])('RT-06 %s is example.com', (domain) => {
    expect(waysOf(decide(EXTERNAL, { recipients: [`bob@${domain}`] }))).toEqual([['acme/archive']]);
    const texts = {
      client: '127.0.0.1',
      sender: `alice@${domain}`,
      recipients: ['c@elsewhere.example', 'bob@example.com'],
    };
    expect(waysOf(decide(DLP, texts))).toEqual([['acme/dlp'], ['here']]);
  });
});

describe('RT-14 internal and external', () => {
  const to = { recipients: ['bob@example.com'] };

  it.each<[string, MessageTexts, string[]]>([
    ['(a) authenticated', { sender: 'alice@example.com', user: 'alice' }, ['here']],
    ['(b) a stranger', { sender: 'alice@example.com' }, ['acme/archive']],
    ['(c) through the server of a route', { sender: 'alice@example.com', client: '192.0.2.30' }, ['acme/archive']],
    ['in trustedNetworks', { sender: 'alice@example.com', client: '192.0.2.31' }, ['here']],
    ['local submission', { sender: 'alice@example.com', client: 'local' }, ['here']],
    ['another own domain', { sender: 'alice@b.example', client: 'local' }, ['acme/archive']],
    ['the null sender', { sender: '<>', client: 'local' }, ['acme/archive']],
    ['a user of another organization', { sender: 'alice@example.com', user: 'eve@c.example' }, ['acme/archive']],
    ['a wrapped sender', { sender: 'alice%example.com@localhost', client: 'local' }, ['here']],
    ['a sender without domain', { sender: 'alice', client: 'local' }, ['here']],
  ])('RT-14 %s', (_, texts, ways) => {
    const acme = aDocument({ 'example.com': EXTERNAL, 'b.example': {} }, { routes: ROUTES })['organizations'] as Keys;
    const other = { primaryDomain: 'c.example', domains: { 'c.example': {} } };
    const around = { trustedNetworks: ['192.0.2.0/24'], originDomain: 'example.com' };
    const snapshot = aRoutedSnapshot({ version: 1, organizations: { ...acme, other } }, {}, around);
    expect(waysOf(decideMessage(snapshot, aMessage({ ...texts, ...to })))).toEqual([ways]);
    // At RCPT the same is said of it.
    const { client, sender, user } = texts;
    const t = aTransaction({ ...(client !== undefined && { client }), sender: sender!, user: user ?? null });
    expect(decideRecipient(snapshot, t).mail).toBe(ways[0] === 'here' ? 'internal' : 'external');
  });
});

describe('outbound rules act on the first pass only', () => {
  const mark = (name: string): string => `X-Postern-Route: ${knownRoute(snapshotOf(DLP), name).mark}`;
  const out = { sender: 'alice@example.com', recipients: ['c@elsewhere.example'] };

  it.each<[string, MessageTexts, string, string[]]>([
    ['first pass', { client: '127.0.0.1' }, 'pass', ['acme/dlp']],
    ['second pass from a network', { client: '127.0.0.1', headers: [mark('dlp')] }, 'pass', ['here']],
    ['second pass by local submission', { client: 'local', headers: [mark('dlp')] }, 'pass', ['here']],
    ['any route counts as a pass', { client: '127.0.0.1', headers: [mark('archive')] }, 'pass', ['here']],
    ['a forged mark is none', { client: '127.0.0.1', headers: ['X-Postern-Route: r2-0'] }, 'pass', ['acme/dlp']],
    ['a user with the mark of another route', { user: 'alice', headers: [mark('archive')] }, 'pass', ['acme/dlp']],
    ['a user with the mark of the same route', { user: 'alice', headers: [mark('dlp')] }, '550 5.4.6', []],
  ])('%s', (_, texts, reply, ways) => {
    const decision = decide(DLP, { ...out, ...texts });
    expect(replyOf(decision).slice(0, reply.length)).toBe(reply);
    expect(waysOf(decision)).toEqual([ways]);
  });

  it('a mark counts from a stranger too, because only our own service can have written it, and it stays', () => {
    const looped = decide(EXTERNAL, { headers: [mark('archive'), 'X-Postern-Verdict: ham'] });
    expect(replyOf(looped)).toMatch(/^550 5\.4\.6 /);
    const passing = decide(EXTERNAL, {
      headers: [mark('dlp'), 'X-Postern-Route: r1-forged', 'X-Postern-Verdict: ham'],
    });
    expect([replyOf(passing), passing.removed]).toEqual(['pass', [1, 2]]);
  });
});

describe('a message that is refused or has to wait', () => {
  const headers = ['X-Postern-Verdict: ham', 'From: alice@example.com'];

  it.each<[string, MessageTexts, Keys]>([
    [
      'by a loop',
      { headers: [...headers, `X-Postern-Route: ${knownRoute(snapshotOf(EXTERNAL), 'archive').mark}`] },
      EXTERNAL,
    ],
    [
      'for an encoded recipient',
      { headers, recipients: ['u=x@r1-0.route.postern.internal'] },
      { allowedIps: ['203.0.113.9'] },
    ],
  ])('%s is not changed', (_, texts, settings) => {
    expect(decide(settings, texts)).toMatchObject({
      verdict: { kind: 'reject' },
      removed: [],
      added: [],
      bypassSpamFilter: false,
    });
  });

  it('because Postfix does not know its route is not changed either', () => {
    const decision = decideMessage(aSnapshot(withDomain(EXTERNAL, { routes: ROUTES })), aMessage({ headers }));
    expect(decision).toMatchObject({ verdict: { kind: 'defer' }, removed: [], added: [] });
    expect(replyOf(decision)).toBe('451 4.3.5 Mail routing is not ready, try again later');
  });

  it('says first why, and each reason once', () => {
    const marks = ['archive', 'dlp'].map((name) => `X-Postern-Route: ${knownRoute(snapshotOf(DLP), name).mark}`);
    const { reasons, routing } = decide(
      { ...DLP, ...EXTERNAL },
      {
        sender: 'alice@example.com',
        user: 'alice',
        recipients: ['c@elsewhere.example', 'd@elsewhere.example'],
        headers: marks,
      },
    );
    expect(reasons[0]).toBe(routing.decisive);
    expect(reasons.filter(({ rule }) => rule === 'routing')).toHaveLength(2);
    expect(new Set(reasons).size).toBe(reasons.length);
  });
});

describe('RT-02 the server of a route', () => {
  const settings = {
    recipients: ['r.txt'],
    inboundRouting: [
      { mail: ['external'], recipients: ['existing', 'missing'], route: 'archive' },
      { mail: ['internal'], recipients: ['missing'], route: 'dlp' },
    ],
  };
  const base = snapshotOf(settings, { recipientLists: { 'r.txt': 'bob\n' } });
  const ip = (text: string): IpAddress => parseIpAddress(text) as IpAddress;
  const known = (...addresses: string[]) =>
    withRouteServers(base, new Map([[routeHostKey({ host: 'archive.example.net', mx: false }), addresses.map(ip)]]));

  function replyAtRcpt(client: string, recipient: string, snapshot = base): string {
    const t = aTransaction({ client, recipient });
    const existence = existenceOf(snapshot, t.recipient);
    const { verdict } = decideRecipient(snapshot, { ...t, ...(existence !== null && { existence }) });
    return verdict.kind === 'pass' ? 'pass' : formatReply(verdict.reply).slice(0, 9);
  }

  it.each([
    ['203.0.113.5', 'ghost@example.com', '550 5.1.1'],
    ['2001:db8::5', 'ghost@example.com', '550 5.1.1'],
    ['203.0.113.5', 'bob@example.com', 'pass'],
    ['203.0.113.6', 'ghost@example.com', 'pass'],
    ['192.0.2.30', 'ghost@example.com', 'pass'],
    ['local', 'ghost@example.com', 'pass'],
    ['unknown', 'ghost@example.com', 'pass'],
  ])(
    'RT-02 that is given by name is known by the addresses that the name has: %s for %s: %s',
    (client, recipient, reply) => {
      expect(replyAtRcpt(client, recipient, known('203.0.113.5', '2001:db8::5'))).toBe(reply);
    },
  );

  it('RT-02 whose name is not known is any client', () => {
    expect(replyAtRcpt('203.0.113.5', 'ghost@example.com')).toBe('pass');
    expect(replyAtRcpt('203.0.113.5', 'ghost@example.com', known())).toBe('pass');
  });

  it('RT-02 ends a ring, and its route is told: by its mark, and by its address', () => {
    const facts = { recipients: ['ghost@example.com'], client: '203.0.113.5' };
    const mark = `X-Postern-Route: ${knownRoute(base, 'archive').mark}`;
    const missing = { kind: 'missing', setting: '/who', text: 'there is no ghost' } as const;
    const loops = [
      decideMessage(base, { ...aMessage({ ...facts, headers: [mark] }), existences: [missing] }),
      decideMessage(known('203.0.113.5'), { ...aMessage(facts), existences: [missing] }),
    ];
    for (const { routing, verdict, decisive } of loops) {
      expect(verdict).toMatchObject({ kind: 'reject', reply: { code: '550', status: '5.1.1' } });
      expect(routing.recipients).toMatchObject([{ here: false, routes: [], loop: 'acme/archive' }]);
      expect(decisive).toEqual({
        rule: 'unknown-recipient',
        setting: '/who',
        text: 'there is no ghost',
        considered: true,
      });
    }
    const existing = decideMessage(base, aMessage({ recipients: ['bob@example.com'], headers: [mark] }));
    expect(replyOf(existing)).toMatch(/^550 5\.4\.6 /);
    expect(existing.routing.recipients[0]?.loop).toBe('acme/archive');
  });

  it('no loop is told of a message that goes its way, or that is refused for another reason', () => {
    const message = decideMessage(base, aMessage({ recipients: ['bob@example.com', 'b(ob)@example.com'] }));
    expect(message.routing.recipients.map(({ loop }) => loop)).toEqual([null, null]);
    expect(replyOf(message)).toMatch(/^553 5\.1\.3 /);
  });
});
