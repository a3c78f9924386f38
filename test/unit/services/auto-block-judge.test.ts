/** Which answers count against a client, and that a blocked one is refused. */
import { describe, expect, it } from 'vitest';
import { parseAddress } from '../../../src/mail/index.ts';
import {
  blocksBehindGateways,
  createJudge,
  noteUnknownRecipient,
  type UnknownRecipient,
} from '../../../src/services/index.ts';
import { atOnce } from '../../support/at-once.ts';
import { AutoBlockGround, HOUR, THREE } from '../../support/auto-block.ts';
import {
  aDocument,
  aSnapshot,
  aTransaction,
  type Around,
  type Keys,
  type TransactionTexts,
} from '../../support/builders.ts';
import { FakeMeters } from '../../support/fake-log.ts';

const context = { queueId: null, instance: null, clientName: null };

class Judged extends AutoBlockGround {
  readonly meters = new FakeMeters();

  static of(settings: Keys, around: Around = {}): Judged {
    const ground = new Judged({ 'example.com': { autoBlock: THREE, ...settings } });
    ground.current = aSnapshot(aDocument({ 'example.com': { autoBlock: THREE, ...settings } }), around);
    return ground;
  }

  /** The rule that decided about so many requests, one after the other. */
  ask(texts: TransactionTexts, times = 1): string[] {
    const { at: _, ...transaction } = aTransaction(texts);
    const judge = createJudge(() => this.current, this.clock, this.log, this.meters, undefined, this.blocks);
    return Array.from({ length: times }, () => atOnce(judge.judgeRecipient(transaction, context)).decisive.rule);
  }
}

const blockedIps = ['203.0.113.9'];

describe('what counts at RCPT', () => {
  it('refusals by the block list; after that the automatic block goes on when the entry is gone', () => {
    const ground = Judged.of({ blockedIps });
    expect(ground.ask({}, 4)).toEqual(['ip-block', 'ip-block', 'ip-block', 'ip-block']);
    ground.current = aSnapshot(aDocument({ 'example.com': { autoBlock: THREE } }));
    expect(ground.ask({})).toEqual(['short-term-block']);
    expect(ground.log.entries.at(-1)?.fields).toMatchObject({
      verdict: 'reject',
      reply: '550 5.7.1 Client address blocked by receiving domain policy',
      rule: 'short-term-block',
      setting: '/organizations/acme/domains/example.com/autoBlock',
      text: '203.0.113.9 is blocked until 2027-01-01T01:00:00.000Z: 3 hits within 1m, the last a refusal by the block list',
    });
    expect(ground.meters.decisions.at(-1)).toMatchObject({ rule: 'short-term-block', verdict: 'reject' });
    ground.clock.advance(HOUR);
    expect(ground.ask({})).toEqual(['own-domain']);
  });

  it('mail past the gateway', () => {
    const ground = Judged.of({ inboundGateway: { enabled: true, ips: ['192.0.2.10'], onlyFromGateway: true } });
    expect(ground.ask({}, 4)).toEqual(['gateway-only', 'gateway-only', 'gateway-only', 'short-term-block']);
    ground.ask({ client: '192.0.2.10' }, 9);
    expect(ground.listed()).toEqual(['example.com 203.0.113.9']);
  });

  it('a refusal by the automatic block does not count, so that it ends', () => {
    const ground = Judged.of({ blockedIps });
    ground.ask({}, 3);
    const { until } = ground.blocks.list()[0] ?? { until: 0 };
    ground.clock.advance(HOUR / 2);
    ground.ask({}, 50);
    expect(ground.blocks.list()[0]?.until).toBe(until);
  });

  it('not what is taken, refused for another reason, or for another domain', () => {
    const tls = [{ title: 'P', applyTo: ['incoming'], domains: ['partner.example'] }];
    const ground = Judged.of({ tls });
    expect(ground.ask({}, 9)).toContain('tls-required');
    ground.ask({ tls: true }, 9);
    ground.ask({ recipient: 'x@elsewhere.example' }, 9);
    expect(ground.listed()).toEqual([]);
  });

  it('not trusted clients, whatever refuses them', () => {
    const ground = Judged.of({ blockedIps: [...blockedIps, '127.0.0.1'] });
    ground.ask({ user: 'anna@example.com' }, 9);
    ground.ask({ client: '127.0.0.1' }, 9);
    expect(ground.listed()).toEqual([]);
  });

  it('observed, it is counted and said; what would have been refused by a block that is there is said too', () => {
    const ground = Judged.of({ blockedIps, enforcement: 'observe' });
    ground.ask({}, 4);
    expect(ground.listed()).toEqual([]);
    expect(ground.log.messages('info').filter((message) => message === 'client would be blocked')).toHaveLength(1);
  });

  it('a block of another own domain, or one without the setting, does not act', () => {
    const ground = Judged.of({ blockedIps });
    ground.ask({}, 3);
    ground.current = aSnapshot(aDocument({ 'example.com': {}, 'b.example': { autoBlock: THREE } }));
    expect(ground.ask({})).toEqual(['own-domain']);
    expect(ground.ask({ recipient: 'a@b.example' })).toEqual(['own-domain']);
  });
});

