import { describe, expect, it } from 'vitest';
import { decideMessage, type MessageDecision } from '../../../src/decide/index.ts';
import { aDocument, withDomain } from '../../support/builders.ts';
import { aKeyedSnapshot, aMessage, type MessageTexts } from '../../support/messages.ts';

const decide = (texts: MessageTexts, settings: object = {}): MessageDecision =>
  decideMessage(aKeyedSnapshot(withDomain(settings), { 'example.com': ['s1'] }), aMessage(texts));
const repeated = (line: string, count: number): string[] => Array<string>(count).fill(line);

describe('decideMessage', () => {
  it.each([
    ['X-Postern-Verdict: ham', '203.0.113.9'],
    ['Authentication-Results: mx.example.com; dkim=pass', '203.0.113.9'],
    ['X-Spam-Flag: YES', '198.51.100.7'],
  ])('500 fields to take out are taken out, 501 refuse the message: %s', (line, client) => {
    const settings = { allowedIps: ['198.51.100.7'] };
    const most = decide({ client, headers: repeated(line, 500) }, settings);
    expect([most.verdict, most.removed.length]).toEqual([{ kind: 'pass' }, 500]);
    const above = decide({ client, headers: repeated(line, 501) }, settings);
    expect(above).toMatchObject({ removed: [], added: [], bypassSpamFilter: false });
    expect(above.verdict).toEqual({
      kind: 'reject',
      reply: {
        code: '550',
        status: '5.6.0',
        text: 'Too many header fields that only the receiving mail system may add',
      },
    });
    expect(above.reasons[0]?.text).toBe('refused: 501 fields to take out, at most 500 in one message');
  });

  it('what is not taken out refuses nothing, however much it is', () => {
    for (const texts of [{ client: 'local' }, { client: '203.0.113.9', user: 'alice' }]) {
      const headers = repeated('X-Postern-Verdict: ham', 2_000);
      expect(decide({ ...texts, headers }).verdict).toEqual({ kind: 'pass' });
    }
    const foreign = repeated('Authentication-Results: mx.partner.example; none', 2_000);
    expect(decide({ headers: foreign }).verdict).toEqual({ kind: 'pass' });
    expect(decide({ headers: repeated('X-Postern-A: x', 2_000) }, { enforcement: 'observe' }).verdict.kind).toBe(
      'pass',
    );
  });

  it('SIG-16 a domain without an active key is not signed for, nor by the key of another', () => {
    const snapshot = aKeyedSnapshot(aDocument({ 'example.com': {}, 'b.example': {} }), { 'b.example': ['s1'] });
    const t = aMessage({ client: 'local', headers: ['From: alice@example.com'] });
    expect(decideMessage(snapshot, t).signing).toMatchObject({ signatures: [], skipped: 'no_active_key' });
  });

  it('a message without recipients and fields is decided all the same', () => {
    expect(decide({ recipients: [] })).toMatchObject({ verdict: { kind: 'pass' }, removed: [] });
  });
});
