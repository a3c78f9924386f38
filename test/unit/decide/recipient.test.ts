import { describe, expect, it } from 'vitest';
import { decideRecipient, type RecipientDecision } from '../../../src/decide/index.ts';
import {
  actionOf,
  aDocument,
  aSnapshot,
  aTransaction,
  inDomain,
  withDomain,
  type Around,
  type Keys,
  type TransactionTexts,
} from '../../support/builders.ts';

const decide = (settings: Keys, texts: TransactionTexts = {}, around: Around = {}): RecipientDecision =>
  decideRecipient(aSnapshot(withDomain(settings), around), aTransaction(texts));
const actionFor = (settings: Keys, texts: TransactionTexts = {}, around: Around = {}): string =>
  actionOf(decide(settings, texts, around).verdict);

const BLOCKED = '550 5.7.1 Client address blocked by receiving domain policy';
const ONLY_GATEWAY = '550 5.7.1 This domain accepts mail only through its inbound gateway';
const CLEAR = '550 5.7.1 Session encryption is required for this sender domain';
const INTERNAL = '550 5.7.1 This address is internal to the mail system and takes no mail';
const GATEWAY = { enabled: true, ips: ['198.51.100.0/28'], onlyFromGateway: true };
const PARTNER_TLS = [{ title: 'Partner', applyTo: ['incoming'], domains: ['partner.example'] }];

describe('IP lists', () => {
  it.each(['192.0.2.9', '::ffff:192.0.2.9', '0:0:0:0:0:ffff:c000:209', '::FFFF:192.0.2.9', 'IPv6:::ffff:192.0.2.9'])(
    'IP-04 client %s is blocked and allowed by IPv4 entries',
    (client) => {
      expect(actionFor({ blockedIps: ['192.0.2.0/24'] }, { client })).toBe(BLOCKED);
      expect(decide({ allowedIps: ['192.0.2.0/24'] }, { client }).decisive.rule).toBe('ip-allow');
    },
  );

  it.each([
    ['(a) block /24, allow .7, client .7', ['203.0.113.0/24'], ['203.0.113.7'], '203.0.113.7', 'DUNNO'],
    ['(b) block .7, allow /24, client .7', ['203.0.113.7'], ['203.0.113.0/24'], '203.0.113.7', 'DUNNO'],
    ['(c) client .8 in (a)', ['203.0.113.0/24'], ['203.0.113.7'], '203.0.113.8', BLOCKED],
  ])('IP-12 %s', (_, blockedIps, allowedIps, client, action) => {
    expect(actionFor({ blockedIps, allowedIps }, { client })).toBe(action);
  });

  it('POL-09 an allowed client is answered DUNNO for our recipients and for others, never OK', () => {
    const settings = { allowedIps: ['198.51.100.7'] };
    for (const recipient of ['bob@example.com', 'bob@elsewhere.example', 'postmaster']) {
      expect(actionFor(settings, { client: '198.51.100.7', recipient })).toBe('DUNNO');
    }
  });

  it('POL-11 each recipient is judged by its own domain', () => {
    const snapshot = aSnapshot(aDocument({ 'a.example': { blockedIps: ['203.0.113.9'] }, 'b.example': {} }));
    const action = (recipient: string) => actionOf(decideRecipient(snapshot, aTransaction({ recipient })).verdict);
    expect([action('x@a.example'), action('y@b.example'), action('x@A.EXAMPLE')]).toEqual([BLOCKED, 'DUNNO', BLOCKED]);
  });

  it.each(['bad\naction=OK', 'Grüße 🎣', 'x'.repeat(500)])(
    'POL-12 the note "%s" is in the reason and never in the reply',
    (note) => {
      const decision = decide({ blockedIps: [{ ip: '203.0.113.9', note }] });
      expect(actionOf(decision.verdict)).toBe(BLOCKED);
      expect(decision.decisive.text).toContain(note);
    },
  );

  it('a hit in a list file names the file and the line', () => {
    const lists = { 'lists/drop.txt': '# public list\n192.0.2.0/24\n\n203.0.113.0/28 ; a range\n' };
    const { decisive, verdict } = decide(
      { blockedIps: ['192.0.2.1', { file: 'lists/drop.txt', note: 'drop' }] },
      {},
      { lists },
    );
    expect(actionOf(verdict)).toBe(BLOCKED);
    expect(decisive).toEqual({
      rule: 'ip-block',
      setting: inDomain('blockedIps/1'),
      text: '203.0.113.9 is blocked by lists/drop.txt:4 (drop)',
      considered: true,
    });
  });

  it('an entry acts to the end of its last day, and not after', () => {
    const settings = { blockedIps: [{ ip: '203.0.113.9', expires: '2026-11-02' }] };
    expect(actionFor(settings, { at: '2026-11-02T23:59:59.999Z' })).toBe(BLOCKED);
    expect(actionFor(settings, { at: '2026-11-03T00:00:00Z' })).toBe('DUNNO');
  });

  it('an allow entry that has expired no longer beats a block', () => {
    const settings = { allowedIps: [{ ip: '203.0.113.9', expires: '2026-11-01' }], blockedIps: ['203.0.113.9'] };
    expect(actionFor(settings)).toBe(BLOCKED);
    expect(actionFor(settings, { at: '2026-11-01T12:00:00Z' })).toBe('DUNNO');
  });

  it('a blocked client is refused whoever it says it is: authenticated or in trustedNetworks', () => {
    const settings = { blockedIps: ['203.0.113.9', '127.0.0.1'] };
    expect(actionFor(settings, { user: 'alice' })).toBe(BLOCKED);
    expect(actionFor(settings, { client: '127.0.0.1' })).toBe(BLOCKED);
  });

  it.each(['local', 'unknown'])('MIL-11 lists do not act on a client that is %s', (client) => {
    const { verdict, trueClient, reasons } = decide({ blockedIps: ['0.0.0.0/0', '::/0'] }, { client });
    expect(actionOf(verdict)).toBe('DUNNO');
    expect(trueClient).toBeNull();
    expect(reasons).toContainEqual({
      rule: 'ip-block',
      setting: null,
      text: 'not asked: there is no client address',
      considered: true,
    });
  });

  it("a gateway's own address is never looked up", () => {
    const decision = decide({ blockedIps: ['198.51.100.0/24'], inboundGateway: GATEWAY }, { client: '198.51.100.7' });
    expect(actionOf(decision.verdict)).toBe('DUNNO');
    expect(decision).toMatchObject({ trueClient: null, throughGateway: true });
    expect(decision.reasons).toContainEqual({
      rule: 'ip-allow',
      setting: null,
      text: 'not asked: the client is a gateway',
      considered: true,
    });
  });
});

