import { describe, expect, it } from 'vitest';
import { explain, type Explanation, type Question } from '../../../src/services/index.ts';
import { formatIpAddress, type Domain } from '../../../src/mail/index.ts';
import { aDocument, withDomain } from '../../support/builders.ts';
import { aKeyedSnapshot, aMessage, type MessageTexts } from '../../support/messages.ts';

function explained(texts: MessageTexts, settings: object = {}, more: Partial<Question> = {}): Explanation {
  const { client, sender, recipients, saslUsername, encrypted, at, headers } = aMessage(texts);
  const addresses = recipients.map(({ address }) => address);
  const question = { client, sender, recipients: addresses, saslUsername, encrypted, at, headers, ...more };
  return explain(aKeyedSnapshot(withDomain(settings), { 'example.com': ['s1'] }), question);
}

describe('explain with header fields', () => {
  it('a folded field is one line, without white space around it', () => {
    const headers = ['X-Postern-A:\n\tone\n  two  ', 'From: x@partner.example'];
    expect(explained({ headers }).message.removed).toEqual(['X-Postern-A: one two']);
  });

  it('a refused message has its verdict and reply, and nothing is signed, taken out or put in', () => {
    const headers = [...Array<string>(501).fill('X-Postern-A: x'), 'From: alice@example.com'];
    expect(explained({ headers }).message).toEqual({
      ...{ verdict: 'reject', spam: false, bypassSpamFilter: false, signatures: [], added: [], removed: [] },
      reply: '550 5.6.0 Too many header fields that only the receiving mail system may add',
    });
  });

  it('recipients that are refused have no say: the others decide on marks', () => {
    const settings = {
      allowedIps: ['198.51.100.7'],
      inboundGateway: { enabled: true, ips: ['192.0.2.10'], onlyFromGateway: true },
    };
    const headers = ['From: alice@example.com'];
    const refused = explained({ client: '198.51.100.7', headers }, settings);
    expect(refused.message).toMatchObject({ added: [], signatures: [] });
    const other = explained(
      { client: '198.51.100.7', recipients: ['bob@example.com', 'carol@elsewhere.example'], headers },
      settings,
    );
    expect(other.message).toMatchObject({
      added: ['Authentication-Results: mx.example.com; none'],
      bypassSpamFilter: false,
    });
  });
});

