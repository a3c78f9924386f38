import { describe, expect, it } from 'vitest';
import { inboundRuleFor, NO_INSTALLATION, plainRule, type InboundRule } from '../../../src/snapshot/index.ts';
import { routeId } from '../../../src/snapshot/routes.ts';
import { aDomain, aRoutedSnapshot, aSnapshot, inDomain, withDomain, type Keys } from '../../support/builders.ts';

const ROUTES = { a: { host: '192.0.2.1' }, b: { host: 'b.example.net' } };
const policyOf = (settings: Keys) =>
  aSnapshot(withDomain(settings, { routes: ROUTES }), { recipientLists: { 'r.txt': 'bob@example.com\n' } }).domains.get(
    aDomain('example.com'),
  )!;
const withSources = (...rules: Keys[]) => policyOf({ recipients: ['r.txt'], inboundRouting: rules });

const BOTH = ['external', 'internal'];
const rule = (route: string, mail: string[], more: Keys = {}): Keys => ({ route, mail, ...more });
const everybody = { recipients: ['existing', 'missing'] };
const ghosts = { recipients: ['missing'] };

describe('routes', () => {
  it('are known by their organization, with what the settings leave out', () => {
    const other = {
      primaryDomain: 'b.example',
      routes: { a: { host: 'A.example.net' } },
      domains: { 'b.example': {} },
    };
    const acme = { primaryDomain: 'example.com', domains: { 'example.com': {} } };
    const routes = { a: { host: '192.0.2.1', port: 2525, tls: 'verify', certificateName: 'MX.example.net' } };
    const snapshot = aSnapshot({ version: 1, organizations: { acme: { ...acme, routes }, other } });
    expect([...snapshot.routes]).toEqual([
      [
        'acme/a',
        {
          ...{ id: 'acme/a', name: 'a', host: '192.0.2.1', port: 2525, mx: false, tls: 'verify' },
          ...{ certificateName: 'mx.example.net', pointer: '/organizations/acme/routes/a' },
        },
      ],
      [
        'other/a',
        {
          ...{ id: 'other/a', name: 'a', host: 'a.example.net', port: 25, mx: false, tls: 'may' },
          ...{ certificateName: null, pointer: '/organizations/other/routes/a' },
        },
      ],
    ]);
    expect(routeId('other', 'a')).toBe('other/a');
    expect(snapshot.installation).toEqual(NO_INSTALLATION);
  });

  it('what Postfix knows is put over a snapshot and changes nothing else', () => {
    const document = withDomain({}, { routes: ROUTES });
    const routed = aRoutedSnapshot(document, { installed: ['b'] });
    expect([...routed.installation.routes.values()].map(({ isInstalled }) => isInstalled)).toEqual([false, true]);
    expect({ ...routed, installation: NO_INSTALLATION }).toEqual(aSnapshot(document));
  });
});

describe('rules', () => {
  it('keep their order, and say where they stand', () => {
    const { inboundRoutes, outboundRoutes } = policyOf({
      inboundRouting: [rule('b', ['internal'], { alsoSave: true }), rule('a', BOTH, { suppressBounces: true })],
      outboundRouting: [
        { route: 'b', mail: BOTH, action: 'additionally' },
        { route: 'a', mail: ['external'], action: 'change' },
      ],
    });
    expect(inboundRoutes).toEqual([
      {
        route: 'acme/b',
        mail: ['internal'],
        recipients: ['existing'],
        alsoSave: true,
        suppressBounces: false,
        pointer: inDomain('inboundRouting/0'),
      },
      {
        route: 'acme/a',
        mail: BOTH,
        recipients: ['existing'],
        alsoSave: false,
        suppressBounces: true,
        pointer: inDomain('inboundRouting/1'),
      },
    ]);
    expect(outboundRoutes).toEqual([
      { route: 'acme/b', mail: BOTH, action: 'additionally', pointer: inDomain('outboundRouting/0') },
      { route: 'acme/a', mail: ['external'], action: 'change', pointer: inDomain('outboundRouting/1') },
    ]);
  });

  it('without sources that say who exists, all exist and every rule acts', () => {
    expect(
      policyOf({ inboundRouting: [rule('a', BOTH, { alsoSave: true }), rule('b', BOTH)] }).inboundRoutes,
    ).toHaveLength(2);
  });

  it.each<[string, Keys[], (string | undefined)[]]>([
    ['for existing ones', [rule('a', BOTH)], ['acme/a', undefined, 'acme/a', undefined]],
    ['for missing ones', [rule('a', BOTH, ghosts)], [undefined, 'acme/a', undefined, 'acme/a']],
    ['for both', [rule('a', BOTH, everybody)], ['acme/a', 'acme/a', 'acme/a', 'acme/a']],
    ['for one kind of mail', [rule('a', ['internal'], everybody)], ['acme/a', 'acme/a', undefined, undefined]],
    [
      'for existing ones and one for all',
      [rule('a', BOTH), rule('b', BOTH, everybody)],
      ['acme/a', 'acme/b', 'acme/a', 'acme/b'],
    ],
    [
      'for missing ones of one kind of mail and one for all of the other',
      [rule('a', ['external'], ghosts), rule('b', ['internal'], everybody), rule('b', ['external'])],
      ['acme/b', 'acme/b', 'acme/b', 'acme/a'],
    ],
  ])('where who exists is said, of rules %s the first that fits is met', (_, rules, routes) => {
    const policy = withSources(...rules);
    const met = (['internal', 'external'] as const).flatMap((mail) =>
      (['existing', 'missing'] as const).map((existence) => inboundRuleFor(policy, mail, existence)?.route),
    );
    expect(met).toEqual(routes);
  });
});