describe('GW-07 gateway-only', () => {
  const document = withDomain(
    { inboundGateway: GATEWAY, allowedIps: ['203.0.113.10'] },
    { routes: { dlp: { host: '10.0.0.30' }, gw: { host: '198.51.100.2' } } },
  );
  const two = {
    ...document,
    organizations: {
      ...(document['organizations'] as Keys),
      b: { primaryDomain: 'b.example', domains: { 'b.example': {} } },
    },
  };
  const snapshot = aSnapshot(two, { trustedNetworks: ['127.0.0.0/8', '10.0.0.0/24'] });

  it.each<[string, TransactionTexts, string]>([
    ['(a) a stranger', { client: '203.0.113.9' }, ONLY_GATEWAY],
    ['(b) the same, authenticated', { client: '203.0.113.9', user: 'alice' }, 'DUNNO'],
    ['(b) authenticated for another organization', { client: '203.0.113.9', user: 'eve@b.example' }, ONLY_GATEWAY],
    ['(c) loopback', { client: '127.0.0.1' }, 'DUNNO'],
    ['(d) the gateway', { client: '198.51.100.7' }, 'DUNNO'],
    ['(e) a stranger to a domain without the switch', { client: '203.0.113.9', recipient: 'bob@b.example' }, 'DUNNO'],
    ['(f) an allowed client: the switch is about the path', { client: '203.0.113.10' }, ONLY_GATEWAY],
    ["(g) a route's server in trustedNetworks", { client: '10.0.0.30' }, ONLY_GATEWAY],
    ["(g) a route's server that is in the gateway list", { client: '198.51.100.2' }, 'DUNNO'],
    ['local submission', { client: 'local' }, 'DUNNO'],
    ['MIL-11 a client without an address', { client: 'unknown' }, 'DUNNO'],
  ])('GW-07 %s', (_, texts, action) => {
    expect(actionOf(decideRecipient(snapshot, aTransaction(texts)).verdict)).toBe(action);
  });

  it('GW-07 (f) the decision rests on the switch, not on the allow entry, and later filters are told nothing', () => {
    const decision = decideRecipient(snapshot, aTransaction({ client: '203.0.113.10' }));
    expect(decision.decisive).toMatchObject({
      rule: 'gateway-only',
      setting: inDomain('inboundGateway/onlyFromGateway'),
    });
    expect(decision.bypassSpamFilter).toBe(false);
  });

  it('GW-07 a gateway that is not enabled refuses nobody', () => {
    expect(actionFor({ inboundGateway: { ...GATEWAY, enabled: false } })).toBe('DUNNO');
    expect(actionFor({ inboundGateway: { ...GATEWAY, onlyFromGateway: false } })).toBe('DUNNO');
  });
});

