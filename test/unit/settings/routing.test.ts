import { describe, expect, it } from 'vitest';
import { aSettings, errorsOf, inDomain, warningsOf, withDomain, type Keys } from '../../support/builders.ts';

const ROUTES = '/organizations/acme/routes';
const withRoute = (route: Keys) => withDomain({}, { routes: { r: route } });
const routed = (settings: Keys) =>
  withDomain(settings, { routes: { archive: { host: 'a.example' }, dlp: { host: 'd.example' } } });

describe('RT-01 the host of a route', () => {
  it.each([
    [{ host: '192.0.2.10', port: 25 }, '192.0.2.10'],
    [{ host: 'relay.example.net', port: 2525 }, 'relay.example.net'],
    [{ host: 'example.net', mx: true }, 'example.net'],
    [{ host: '2001:db8::5' }, '2001:db8::5'],
    [{ host: '[2001:DB8:0::5]' }, '2001:db8::5'],
    [{ host: '::ffff:192.0.2.10' }, '192.0.2.10'],
    [{ host: '[Relay.Example.NET]' }, 'relay.example.net'],
    [{ host: 'bücher.example.' }, 'xn--bcher-kva.example'],
  ])('RT-01 %j is kept in one spelling', (route, host) => {
    expect(aSettings(withRoute(route)).organizations.get('acme')?.routes.get('r')?.host).toBe(host);
  });

  it.each([
    ['', '"" is no host: it is no IP address, and as a name it is empty; a domain looks like example.com'],
    ['relay.example.net:25', /letters, digits and inner hyphens are allowed/],
    ['192.0.2.300', /ends in a number/],
    ['192.0.2.0/24', /is no host/],
    ['010.0.0.1', /is no host/],
    ['a b', /has white space/],
    ['relay.example.net]:25 #', /is no host/],
    ['x\n* discard:', /<U\+000A>.*has a wildcard/],
    ['[]', /is empty/],
    ['0.0.0.0', '"0.0.0.0" is no server; name one'],
    ['[::]', '"[::]" is no server; name one'],
  ])('RT-01 MAP-06 "%s" is refused', (host, message) => {
    const expected: unknown = typeof message === 'string' ? message : expect.stringMatching(message);
    expect(errorsOf(withRoute({ host }))).toEqual([[`${ROUTES}/r/host`, expected]]);
  });

  it.each(['none', 'may', 'encrypt', 'verify', 'secure', 'dane'])(
    'RT-01 a name takes tls: %s, and ports 1 and 65535',
    (tls) => {
      expect(errorsOf(withRoute({ host: 'a.example', tls, mx: true, port: 1 }))).toEqual([]);
      expect(errorsOf(withRoute({ host: 'a.example', tls, port: 65_535 }))).toEqual([]);
    },
  );

  it('RT-01 an IP address has no MX records, no certificate of its own and no TLSA records', () => {
    expect(errorsOf(withRoute({ host: '192.0.2.1', mx: true }))).toEqual([
      [`${ROUTES}/r/mx`, 'looks up MX records, and 192.0.2.1 is an address; set mx: false or give a name'],
    ]);
    for (const tls of ['verify', 'secure']) {
      expect(errorsOf(withRoute({ host: '192.0.2.1', tls }))).toEqual([
        [
          `${ROUTES}/r/tls`,
          `is ${tls} for an IP address, which no certificate names; add certificateName: <name in its certificate>`,
        ],
      ]);
      expect(errorsOf(withRoute({ host: '192.0.2.1', tls, certificateName: 'mx.example.net' }))).toEqual([]);
    }
    expect(errorsOf(withRoute({ host: '2001:db8::1', tls: 'dane' }))).toEqual([
      [
        `${ROUTES}/r/tls`,
        'is dane, which needs TLSA records, and an IP address has none; give a name, or set tls: verify with a certificateName',
      ],
    ]);
    expect(errorsOf(withRoute({ host: '192.0.2.1', tls: 'encrypt' }))).toEqual([]);
  });
});

