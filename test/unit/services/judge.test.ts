import { describe, expect, it } from 'vitest';
import { parseAddress, parseClientAddress, type Address } from '../../../src/mail/index.ts';
import { createJudge, loadSettings, type RecipientDirectory } from '../../../src/services/index.ts';
import type { ExistenceFact, RecipientTransaction } from '../../../src/decide/index.ts';
import type { Snapshot } from '../../../src/snapshot/index.ts';
import { MemoryStore } from '../../contract/memory-store.ts';
import { atOnce } from '../../support/at-once.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { FakeLog, FakeMeters } from '../../support/fake-log.ts';
import { surroundings } from './surroundings.ts';

const SETTINGS = `version: 1
organizations:
  acme:
    primaryDomain: example.com
    domains:
      example.com:
        blockedIps: [{ ip: 192.0.2.66, note: abuse 4711 }, { ip: 192.0.2.67, expires: 2027-01-01 }]
      watched.example: { enforcement: observe, blockedIps: [192.0.2.66] }
`;

const address = (text: string): Address => {
  const parsed = parseAddress(text);
  if (parsed === null) throw new Error(`${text} is no address`);
  return parsed;
};

function transaction(
  given: { client?: string; sender?: string; recipient?: string; user?: string } = {},
): Omit<RecipientTransaction, 'at'> {
  const client = parseClientAddress(given.client ?? '192.0.2.66');
  return {
    stage: 'rcpt',
    client: client === null ? { kind: 'local' } : { kind: 'smtp', address: client },
    saslUsername: given.user ?? null,
    daemonName: null,
    encrypted: false,
    sender: parseAddress(given.sender ?? 'a@remote.example'),
    recipient: address(given.recipient ?? 'anna@example.com'),
  };
}

async function judge(): Promise<{
  snapshot: Snapshot;
  clock: FakeClock;
  log: FakeLog;
  meters: FakeMeters;
  judge: ReturnType<typeof createJudge>;
}> {
  const { snapshot, issues } = await loadSettings(new MemoryStore(SETTINGS), surroundings());
  if (snapshot === null) throw new Error(JSON.stringify(issues));
  const [clock, log, meters] = [new FakeClock(Date.UTC(2027, 0, 1)), new FakeLog(), new FakeMeters()];
  return { snapshot, clock, log, meters, judge: createJudge(() => snapshot, clock, log, meters) };
}

const context = { queueId: null, instance: '1.2.3', clientName: 'host.remote.example' };

describe('the decision log', () => {
  it('a refusal is one line with everything an operator asks for', async () => {
    const { judge: judging, log, snapshot } = await judge();
    const decision = atOnce(judging.judgeRecipient(transaction(), context));
    expect(decision.verdict.kind).toBe('reject');
    expect(log.entries).toEqual([
      {
        level: 'info',
        message: 'decision',
        fields: {
          stage: 'rcpt',
          instance: '1.2.3',
          client_address: '192.0.2.66',
          sender: 'a@remote.example',
          recipient: 'anna@example.com',
          verdict: 'reject',
          reply: '550 5.7.1 Client address blocked by receiving domain policy',
          mail: 'external',
          rule: 'ip-block',
          setting: '/organizations/acme/domains/example.com/blockedIps/0',
          text: '192.0.2.66 is blocked by 192.0.2.66 (abuse 4711)',
          revision: snapshot.revision,
          ms: 0,
        },
      },
    ]);
  });

  it('what is absent is left out; the null sender is <>, local submission has its word', async () => {
    const { judge: judging, log } = await judge();
    atOnce(
      judging.judgeRecipient(
        transaction({ client: 'none', sender: '<>', user: 'anna@example.com', recipient: 'x@elsewhere.example' }),
        {
          queueId: '4ABC',
          instance: null,
          clientName: null,
        },
      ),
    );
    const [{ fields } = { fields: {} }] = log.entries;
    expect(fields).toMatchObject({
      queue_id: '4ABC',
      client_address: 'local',
      sender: '<>',
      sasl_username: 'anna@example.com',
      verdict: 'pass',
      rule: 'own-domain',
    });
    for (const absent of ['instance', 'reply', 'observed', 'setting']) expect(fields).not.toHaveProperty(absent);
  });

  it('an observed refusal says both: passed, and what would have been', async () => {
    const { judge: judging, log } = await judge();
    const decision = atOnce(judging.judgeRecipient(transaction({ recipient: 'anna@watched.example' }), context));
    expect(decision.verdict).toEqual({ kind: 'pass' });
    expect(log.entries[0]?.fields).toMatchObject({ verdict: 'pass', observed: 'reject', rule: 'ip-block' });
    expect(log.entries[0]?.fields).not.toHaveProperty('reply');
  });
});