describe('TLS-12 incoming plaintext from a listed domain', () => {
  it.each<[string, TransactionTexts, string]>([
    ['in clear', { sender: 'a@partner.example' }, CLEAR],
    ['over TLS', { sender: 'a@partner.example', tls: true }, 'DUNNO'],
    ['in other case', { sender: 'A@PARTNER.example' }, CLEAR],
    ['with a final dot', { sender: 'a@partner.example.' }, CLEAR],
    ['a sub-domain', { sender: 'a@sub.partner.example' }, 'DUNNO'],
    ['a longer name', { sender: 'a@notpartner.example' }, 'DUNNO'],
    ['the null sender', { sender: '<>' }, 'DUNNO'],
    ['a sender without a domain', { sender: 'partner.example' }, 'DUNNO'],
    ['an authenticated client', { sender: 'a@partner.example', user: 'alice' }, 'DUNNO'],
    ['a trusted client', { sender: 'a@partner.example', client: '127.0.0.1' }, 'DUNNO'],
    ['another recipient', { sender: 'a@partner.example', recipient: 'bob@elsewhere.example' }, 'DUNNO'],
  ])('TLS-12 %s', (_, texts, action) => {
    expect(actionFor({ tls: PARTNER_TLS }, texts)).toBe(action);
  });

  it('TLS-12 an internationalized sender domain is one domain, A-label or U-label', () => {
    const tls = [{ title: 'x', applyTo: ['incoming'], domains: ['bücher.example'] }];
    expect(actionFor({ tls }, { sender: 'a@xn--bcher-kva.example' })).toBe(CLEAR);
    expect(actionFor({ tls }, { sender: 'a@BÜCHER.example' })).toBe(CLEAR);
  });

  it('TLS-12 an allowed client is refused all the same, and a gateway is judged by our own hop', () => {
    const sender = 'a@partner.example';
    expect(actionFor({ tls: PARTNER_TLS, allowedIps: ['203.0.113.9'] }, { sender })).toBe(CLEAR);
    expect(actionFor({ tls: PARTNER_TLS, inboundGateway: GATEWAY }, { sender, client: '198.51.100.7' })).toBe(CLEAR);
  });

  it('TLS-12 an outgoing policy refuses nothing', () => {
    expect(actionFor({ tls: [{ ...PARTNER_TLS[0], applyTo: ['outgoing'] }] }, { sender: 'a@partner.example' })).toBe(
      'DUNNO',
    );
  });
});

describe('the internal domain', () => {
  it.each<[string, TransactionTexts]>([
    ['a recipient in it', { recipient: 'u=example.com@r7-0123abcd.route.postern.internal' }],
    ['the domain itself, in other case', { recipient: 'u@ROUTE.Postern.internal.' }],
    ['a sender in it', { sender: 'u@r7.route.postern.internal' }],
    ['a trusted client', { recipient: 'u@r7.route.postern.internal', client: '127.0.0.1' }],
    ['local submission', { recipient: 'u@r7.route.postern.internal', client: 'local' }],
    ['an authenticated client', { recipient: 'u@r7.route.postern.internal', user: 'alice' }],
    ['a quoted local part', { recipient: '"a@b"@r7.route.postern.internal' }],
    ['a percent sign', { recipient: 'u%r7.route.postern.internal' }],
    ['a bang path', { recipient: 'r7.route.postern.internal!u' }],
    ['a quoted address', { recipient: '"u@r7.route.postern.internal"@mx.example.net' }],
    ['an address of ours around it', { recipient: 'u%r7.route.postern.internal@example.com' }],
    ['a wrapped sender', { sender: 'u%r7.route.postern.internal@mx.example.net' }],
  ])('%s: refused', (_, texts) => {
    const decision = decide({}, texts);
    expect(actionOf(decision.verdict)).toBe(INTERNAL);
    expect(decision.decisive.rule).toBe('internal-domain');
  });

  it('is refused for an observed domain too: it is no setting of a domain', () => {
    expect(actionFor({ enforcement: 'observe' }, { sender: 'u@r7.route.postern.internal' })).toBe(INTERNAL);
  });

  it.each(['u@myroute.postern.internal', 'u@postern.internal', 'u@route.postern.internal.example'])(
    '%s is another domain',
    (recipient) => {
      expect(actionFor({}, { recipient })).toBe('DUNNO');
    },
  );
});

