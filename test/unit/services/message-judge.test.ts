import { describe, expect, it } from 'vitest';
import type { ExistenceFact, MessageDecision } from '../../../src/decide/index.ts';
import { createMessageJudge, type RecipientDirectory } from '../../../src/services/index.ts';
import { atOnce } from '../../support/at-once.ts';
import { aDocument, aSnapshot, installedAs, REVISION, withDomain, type Installed } from '../../support/builders.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { FakeLog, FakeMeters } from '../../support/fake-log.ts';
import { aKeyedSnapshot, aMessage, type MessageTexts } from '../../support/messages.ts';

function report(
  document: unknown,
  texts: MessageTexts,
  queueId: string | null = '4Abc',
  overlong: readonly string[] = [],
  known: Installed = {},
) {
  const [log, meters] = [new FakeLog(), new FakeMeters()];
  const judge = createMessageJudge(new FakeClock(), log, meters);
  const snapshot = installedAs(aKeyedSnapshot(document, { 'example.com': ['s1', 'ed1'] }), known);
  const t = aMessage(texts);
  const decision = judge.judgeMessage(snapshot, t);
  if (decision instanceof Promise) throw new Error('there is no pattern to wait for');
  expect(log.entries).toEqual([]);
  judge.reportMessage(snapshot, decision, t, { queueId, ms: 7, overlong });
  return {
    fields: log.entries[0]!.fields,
    entries: log.entries,
    messages: meters.messages,
    overlong: meters.overlong,
    decision,
  };
}