describe('counting', () => {
  it.each([
    ['a refusal', {}, { verdict: 'reject', rule: 'ip-block', enforcement: 'enforce', domain: 'example.com' }],
    [
      'an observed refusal',
      { recipient: 'a@watched.example' },
      { verdict: 'reject', rule: 'ip-block', enforcement: 'observe', domain: 'watched.example' },
    ],
    [
      'no objection',
      { client: '192.0.2.1' },
      { verdict: 'pass', rule: 'own-domain', enforcement: 'enforce', domain: 'example.com' },
    ],
    [
      'a recipient that is not ours',
      { recipient: 'b@elsewhere.example' },
      { verdict: 'pass', rule: 'own-domain', enforcement: 'enforce', domain: null },
    ],
  ])('%s has few labels, and no address among them', async (_, given, labels) => {
    const { judge: judging, meters } = await judge();
    atOnce(judging.judgeRecipient(transaction(given), context));
    expect(meters.decisions).toEqual([{ stage: 'rcpt', ...labels }]);
  });
});

describe('whether the recipient exists', () => {
  const MISSING: ExistenceFact = { kind: 'missing', setting: '/who', text: 'anna@example.com does not exist' };

  async function judgeWith(find: RecipientDirectory['find']) {
    const text = SETTINGS.replace('        blockedIps', '        recipients: [{ map: "hash:/x" }]\n        blockedIps');
    const { snapshot } = await loadSettings(new MemoryStore(text), surroundings());
    if (snapshot === null) throw new Error('the settings are good');
    const [clock, log, meters] = [new FakeClock(Date.UTC(2027, 0, 1)), new FakeLog(), new FakeMeters()];
    let current = snapshot;
    const judging = createJudge(() => current, clock, log, meters, undefined, null, { find });
    const ask = (given: Parameters<typeof transaction>[0], instance = '1.2.3') =>
      judging.judgeRecipient(transaction({ client: '192.0.2.1', ...given }), { ...context, instance });
    return { ask, log, meters, clock, snapshot, setCurrent: (next: Snapshot) => (current = next) };
  }

  it('is asked of own recipients alone, and decides; the line says so', async () => {
    const asked: string[] = [];
    const { ask, log, meters, snapshot } = await judgeWith((given, { mailbox, policy }) => {
      expect(given).toBe(snapshot);
      asked.push(`${mailbox.localPart}@${policy.domain}`);
      return policy.recipients === null ? null : MISSING;
    });
    expect(atOnce(ask({})).verdict).toMatchObject({ kind: 'reject', reply: { status: '5.1.1' } });
    expect(atOnce(ask({ recipient: 'x@elsewhere.example' })).verdict.kind).toBe('pass');
    expect(atOnce(ask({ recipient: 'x@watched.example' })).verdict.kind).toBe('pass');
    expect(asked).toEqual(['anna@example.com', 'x@watched.example']);
    expect(log.entries[0]?.fields).toMatchObject({
      ...{ verdict: 'reject', rule: 'unknown-recipient', setting: '/who', text: 'anna@example.com does not exist' },
      reply: '550 5.1.1 Recipient address unknown: there is no such mailbox here',
    });
    expect(meters.decisions[0]).toMatchObject({ rule: 'unknown-recipient', verdict: 'reject', domain: 'example.com' });
  });

  it('may take a while: nothing is said, logged or counted before, and the snapshot stays the one that was asked', async () => {
    const gate = Promise.withResolvers<ExistenceFact>();
    const { ask, log, meters, clock, snapshot, setCurrent } = await judgeWith(() => gate.promise);
    const waiting = ask({});
    expect(waiting).toBeInstanceOf(Promise);
    clock.advance(500);
    const edited = await loadSettings(new MemoryStore(SETTINGS), surroundings());
    setCurrent(edited.snapshot ?? snapshot);
    expect([log.entries, meters.decisions]).toEqual([[], []]);
    gate.resolve(MISSING);
    expect((await waiting).verdict.kind).toBe('reject');
    expect(log.entries).toHaveLength(1);
    expect(log.entries[0]?.fields['revision']).toBe(snapshot.revision);
    expect(meters.decisions).toHaveLength(1);
  });

  it('what fails fails for this recipient alone', async () => {
    const answers: (ExistenceFact | Promise<ExistenceFact>)[] = [
      Promise.reject(new Error('broken invariant')),
      MISSING,
    ];
    const { ask, log } = await judgeWith(() => answers.shift() ?? null);
    await expect(ask({})).rejects.toThrow('broken invariant');
    expect(log.entries).toEqual([]);
    expect(atOnce(ask({})).verdict.kind).toBe('reject');
  });

  it('without a directory everybody exists', async () => {
    const { judge: judging } = await judge();
    expect(atOnce(judging.judgeRecipient(transaction({ client: '192.0.2.1' }), context)).verdict.kind).toBe('pass');
  });
});