describe('which domain decides', () => {
  const settings = { blockedIps: ['203.0.113.9'] };

  it.each([
    'bob@example.com',
    'bob@EXAMPLE.COM',
    'bob@example.com.',
    '"a b"@example.com',
    '"a@b.example"@example.com',
    'bob+tag@example.com',
  ])('%s is a recipient of example.com', (recipient) => {
    expect(decide(settings, { recipient }).domain).toBe('example.com');
    expect(actionFor(settings, { recipient })).toBe(BLOCKED);
  });

  it.each([
    'bob@sub.example.com',
    'bob@notexample.com',
    'bob@example.com.evil.example',
    'bob@example.co',
    'bob@[192.0.2.1]',
    'bob',
    'postmaster',
    'bob@exаmple.com',
  ])('%s is not: Postfix decides', (recipient) => {
    const decision = decide(settings, { recipient });
    expect(actionOf(decision.verdict)).toBe('DUNNO');
    expect(decision).toMatchObject({ domain: null, mail: 'external', throughGateway: false, bypassSpamFilter: false });
    expect(decision.decisive).toMatchObject({ rule: 'own-domain', setting: null });
  });

  it.each([
    'bob%example.com',
    'bob%EXAMPLE.com',
    'example.com!bob',
    'bob%example.com@',
    'bob%example.com@[127.0.0.1]',
    'bob%example.com@mx.example.net',
    'bob@example.com@[127.0.0.1]',
    'example.com!bob@localhost',
    'mx.example.net!example.com!bob',
    '"bob@example.com"',
    '"bob%example.com"@[IPv6:::1]',
  ])('%s may reach example.com by way of this Postfix, so its rules hold', (recipient) => {
    expect(decide(settings, { recipient }).domain).toBe('example.com');
    expect(actionFor(settings, { recipient })).toBe(BLOCKED);
  });

  it.each(['bob', 'postmaster', 'bob@', '"a b"'])(
    '%s belongs to myorigin, where that is an own domain',
    (recipient) => {
      expect(decide(settings, { recipient }, { originDomain: 'example.com' }).domain).toBe('example.com');
      expect(decide(settings, { recipient }, { originDomain: 'mx.example.net' }).domain).toBeNull();
      expect(decide(settings, { recipient }).domain).toBeNull();
    },
  );

  it.each(['bob@elsewhere.example', 'bob@[192.0.2.1]', 'bob@a..b', 'bob%elsewhere.example'])(
    '%s has a domain, and myorigin does not matter',
    (recipient) => {
      expect(decide(settings, { recipient }, { originDomain: 'example.com' }).domain).toBeNull();
    },
  );

  it('the outermost own domain decides: Postfix does not look behind it', () => {
    const snapshot = aSnapshot(aDocument({ 'a.example': {}, 'b.example': settings }));
    expect(decideRecipient(snapshot, aTransaction({ recipient: 'bob%b.example@a.example' })).domain).toBe('a.example');
    expect(decideRecipient(snapshot, aTransaction({ recipient: 'bob%a.example@b.example' })).domain).toBe('b.example');
  });

  it('the true client of mail for others is the client, where it has an address', () => {
    expect(decide({}, { recipient: 'bob@elsewhere.example' }).trueClient).not.toBeNull();
    expect(decide({}, { recipient: 'bob@elsewhere.example', client: 'local' }).trueClient).toBeNull();
  });

  it('a U-label domain is the same own domain as its A-label', () => {
    const snapshot = aSnapshot(aDocument({ 'bücher.example': settings }));
    for (const recipient of ['bob@xn--bcher-kva.example', 'bob@BÜCHER.example']) {
      expect(decideRecipient(snapshot, aTransaction({ recipient })).domain).toBe('xn--bcher-kva.example');
    }
  });
});

