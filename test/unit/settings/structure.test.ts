import { describe, expect, it } from 'vitest';
import { validate } from '../../../src/settings/index.ts';
import { aDocument, errorsOf, inDomain, withDomain } from '../../support/builders.ts';

const ACME = '/organizations/acme';
const route = (settings: unknown) => withDomain({}, { routes: { r: settings } });
const tls = (policy: unknown) => withDomain({ tls: [policy] });
const goodPolicy = { title: 'Bank', applyTo: ['outgoing'], domains: ['bank.example'] };
const IP = 'must be an IP address or range, or { ip: … }, or { file: … }';
const FILE_OR_MAP = 'must be the path of a file, or { map: "type:name" }';
const DATE = 'write 2027-01-31 (acts to the end of that day, UTC) or 2027-01-31T18:00:00Z';
const TIME = 'write a whole number and a unit, such as 30s, 10m, 1h, 3d or 2w';
const MAP = 'must be a Postfix map, such as "hash:/etc/postfix/virtual"';
const NAME = 'must be 1 to 63 letters, digits, "-" or "_", with a letter or digit first and last';

type Row = [title: string, document: unknown, pointer: string, message: string];

const rows: Row[] = [
  ['an empty document', null, '', 'must begin with "version: 1" and "organizations:"'],
  ['a text', 'x', '', 'must begin with "version: 1" and "organizations:"'],
  ['a list', [], '', 'must begin with "version: 1" and "organizations:"'],
  ['no version', { organizations: {} }, '/version', 'is missing; it must be 1'],
  ['version 2', { version: 2, organizations: {} }, '/version', 'must be 1, not the number 2'],
  ['no organizations', { version: 1 }, '/organizations', 'is missing; it must be a group of organizations by name'],
  [
    'organizations as a list',
    { version: 1, organizations: [] },
    '/organizations',
    'must be a group of organizations by name, not a list',
  ],
  [
    'an organization that is empty',
    { version: 1, organizations: { acme: null } },
    ACME,
    'must be an organization, such as { primaryDomain: example.com, domains: { example.com: {} } }, not nothing (the value is empty)',
  ],
  [
    'no primaryDomain',
    aDocument({ 'example.com': {} }, { primaryDomain: undefined }),
    `${ACME}/primaryDomain`,
    'is missing; it must be a domain name',
  ],
  [
    'no domains',
    { version: 1, organizations: { acme: { primaryDomain: 'example.com' } } },
    `${ACME}/domains`,
    'is missing; it must be a group of domains by name',
  ],
  [
    'domains as a list',
    { version: 1, organizations: { acme: { primaryDomain: 'example.com', domains: ['example.com'] } } },
    `${ACME}/domains`,
    'must be a group of domains by name, not a list',
  ],
  [
    'no domain',
    { version: 1, organizations: { acme: { primaryDomain: 'example.com', domains: {} } } },
    `${ACME}/domains`,
    'is empty; an organization has at least its primary domain',
  ],
  [
    'a domain that is empty',
    withDomain(null),
    inDomain('').slice(0, -1),
    'must be the settings of a domain, not nothing (the value is empty); {} for none',
  ],
  [
    'provider as text',
    withDomain({}, {}, { provider: 'x' }),
    '/provider',
    'must be a group of keys, such as { sharedDomains: [shared.example] }, not "x"',
  ],
  [
    'sharedDomains as text',
    withDomain({}, {}, { provider: { sharedDomains: 'x' } }),
    '/provider/sharedDomains',
    'must be a list of domain suffixes, not "x"',
  ],
  [
    'a broken suffix',
    withDomain({}, {}, { provider: { sharedDomains: ['.shared.example'] } }),
    '/provider/sharedDomains/0',
    '".shared.example" has an empty label (two dots together, or a dot at the start)',
  ],
  [
    'a broken signingDomain',
    withDomain({}, {}, { provider: { signingDomain: 'a b' } }),
    '/provider/signingDomain',
    '"a b" has white space in it',
  ],
  [
    'routes as a list',
    withDomain({}, { routes: [] }),
    `${ACME}/routes`,
    'must be a group of routes by name, not a list',
  ],
  [
    'routes without a value',
    withDomain({}, { routes: null }),
    `${ACME}/routes`,
    'must be a group of routes by name, not nothing (the value is empty)',
  ],
  [
    'a route as text',
    route('archive'),
    `${ACME}/routes/r`,
    'must be a group of keys, such as { host: archive.example.net }, not "archive"',
  ],
  [
    'a route without a host',
    route({ port: 25 }),
    `${ACME}/routes/r/host`,
    'is missing; it must be a host name or an IP address',
  ],
  [
    'port 0',
    route({ host: 'a.example', port: 0 }),
    `${ACME}/routes/r/port`,
    'must be a whole number from 1 to 65535, not the number 0',
  ],
  [
    'port 65536',
    route({ host: 'a.example', port: 65536 }),
    `${ACME}/routes/r/port`,
    'must be a whole number from 1 to 65535, not the number 65536',
  ],
  [
    'port 1e300 (said once)',
    route({ host: 'a.example', port: 1e300 }),
    `${ACME}/routes/r/port`,
    'must be a whole number from 1 to 65535, not the number 1e+300',
  ],
  [
    'a port as text',
    route({ host: 'a.example', port: '25' }),
    `${ACME}/routes/r/port`,
    'must be a whole number from 1 to 65535, not "25"',
  ],
  [
    'half a port',
    route({ host: 'a.example', port: 25.5 }),
    `${ACME}/routes/r/port`,
    'must be a whole number from 1 to 65535, not the number 25.5',
  ],
  [
    'mx: yes, which YAML 1.2 reads as text',
    route({ host: 'a.example', mx: 'yes' }),
    `${ACME}/routes/r/mx`,
    'must be true or false, not "yes"',
  ],
  [
    'an unknown TLS level',
    route({ host: 'a.example', tls: 'strong' }),
    `${ACME}/routes/r/tls`,
    'must be none, may, encrypt, verify, secure or dane, not "strong"',
  ],
  [
    'a wildcard certificate',
    route({ host: 'a.example', certificateName: '*.example' }),
    `${ACME}/routes/r/certificateName`,
    '"*.example" has a wildcard; name each domain itself',
  ],
  [
    'a description of 501 characters',
    route({ host: 'a.example', description: 'x'.repeat(501) }),
    `${ACME}/routes/r/description`,
    'has 501 characters, and the limit is 500; shorten it',
  ],
  [
    'an unknown enforcement',
    withDomain({ enforcement: 'warn' }),
    inDomain('enforcement'),
    'must be enforce or observe, not "warn"',
  ],
  [
    'recipients as text',
    withDomain({ recipients: 'x' }),
    inDomain('recipients'),
    'must be a list of files and maps, not "x"',
  ],
  [
    'no recipients source',
    withDomain({ recipients: [] }),
    inDomain('recipients'),
    'is empty; leave the key out where every recipient exists',
  ],
  [
    'a recipients source without a name',
    withDomain({ recipients: [''] }),
    inDomain('recipients/0'),
    'must be the path of a file, not ""',
  ],
  [
    'a recipients source of the wrong type',
    withDomain({ recipients: [5] }),
    inDomain('recipients/0'),
    `${FILE_OR_MAP}, not the number 5`,
  ],
  [
    'a map without a type',
    withDomain({ recipients: [{ map: '/etc/x' }] }),
    inDomain('recipients/0/map'),
    `${MAP}, not "/etc/x"`,
  ],
  [
    'a map of two lines',
    withDomain({ recipients: [{ map: 'hash:/x\ny' }] }),
    inDomain('recipients/0/map'),
    `${MAP}, not "hash:/x<U+000A>y"`,
  ],
  [
    'a map that is no text',
    withDomain({ recipients: [{ map: 5 }] }),
    inDomain('recipients/0/map'),
    `${MAP}, not the number 5`,
  ],
  [
    'a list of IPs as text',
    withDomain({ blockedIps: '192.0.2.1' }),
    inDomain('blockedIps'),
    'must be a list of IP addresses and ranges, not "192.0.2.1"',
  ],
  [
    'a list of IPs without a value',
    withDomain({ allowedIps: null }),
    inDomain('allowedIps'),
    'must be a list of IP addresses and ranges, not nothing (the value is empty)',
  ],
  ['a number as an IP', withDomain({ allowedIps: [1.5] }), inDomain('allowedIps/0'), `${IP}, not the number 1.5`],
  [
    'an entry without ip or file',
    withDomain({ allowedIps: [{}] }),
    inDomain('allowedIps/0/ip'),
    'is missing; it must be an IP address or range as text; put it in quotes',
  ],
  [
    'an entry with a note only',
    withDomain({ allowedIps: [{ note: 'x' }] }),
    inDomain('allowedIps/0/ip'),
    'is missing; it must be an IP address or range as text; put it in quotes',
  ],
  [
    'an ip as a number',
    withDomain({ allowedIps: [{ ip: 1 }] }),
    inDomain('allowedIps/0/ip'),
    'must be an IP address or range as text, not the number 1; put it in quotes',
  ],
  [
    'a note as a number',
    withDomain({ allowedIps: [{ ip: '192.0.2.1', note: 4711 }] }),
    inDomain('allowedIps/0/note'),
    'must be text, not the number 4711; put it in quotes',
  ],
  [
    'a list file without a name',
    withDomain({ allowedIps: [{ file: '' }] }),
    inDomain('allowedIps/0/file'),
    'must be the path of a list file, not ""',
  ],
  [
    'a list file as a number',
    withDomain({ allowedIps: [{ file: 5 }] }),
    inDomain('allowedIps/0/file'),
    'must be the path of a list file, not the number 5',
  ],
  [
    'an expiry that is no date',
    withDomain({ allowedIps: [{ ip: '192.0.2.1', expires: 'soon' }] }),
    inDomain('allowedIps/0/expires'),
    `"soon" is no date; ${DATE}`,
  ],
  [
    'an expiry as a number',
    withDomain({ allowedIps: [{ ip: '192.0.2.1', expires: 2027 }] }),
    inDomain('allowedIps/0/expires'),
    'must be a date such as 2027-01-31, not the number 2027',
  ],
  [
    'autoBlock as a switch',
    withDomain({ autoBlock: true }),
    inDomain('autoBlock'),
    'must be a group of keys, such as { after: 20, within: 10m, for: 1h }, not the boolean true',
  ],
  [
    'autoBlock after 0',
    withDomain({ autoBlock: { after: 0, within: '1m', for: '1h' } }),
    inDomain('autoBlock/after'),
    'must be a whole number from 1 to 1000000, not the number 0',
  ],
  [
    'autoBlock within 10',
    withDomain({ autoBlock: { after: 1, within: '10', for: '1h' } }),
    inDomain('autoBlock/within'),
    `"10" is no time; ${TIME}`,
  ],
  [
    'autoBlock for a number',
    withDomain({ autoBlock: { after: 1, within: '1m', for: 60 } }),
    inDomain('autoBlock/for'),
    'must be a time such as 30s, 10m, 1h, 3d or 2w, not the number 60',
  ],
  [
    'autoBlock without for',
    withDomain({ autoBlock: { after: 1, within: '1m' } }),
    inDomain('autoBlock/for'),
    'is missing; it must be a time such as 30s, 10m, 1h, 3d or 2w',
  ],
  [
    'a gateway as a list',
    withDomain({ inboundGateway: [] }),
    inDomain('inboundGateway'),
    'must be a group of keys, such as { enabled: true, ips: [192.0.2.10] }, not a list',
  ],
  [
    'gateway ips as text',
    withDomain({ inboundGateway: { ips: '192.0.2.1' } }),
    inDomain('inboundGateway/ips'),
    'must be a list of IP addresses and ranges, not "192.0.2.1"',
  ],
  [
    'a gateway ip as a group',
    withDomain({ inboundGateway: { ips: [{ ip: '192.0.2.1' }] } }),
    inDomain('inboundGateway/ips/0'),
    'must be an IP address or range as text, not a group of keys; put it in quotes',
  ],
  [
    'an empty pattern',
    withDomain({ inboundGateway: { spamPattern: '' } }),
    inDomain('inboundGateway/spamPattern'),
    'is empty; leave the key out for no pattern',
  ],
  [
    'a pattern of 1,001 characters',
    withDomain({ inboundGateway: { spamPattern: 'x'.repeat(1001) } }),
    inDomain('inboundGateway/spamPattern'),
    'has 1001 characters, and the limit is 1000; shorten it',
  ],
  [
    'a route name that is none',
    withDomain({ inboundGateway: { internalThroughGateway: 'a b' } }),
    inDomain('inboundGateway/internalThroughGateway'),
    `${NAME}, not "a b"`,
  ],
  [
    'inboundRouting as a group',
    withDomain({ inboundRouting: {} }),
    inDomain('inboundRouting'),
    'must be a list of rules, not a group of keys',
  ],
  [
    'a rule as text',
    withDomain({ inboundRouting: ['x'] }),
    inDomain('inboundRouting/0'),
    'must be a rule, such as { mail: [external], route: archive }, not "x"',
  ],
  [
    'outboundRouting as text',
    withDomain({ outboundRouting: 'x' }),
    inDomain('outboundRouting'),
    'must be a list of rules, not "x"',
  ],
  [
    'an outbound rule as text',
    withDomain({ outboundRouting: ['x'] }),
    inDomain('outboundRouting/0'),
    'must be a rule, such as { mail: [external], action: change, route: dlp }, not "x"',
  ],
  [
    'dkim as text',
    withDomain({ dkim: 'postern' }),
    inDomain('dkim'),
    'must be a group of keys, such as { selector: postern }, not "postern"',
  ],
  [
    '4096 bits',
    withDomain({ dkim: { bits: 4096 } }),
    inDomain('dkim/bits'),
    'must be 2048 or 1024, not the number 4096',
  ],
  [
    'tls as a group',
    withDomain({ tls: goodPolicy }),
    inDomain('tls'),
    'must be a list of policies, not a group of keys',
  ],
  [
    'a policy as text',
    tls('bank.example'),
    inDomain('tls/0'),
    'must be a policy, such as { title: Bank, applyTo: [outgoing], domains: [bank.example] }, not "bank.example"',
  ],
  ['an empty title', tls({ ...goodPolicy, title: '' }), inDomain('tls/0/title'), 'is empty; give the policy a title'],
  [
    'a title of 201 characters',
    tls({ ...goodPolicy, title: 'x'.repeat(201) }),
    inDomain('tls/0/title'),
    'has 201 characters, and the limit is 200; shorten it',
  ],
  [
    'applyTo twice the same',
    tls({ ...goodPolicy, applyTo: ['outgoing', 'outgoing'] }),
    inDomain('tls/0/applyTo'),
    'names the same word twice; write it once',
  ],
  [
    'applyTo nothing',
    tls({ ...goodPolicy, applyTo: [] }),
    inDomain('tls/0/applyTo'),
    'must name at least one of incoming, outgoing',
  ],
  [
    'applyTo as text',
    tls({ ...goodPolicy, applyTo: 'outgoing' }),
    inDomain('tls/0/applyTo'),
    'must be a list of incoming or outgoing, not "outgoing"',
  ],
  [
    'applyTo an unknown word',
    tls({ ...goodPolicy, applyTo: ['both'] }),
    inDomain('tls/0/applyTo/0'),
    'must be incoming or outgoing, not "both"',
  ],
  [
    'peers as text',
    tls({ ...goodPolicy, domains: 'bank.example' }),
    inDomain('tls/0/domains'),
    'must be a list of domains, not "bank.example"',
  ],
];

