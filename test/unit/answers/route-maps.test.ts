import { describe, expect, it } from 'vitest';
import { fallbackKey, renderRouteMaps, ROUTE_TABLES } from '../../../src/answers/index.ts';
import type { Snapshot } from '../../../src/snapshot/index.ts';
import { encodeIndexedTable, encodeRegexpTable, type MapFile } from '../../../src/wire/postfix-map/index.ts';
import { aDocument, aRoutedSnapshot, errorsOf, knownRoute, withDomain, type Keys } from '../../support/builders.ts';

const HOSTNAME = 'mx.example.com';
const PLAIN = { mail: ['external', 'internal'] };
const RETRY = 'retry:4.3.5 Postern route not installed';
const FALLBACK = [`route.postern.internal\t${RETRY}`, `.route.postern.internal\t${RETRY}`];

const tableOf = (snapshot: Snapshot, name: string): MapFile => {
  const found = renderRouteMaps(snapshot, HOSTNAME).find((map) => map.name === name);
  if (found === undefined) throw new Error(`no table ${name}`);
  return found;
};
const linesOf = ({ kind, entries }: MapFile): string[] =>
  (kind === 'indexed' ? encodeIndexedTable : encodeRegexpTable)(entries).split('\n').slice(0, -1);
/** The lines of the transport table, with route names in place of labels. */
function transport(snapshot: Snapshot): string[] {
  const names = [...snapshot.routes.values()].map(({ name }) => name);
  return linesOf(tableOf(snapshot, 'transport')).map((line) =>
    names.reduce((each, name) => {
      const known = snapshot.installation.routes.get([...snapshot.routes.values()].find((r) => r.name === name)!.id);
      return known === undefined ? each : each.replace(`${known.label}.`, `<${name}>.`);
    }, line),
  );
}
const routed = (settings: Keys, routes: Keys) => aRoutedSnapshot(withDomain(settings, { routes }));

