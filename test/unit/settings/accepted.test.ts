import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { LIMITS, ownDomains, validate } from '../../../src/settings/index.ts';
import { aDocument, aSettings, errorsOf, EVERYTHING, warningsOf, withDomain } from '../../support/builders.ts';

const only = (document: unknown) => {
  const [first] = ownDomains(aSettings(document));
  return first!;
};

describe('a document that is accepted', () => {
  it('may hold every key at once', () => {
    const { organization, own } = only(parse(EVERYTHING));
    expect(organization.name).toBe('acme');
    expect(organization.primaryDomain).toBe('example.com');
    expect([...organization.routes.keys()]).toEqual(['archive', 'dlp', 'gw']);
    expect(organization.routes.get('dlp')).toEqual({
      host: '192.0.2.30',
      port: 2525,
      mx: false,
      tls: 'may',
      certificateName: 'dlp.example.net',
    });
    expect(own).toMatchObject({
      domain: 'example.com',
      name: 'example.com',
      pointer: '/organizations/acme/domains/example.com',
      enforcement: 'enforce',
      recipients: ['recipients/example.com', { map: 'hash:/etc/postfix/virtual' }],
      allowedIps: [
        { kind: 'range', range: { text: '198.51.100.7' }, note: 'phishing drill', expiresAt: Date.UTC(2027, 1, 1) },
        { kind: 'range', range: { text: '203.0.113.0/24' } },
        { kind: 'file', file: 'lists/friends.txt', note: 'ours' },
      ],
      blockedIps: [{ kind: 'range', range: { text: '192.0.2.66' }, note: 'abuse 4711' }],
      autoBlock: { after: 20, within: 600_000, for: 3_600_000 },
      inboundGateway: { enabled: true, onlyFromGateway: true, internalThroughGateway: 'gw', skipSpamFilter: true },
      dkim: { selector: 'postern', bits: 2048 },
      tls: [{ title: 'Bank', applyTo: ['incoming', 'outgoing'], domains: ['bank.example'] }],
    });
    expect(aSettings(parse(EVERYTHING)).provider).toEqual({
      sharedDomains: ['shared.example'],
      signingDomain: 'mail.provider.example',
    });
  });

  it('needs version, organizations, primaryDomain and domains only, and has every default filled in', () => {
    const { organization, own } = only({
      version: 1,
      organizations: { acme: { primaryDomain: 'example.com', domains: { 'example.com': {} } } },
    });
    expect(organization.routes.size).toBe(0);
    expect(own).toEqual({
      domain: 'example.com',
      name: 'example.com',
      pointer: '/organizations/acme/domains/example.com',
      enforcement: 'enforce',
      allowedIps: [],
      blockedIps: [],
      inboundRouting: [],
      outboundRouting: [],
      tls: [],
    });
    expect(aSettings(withDomain({})).provider).toEqual({ sharedDomains: [] });
    expect(aSettings({ version: 1, organizations: {}, provider: {} }).provider).toEqual({ sharedDomains: [] });
  });

  it('has every switch of a group off, port 25, tls may', () => {
    const { organization, own } = only(
      withDomain(
        {
          inboundGateway: {},
          inboundRouting: [{ mail: ['external'], route: 'r' }],
          dkim: {},
          tls: [{ title: 't', applyTo: ['outgoing'], domains: ['bank.example'] }],
        },
        { routes: { r: { host: 'archive.example.net' } } },
      ),
    );
    expect(own.inboundGateway).toEqual({
      enabled: false,
      ips: [],
      onlyFromGateway: false,
      skipSpamFilter: false,
      blockedBehindGateway: 'reject',
    });
    expect(own.inboundRouting).toEqual([
      { mail: ['external'], recipients: ['existing'], route: 'r', alsoSave: false, suppressBounces: false },
    ]);
    expect(own.dkim).toEqual({ selector: 'postern', bits: 2048 });
    expect(own.tls[0]).toMatchObject({ trustedCa: false, hostnameMatch: false });
    expect(organization.routes.get('r')).toEqual({ host: 'archive.example.net', port: 25, mx: false, tls: 'may' });
  });

  it('keeps own domains and their settings apart, with A-labels inside and the spelling of the file for people', () => {
    const settings = aSettings(aDocument({ 'Bücher.Example': { enforcement: 'observe' }, 'b.example.': {} }));
    expect([...ownDomains(settings)].map(({ own }) => [own.domain, own.name, own.enforcement])).toEqual([
      ['xn--bcher-kva.example', 'Bücher.Example', 'observe'],
      ['b.example', 'b.example.', 'enforce'],
    ]);
  });

  it.each([
    ['enforcement', ['enforce', 'observe'], (value: string) => ({ enforcement: value })],
    [
      'blockedBehindGateway',
      ['reject', 'quarantine', 'discard'],
      (value: string) => ({ inboundGateway: { blockedBehindGateway: value } }),
    ],
  ])('%s takes each of its words', (_, words, settingsOf) => {
    for (const word of words) expect(errorsOf(withDomain(settingsOf(word)))).toEqual([]);
    expect(errorsOf(withDomain(settingsOf('other')))).toHaveLength(1);
  });

  it('may have a settings list at each of its limits', () => {
    const tls = Array.from({ length: LIMITS.tlsPolicies }, (_, index) => ({
      title: 'x'.repeat(LIMITS.titleLength),
      applyTo: ['outgoing'],
      domains: Array.from({ length: LIMITS.tlsPeerDomains }, (__, peer) => `p${peer}.example${index}.net`),
    }));
    const spamPattern = 'x'.repeat(LIMITS.patternLength);
    expect(errorsOf(withDomain({ tls, inboundGateway: { spamPattern } }))).toEqual([]);
  });

  it('ADM-04 a note of markup is kept as it was typed', () => {
    const note = '<img src=x onerror=alert(1)>';
    const { own } = only(withDomain({ blockedIps: [{ ip: '192.0.2.1', note }] }));
    expect(own.blockedIps[0]?.note).toBe(note);
  });

  it('gives no warnings where there is nothing to warn of', () => {
    expect(warningsOf(withDomain({ allowedIps: ['192.0.2.1'], blockedIps: ['0.0.0.0/0'] }))).toEqual([]);
  });

  it('is the same settings whether asked with or without the check of patterns', () => {
    expect(validate(parse(EVERYTHING))).toEqual(validate(parse(EVERYTHING), () => null));
  });
});