describe('time', () => {
  it('an entry acts until its expiry, by the clock', async () => {
    const { judge: judging, clock } = await judge();
    const verdict = (): string =>
      atOnce(judging.judgeRecipient(transaction({ client: '192.0.2.67' }), context)).verdict.kind;
    expect(verdict()).toBe('reject');
    clock.advance(86_400_000 - 1);
    expect(verdict()).toBe('reject');
    clock.advance(1);
    expect(verdict()).toBe('pass');
  });

  it('IP-15 the next request uses the new list', async () => {
    const { snapshot, clock, log, meters } = await judge();
    const edited = await loadSettings(
      new MemoryStore(SETTINGS.replace('        blockedIps', '        allowedIps: [192.0.2.66]\n        blockedIps')),
      surroundings(),
    );
    let current = snapshot;
    const judging = createJudge(() => current, clock, log, meters);
    expect(atOnce(judging.judgeRecipient(transaction(), context)).verdict.kind).toBe('reject');
    current = edited.snapshot ?? snapshot;
    const decision = atOnce(judging.judgeRecipient(transaction(), context));
    expect(decision).toMatchObject({ verdict: { kind: 'pass' }, bypassSpamFilter: true });
    expect(log.entries.at(-1)?.fields).toMatchObject({
      rule: 'ip-allow',
      setting: '/organizations/acme/domains/example.com/allowedIps/0',
    });
  });
});

describe('several own domains in one message', () => {
  const ground = async () => {
    const settings = SETTINGS.replace('      watched', '      b.example: {}\n      watched').replace(
      '        blockedIps: [{',
      '        inboundGateway: { enabled: true, ips: [198.51.100.7] }\n        blockedIps: [{',
    );
    const { snapshot, issues } = await loadSettings(new MemoryStore(settings), surroundings());
    if (snapshot === null) throw new Error(JSON.stringify(issues));
    const judging = createJudge(() => snapshot, new FakeClock(), new FakeLog(), new FakeMeters());
    return (recipient: string, instance: string | null = 'one', given: Partial<RecipientTransaction> = {}): string => {
      const t = { ...transaction({ client: '198.51.100.7', recipient }), ...given };
      const { verdict } = atOnce(judging.judgeRecipient(t, { ...context, instance }));
      return verdict.kind === 'pass' ? 'pass' : verdict.reply.code;
    };
  };

  it('the first that is taken decides who may come along', async () => {
    const rcpt = await ground();
    expect(['x@elsewhere.example', 'a@b.example', 'x@example.com', 'b@b.example'].map((to) => rcpt(to))).toEqual([
      ...['pass', 'pass', '452', 'pass'],
    ]);
  });

  it('one message has nothing to do with another, nor has what is told without a name or at another stage', async () => {
    const rcpt = await ground();
    expect(rcpt('a@b.example')).toBe('pass');
    expect(rcpt('x@example.com', 'two')).toBe('pass');
    expect(rcpt('x@example.com', null)).toBe('pass');
    expect(rcpt('x@example.com', 'one', { stage: 'data' })).toBe('pass');
    expect(rcpt('x@example.com')).toBe('452');
  });
});
