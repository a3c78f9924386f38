import { describe, expect, it } from 'vitest';
import { answerSocketmap, renderTlsPolicy, SOCKETMAPS } from '../../../src/answers/index.ts';
import { encodeSocketmapReply } from '../../../src/wire/socketmap/index.ts';
import { aSnapshot, withDomain, type Keys } from '../../support/builders.ts';

const policy = (over: Keys = {}) => ({ title: 'P', applyTo: ['outgoing'], domains: ['partner.example'], ...over });
const ask = (key: string, tls: unknown[] = [policy()], map = 'tls_policy'): string =>
  encodeSocketmapReply(answerSocketmap(aSnapshot(withDomain({ tls })), map, key, FACTS))
    .toString()
    .replace(/^[0-9]+:(.*),$/, '$1');
const FACTS = { at: 0, milter: 'unix:postern/milter.sock' };
const NOT_FOUND = 'NOTFOUND ';

/** How strong a level is: what it proves. Source: TLS_README, "Client TLS security levels". */
const PROVES: Readonly<Record<string, { ca: boolean; name: boolean }>> = {
  encrypt: { ca: false, name: false },
  verify: { ca: true, name: false },
  secure: { ca: true, name: true },
};

describe('TLS-03 CA and hostname options in Postfix terms', () => {
  it.each([
    [false, false, 'encrypt'],
    [true, false, 'verify match=hostname:nexthop:dot-nexthop'],
    [false, true, 'secure match=nexthop:dot-nexthop'],
    [true, true, 'secure match=nexthop:dot-nexthop'],
  ])('TLS-03 CA %s, host name %s is "%s", never weaker than asked', (trustedCa, hostnameMatch, level) => {
    expect(renderTlsPolicy({ trustedCa, hostnameMatch })).toBe(level);
    const proves = PROVES[level.split(' ')[0]!]!;
    expect(proves.ca || !trustedCa).toBe(true);
    expect(proves.name || !hostnameMatch).toBe(true);
    expect(ask('partner.example', [policy({ trustedCa, hostnameMatch })])).toBe(`OK ${level}`);
  });
});

describe('the socketmap tls_policy', () => {
  it.each(['partner.example', 'PARTNER.example', 'partner.example.'])('knows %s', (key) => {
    expect(ask(key)).toBe('OK encrypt');
  });

  it.each([
    'other.example',
    'sub.partner.example',
    'example',
    '',
    '*',
    '[partner.example]',
    '[192.0.2.1]:25',
    'bob@partner.example',
    '.partner.example',
    'a b',
  ])('TLS-07 has no policy for "%s": NOTFOUND, never TEMP', (key) => {
    expect(ask(key)).toBe(NOT_FOUND);
  });

  it('TLS-11 says nothing for a domain in an incoming policy only, or after its policy was deleted', () => {
    expect(ask('partner.example', [policy({ applyTo: ['incoming'] })])).toBe(NOT_FOUND);
    expect(ask('partner.example', [])).toBe(NOT_FOUND);
  });

  it('knows an internationalized peer by the A-label that Postfix asks for', () => {
    expect(ask('xn--bcher-kva.example', [policy({ domains: ['bücher.example'] })])).toBe('OK encrypt');
  });
});

describe('socketmaps', () => {
  it.each(SOCKETMAPS)('%s has no entry for what no rule speaks of', (map) => {
    expect(ask('other.example', [policy()], map)).toBe(NOT_FOUND);
    expect(ask('', [policy()], map)).toBe(NOT_FOUND);
  });

  it.each(['tls', 'TLS_POLICY', '', '__proto__'])('"%s" is no map: PERM, with the maps that there are', (map) => {
    expect(ask('partner.example', [policy()], map)).toBe(
      'PERM no such map; Postern has transport, tls_policy, recipients, milters',
    );
  });
});
