import { describe, expect, it } from 'vitest';
import { decideMessage } from '../../../src/decide/index.ts';
import { encodeRecipient } from '../../../src/mail/index.ts';
import { createRouteFailures, type HistoryAddition, type RouteFailures } from '../../../src/services/index.ts';
import { additionOf } from '../../../src/services/history-record.ts';
import { parseLogLine } from '../../../src/wire/postfix-log/index.ts';
import { aRoutedSnapshot, knownRoute } from '../../support/builders.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { FakeLog } from '../../support/fake-log.ts';
import { aMessage, type MessageTexts } from '../../support/messages.ts';
import { FakeRouteMeters } from '../../support/route-meters.ts';

const snapshot = aRoutedSnapshot({
  version: 1,
  organizations: {
    acme: {
      primaryDomain: 'a.example',
      routes: { archive: { host: '192.0.2.31' }, quiet: { host: '192.0.2.32' } },
      domains: {
        'a.example': { inboundRouting: [{ mail: ['external'], route: 'archive' }] },
        'quiet.example': { inboundRouting: [{ mail: ['external'], route: 'quiet', suppressBounces: true }] },
        'plain.example': { inboundRouting: [{ mail: ['internal', 'external'], route: 'archive' }] },
      },
    },
  },
});
const label = (route: string): string => knownRoute(snapshot, route).label;
const encoded = (route: string, localPart: string, domain: string): string =>
  encodeRecipient({ localPart, domain }, label(route), snapshot.host.internalDomain);

class Bench {
  readonly clock = new FakeClock(Date.UTC(2026, 10, 25, 12));
  readonly log = new FakeLog();
  readonly meters = new FakeRouteMeters();
  readonly kept: HistoryAddition[] = [];
  readonly failures: RouteFailures = createRouteFailures({
    current: () => snapshot,
    clock: this.clock,
    log: this.log,
    meters: this.meters,
    history: { record: (event) => void this.kept.push(additionOf(event)) },
  });

  remember(queueId: string, texts: MessageTexts): void {
    const t = aMessage(texts);
    this.failures.remember(decideMessage(snapshot, t), t, queueId);
  }

  /** Lines without time and host; the program is that of `quiet` unless given. */
  read(...lines: readonly string[]): void {
    for (const line of lines) {
      const program = line.startsWith('from=') || line === 'removed' ? 'postfix/qmgr' : `postfix/postern-r2/smtp`;
      this.readAs(program, line);
    }
  }

  readAs(program: string, line: string, queueId = 'Q1Q1Q1', time = '2026-11-25T12:00:00Z'): void {
    const event = parseLogLine(`${time} mx ${program}[7]: ${queueId}: ${line}`);
    if (event === null) throw new Error(`not understood: ${line}`);
    this.failures.note(event);
  }
}

const to = (recipient: string, status: string, dsn: string, text: string): string =>
  `to=<${recipient}>, relay=x[192.0.2.32]:25, delay=1, delays=0/0/0/1, dsn=${dsn}, status=${status} (${text})`;
const REFUSED = 'host x[192.0.2.32] said: 550 5.1.1 no such (in reply to x) user (in reply to RCPT TO command)';
const bob = encoded('quiet', 'Bob', 'quiet.example');