describe('a broken structure', () => {
  it.each(rows)('%s: one fault, at its place, with a way out', (_, document, pointer, message) => {
    expect(errorsOf(document)).toEqual([[pointer, message]]);
  });

  it('a long value is shown cut', () => {
    expect(errorsOf(withDomain({ enforcement: 'x'.repeat(61) }))).toEqual([
      [inDomain('enforcement'), `must be enforce or observe, not "${'x'.repeat(60)}…"`],
    ]);
  });

  it.each([
    ['version', { versoin: 1, version: 1, organizations: {} }, '/versoin', 'did you mean "version"?'],
    ['an organization', withDomain({}, { route: {} }), `${ACME}/route`, 'did you mean "routes"?'],
    ['a domain', withDomain({ AllowedIPs: [] }), inDomain('AllowedIPs'), 'did you mean "allowedIps"?'],
    [
      'the provider',
      withDomain({}, {}, { provider: { shareddomain: [] } }),
      '/provider/shareddomain',
      'did you mean "sharedDomains"?',
    ],
    ['a route', route({ host: 'a.example', hots: 'x' }), `${ACME}/routes/r/hots`, 'did you mean "host"?'],
    ['a policy', tls({ ...goodPolicy, titel: 'x' }), inDomain('tls/0/titel'), 'did you mean "title"?'],
    [
      'an entry',
      withDomain({ blockedIps: [{ ip: '192.0.2.1', notes: 'x' }] }),
      inDomain('blockedIps/0/notes'),
      'did you mean "note"?',
    ],
    [
      'a list file, which cannot expire',
      withDomain({ blockedIps: [{ file: 'x', expires: '2027-01-31' }] }),
      inDomain('blockedIps/0/expires'),
      'known here: file, note',
    ],
    [
      'a map',
      withDomain({ recipients: [{ maps: 'hash:x', map: 'hash:x' }] }),
      inDomain('recipients/0/maps'),
      'did you mean "map"?',
    ],
    ['dkim', withDomain({ dkim: { selektor: 'a' } }), inDomain('dkim/selektor'), 'did you mean "selector"?'],
    [
      'a rule',
      withDomain(
        { inboundRouting: [{ mail: ['external'], route: 'r', also: true }] },
        { routes: { r: { host: 'a.example' } } },
      ),
      inDomain('inboundRouting/0/also'),
      'known here: mail, recipients, route, alsoSave, suppressBounces',
    ],
  ])('an unknown key of %s is refused at the key, with a suggestion', (_, document, pointer, wayOut) => {
    expect(errorsOf(document)).toEqual([[pointer, `is an unknown key; ${wayOut}`]]);
    const [issue] = validate(document).issues;
    expect(issue?.atKey).toBe(true);
  });

  it('a key of a megabyte is refused at once', () => {
    const startedAt = performance.now();
    expect(errorsOf(withDomain({ ['x'.repeat(1_000_000)]: 1 }))).toHaveLength(1);
    expect(performance.now() - startedAt).toBeLessThan(1000);
  });

  it('an entry with several faults is judged as what it was meant to be', () => {
    const entry = { ip: 'bad', expires: 5, notes: 'x' };
    expect(errorsOf(withDomain({ blockedIps: [entry] })).map(([pointer]) => pointer)).toEqual([
      inDomain('blockedIps/0/notes'),
      inDomain('blockedIps/0/ip'),
      inDomain('blockedIps/0/expires'),
    ]);
    expect(errorsOf(withDomain({ blockedIps: [{ file: 5, note: 5, foo: 1 }] })).map(([pointer]) => pointer)).toEqual([
      inDomain('blockedIps/0/foo'),
      inDomain('blockedIps/0/file'),
      inDomain('blockedIps/0/note'),
    ]);
  });

  it('the keys __proto__ and constructor are keys like any other', () => {
    const document: unknown = JSON.parse(
      '{"version":1,"__proto__":{},"organizations":{"__proto__":{},"constructor":{"primaryDomain":"example.com","domains":{"example.com":{"__proto__":1}}}}}',
    );
    expect(errorsOf(document).map(([pointer]) => pointer)).toEqual([
      '/__proto__',
      '/organizations/__proto__/primaryDomain',
      '/organizations/__proto__/domains',
      '/organizations/constructor/domains/example.com/__proto__',
      '/organizations/__proto__',
    ]);
  });
});

