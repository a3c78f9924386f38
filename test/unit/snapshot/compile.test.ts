import { describe, expect, it } from 'vitest';
import { findInIpSet } from '../../../src/mail/index.ts';
import { validate } from '../../../src/settings/index.ts';
import { compile, listFilesOf } from '../../../src/snapshot/index.ts';
import {
  aDocument,
  aDomain,
  aHost,
  aRange,
  aSettings,
  aSnapshot,
  EVERYTHING,
  inDomain,
  REVISION,
  someMaterials,
  withDomain,
  type Around,
} from '../../support/builders.ts';
import { parse } from 'yaml';

const LISTS = { 'lists/friends.txt': '192.0.2.200\n' };
const AROUND = { lists: LISTS, recipientLists: { 'recipients/example.com': 'bob\n' } };

function faults(document: unknown, around: Around = {}): [string, string][] {
  const compiled = compile(aSettings(document), someMaterials(around), aHost(around), REVISION);
  return compiled.ok ? [] : compiled.error.map(({ pointer, message }) => [pointer, message]);
}

const own = (document: unknown, around: Around = {}) =>
  aSnapshot(document, around).domains.get(aDomain('example.com'))!;

describe('compile', () => {
  it('gives the policy of each own domain under its A-label name, with where it stands', () => {
    const snapshot = aSnapshot(aDocument({ 'Bücher.example': { enforcement: 'observe' }, 'b.example': {} }));
    expect(snapshot.revision).toBe(REVISION);
    expect(
      [...snapshot.domains.values()].map(({ domain, organization, enforcement, pointer }) => [
        domain,
        organization,
        enforcement,
        pointer,
      ]),
    ).toEqual([
      ['xn--bcher-kva.example', 'acme', 'observe', '/organizations/acme/domains/Bücher.example'],
      ['b.example', 'acme', 'enforce', '/organizations/acme/domains/b.example'],
    ]);
  });

  it('gives the same snapshot for the same input, and plain data that can be cloned', () => {
    const snapshot = aSnapshot(parse(EVERYTHING), AROUND);
    expect(aSnapshot(parse(EVERYTHING), AROUND)).toEqual(snapshot);
    expect(structuredClone(snapshot)).toEqual(snapshot);
  });

  it('compiles lists with their notes, files and expiry', () => {
    const { allowed, blocked } = own(parse(EVERYTHING), AROUND);
    expect(allowed.pointer).toBe(inDomain('allowedIps'));
    expect(allowed.entries).toEqual([
      { text: '198.51.100.7', note: 'phishing drill' },
      { text: '203.0.113.0/24' },
      { text: 'lists/friends.txt', note: 'ours', file: 'lists/friends.txt' },
    ]);
    const at = Date.parse('2027-01-31T23:59:59.999Z');
    expect(findInIpSet(allowed.set, aRange('198.51.100.7').first, at)).toBe(0);
    expect(findInIpSet(allowed.set, aRange('198.51.100.7').first, at + 1)).toBe(-1);
    expect(findInIpSet(allowed.set, aRange('192.0.2.200').first, at)).toBe(2);
    expect(findInIpSet(blocked.set, aRange('192.0.2.66').first, at)).toBe(0);
  });

  it('has a gateway only while it is enabled', () => {
    const gateway = { ips: ['192.0.2.10'], onlyFromGateway: true, skipSpamFilter: true };
    expect(own(withDomain({})).gateway).toBeNull();
    expect(own(withDomain({ inboundGateway: gateway })).gateway).toBeNull();
    expect(own(withDomain({ inboundGateway: { ...gateway, enabled: true } })).gateway).toMatchObject({
      onlyFromGateway: true,
      skipSpamFilter: true,
      pointer: inDomain('inboundGateway'),
    });
  });

  it('knows the servers of the routes of the organization that are addresses', () => {
    const routes = { a: { host: '192.0.2.30' }, b: { host: 'relay.example.net' }, c: { host: '2001:db8::5' } };
    const servers = own(withDomain({}, { routes })).routeServers;
    expect(
      ['192.0.2.30', '2001:db8::5', '192.0.2.31'].map((text) => findInIpSet(servers, aRange(text).first, 0) >= 0),
    ).toEqual([true, true, false]);
  });

  it('names each list file once, with the place that names it first', () => {
    const domains = {
      'a.example': { blockedIps: ['192.0.2.1', { file: 'drop.txt' }], allowedIps: [{ file: 'friends.txt' }] },
      'b.example': { blockedIps: [{ file: 'drop.txt', note: 'again' }, { file: 'more.txt' }] },
    };
    expect([...listFilesOf(aSettings(aDocument(domains)))]).toEqual([
      ['friends.txt', '/organizations/acme/domains/a.example/allowedIps/0'],
      ['drop.txt', '/organizations/acme/domains/a.example/blockedIps/1'],
      ['more.txt', '/organizations/acme/domains/b.example/blockedIps/1'],
    ]);
  });

  it('throws where a list file was forgotten: that is a mistake of the caller', () => {
    expect(() => faults(withDomain({ blockedIps: [{ file: 'drop.txt' }] }))).toThrow(
      'list file drop.txt was not given to compile',
    );
  });

  it('GW-09 refuses a pattern that validate was not asked to check', () => {
    const { settings } = validate(withDomain({ inboundGateway: { spamPattern: '(?=a)' } }));
    const compiled = compile(settings!, someMaterials(), aHost(), REVISION);
    expect(compiled).toEqual({
      ok: false,
      error: [
        {
          severity: 'error',
          pointer: inDomain('inboundGateway/spamPattern'),
          message: expect.stringMatching(/^uses look-around/) as unknown,
        },
      ],
    });
  });

  it('refuses an own domain that is, or lies under, the internalDomain', () => {
    const message =
      "is under route.postern.internal, the internalDomain of the operator's file, which no mail may be addressed to; choose another internalDomain";
    for (const domain of ['route.postern.internal', 'a.route.postern.internal']) {
      expect(faults(aDocument({ [domain]: {} }))).toEqual([[`/organizations/acme/domains/${domain}`, message]]);
    }
    expect(faults(aDocument({ 'postern.internal': {}, 'myroute.postern.internal': {} }))).toEqual([]);
  });
});