describe('createRouteFailures', () => {
  it('RT-09 a refusal of a copy without bounces: in the log, in the metric, in history', () => {
    const bench = new Bench();
    bench.remember('Q1Q1Q1', { recipients: ['Bob@quiet.example'], client: '192.0.2.9' });
    bench.read(to(bob, 'bounced', '5.1.1', REFUSED), 'removed');
    expect(bench.meters.failures).toEqual(['acme/quiet false']);
    expect(bench.log.entries).toEqual([
      {
        level: 'warn',
        message: 'a delivery to a route failed',
        fields: {
          queue_id: 'Q1Q1Q1',
          route: 'acme/quiet',
          sender: 'sender@partner.example',
          recipient: 'Bob@quiet.example',
          bounces: false,
          dsn: '5.1.1',
          reason: REFUSED,
        },
      },
    ]);
    expect(bench.kept).toEqual([
      {
        at: bench.clock.now(),
        stage: 'delivery',
        queueId: 'Q1Q1Q1',
        instance: null,
        clientAddress: '192.0.2.9',
        trueClient: null,
        saslUsername: null,
        sender: 'sender@partner.example',
        recipients: ['Bob@quiet.example'],
        domains: ['quiet.example'],
        verdict: 'failed',
        observed: null,
        reply: '550 5.1.1 no such (in reply to x) user',
        rule: 'routing',
        setting: '/organizations/acme/routes/quiet',
        text: 'the delivery to acme/quiet failed for good (5.1.1), without a bounce to the sender',
        revision: snapshot.revision,
        hits: [],
      },
    ]);
  });

  it('RT-09 given up after days: each recipient that was not delivered by then, once', () => {
    const bench = new Bench();
    bench.remember('Q1Q1Q1', { recipients: ['Bob@quiet.example', 'eve@quiet.example', 'zoe@quiet.example'] });
    const [eve, zoe] = ['eve', 'zoe'].map((name) => encoded('quiet', name, 'quiet.example')) as [string, string];
    const down = 'connect to 192.0.2.32[192.0.2.32]:25: Connection refused';
    for (const recipient of [bob, eve, zoe]) bench.read(to(recipient, 'deferred', '4.4.1', down));
    // While a destination is down, error(8) says so for smtp(8).
    bench.readAs('postfix/error', to(bob, 'deferred', '4.4.1', `delivery temporarily suspended: ${down}`));
    bench.read(to(eve, 'sent', '2.0.0', '250 ok'), to(zoe, 'bounced', '5.1.1', REFUSED));
    expect(bench.meters.failures).toEqual(['acme/quiet false']);
    bench.read('from=<sender@partner.example>, status=expired, returned to sender', 'removed');
    bench.read('from=<sender@partner.example>, status=expired, returned to sender');
    expect(bench.meters.failures).toEqual(['acme/quiet false', 'acme/quiet false']);
    expect(bench.kept[1]).toMatchObject({
      recipients: ['Bob@quiet.example'],
      reply: null,
      text: `the delivery to acme/quiet was given up after the last try (4.4.1), without a bounce to the sender: delivery temporarily suspended: ${down}`,
    });
  });

  it('what is deferred, softly bounced or delivered is no failure', () => {
    const bench = new Bench();
    bench.read(
      to(bob, 'deferred', '4.2.0', 'x'),
      to(bob, 'SOFTBOUNCE', '5.1.1', REFUSED),
      to(bob, 'sent', '2.0.0', 'x'),
    );
    bench.read('removed');
    bench.read('from=<a@b.example>, status=expired, returned to sender');
    expect(bench.meters.failures).toEqual([]);
    expect(bench.kept).toEqual([]);
  });

  it('a copy whose failure the sender is told of is no warning', () => {
    const bench = new Bench();
    bench.remember('Q1Q1Q1', { recipients: ['bob@a.example'], sender: '' });
    bench.readAs('postfix/postern-r1/smtp', to(encoded('archive', 'bob', 'a.example'), 'bounced', '5.1.1', REFUSED));
    expect(bench.meters.failures).toEqual(['acme/archive true']);
    expect(bench.log.entries[0]).toMatchObject({ level: 'info', fields: { sender: '<>' } });
    expect(bench.kept[0]?.text).toBe('the delivery to acme/archive failed for good (5.1.1), the sender is told');
  });

  it('after a restart the sender comes from the log, and whether he is told is not known', () => {
    const bench = new Bench();
    bench.read('from=<x@remote.example>, size=9, nrcpt=1 (queue active)', to(bob, 'bounced', '5.1.1', 'no reply'));
    expect(bench.meters.failures).toEqual(['acme/quiet null']);
    expect(bench.kept[0]).toMatchObject({
      sender: 'x@remote.example',
      clientAddress: 'unknown',
      text: 'the delivery to acme/quiet failed for good (5.1.1), whether the sender is told is not known: no reply',
    });
    bench.read('removed', to(bob, 'bounced', '5.1.1', 'no reply'));
    expect(bench.kept[1]).toMatchObject({ sender: 'unknown' });
  });

  it.each([
    ['a b', 'a.example', '"a b"'],
    ['a"b', 'a.example', 'its own way'],
    ['Ä', 'a.example', 'UTF-8'],
  ])('a mailbox %j is found again as Postfix spells it', (local, domain) => {
    const bench = new Bench();
    const quoted = /[ "]/.test(local) ? `"${local.replaceAll(/["\\]/g, String.raw`\$&`)}"` : local;
    bench.remember('Q1Q1Q1', { recipients: [`${quoted}@${domain}`] });
    bench.readAs('postfix/postern-r1/smtp', to(encoded('archive', quoted, domain), 'bounced', '5.1.1', REFUSED));
    expect(bench.meters.failures).toEqual(['acme/archive true']);
  });

  it('a recipient that a line of the table leads there: by its service, or by its domain where error(8) speaks', () => {
    const bench = new Bench();
    bench.readAs('postfix/postern-r1/smtp', to('bob@plain.example', 'bounced', '5.1.1', REFUSED));
    bench.readAs('postfix/postern-r1/smtp', to('bob@moved.example', 'bounced', '5.1.1', REFUSED));
    bench.readAs('postfix/error', to('bob@Plain.example', 'deferred', '4.4.1', 'down'));
    bench.read('from=<a@b.example>, status=expired, returned to sender');
    expect(bench.meters.failures).toEqual(['acme/archive true', 'acme/archive true', 'acme/archive true']);
  });

  it.each([
    ['postfix/smtp', 'bob@a.example', 'a domain that the table leads nowhere'],
    ['postfix/smtp', 'bob@else.example', 'another service'],
    ['postfix/postern-r9/smtp', 'bob@else.example', 'the service of a route that is gone'],
    ['postfix/smtp', 'bob=a.example@r9-00000000.route.postern.internal', 'a label that is gone'],
  ])('%s, %s: %s is none of ours', (program, recipient) => {
    const bench = new Bench();
    bench.readAs(program, to(recipient, 'bounced', '5.1.1', REFUSED));
    bench.readAs(program, to(recipient, 'deferred', '4.1.1', 'x'));
    bench.read('from=<a@b.example>, status=expired, returned to sender');
    expect(bench.meters.failures).toEqual([]);
    expect(bench.log.entries).toEqual([]);
  });

  it.each([
    ['2026-11-25T11:59:58Z', 0],
    ['2026-11-25T11:00:00Z', 3_600_000],
  ])('a line of %s is of its own time, unless it is fresh', (time, before) => {
    const bench = new Bench();
    bench.readAs('postfix/postern-r2/smtp', to(bob, 'bounced', '5.1.1', REFUSED), 'Q1Q1Q1', time);
    expect(bench.kept[0]?.at).toBe(bench.clock.now() - before);
  });

  it('memory is bounded: of many messages the oldest are forgotten, and their failures are seen all the same', () => {
    const bench = new Bench();
    for (let n = 0; n < 20_001; n += 1) bench.remember(`Q${10_000 + n}`, { recipients: ['Bob@quiet.example'] });
    for (let n = 0; n < 60_000; n += 1)
      bench.readAs('postfix/x/smtp', to(bob, 'deferred', '4.4.1', 'x'), `Q${10_000 + n}`);
    for (const queueId of ['Q10000', 'Q10001']) {
      bench.readAs('postfix/postern-r2/smtp', to(bob, 'bounced', '5.1.1', REFUSED), queueId);
    }
    expect(bench.meters.failures).toEqual(['acme/quiet null', 'acme/quiet false']);
    // A delivery is deferred, and logged so, right before it is given up.
    bench.readAs('postfix/qmgr', 'from=<a@b.example>, status=expired, returned to sender', 'Q10002');
    bench.readAs('postfix/qmgr', 'from=<a@b.example>, status=expired, returned to sender', 'Q69999');
    expect(bench.meters.failures).toHaveLength(3);
  });

  it('a message with very many recipients that wait costs no more for each than one with few', () => {
    const bench = new Bench();
    const [first = '', ...others] = Array.from({ length: 40_000 }, (_, n) =>
      encoded('quiet', `r${n}`, 'quiet.example'),
    );
    const began = performance.now();
    for (const recipient of [first, ...others]) bench.read(to(recipient, 'deferred', '4.4.1', 'x'));
    expect(performance.now() - began).toBeLessThan(5_000);
    for (const recipient of others) bench.read(to(recipient, 'sent', '2.0.0', 'x'));
    bench.read('from=<a@b.example>, status=expired, returned to sender');
    expect(bench.kept.map(({ recipients }) => recipients)).toEqual([['r0@quiet.example']]);
  });
});