describe('recipients that Postfix has refused as unknown', () => {
  const tell = (ground: Judged, texts: TransactionTexts, times = 3): string[] => {
    const { client, saslUsername, daemonName, recipient } = aTransaction(texts);
    const unknown: UnknownRecipient = { client, saslUsername, daemonName, recipient };
    for (let n = 0; n < times; n += 1) noteUnknownRecipient(ground.blocks, ground.current, unknown, ground.clock.now());
    return ground.listed();
  };

  it('count against the client', () => {
    const ground = Judged.of({});
    expect(tell(ground, {}, 2)).toEqual([]);
    expect(tell(ground, {}, 1)).toEqual(['example.com 203.0.113.9']);
    expect(ground.blocks.list()[0]?.reason).toBe('3 hits within 1m, the last an unknown recipient');
  });

  it.each<[string, TransactionTexts]>([
    ['a recipient that is not ours', { recipient: 'x@elsewhere.example' }],
    ['a user who has signed in', { user: 'anna@example.com' }],
    ['a trusted network', { client: '127.0.0.1' }],
    ['a content filter that hands mail back', { client: '10.0.0.1', daemon: 'reinject' }],
    ['local submission', { client: 'local' }],
    ['a client without an address', { client: 'unknown' }],
    ['a gateway', { client: '192.0.2.10' }],
    ['an allowed client', { client: '198.51.100.7' }],
  ])('not of %s', (_, texts) => {
    const settings = { inboundGateway: { enabled: true, ips: ['192.0.2.10'] }, allowedIps: ['198.51.100.7'] };
    const ground = Judged.of(settings, { reinjectionServices: ['reinject'] });
    expect(tell(ground, texts, 9)).toEqual([]);
  });

  it('not for an own domain without the setting', () => {
    const ground = Judged.of({});
    ground.current = aSnapshot(aDocument({ 'example.com': {} }));
    expect(tell(ground, {}, 9)).toEqual([]);
  });
});

describe('blocks of the clients behind gateways', () => {
  const inboundGateway = { enabled: true, ips: ['192.0.2.10'] };
  const received = ' from evil.example (evil.example [203.0.113.9]) by gw.example with ESMTP id 1; x';
  const at = (ground: Judged, client: string) => {
    const { client: peer, recipient } = aTransaction({ client });
    const address = parseAddress('b@b.example') ?? recipient;
    return blocksBehindGateways(
      ground.blocks,
      ground.current,
      {
        client: peer,
        recipients: [recipient, address].map((each) => ({ address: each, resolved: null })),
        headers: [{ name: 'Received', value: received }],
      },
      ground.clock.now(),
    );
  };

  it('are found by own domain', () => {
    const ground = Judged.of({ inboundGateway });
    ground.current = aSnapshot(
      aDocument({
        'example.com': { autoBlock: THREE, inboundGateway },
        'b.example': { autoBlock: THREE, inboundGateway },
      }),
    );
    expect(at(ground, '192.0.2.10')).toBeNull();
    ground.hit('203.0.113.9', 3, { kind: 'spam-pattern' });
    expect([...(at(ground, '192.0.2.10') ?? [])].map(([domain, { range }]) => `${domain} ${range.text}`)).toEqual([
      'example.com 203.0.113.9',
    ]);
    expect(at(ground, '203.0.113.9')).toBeNull();
  });
});
