import { describe, expect, it } from 'vitest';
import type { SpamHit } from '../../../src/decide/index.ts';
import { createMessageJudge, type SpamPatterns } from '../../../src/services/index.ts';
import { AutoBlockGround } from '../../support/auto-block.ts';
import { FakeMeters } from '../../support/fake-log.ts';
import { aMessage, type MessageTexts } from '../../support/messages.ts';

describe('mail through a gateway', () => {
  const POLICY = {
    autoBlock: { after: 2, within: '10m', for: '1h' },
    inboundGateway: { enabled: true, ips: ['198.51.100.7'], spamPattern: '^X-Gw-Score: 9' },
  };
  const TEXTS: MessageTexts = {
    client: '198.51.100.7',
    headers: ['Received: from a (a [203.0.113.50]) by gw.example (Postfix) with ESMTP id 1;', 'X-Gw-Score: 9'],
  };
  const FOUND: SpamHit = { kind: 'match', field: 'X-Gw-Score' };

  function aGround(policy: Record<string, unknown> = {}, found: SpamHit | null = FOUND) {
    const meters = new FakeMeters();
    const ground = new AutoBlockGround({ 'example.com': { ...POLICY, ...policy } });
    const { log, clock, current: snapshot, blocks: autoBlock } = ground;
    const looks: number[] = [];
    const spamPatterns: SpamPatterns = {
      look: (_, t, at) => {
        looks.push(at);
        const [domain] = snapshot.domains.keys();
        return found === null ? null : Promise.resolve(new Map([[domain!, found]]));
      },
    };
    const judge = createMessageJudge(clock, log, meters, { autoBlock, spamPatterns });
    const send = async (texts: MessageTexts = TEXTS, unknown: readonly string[] = []) => {
      const unknownRecipients = aMessage({ recipients: unknown }).recipients.map(({ address }) => address);
      const t = { ...aMessage(texts), unknownRecipients };
      const decision = await judge.judgeMessage(snapshot, t);
      judge.reportMessage(snapshot, decision, t, { queueId: null, ms: 1 });
      return { decision, fields: log.entries.findLast(({ message }) => message === 'decision')!.fields };
    };
    return { clock, meters, snapshot, autoBlock, looks, judge, send };
  }

  it('waits for the pattern; the line says who is behind the gateway, and that it is spam', async () => {
    const { send, looks, meters, clock } = aGround();
    const { fields } = await send();
    expect(fields).toMatchObject({
      ...{ verdict: 'pass', spam: true, rule: 'spam-pattern', true_client: ['203.0.113.50'] },
      added: ['Authentication-Results', 'X-Spam-Flag', 'X-Postern-Verdict'],
    });
    expect(looks).toEqual([clock.now()]);
    expect(meters.gatewayMail).toEqual(['example.com']);
  });

  it('decides at once where there is no pattern to look for', () => {
    const { judge, snapshot } = aGround({}, null);
    expect(judge.judgeMessage(snapshot, aMessage(TEXTS))).not.toBeInstanceOf(Promise);
  });

  it('counts matches against the client behind the gateway, which is then blocked behind it', async () => {
    const { send, autoBlock } = aGround();
    await send();
    expect(autoBlock.list()).toEqual([]);
    expect((await send()).fields).toMatchObject({ verdict: 'pass' });
    expect(autoBlock.list().map(({ range, reason }) => [range.text, reason])).toEqual([
      ['203.0.113.50', '2 hits within 10m, the last a match of the spam pattern'],
    ]);
    expect((await send()).fields).toMatchObject({ verdict: 'reject', rule: 'short-term-block' });
  });

  it('counts refusals by the block list, also where the mail is thrown away', async () => {
    const policy = { ...POLICY, blockedIps: ['203.0.113.50'] };
    const inboundGateway = { ...POLICY.inboundGateway, blockedBehindGateway: 'discard' };
    const { send, autoBlock } = aGround({ ...policy, inboundGateway }, null);
    expect((await send()).fields).toMatchObject({ verdict: 'discard', rule: 'ip-block' });
    expect((await send()).fields).toMatchObject({ verdict: 'discard' });
    expect(autoBlock.list().map(({ reason }) => reason)).toEqual([
      '2 hits within 10m, the last a refusal by the block list',
    ]);
  });

  it('counts nothing against a client that is not known, nor a trusted one', async () => {
    const { send, autoBlock } = aGround();
    for (let n = 0; n < 3; n += 1) {
      await send({ ...TEXTS, headers: ['X-Gw-Score: 9'] });
      await send({ ...TEXTS, user: 'alice@example.com' });
    }
    expect(autoBlock.list()).toEqual([]);
  });

  it('counts recipients that do not exist beside one that was taken', async () => {
    const { send, autoBlock } = aGround({}, null);
    const unknown = ['nobody@example.com', 'no-one@example.com', 'x@elsewhere.example'];
    await send(TEXTS, unknown.slice(1));
    await send({ ...TEXTS, user: 'alice@example.com' }, unknown);
    expect(autoBlock.list()).toEqual([]);
    await send(TEXTS, unknown.slice(0, 1));
    expect(autoBlock.list().map(({ reason }) => reason)).toEqual(['2 hits within 10m, the last an unknown recipient']);
  });

  it('an observed domain that would refuse says so', async () => {
    const { send } = aGround({ enforcement: 'observe', blockedIps: ['203.0.113.50'] }, null);
    expect((await send()).fields).toMatchObject({ verdict: 'pass', observed: 'reject' });
  });
});
