import { describe, expect, it } from 'vitest';
import {
  clientsBehindGateways,
  decideRecipient,
  type MessageTransaction,
  type Reason,
} from '../../../src/decide/index.ts';
import { formatIpAddress, parseAddress } from '../../../src/mail/index.ts';
import { aDocument, aSnapshot, aTransaction, withDomain, type TransactionTexts } from '../../support/builders.ts';

const autoBlock = { after: 3, within: '1m', for: '1h' };
const inboundGateway = { enabled: true, ips: ['192.0.2.10'] };
const UNTIL = Date.parse('2026-11-02T13:00:00Z');

function reasonFor(settings: object, texts: TransactionTexts = {}, headers?: string[]): Reason | undefined {
  const decision = decideRecipient(aSnapshot(withDomain(settings)), {
    ...aTransaction(texts),
    shortTermBlock: { until: UNTIL, reason: '3 hits within 1m' },
    ...(headers !== undefined && { headers: headers.map((value) => ({ name: 'Received', value })) }),
  });
  return decision.reasons.find(({ rule }) => rule === 'short-term-block');
}

describe('the reason of the short-term block', () => {
  it('is said where there is none, with the setting where there is one', () => {
    const { reasons } = decideRecipient(aSnapshot(withDomain({ autoBlock })), aTransaction());
    expect(reasons).toContainEqual({
      rule: 'short-term-block',
      setting: '/organizations/acme/domains/example.com/autoBlock',
      text: 'no block of the client is known',
      considered: true,
    });
    expect(reasonFor({})).toMatchObject({ setting: null, text: 'not set' });
  });

  it.each([
    ['a client without an address', {}, { client: 'local' }, 'not asked: the client is not known'],
    ['an allowed client', { allowedIps: ['203.0.113.9'] }, {}, 'not asked: allow beats block'],
    ['a trusted client', {}, { user: 'anna@example.com' }, 'exempt: authenticated as anna@example.com'],
    ['a gateway', { inboundGateway }, { client: '192.0.2.10' }, 'not asked: the client is not known'],
    ['anybody else', {}, {}, '203.0.113.9 is blocked until 2026-11-02T13:00:00.000Z: 3 hits within 1m'],
  ])('of %s', (_, more, texts, text) => {
    expect(reasonFor({ autoBlock, ...more }, texts)?.text).toBe(text);
  });

  it('names the client behind a gateway at the end of the headers', () => {
    const received = ' from evil.example (evil.example [198.51.100.66]) by gw.example with ESMTP id 1; x';
    const { text } = reasonFor({ autoBlock, inboundGateway }, { client: '192.0.2.10' }, [received]) ?? { text: '' };
    expect(text).toMatch(/^198\.51\.100\.66 is blocked until /);
  });
});

describe('clients behind gateways', () => {
  const snapshot = aSnapshot(
    aDocument({ 'example.com': { inboundGateway }, 'b.example': { inboundGateway }, 'c.example': {} }),
  );
  const behind = (client: string, received: readonly string[], ...recipients: string[]): string[] => {
    const t: Pick<MessageTransaction, 'recipients' | 'client' | 'headers' | 'at'> = {
      client: aTransaction({ client }).client,
      at: Date.parse('2026-11-02T12:00:00Z'),
      headers: received.map((value) => ({ name: 'Received', value })),
      recipients: recipients.flatMap((text) => {
        const address = parseAddress(text);
        return address === null ? [] : [{ address, resolved: null }];
      }),
    };
    return clientsBehindGateways(snapshot, t).map(
      ({ policy, address }) => `${policy.domain} ${formatIpAddress(address)}`,
    );
  };
  const received = ' from evil.example (evil.example [198.51.100.66]) by gw.example with ESMTP id 1; x';

  it('one for each own domain whose gateway it is', () => {
    expect(behind('192.0.2.10', [received], 'a@example.com', 'x@example.com', 'a@b.example', 'a@c.example')).toEqual([
      'example.com 198.51.100.66',
      'b.example 198.51.100.66',
    ]);
  });

  it('none where the client is no gateway, or nobody is named', () => {
    expect(behind('203.0.113.9', [received], 'a@example.com')).toEqual([]);
    expect(behind('192.0.2.10', [], 'a@example.com')).toEqual([]);
    expect(behind('192.0.2.10', [received], 'a@elsewhere.example')).toEqual([]);
  });
});