describe('explain of mail through a gateway', () => {
  const GATEWAY = { enabled: true, ips: ['198.51.100.0/24', '10.9.0.0/20'], spamPattern: '^X-Gw-Score: 9' };
  const TEXTS: MessageTexts = {
    client: '198.51.100.7',
    headers: [
      'Received: from gw3 (gw3 [10.9.1.2])\n\tby gw4.example (Postfix) with ESMTP id 1',
      'Subject: x',
      'Received: from a.example (a.example [203.0.113.50]) by gw3.example (Postfix) with ESMTP id 2',
      'Received: from b.example (b.example [192.0.2.66]) by a.example (Postfix) with ESMTP id 3',
    ],
  };

  it('tells the walk hop by hop, each with its line, and who it found', () => {
    const answer = explained(TEXTS, { inboundGateway: GATEWAY });
    expect(answer).toMatchObject({
      trueClient: '203.0.113.50',
      recipients: [{ trueClient: '203.0.113.50', verdict: 'pass' }],
    });
    const walk = answer.reasons.filter(({ rule }) => rule === 'true-client');
    expect(walk.map(({ text, recipient }) => `${recipient}: ${text}`)).toEqual([
      'bob@example.com: header field 1: 10.9.1.2 is an address of the inbound gateway, written by gw4.example -- ' +
        'Received: from gw3 (gw3 [10.9.1.2]) by gw4.example (Postfix) with ESMTP id 1',
      'bob@example.com: header field 3: 203.0.113.50 is the first that is no gateway, written by gw3.example -- ' +
        'Received: from a.example (a.example [203.0.113.50]) by gw3.example (Postfix) with ESMTP id 2',
      'bob@example.com: 203.0.113.50 is behind the gateway: the Received field written by gw3.example, header field 3, names it',
    ]);
  });

  it('without the message nobody knows', () => {
    const answer = explained(TEXTS, { inboundGateway: GATEWAY }, { headers: null });
    expect(answer).toMatchObject({ trueClient: null, recipients: [{ trueClient: null }] });
  });

  it.each([
    ['reject', '550 5.7.1 Client address blocked by receiving domain policy', []],
    ['quarantine', null, [{ to: 'here', recipient: 'bob@example.com', bounces: true }]],
    ['discard', null, []],
  ])('a blocked client behind it: %s', (blockedBehindGateway, reply, deliveries) => {
    const settings = { blockedIps: ['203.0.113.50'], inboundGateway: { ...GATEWAY, blockedBehindGateway } };
    expect(explained(TEXTS, settings)).toMatchObject({
      recipients: [{ verdict: 'pass', deliveries }],
      message: { verdict: blockedBehindGateway, reply, signatures: [] },
    });
  });

  it('an automatic block acts at RCPT on a direct client, and at the end on one behind the gateway', () => {
    const settings = { autoBlock: { after: 2, within: '10m', for: '1h' }, inboundGateway: GATEWAY };
    const blockOf: Question['blockOf'] = (_, address) =>
      formatIpAddress(address) === '203.0.113.50' ? { until: 8.64e15, reason: '2 hits within 10m' } : null;
    expect(explained(TEXTS, settings, { blockOf })).toMatchObject({
      recipients: [{ verdict: 'pass' }],
      message: { verdict: 'reject' },
    });
    expect(explained({ ...TEXTS, client: '203.0.113.50' }, settings, { blockOf })).toMatchObject({
      recipients: [{ verdict: 'reject' }],
    });
    expect(explained({ client: 'local' }, settings, { blockOf })).toMatchObject({
      recipients: [{ verdict: 'pass' }],
      message: { verdict: 'pass' },
    });
  });

  it('what the spam pattern found is told', () => {
    const spamHits: Question['spamHits'] = new Map([['example.com' as Domain, { kind: 'match', field: 'X-Gw-Score' }]]);
    expect(explained(TEXTS, { inboundGateway: GATEWAY }, { spamHits }).message).toMatchObject({
      spam: true,
      added: expect.arrayContaining(['X-Spam-Flag: YES']) as string[],
    });
  });
});

describe('explain of several own domains', () => {
  it('recipients are decided one after the other, and domains that see different clients have no one answer', () => {
    const gateway = (...ips: string[]): object => ({ inboundGateway: { enabled: true, ips } });
    const snapshot = aKeyedSnapshot(
      aDocument({
        'example.com': { ...gateway('198.51.100.7'), blockedIps: ['203.0.113.9'] },
        'b.example': gateway('198.51.100.7', '10.9.1.2'),
      }),
    );
    const { client, sender, recipients, at, headers } = aMessage({
      client: '198.51.100.7',
      recipients: ['bob@example.com', 'eva@b.example'],
      headers: [
        'Received: from gw3 (gw3 [10.9.1.2]) by gw4.example (Postfix) with ESMTP id 1',
        'Received: from a.example (a.example [203.0.113.50]) by gw3.example (Postfix) with ESMTP id 2',
      ],
    });
    const question = { client, sender, recipients: recipients.map(({ address }) => address), at, headers };
    const answer = explain(snapshot, { ...question, saslUsername: null, encrypted: false });
    expect(answer.recipients.map(({ verdict, reply }) => [verdict, reply?.slice(0, 9)])).toEqual([
      ['pass', undefined],
      ['defer', '452 4.5.3'],
    ]);
    const trusted = explain(snapshot, { ...question, saslUsername: 'eva@b.example', encrypted: false });
    expect(trusted.recipients.map(({ trueClient }) => trueClient)).toEqual(['10.9.1.2', '203.0.113.50']);
    expect(trusted.trueClient).toBeNull();
  });
});