describe('the transport table', () => {
  it.each([
    ['an address', { host: '192.0.2.10', port: 25 }, 'smtp:[192.0.2.10]:25'],
    [
      'a host on another port, no MX',
      { host: 'relay.example.net', port: 2525, mx: false },
      'smtp:[relay.example.net]:2525',
    ],
    ['a domain by its MX', { host: 'example.net', mx: true }, 'smtp:example.net:25'],
    ['an IPv6 address', { host: '2001:db8::5' }, 'smtp:[2001:db8::5]:25'],
    ['an IPv6 address in brackets, in capitals', { host: '[2001:DB8:0::5]' }, 'smtp:[2001:db8::5]:25'],
    ['a U-label name in capitals', { host: 'BÜCHER.example' }, 'smtp:[xn--bcher-kva.example]:25'],
  ])('RT-01 %s', (_, route, target) => {
    expect(transport(routed({}, { r: route }))).toEqual([
      `<r>.route.postern.internal\t${target.replace('smtp:', 'postern-r1:')}`,
      ...FALLBACK,
    ]);
  });

  it('has a line for an own domain whose mail all goes to one route, and keeps back what no line names', () => {
    const domains = {
      'plain.example': { inboundRouting: [{ ...PLAIN, route: 'b' }] },
      'bücher.example': {
        inboundRouting: [
          { mail: ['external'], route: 'a' },
          { mail: ['internal'], route: 'a' },
        ],
      },
      'none.example': {},
      'external.example': { inboundRouting: [{ mail: ['external'], route: 'a' }] },
      'saved.example': { inboundRouting: [{ ...PLAIN, route: 'a', alsoSave: true }] },
      'quiet.example': { inboundRouting: [{ ...PLAIN, route: 'a', suppressBounces: true }] },
      'two.example': {
        inboundRouting: [
          { mail: ['external'], route: 'a' },
          { mail: ['internal'], route: 'b' },
        ],
      },
      'observed.example': { enforcement: 'observe', inboundRouting: [{ ...PLAIN, route: 'a' }] },
    };
    const snapshot = aRoutedSnapshot(
      aDocument(domains, { routes: { a: { host: '192.0.2.1' }, b: { host: 'b.example.net' } } }),
    );
    expect(transport(snapshot)).toEqual([
      '<a>.route.postern.internal\tpostern-r1:[192.0.2.1]:25',
      '<b>.route.postern.internal\tpostern-r2:[b.example.net]:25',
      'plain.example\tpostern-r2:[b.example.net]:25',
      'xn--bcher-kva.example\tpostern-r1:[192.0.2.1]:25',
      ...FALLBACK,
    ]);
  });

  it('RT-06 names whole domains only: nothing for sub-domains, longer names or capitals', () => {
    const keys = tableOf(
      routed({ inboundRouting: [{ ...PLAIN, route: 'a' }] }, { a: { host: '192.0.2.1' } }),
      'transport',
    )
      .entries.map(({ key }) => key)
      .filter((key) => key.includes('example.com'));
    expect(keys).toEqual(['example.com']);
  });

  it('mail for a route without a number waits, and is not delivered here', () => {
    const document = withDomain(
      { inboundRouting: [{ ...PLAIN, route: 'a' }] },
      { routes: { a: { host: '192.0.2.1' } } },
    );
    expect(transport(aRoutedSnapshot(document, { numbered: [] }))).toEqual([`example.com\t${RETRY}`, ...FALLBACK]);
  });

  it('MAP-04 stays when the last route is gone, with the line that keeps encoded recipients back', () => {
    const snapshot = aRoutedSnapshot(withDomain({}));
    expect(renderRouteMaps(snapshot, HOSTNAME)).toEqual([
      { name: 'route-tls', kind: 'indexed', entries: [] },
      {
        name: 'transport',
        kind: 'indexed',
        entries: ['route.postern.internal', '.route.postern.internal'].map((key) => ({ key, value: RETRY })),
      },
    ]);
    expect(tableOf(snapshot, 'transport').entries.map(({ key }) => key)).toContain(fallbackKey(snapshot));
  });

  it('is the last of all: what it leads to is there first; routes come by their numbers', () => {
    const snapshot = routed({}, { a: { host: '192.0.2.1' }, b: { host: '192.0.2.2' } });
    const { routes } = snapshot.installation;
    const swapped = new Map([...routes].map(([id, known]) => [id, { ...known, number: 3 - known.number }]));
    const names = renderRouteMaps(
      { ...snapshot, installation: { ...snapshot.installation, routes: swapped } },
      HOSTNAME,
    );
    expect(names.map(({ name }) => name)).toEqual([
      'decode-r1',
      'mark-r1',
      'decode-r2',
      'mark-r2',
      'route-tls',
      'transport',
    ]);
    expect(names[0]!.entries[0]!.key).toContain(knownRoute(snapshot, 'b').label);
  });
});

describe('MAP-06 nothing that an administrator types ends a line', () => {
  it.each(['x\n* discard:', ' leading', '#c', 'a b', 'relay.example.net]:25 #', '*', 'a:25'])(
    'no route is named %j',
    (name) => {
      expect(errorsOf(withDomain({}, { routes: { [name]: { host: '192.0.2.1' } } }))).not.toEqual([]);
    },
  );

  it.each(['x\n* discard:', ' leading', '#c', 'a b', 'relay.example.net]:25 #', '*', '192.0.2.1:25', '[a b]'])(
    'no route has the host %j',
    (host) => {
      expect(errorsOf(withDomain({}, { routes: { r: { host } } }))).not.toEqual([]);
    },
  );

  it('a description stands in no table', () => {
    const text = 'x\n* discard:';
    const snapshot = routed(
      { inboundRouting: [{ ...PLAIN, route: 'r' }] },
      { r: { host: '192.0.2.1', description: text } },
    );
    expect(JSON.stringify(renderRouteMaps(snapshot, HOSTNAME))).not.toContain('discard');
  });
});

