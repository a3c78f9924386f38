import { describe, expect, it } from 'vitest';
import { installedParts, routeNeeds, viewOf } from '../../../src/answers/index.ts';
import { aRoutedSnapshot, withDomain, type Installed, type Keys } from '../../support/builders.ts';

const ROUTES = { archive: { host: 'archive.example.net' }, dlp: { host: '192.0.2.30' } };
const INBOUND = { inboundRouting: [{ mail: ['external'], route: 'archive' }] };
const needs = (settings: Keys, routes: Keys = ROUTES, known: Installed = {}, socketmap: string | null = 'unix:p/s') =>
  routeNeeds(
    aRoutedSnapshot(withDomain(settings, { routes }), known),
    (name, kind) => `${kind === 'indexed' ? 'lmdb' : 'regexp'}:/maps/${name}`,
    { policy: null, milter: null, socketmap },
  );

describe('what routes need of Postfix', () => {
  it('is nothing without a route, and nothing for one that has no number', () => {
    const nothing = { transportMaps: [], recipientMap: null, services: [] };
    expect(needs({}, {})).toEqual(nothing);
    expect(needs({}, ROUTES, { numbered: [] })).toEqual(nothing);
  });

  it('is one transport table, and a service for each route', () => {
    const { transportMaps, recipientMap, services } = needs({}, ROUTES, { numbered: ['dlp'] });
    expect(transportMaps).toEqual(['lmdb:/maps/transport']);
    expect(recipientMap).toBeNull();
    expect(services).toEqual([
      {
        name: 'postern-r2',
        like: 'smtp',
        options: [
          { name: 'syslog_name', value: 'postfix/postern-r2' },
          { name: 'smtp_generic_maps', value: 'regexp:/maps/decode-r2', keepsOthers: true },
          { name: 'smtp_header_checks', value: 'regexp:/maps/mark-r2', keepsOthers: true },
          { name: 'smtp_tls_policy_maps', value: 'lmdb:/maps/route-tls', keepsOthers: true },
          { name: 'smtp_fallback_relay', value: '' },
        ],
        comment: 'Route acme/dlp: decodes its recipients and marks its copies.',
      },
    ]);
    expect(needs({}).services.map(({ name }) => name)).toEqual(['postern-r1', 'postern-r2']);
  });

  it('is the map of routed recipients where a rule is about recipients and the door is open', () => {
    expect(needs(INBOUND).recipientMap).toBe('socketmap:unix:p/s:recipients');
    expect(needs(INBOUND, ROUTES, {}, null).recipientMap).toBeNull();
    const outbound = { outboundRouting: [{ mail: ['external'], action: 'change', route: 'dlp' }] };
    expect(needs(outbound).recipientMap).toBeNull();
  });
});

describe('what of it Postfix has', () => {
  const OURS = ['lmdb:/maps/transport', 'socketmap:unix:p/s:transport'];
  const MASTER = `smtp      inet  n       -       y       -       -       smtpd
smtp      unix  -       -       y       -       -       smtp
postern-r1 unix -       -       y       -       -       smtp
postern-r2 inet -       -       y       -       -       smtpd
`;
  const parts = (main: string) => installedParts(viewOf({ main, master: MASTER }, new Map()), OURS);

  it.each([
    ['transport_maps = lmdb:/maps/transport\n', true],
    ['transport_maps = hash:/etc/postfix/transport, lmdb:/maps/transport\n', true],
    ['transport_maps = hash:/etc/postfix/transport\n  socketmap:unix:p/s:transport\n', true],
    ['mine = lmdb:/maps/transport\ntransport_maps = ${mine}\n', true],
    ['transport_maps = lmdb:/maps/transport2\n', false],
    ['transport_maps = hash:/maps/transport\n', false],
    ['#transport_maps = lmdb:/maps/transport\n', false],
    ['relay_transport = lmdb:/maps/transport\n', false],
    ['transport_maps =\n', false],
    ['', false],
  ])('%j asks one of our transport maps: %s', (main, isAsked) => {
    expect(parts(main).isAsked).toBe(isAsked);
  });

  it('services that deliver are those on unix sockets', () => {
    expect([...parts('').services]).toEqual(['smtp', 'postern-r1']);
  });
});
