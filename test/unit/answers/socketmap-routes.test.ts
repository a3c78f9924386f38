import { describe, expect, it } from 'vitest';
import { answerSocketmap, recipientOfKey, renderRouteMaps, type SocketmapFacts } from '../../../src/answers/index.ts';
import { encodeSocketmapReply } from '../../../src/wire/socketmap/index.ts';
import { aDocument, aRoutedSnapshot, knownRoute, type Installed, type Keys } from '../../support/builders.ts';

const ROUTES = {
  archive: { host: '192.0.2.10' },
  relay: { host: 'relay.example.net', port: 2525 },
  mx: { host: 'example.net', mx: true },
  six: { host: '2001:db8::5' },
};
const PLAIN = ['external', 'internal'];
const DOMAINS = {
  'example.com': { inboundRouting: [{ mail: PLAIN, route: 'archive' }] },
  'bücher.example': { inboundRouting: [{ mail: PLAIN, route: 'relay' }] },
  'some.example': { inboundRouting: [{ mail: ['external'], route: 'archive' }] },
  'none.example': {},
  'observed.example': { enforcement: 'observe', inboundRouting: [{ mail: PLAIN, route: 'archive' }] },
  'unclear.example': { recipients: ['r.txt'], inboundRouting: [{ mail: PLAIN, route: 'archive' }] },
  'ghosts.example': {
    recipients: ['r.txt'],
    inboundRouting: [{ mail: PLAIN, route: 'archive', recipients: ['missing'] }],
  },
  'both.example': {
    recipients: ['r.txt'],
    inboundRouting: [
      { mail: ['external'], route: 'archive' },
      { mail: ['internal'], route: 'relay', recipients: ['missing'] },
    ],
  },
  'nowhere.example': { recipients: ['r.txt'] },
};
const EXISTENCES = { existing: 'bob', missing: 'ghost', unknown: 'carol' } as const;
const FACTS = { at: 0, milter: null };
const NOT_FOUND = 'NOTFOUND ';
const RETRY = 'OK retry:4.3.5 Postern route not installed';

const snapshotOf = (known: Installed = {}, domains: Keys = DOMAINS) =>
  aRoutedSnapshot(aDocument(domains, { routes: ROUTES }), known, { recipientLists: { 'r.txt': 'bob\n' } });
const ask = (map: string, key: string, known: Installed = {}, facts: Partial<SocketmapFacts> = {}): string =>
  encodeSocketmapReply(answerSocketmap(snapshotOf(known), map, key, { ...FACTS, ...facts }))
    .toString()
    .replace(/^[0-9]+:(.*),$/, '$1');