describe('the tables of one route', () => {
  const snapshot = routed({}, { a: { host: '192.0.2.1' } });
  const known = knownRoute(snapshot, 'a');

  /** What a table answers, read as Postfix reads it: without case, the first that matches. */
  function answer({ entries }: MapFile, text: string): string | null {
    for (const { key, value } of entries) {
      const pattern = new RegExp(key.replaceAll('[[:space:]]', String.raw`\s`), 'is');
      if (pattern.test(text)) return text.replace(pattern, value.replaceAll('$$', '$'));
    }
    return null;
  }

  it('decode gives the address as it was, for this label only', () => {
    const decode = tableOf(snapshot, ROUTE_TABLES.decode(known));
    expect(decode.name).toBe('decode-r1');
    expect(answer(decode, `u=x=example.com@${known.label}.route.postern.internal`)).toBe('u=x@example.com');
    expect(answer(decode, `"a b=example.com"@${known.label}.route.postern.internal`)).toBe('"a b"@example.com');
    for (const other of [
      'u=example.com@r1-ffffffff.route.postern.internal',
      `u=x@${known.label}.route-postern.internal`,
    ]) {
      expect(answer(decode, other)).toBeNull();
    }
  });

  it('mark puts the mark above the Received field of this server only', () => {
    const mark = tableOf(snapshot, ROUTE_TABLES.mark(known));
    expect(linesOf(mark)).toEqual([
      String.raw`/^Received:.*[[:space:]]by[[:space:]]mx\.example\.com[[:space:]]\(/` +
        `\tPREPEND X-Postern-Route: ${known.mark}`,
    ]);
    const matches = (text: string): boolean => answer(mark, text)?.includes(known.mark) === true;
    expect(matches('Received: from a (b [192.0.2.1])\n\tby mx.example.com (Postfix) with ESMTP')).toBe(true);
    expect(matches('Received: by mx.example.com (Postfix, from userid 0)\n\tid 4Abc')).toBe(true);
    expect(matches('Received: from mx.example.com (b [192.0.2.1])\n\tby other.example (Postfix)')).toBe(false);
    expect(matches('Received: from a (b [192.0.2.1])\n\tby mx-example-com (Postfix)')).toBe(false);
    expect(matches('X-Received: by mx.example.com (Postfix)')).toBe(false);
  });

  it.each(['decode-r1', 'mark-r1'])('%s answers its samples, one for each line', (name) => {
    const table = tableOf(snapshot, name);
    expect(table.samples).toHaveLength(table.entries.length);
    for (const { key, value } of table.samples!) {
      const plain = value.startsWith('PREPEND') ? answer(table, key)?.includes(value) : answer(table, key) === value;
      expect(plain).toBe(true);
    }
  });
});

describe('the table of TLS levels', () => {
  const lines = (routes: Keys): string[] => linesOf(tableOf(routed({}, routes), 'route-tls'));

  it.each<[Keys, string | null]>([
    [{}, null],
    [{ tls: 'may' }, null],
    [{ tls: 'none' }, 'none'],
    [{ tls: 'encrypt' }, 'encrypt'],
    [{ tls: 'verify' }, 'verify match=hostname:nexthop:dot-nexthop'],
    [{ tls: 'verify', certificateName: 'dlp.example.org' }, 'verify match=dlp.example.org'],
    [{ tls: 'secure' }, 'secure match=nexthop:dot-nexthop'],
    [{ tls: 'secure', certificateName: 'BÜCHER.example' }, 'secure match=xn--bcher-kva.example'],
    [{ tls: 'dane' }, 'dane-only'],
  ])('%j is "%s"', (settings, level) => {
    const expected = level === null ? [] : [`[dlp.example.net]:25\t${level}`];
    expect(lines({ r: { host: 'dlp.example.net', ...settings } })).toEqual(expected);
  });

  it('is asked by the next hop as the transport table writes it', () => {
    const tls = 'encrypt';
    expect(lines({ a: { host: '192.0.2.1', port: 2525, tls }, b: { host: 'example.net', mx: true, tls } })).toEqual([
      '[192.0.2.1]:2525\tencrypt',
      'example.net:25\tencrypt',
    ]);
  });

  it.each([
    ['may', 'none'],
    ['none', 'encrypt'],
    ['encrypt', 'verify'],
    ['verify', 'secure'],
    ['secure', 'dane'],
  ])('two routes to one next hop: of %s and %s the stricter, in either order', (weak, strict) => {
    const host = 'dlp.example.net';
    const [one, two] = [
      { host, tls: weak },
      { host, tls: strict },
    ];
    const [first, second] = [lines({ a: one, b: two }), lines({ a: two, b: one })];
    expect(first).toEqual(second);
    // `none` before `may`: a route that may be protected is not the weaker for another that must not.
    expect(first).toEqual(lines({ a: { host, tls: weak === 'may' ? 'may' : strict } }));
  });
});
