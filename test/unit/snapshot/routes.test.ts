import { describe, expect, it } from 'vitest';
import { dependsOnWhoExists, NO_INSTALLATION, plainRule, type InboundRule } from '../../../src/snapshot/index.ts';
import { routeId } from '../../../src/snapshot/routes.ts';
import {
  aDomain,
  aRoutedSnapshot,
  aSettings,
  aSnapshot,
  inDomain,
  withDomain,
  type Keys,
} from '../../support/builders.ts';

const ROUTES = { a: { host: '192.0.2.1' }, b: { host: 'b.example.net' } };
const policyOf = (settings: Keys) =>
  aSnapshot(withDomain(settings, { routes: ROUTES })).domains.get(aDomain('example.com'))!;
const inbound = (...rules: Keys[]) => policyOf({ recipients: ['r.txt'], inboundRouting: rules }).inboundRoutes;

const BOTH = ['external', 'internal'];
const rule = (route: string, mail: string[], more: Keys = {}): Keys => ({ route, mail, ...more });
const everybody = { recipients: ['existing', 'missing'] };

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
        alsoSave: true,
        suppressBounces: false,
        pointer: inDomain('inboundRouting/0'),
      },
      { route: 'acme/a', mail: BOTH, alsoSave: false, suppressBounces: true, pointer: inDomain('inboundRouting/1') },
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

  it.each<[string, Keys[], string[]]>([
    ['existing ones only', [rule('a', BOTH, everybody), rule('b', BOTH), rule('a', BOTH, everybody)], ['acme/a']],
    ['missing ones only', [rule('b', BOTH, { recipients: ['missing'] }), rule('a', BOTH, everybody)], []],
    ['all, but saves the existing', [rule('a', BOTH, { ...everybody, alsoSave: true })], []],
    ['nobody: all act', [rule('a', BOTH, everybody), rule('b', BOTH, everybody)], ['acme/a', 'acme/b']],
  ])('where who exists is said, rules act up to the first that is for %s', (_, rules, routes) => {
    expect(inbound(...rules).map(({ route }) => route)).toEqual(routes);
  });

  it.each<[Keys, boolean, boolean]>([
    [{}, true, false],
    [everybody, false, false],
    [{ recipients: ['missing'] }, true, true],
    [{ ...everybody, alsoSave: true }, true, true],
  ])('a rule with %j tells existing from missing, sources: %s', (more, withSources, onlyThere) => {
    const own = (settings: Keys) =>
      aSettings(withDomain(settings, { routes: ROUTES }))
        .organizations.get('acme')!
        .domains.get(aDomain('example.com'))!;
    const known = own({ recipients: ['r.txt'], inboundRouting: [rule('a', BOTH, more)] });
    expect(dependsOnWhoExists(known, known.inboundRouting[0]!)).toBe(withSources);
    if (onlyThere || 'recipients' in more) return;
    const unknown = own({ inboundRouting: [rule('a', BOTH, more)] });
    expect(dependsOnWhoExists(unknown, unknown.inboundRouting[0]!)).toBe(false);
  });
});

describe('a line of the transport table is written only where', () => {
  const plain = (...rules: Keys[]): InboundRule | null =>
    plainRule(policyOf({ inboundRouting: rules }).inboundRoutes, 'enforce');

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
    expect(plainRule(policyOf({ inboundRouting: [rule('a', BOTH)] }).inboundRoutes, 'observe')).toBeNull();
  });
});