describe('ADM-06 bad patterns and unknown fields', () => {
  it.each([
    [
      'gatewayOnyl',
      withDomain({ inboundGateway: { gatewayOnyl: true } }),
      inDomain('inboundGateway/gatewayOnyl'),
      /^is an unknown key; known here: enabled, ips, onlyFromGateway, /,
    ],
    [
      'the pattern ([',
      withDomain({ inboundGateway: { spamPattern: '([' } }),
      inDomain('inboundGateway/spamPattern'),
      /^is no valid pattern \(RE2 syntax\): missing closing \]: `\[`/,
    ],
    [
      'the domain *',
      aDocument({ '*': {} }, { primaryDomain: 'example.com' }),
      '/organizations/acme/domains/*',
      /^is no domain: it has a wildcard; name each domain itself$/,
    ],
    ['an empty body', null, '', /^must begin with "version: 1"/],
  ])('ADM-06 %s is refused by name and place', (_, document, pointer, message) => {
    expect(errorsOf(document)).toContainEqual([pointer, expect.stringMatching(message)]);
  });
});

describe('every fault comes in one answer', () => {
  it('however many places are broken at once', () => {
    const document = {
      version: 2,
      extra: 1,
      provider: { sharedDomains: ['shared.example', '*'], signingDomain: '' },
      organizations: {
        '-bad-': { primaryDomain: 'a..b', domains: { 'example.org': { enforcement: 'maybe' } } },
        broken: [],
        acme: {
          primaryDomain: 'example.com',
          routes: {
            archive: { host: '192.0.2.1', mx: true, tls: 'strong', port: 0 },
            broken: 5,
            secure: { host: '192.0.2.2', tls: 'secure', mx: 'no' },
          },
          domains: {
            'a..b': { dkim: { selector: '-' } },
            'example.com': {
              blockedIps: ['192.0.2.7/24', { ip: '192.0.2.1', expires: 'never' }, '192.0.2.9'],
              inboundGateway: {
                enabled: 'yes',
                ips: ['10.0.0.0/19', 'x'],
                spamPattern: '(?=a)',
                internalThroughGateway: 'nowhere',
              },
              inboundRouting: [
                { mail: ['external'], route: 'nowhere', extra: 1 },
                { mail: ['external'], recipients: ['missing'], route: 'nowhere' },
                5,
              ],
              outboundRouting: [{ mail: ['all'], action: 'change', route: 'nowhere' }, null],
              tls: [
                { applyTo: ['incoming'], domains: ['a..b'], trustedCa: true },
                { title: 'B', applyTo: ['outgoing'] },
              ],
              autoBlock: { after: 0 },
            },
          },
        },
      },
    };
    const acme = '/organizations/acme';
    expect(
      errorsOf(document)
        .map(([pointer]) => pointer)
        .sort(),
    ).toEqual(
      [
        '/version',
        '/extra',
        '/provider/sharedDomains/1',
        '/provider/signingDomain',
        '/organizations/-bad-',
        '/organizations/-bad-/primaryDomain',
        '/organizations/-bad-/domains/example.org/enforcement',
        '/organizations/broken',
        `${acme}/routes/archive/mx`,
        `${acme}/routes/archive/tls`,
        `${acme}/routes/archive/port`,
        `${acme}/routes/broken`,
        `${acme}/routes/secure/tls`,
        `${acme}/routes/secure/mx`,
        `${acme}/domains/a..b`,
        `${acme}/domains/a..b/dkim/selector`,
        inDomain('blockedIps/0'),
        inDomain('blockedIps/1/expires'),
        inDomain('inboundGateway/enabled'),
        inDomain('inboundGateway/ips/0'),
        inDomain('inboundGateway/ips/1'),
        inDomain('inboundGateway/spamPattern'),
        inDomain('inboundGateway/internalThroughGateway'),
        inDomain('inboundRouting/0/extra'),
        inDomain('inboundRouting/0/route'),
        inDomain('inboundRouting/1/route'),
        inDomain('inboundRouting/1/recipients'),
        inDomain('inboundRouting/2'),
        inDomain('outboundRouting/0/mail/0'),
        inDomain('outboundRouting/0/route'),
        inDomain('outboundRouting/1'),
        inDomain('tls/0/title'),
        inDomain('tls/0/domains/0'),
        inDomain('tls/0/trustedCa'),
        inDomain('tls/1/domains'),
        inDomain('autoBlock/after'),
        inDomain('autoBlock/within'),
        inDomain('autoBlock/for'),
      ].sort(),
    );
  });
});