describe('the socketmap transport', () => {
  it.each([
    ['archive', 'OK postern-r1:[192.0.2.10]:25'],
    ['relay', 'OK postern-r2:[relay.example.net]:2525'],
    ['mx', 'OK postern-r3:example.net:25'],
    ['six', 'OK postern-r4:[2001:db8::5]:25'],
  ])('RT-01 an encoded recipient of route %s: %s', (name, answer) => {
    const { label } = knownRoute(snapshotOf(), name);
    expect(ask('transport', `u=example.com@${label}.route.postern.internal`)).toBe(answer);
    expect(ask('transport', `"a b=example.com"@${label.toUpperCase()}.Route.POSTERN.internal`)).toBe(answer);
  });

  it.each(['bob@example.com', 'BOB@EXAMPLE.COM', 'bob+x@Example.com', '"a b"@example.com', 'bob@example.com.'])(
    'RT-06 a recipient of a domain whose mail all goes to one route, in any case: %s',
    (key) => {
      expect(ask('transport', key)).toBe('OK postern-r1:[192.0.2.10]:25');
    },
  );

  it.each(['bob@bücher.example', 'bob@xn--bcher-kva.example'])('%s is one domain in both spellings', (key) => {
    expect(ask('transport', key)).toBe('OK postern-r2:[relay.example.net]:2525');
  });

  it.each([
    ...['bob@sub.example.com', 'bob@notexample.com', 'bob@example.com.evil.example', 'bob@xexample.com', 'bob@com'],
    ...['example.com', '.example.com', '*', '', 'bob', '@', 'bob@[192.0.2.10]', 'bob@exаmple.com'],
  ])('RT-06 nothing for "%s"', (key) => {
    expect(ask('transport', key)).toBe(NOT_FOUND);
  });

  it.each(['some', 'none', 'observed', 'unclear'])('RT-08 no rule for all mail of %s.example, no answer', (name) => {
    expect(ask('transport', `bob@${name}.example`)).toBe(NOT_FOUND);
  });

  it.each([
    'u=example.com@r1-00000000.route.postern.internal',
    'u@route.postern.internal',
    'u@a.b.route.postern.internal',
    'u=example.com@r99-ffffffff.ROUTE.postern.internal',
  ])('what no route has for a label waits: %s', (key) => {
    expect(ask('transport', key)).toBe(RETRY);
  });

  it.each(['u@myroute.postern.internal', 'u@postern.internal', 'u@route.postern.internal.example'])(
    'RT-06 %s is not under the internal domain',
    (key) => {
      expect(ask('transport', key)).toBe(NOT_FOUND);
    },
  );

  it('a route without a number keeps mail back; one whose service is missing is named, and Postfix keeps it back', () => {
    expect(ask('transport', 'bob@example.com', { numbered: [] })).toBe(RETRY);
    expect(ask('transport', 'bob@example.com', { installed: [] })).toBe('OK postern-r1:[192.0.2.10]:25');
  });

  it('a number without its route keeps mail back', () => {
    const snapshot = { ...snapshotOf(), routes: new Map() };
    const answer = answerSocketmap(snapshot, 'transport', 'bob@example.com', FACTS);
    expect(answer).toEqual({ kind: 'ok', value: RETRY.slice(3) });
  });

  it('says what the table says, for each domain and label in it', () => {
    const snapshot = snapshotOf();
    const table = renderRouteMaps(snapshot, 'mx.example.com').find(({ name }) => name === 'transport')!;
    expect(table.entries).toHaveLength(8);
    for (const { key, value } of table.entries) {
      const inside = key.startsWith('.') ? `x${key}` : key;
      expect(answerSocketmap(snapshot, 'transport', `bob@${inside}`, FACTS)).toEqual({ kind: 'ok', value });
    }
  });
});

describe('the socketmap recipients', () => {
  it.each(['bob@example.com', 'ghost@EXAMPLE.com', 'bob@some.example', 'bob@bücher.example', 'bob+x@example.com'])(
    '%s may be routed, so it is taken',
    (key) => {
      expect(ask('recipients', key)).toBe('OK routed');
    },
  );

  it.each([
    ...['bob@none.example', 'bob@observed.example', 'bob@elsewhere.example'],
    ...['bob@sub.example.com', 'bob@notexample.com', '', 'bob', '*', 'example.com'],
  ])('RT-06 RT-08 "%s" is for Postfix alone', (key) => {
    expect(ask('recipients', key)).toBe(NOT_FOUND);
  });

  it.each(['@example.com', '@EXAMPLE.com.', '@bücher.example', '@none.example', '@sub.example.com', '@', '@a b'])(
    '"%s", which would take everybody of a domain, is never said',
    (key) => {
      expect(recipientOfKey(key)).toBeNull();
      expect(ask('recipients', key)).toBe(NOT_FOUND);
    },
  );

  it.each<[string, keyof typeof EXISTENCES, string]>([
    ['unclear.example', 'existing', 'OK routed'],
    ['unclear.example', 'missing', NOT_FOUND],
    ['unclear.example', 'unknown', 'TEMP a source of recipients cannot be asked'],
    ['ghosts.example', 'existing', NOT_FOUND],
    ['ghosts.example', 'missing', 'OK routed'],
    ['ghosts.example', 'unknown', 'TEMP a source of recipients cannot be asked'],
    ['both.example', 'existing', 'OK routed'],
    ['both.example', 'missing', 'OK routed'],
    ['both.example', 'unknown', 'OK routed'],
    ['nowhere.example', 'existing', NOT_FOUND],
    ['nowhere.example', 'missing', NOT_FOUND],
    ['nowhere.example', 'unknown', NOT_FOUND],
    ['observed.example', 'unknown', NOT_FOUND],
  ])('of %s, one that is %s: %s', (domain, kind, answer) => {
    const existence = { kind, setting: '/x', text: 'so it is' };
    expect(ask('recipients', `${EXISTENCES[kind]}@${domain}`, {}, { existence })).toBe(answer);
  });

  it('does not depend on what Postfix knows: who is taken is not who is delivered', () => {
    expect(ask('recipients', 'bob@example.com', { isAsked: false, numbered: [] })).toBe('OK routed');
  });
});