describe('routing rules', () => {
  it('name routes of their own organization', () => {
    const other = {
      primaryDomain: 'b.example',
      routes: { theirs: { host: 'a.example' } },
      domains: { 'b.example': {} },
    };
    const acme = {
      primaryDomain: 'example.com',
      routes: { archive: { host: 'a.example' }, dlp: { host: 'd.example' } },
      domains: {
        'example.com': {
          inboundRouting: [{ mail: ['external'], route: 'theirs' }],
          outboundRouting: [{ mail: ['external'], action: 'change', route: 'Dlp' }],
        },
      },
    };
    const known = 'which is no route of organization acme; its routes are archive, dlp';
    expect(errorsOf({ version: 1, organizations: { acme, other } })).toEqual([
      [inDomain('outboundRouting/0/route'), `is "Dlp", ${known}`],
      [inDomain('inboundRouting/0/route'), `is "theirs", ${known}`],
    ]);
  });

  it('may name a route that is itself broken: that is one fault, not two', () => {
    const document = withDomain({ inboundRouting: [{ mail: ['external'], route: 'r' }] }, { routes: { r: 'x' } });
    expect(errorsOf(document).map(([pointer]) => pointer)).toEqual([`${ROUTES}/r`]);
  });

  it.each([
    ['inboundRouting', { mail: ['internal', 'external'], recipients: ['existing'], route: 'archive', alsoSave: true }],
    ['inboundRouting', { mail: ['internal'], route: 'archive', suppressBounces: true }],
    ['outboundRouting', { mail: ['internal'], action: 'change', route: 'dlp' }],
    ['outboundRouting', { mail: ['external', 'internal'], action: 'additionally', route: 'dlp' }],
  ])('%s takes %j', (key, rule) => {
    expect(errorsOf(routed({ [key]: [rule] }))).toEqual([]);
  });

  it.each([
    ['inboundRouting', {}, ['mail', 'route']],
    ['inboundRouting', { mail: [], recipients: [], route: 5 }, ['mail', 'recipients', 'route']],
    [
      'inboundRouting',
      { mail: 'external', route: 'archive', alsoSave: 1, suppressBounces: null },
      ['mail', 'alsoSave', 'suppressBounces'],
    ],
    [
      'inboundRouting',
      { mail: ['external', 'external'], recipients: ['all'], route: 'archive' },
      ['mail', 'recipients/0'],
    ],
    ['inboundRouting', { mail: ['external'], action: 'change', route: 'archive' }, ['action']],
    ['outboundRouting', {}, ['mail', 'action', 'route']],
    [
      'outboundRouting',
      { mail: ['all'], action: 'copy', route: 'a b', alsoSave: true },
      ['alsoSave', 'mail/0', 'action', 'route'],
    ],
  ])('%s refuses %j', (key, rule, places) => {
    expect(errorsOf(routed({ [key]: [rule] })).map(([pointer]) => pointer)).toEqual(
      places.map((place) => inDomain(`${key}/0/${place}`)),
    );
  });

  it('missing recipients need a source that says who exists', () => {
    const rule = { mail: ['external'], recipients: ['missing'], route: 'archive' };
    expect(errorsOf(routed({ inboundRouting: [{ ...rule, recipients: ['existing'] }, rule] }))).toEqual([
      [
        inDomain('inboundRouting/1/recipients'),
        'names missing recipients, but who exists is not said; add recipients: to the domain (files or Postfix maps), or take "missing" out of the rule',
      ],
    ]);
    expect(errorsOf(routed({ inboundRouting: [rule], recipients: ['users.txt'] }))).toEqual([]);
    expect(errorsOf(routed({ inboundRouting: [rule], recipients: [5] })).map(([pointer]) => pointer)).toEqual([
      inDomain('recipients/0'),
    ]);
  });

  it('alsoSave for missing recipients alone is warned of', () => {
    const rule = { mail: ['external'], recipients: ['missing'], route: 'archive', alsoSave: true };
    const settings = {
      recipients: ['users.txt'],
      inboundRouting: [rule, { ...rule, recipients: ['missing', 'existing'] }],
    };
    expect(warningsOf(routed(settings))).toEqual([
      [
        inDomain('inboundRouting/0/alsoSave'),
        'does nothing, because a missing recipient has no mailbox here to save to; take it out, or add "existing" to the recipients',
      ],
    ]);
  });
});