describe('createMessageJudge', () => {
  it('a signed message is one line with the fields of Postfix, and counted without any of them', () => {
    const { entries, messages } = report(withDomain({}), {
      ...{ client: '203.0.113.5', user: 'alice@example.com', sender: 'alice@example.com' },
      ...{ recipients: ['carol@elsewhere.example', 'dora@elsewhere.example'], headers: ['From: alice@example.com'] },
    });
    expect(entries).toEqual([
      {
        level: 'info',
        message: 'decision',
        fields: {
          stage: 'message',
          queue_id: '4Abc',
          client_address: '203.0.113.5',
          sasl_username: 'alice@example.com',
          sender: 'alice@example.com',
          recipients: 2,
          verdict: 'pass',
          rule: 'dkim-sign',
          setting: '/organizations/acme/domains/example.com',
          text: 'signed by example.com (s1, ed1)',
          signatures: ['s1._domainkey.example.com', 'ed1._domainkey.example.com'],
          removed: 0,
          added: [],
          revision: REVISION,
          ms: 7,
        },
      },
    ]);
    expect(messages).toEqual([{ verdict: 'pass', signatures: 2, skipped: null }]);
  });

  it('SIG-04 a signed message with lines over 998 octets says so, names them, and is counted', () => {
    const signed = { client: '127.0.0.1', headers: ['From: alice@example.com'] };
    const { fields, overlong } = report(withDomain({}), signed, '4Abc', ['References', 'body']);
    expect(fields['remark']).toBe('line over 998 octets, signature will break: References, body');
    expect(overlong).toBe(1);
    expect(report(withDomain({}), signed)).toMatchObject({ overlong: 0 });
    const foreign = report(withDomain({}), { client: '127.0.0.1', headers: ['From: x@gmail.example'] }, '4Abc', [
      'body',
    ]);
    expect(foreign.fields).not.toHaveProperty('remark');
    expect(foreign.overlong).toBe(0);
  });

  it('SIG-06 one that is not ours has its reason in the line and in the counter, and is no error', () => {
    const { fields, entries, messages } = report(withDomain({}), {
      client: '127.0.0.1',
      headers: ['From: x@gmail.example'],
    });
    expect(fields['text']).toBe('not signed: From is in gmail.example, which is not ours');
    expect(fields).not.toHaveProperty('setting');
    expect(entries.map(({ level }) => level)).toEqual(['info']);
    expect(messages).toEqual([{ verdict: 'pass', signatures: 0, skipped: 'not_our_domain' }]);
  });

  it.each([
    ['2 From', ['From: a@example.com', 'From: b@example.com']],
    ['no From', []],
  ])('SIG-10 the line says which: %s', (text, headers) => {
    const { fields, messages } = report(withDomain({}), { client: 'local', headers });
    expect(fields['text']).toBe(`not signed: ${text}`);
    expect(messages[0]?.skipped).toBe('no_author');
  });

  it('a bounce of local submission without a queue id', () => {
    const { fields } = report(
      withDomain({}),
      { client: 'local', sender: '<>', headers: ['From: x@example.com'] },
      null,
    );
    expect(fields).toMatchObject({ client_address: 'local', sender: '<>' });
    expect(fields).not.toHaveProperty('queue_id');
    expect(fields).not.toHaveProperty('sasl_username');
  });

  it('marks are told by their names, never by what they hold', () => {
    const { fields } = report(withDomain({ allowedIps: ['198.51.100.7'] }), {
      ...{ client: '198.51.100.7', headers: ['Subject: secret', 'X-Postern-Verdict: secret', 'X-Spam-Flag: secret'] },
    });
    expect(fields).toMatchObject({ removed: 2, added: ['Authentication-Results', 'X-Postern-Spam-Filter'] });
    expect(JSON.stringify(fields)).not.toContain('secret');
  });

  it('the time of the clock decides about entries that expire', () => {
    const document = aDocument({ 'example.com': { allowedIps: [{ ip: '198.51.100.7', expires: '2026-12-31' }] } });
    expect(report(document, { client: '198.51.100.7' }).decision.bypassSpamFilter).toBe(false);
  });

  describe('whether recipients exist', () => {
    const settings = {
      recipients: [{ map: 'hash:/x' }],
      inboundRouting: [{ mail: ['external'], recipients: ['missing'], route: 'archive' }],
    };
    const snapshot = installedAs(aSnapshot(withDomain(settings, { routes: { archive: { host: '192.0.2.10' } } })));
    const fact = (kind: ExistenceFact['kind']): ExistenceFact => ({ kind, setting: '/who', text: 'so it is' });
    const judgeWith = (...found: ReturnType<RecipientDirectory['find']>[]) => {
      const [log, clock] = [new FakeLog(), new FakeClock()];
      const directory: RecipientDirectory = { find: () => found.shift() ?? null };
      const t = aMessage({ recipients: ['bob@example.com', 'c@elsewhere.example', 'ghost@example.com'] });
      const judge = createMessageJudge(clock, log, new FakeMeters(), { directory });
      return { judge, log, t };
    };
    const waysOf = ({ routing }: MessageDecision): boolean[] => routing.recipients.map(({ here }) => here);

    it('is found out for each in its place', () => {
      const { judge, t } = judgeWith(fact('existing'), fact('missing'));
      expect(waysOf(atOnce(judge.judgeMessage(snapshot, t)))).toEqual([true, true, false]);
    });

    it('may have to be waited for: then the message waits', async () => {
      const gate = Promise.withResolvers<ExistenceFact>();
      const { judge, t } = judgeWith(fact('existing'), gate.promise);
      const waiting = judge.judgeMessage(snapshot, t);
      expect(waiting).toBeInstanceOf(Promise);
      gate.resolve(fact('missing'));
      expect(waysOf(await waiting)).toEqual([true, true, false]);
    });

    it('what makes the message wait, or refuses it, is the reason in its line', () => {
      const { judge, t, log } = judgeWith(fact('existing'), fact('unknown'));
      const decision = atOnce(judge.judgeMessage(snapshot, t));
      judge.reportMessage(snapshot, decision, t, { queueId: '4Abc', ms: 1 });
      expect(log.entries[0]?.fields).toMatchObject({
        ...{ verdict: 'defer', rule: 'unknown-recipient', setting: '/who', text: 'so it is' },
      });
    });
  });

  describe('routes', () => {
    const ROUTES = { routes: { archive: { host: 'archive.example.net' }, dlp: { host: '192.0.2.30' } } };
    const settings = {
      inboundRouting: [{ mail: ['external'], route: 'archive' }],
      outboundRouting: [
        { mail: ['external'], action: 'change', route: 'dlp' },
        { mail: ['external'], action: 'additionally', route: 'archive' },
      ],
    };
    const document = withDomain(settings, ROUTES);

    it('that copies go to are named, each once; the line is about the message all the same', () => {
      const recipients = ['c@elsewhere.example', 'd@elsewhere.example'];
      const { fields } = report(document, { client: '127.0.0.1', sender: 'alice@example.com', recipients });
      expect(fields).toMatchObject({ routes: ['acme/dlp', 'acme/archive'], verdict: 'pass', rule: 'dkim-sign' });
    });

    it('are not named where there are none', () => {
      expect(report(document, { recipients: ['c@elsewhere.example'] }).fields).not.toHaveProperty('routes');
    });

    it('are not named of a message that must wait; the reason is that of the wait', () => {
      const { fields, messages } = report(document, {}, '4Abc', [], { isAsked: false });
      expect(fields).not.toHaveProperty('routes');
      expect(fields).toMatchObject({
        ...{ verdict: 'defer', rule: 'routing', signatures: [] },
        text: 'Postfix does not ask for routes; run "postern postfix apply"',
      });
      expect(fields).not.toHaveProperty('setting');
      expect(messages).toEqual([{ verdict: 'defer', signatures: 0, skipped: 'no_author' }]);
    });

    it('of a refused message the setting that refuses is named', () => {
      const recipients = ['b(ob)@example.com'];
      expect(report(document, { recipients }).fields).toMatchObject({
        ...{ verdict: 'reject', rule: 'routing', text: 'would go to acme/archive, but is no proper address' },
        setting: '/organizations/acme/domains/example.com/inboundRouting/0',
      });
    });
  });
});
