import { describe, expect, it } from 'vitest';
import { explain, type Explanation } from '../../../src/services/index.ts';
import { withDomain } from '../../support/builders.ts';
import { aKeyedSnapshot, aMessage, type MessageTexts } from '../../support/messages.ts';

function explained(texts: MessageTexts, settings: object = {}): Explanation {
  const { client, sender, recipients, saslUsername, encrypted, at, headers } = aMessage(texts);
  const addresses = recipients.map(({ address }) => address);
  const question = { client, sender, recipients: addresses, saslUsername, encrypted, at, headers };
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