describe('a line of the transport table is written only where', () => {
  const plain = (...rules: Keys[]): InboundRule | null => plainRule(policyOf({ inboundRouting: rules }));

  it.each<[string, Keys[]]>([
    ['one rule takes internal and external mail', [rule('a', BOTH)]],
    ['two rules take them to the same route', [rule('a', ['internal']), rule('a', ['external'])]],
    ['what comes after has no say', [rule('a', BOTH), rule('b', BOTH), rule('a', BOTH, { alsoSave: true })]],
    [
      'two rules do, and one between them is for mail that is taken',
      [rule('a', ['external']), rule('b', ['external']), rule('a', BOTH)],
    ],
  ])('%s', (_, rules) => {
    expect(plain(...rules)?.route).toBe('acme/a');
  });

  it.each<[string, Keys[]]>([
    ['there is a rule', []],
    ['internal mail has a rule', [rule('a', ['external'])]],
    ['external mail has a rule', [rule('a', ['internal'])]],
    ['both go to the same route', [rule('a', ['internal']), rule('b', ['external'])]],
    ['nothing is also saved', [rule('a', BOTH, { alsoSave: true })]],
    ['nothing is also saved of one kind', [rule('a', ['external'], { alsoSave: true }), rule('a', BOTH)]],
    ['bounces are as usual', [rule('a', BOTH, { suppressBounces: true })]],
    ['bounces are as usual for both', [rule('a', ['internal']), rule('a', BOTH, { suppressBounces: true })]],
  ])('%s: else none', (_, rules) => {
    expect(plain(...rules)).toBeNull();
  });

  it('the domain is not only observed', () => {
    expect(plainRule(policyOf({ enforcement: 'observe', inboundRouting: [rule('a', BOTH)] }))).toBeNull();
  });

  it.each<[string, Keys[], string | null]>([
    ['one rule is for existing and missing recipients', [rule('a', BOTH, everybody)], 'acme/a'],
    ['two rules take them to the same route', [rule('a', BOTH, ghosts), rule('a', BOTH)], 'acme/a'],
    [
      'four rules do',
      ['internal', 'external'].flatMap((mail) => [rule('a', [mail]), rule('a', [mail], ghosts)]),
      'acme/a',
    ],
    ['the rule is for existing ones alone: none', [rule('a', BOTH)], null],
    ['the rule is for missing ones alone: none', [rule('a', BOTH, ghosts)], null],
    ['missing ones go elsewhere: none', [rule('a', BOTH), rule('b', BOTH, ghosts)], null],
    ['missing ones of one kind of mail go nowhere: none', [rule('a', BOTH), rule('a', ['internal'], ghosts)], null],
    [
      'missing ones are also saved, which they cannot be: none all the same',
      [rule('a', BOTH), rule('a', BOTH, { ...ghosts, alsoSave: true })],
      null,
    ],
    [
      'missing ones go without bounces: none',
      [rule('a', BOTH), rule('a', BOTH, { ...ghosts, suppressBounces: true })],
      null,
    ],
  ])('where the domain says who exists, %s', (_, rules, route) => {
    expect(plainRule(withSources(...rules))?.route ?? null).toBe(route);
  });
});