describe('observe', () => {
  it.each<[string, Keys, TransactionTexts, string, string]>([
    ['ip-block', { blockedIps: ['203.0.113.9'] }, {}, BLOCKED, 'ip-block'],
    ['gateway-only', { inboundGateway: GATEWAY }, {}, ONLY_GATEWAY, 'gateway-only'],
    ['tls-required', { tls: PARTNER_TLS }, { sender: 'a@partner.example' }, CLEAR, 'tls-required'],
  ])('%s is decided and said, and nothing is refused', (_, settings, texts, wouldBe, rule) => {
    const decision = decide({ ...settings, enforcement: 'observe' }, texts);
    expect(actionOf(decision.verdict)).toBe('DUNNO');
    expect(decision.observed && actionOf(decision.observed)).toBe(wouldBe);
    expect(decision.decisive.rule).toBe(rule);
    expect(decision.reasons).toContainEqual({
      rule: 'enforcement',
      setting: inDomain('enforcement'),
      text: 'observe: decided and logged, nothing is refused',
      considered: true,
    });
  });

  it('touches nothing: later filters are told nothing', () => {
    const settings = { allowedIps: ['203.0.113.9'] };
    expect(decide(settings).bypassSpamFilter).toBe(true);
    expect(decide({ ...settings, enforcement: 'observe' })).toMatchObject({ bypassSpamFilter: false, observed: null });
  });
});

describe('reasons', () => {
  it('name every rule in the order of precedence, and those that were not reached', () => {
    const { reasons } = decide({ blockedIps: ['203.0.113.9'] });
    expect(reasons.map(({ rule, considered }) => [rule, considered])).toEqual([
      ['own-domain', true],
      ['trust', true],
      ['true-client', true],
      ['ip-allow', true],
      ['ip-block', true],
      ['short-term-block', false],
      ['gateway-only', false],
      ['tls-required', false],
      ['unknown-recipient', false],
    ]);
  });

  it('the block list comes before gateway-only, and gateway-only before TLS', () => {
    const all = { blockedIps: ['203.0.113.9'], inboundGateway: GATEWAY, tls: PARTNER_TLS };
    const sender = 'a@partner.example';
    expect(decide(all, { sender }).decisive.rule).toBe('ip-block');
    expect(decide(all, { sender, client: '203.0.113.1' }).decisive.rule).toBe('gateway-only');
    expect(decide(all, { sender, client: '198.51.100.1' }).decisive.rule).toBe('tls-required');
  });

  it('without an objection the decisive one says so', () => {
    expect(decide({}).decisive).toEqual({
      rule: 'own-domain',
      setting: inDomain('').slice(0, -1),
      text: 'no rule objects',
      considered: true,
    });
  });

  it('IP-15 an allowed client: the decision names the allow entry', () => {
    expect(decide({ allowedIps: [{ ip: '203.0.113.0/24', note: 'drill' }] }).decisive).toEqual({
      rule: 'ip-allow',
      setting: inDomain('allowedIps/0'),
      text: '203.0.113.9 is allowed by 203.0.113.0/24 (drill)',
      considered: true,
    });
  });

  it('IP-15 of two rules that take the mail the first is named: the allow entry, not the exemption from gateway-only', () => {
    const settings = { allowedIps: ['203.0.113.9'], inboundGateway: GATEWAY };
    expect(decide(settings, { user: 'alice' }).decisive.rule).toBe('ip-allow');
    expect(decide({ inboundGateway: GATEWAY }, { user: 'alice' }).decisive.rule).toBe('gateway-only');
  });

  it('a gateway that skips the spam filter tells later filters, and names itself', () => {
    const gateway = { ...GATEWAY, skipSpamFilter: true };
    const decision = decide({ inboundGateway: gateway }, { client: '198.51.100.1' });
    expect(decision.bypassSpamFilter).toBe(true);
    expect(decision.reasons).toContainEqual(
      expect.objectContaining({ rule: 'true-client', setting: inDomain('inboundGateway') }),
    );
    expect(decide({ inboundGateway: { ...gateway, onlyFromGateway: false } }).bypassSpamFilter).toBe(false);
  });
});