describe('a route to ourselves', () => {
  const route = (host: string, port = 25) => withDomain({}, { routes: { r: { host, port } } });
  const at = '/organizations/acme/routes/r/host';

  it.each([
    ['192.0.2.1', 25, ['192.0.2.1:25']],
    ['192.0.2.1', 2525, ['198.51.100.1:25', '192.0.2.1:2525']],
    ['192.0.2.1', 25, ['*:25']],
    ['127.0.0.1', 25, ['*:25']],
    ['2001:db8::1', 25, ['*:25']],
    ['::ffff:192.0.2.1', 25, ['192.0.2.1:25']],
  ])('%s port %d is refused where smtpd listens on %j', (host, port, smtpd) => {
    const local = ['127.0.0.1', '::1', '192.0.2.1', '2001:db8::1'];
    expect(faults(route(host, port), { smtpd, local })).toEqual([
      [
        at,
        `is ${host.replace('::ffff:', '')} port ${port}, where this Postfix itself listens: mail would go round in a circle; name the other server`,
      ],
    ]);
  });

  it.each([
    ['another port', '192.0.2.1', 2525, ['*:25', '192.0.2.1:25']],
    ['another address', '192.0.2.2', 25, ['192.0.2.1:25']],
    ['an address that is not of this host', '192.0.2.2', 25, ['*:25']],
    ['a name that is not of this host', 'mx.other.example', 25, ['*:25']],
    ['no Postfix at hand', '127.0.0.1', 25, []],
  ])('%s is no circle', (_, host, port, smtpd) => {
    expect(faults(route(host, port), { smtpd })).toEqual([]);
  });
});
