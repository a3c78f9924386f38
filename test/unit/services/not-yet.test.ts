import { describe, expect, it } from 'vitest';
import { settingsNotActing } from '../../../src/services/not-yet.ts';
import { aDocument, aSnapshot, inDomain, withDomain } from '../../support/builders.ts';

const warned = (document: unknown): string[] =>
  settingsNotActing(aSnapshot(document, { recipientLists: { 'r.txt': '' } })).map(({ pointer, severity }) => {
    expect(severity).toBe('warning');
    return pointer;
  });

describe('settings that do not act yet', () => {
  it('everything about routing acts: rules, who exists, the way through the gateway', () => {
    const rule = { mail: ['external'], route: 'a' };
    const settings = {
      allowedIps: ['192.0.2.7'],
      recipients: ['r.txt', { map: 'hash:/etc/postfix/virtual' }],
      inboundGateway: { enabled: true, ips: ['192.0.2.10'], internalThroughGateway: 'a' },
      inboundRouting: [{ ...rule, recipients: ['existing', 'missing'], alsoSave: true, suppressBounces: true }, rule],
      outboundRouting: [
        { ...rule, action: 'change' },
        { ...rule, action: 'additionally' },
      ],
    };
    expect(warned(withDomain(settings, { routes: { a: { host: '192.0.2.1' } } }))).toEqual([]);
  });

  it('what is said, a person can read', () => {
    const tls = [{ title: 'P', applyTo: ['outgoing'], domains: ['partner.example'] }];
    expect(settingsNotActing(aSnapshot(aDocument({ 'example.com': { tls }, 'b.example': {} })))).toEqual([
      {
        severity: 'warning',
        pointer: inDomain('tls/0'),
        message:
          'does not act: own domains differ on partner.example, and this version acts only where all agree: ' +
          'mail to it may leave in clear; give every own domain the same policy for it',
      },
    ]);
  });

  it('TLS policies on which own domains differ are said, for those that they were meant to protect', () => {
    const tls = [{ title: 'P', applyTo: ['outgoing'], domains: ['partner.example'] }];
    expect(warned(aDocument({ 'example.com': { tls }, 'b.example': {} }))).toEqual([inDomain('tls/0')]);
    expect(warned(aDocument({ 'example.com': { tls }, 'b.example': { tls } }))).toEqual([]);
    expect(warned(aDocument({ 'example.com': { tls, enforcement: 'observe' }, 'b.example': {} }))).toEqual([]);
    // Of settings that are refused nothing is said.
    expect(settingsNotActing(null)).toEqual([]);
  });
});
