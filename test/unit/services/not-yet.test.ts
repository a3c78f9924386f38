import { describe, expect, it } from 'vitest';
import { settingsNotActing } from '../../../src/services/not-yet.ts';
import { aDocument, aSettings, aSnapshot, inDomain, withDomain, type Keys } from '../../support/builders.ts';

const ROUTES = { routes: { a: { host: '192.0.2.1' } } };
const warned = (document: unknown): string[] =>
  settingsNotActing(aSettings(document), aSnapshot(document)).map(({ pointer, severity }) => {
    expect(severity).toBe('warning');
    return pointer;
  });
const inExample = (settings: Keys): string[] =>
  warned(withDomain(settings, ROUTES)).map((each) => each.replace(inDomain(''), ''));
const rule = (more: Keys = {}): Keys => ({ mail: ['external'], route: 'a', ...more });
const everybody = rule({ recipients: ['existing', 'missing'] });

describe('settings that do not act yet', () => {
  it('routing rules act where who exists is not said', () => {
    const outboundRouting = [rule({ action: 'change' }), rule({ action: 'additionally' })];
    const inboundRouting = [rule(), rule({ alsoSave: true, suppressBounces: true })];
    expect(inExample({ inboundRouting, outboundRouting, allowedIps: ['192.0.2.7'] })).toEqual([]);
  });

  it('from the first rule on that tells existing recipients from missing ones, each is said', () => {
    const recipients = ['r.txt'];
    expect(inExample({ recipients })).toEqual(['recipients']);
    expect(inExample({ recipients, inboundRouting: [everybody] })).toEqual(['recipients']);
    expect(inExample({ recipients, inboundRouting: [everybody, rule(), everybody] })).toEqual([
      'recipients',
      'inboundRouting/1',
      'inboundRouting/2',
    ]);
  });

  it('the detour of internal mail through the gateway is said', () => {
    const inboundGateway = { enabled: true, ips: ['192.0.2.10'], internalThroughGateway: 'a' };
    expect(inExample({ inboundGateway })).toEqual(['inboundGateway/internalThroughGateway']);
  });

  it('what is said, a person can read', () => {
    const document = withDomain({ recipients: ['r.txt'] }, ROUTES);
    expect(settingsNotActing(aSettings(document), null)).toEqual([
      {
        severity: 'warning',
        pointer: inDomain('recipients'),
        message: 'is checked and kept, but this version does not act on it yet',
      },
    ]);
  });

  it('TLS policies on which own domains differ are said, for those that they were meant to protect', () => {
    const tls = [{ title: 'P', applyTo: ['outgoing'], domains: ['partner.example'] }];
    expect(warned(aDocument({ 'example.com': { tls }, 'b.example': {} }))).toEqual([inDomain('tls/0')]);
    expect(warned(aDocument({ 'example.com': { tls }, 'b.example': { tls } }))).toEqual([]);
    expect(warned(aDocument({ 'example.com': { tls, enforcement: 'observe' }, 'b.example': {} }))).toEqual([]);
    const document = aDocument({ 'example.com': { tls }, 'b.example': {} });
    expect(settingsNotActing(aSettings(document), null)).toEqual([]);
  });
});
