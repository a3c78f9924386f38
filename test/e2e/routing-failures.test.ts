/** What fails at a route without a bounce is seen all the same: in history, in the log, in the metrics; and what waits. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RoutedGround } from '../support/routed-ground.ts';
import { waitFor } from '../support/waiting.ts';

const stranger = '192.0.2.1';
/** How soon a failure is to be seen once Postfix has logged it. */
const SEEN_MS = 3_000;

type Kept = {
  readonly stage: string;
  readonly verdict: string;
  readonly queueId: string;
  readonly sender: string;
  readonly recipients: readonly string[];
  readonly domains: readonly string[];
  readonly clientAddress: string;
  readonly reply: string | null;
  readonly rule: string;
  readonly setting: string | null;
  readonly text: string;
};

let routed: RoutedGround;

beforeAll(async () => {
  routed = await RoutedGround.start({
    routes: ['archive', 'quiet'],
    ownDomains: ['a.example', 'quiet.example', 'kept.example', 'plain.example'],
    settings: ({ archive, quiet }) => `version: 1
organizations:
  acme:
    primaryDomain: a.example
    routes: { archive: ${archive}, quiet: ${quiet} }
    domains:
      a.example:
        inboundRouting: [{ mail: [external], route: archive }]
        outboundRouting: [{ mail: [external], action: additionally, route: archive }]
      quiet.example:
        inboundRouting: [{ mail: [external], route: quiet, suppressBounces: true }]
      kept.example:
        inboundRouting: [{ mail: [external], route: quiet, alsoSave: true, suppressBounces: true }]
      plain.example:
        inboundRouting: [{ mail: [internal, external], route: archive }]
`,
    lab: () => ({ services: { bare: { receive_override_options: 'no_milters' } } }),
  });
});

afterAll(async () => {
  await routed.destroy();
});

async function failed(recipient: string): Promise<Kept[]> {
  const options = ['--recipient', recipient, '--verdict', 'failed', '--json'];
  const { code, stdout, stderr } = await routed.ground.postern.run('history', ...options);
  if (code !== 0) throw new Error(stdout + stderr);
  return JSON.parse(stdout) as Kept[];
}

/** Waits for the log line of Postfix, then for what Postern makes of it, and gives the latter. */
async function seen(recipient: string, inLog: RegExp): Promise<Kept> {
  await routed.ground.lab.waitForLog(inLog, 30_000);
  return waitFor(`a failure of ${recipient} in history`, async () => (await failed(recipient))[0], SEEN_MS, 50);
}

const metric = (name: string): Promise<number> => routed.ground.postern.metric(name);
const failures = (route: string, bounces: string): Promise<number> =>
  metric(`postern_route_failures_total{route="acme/${route}",bounces="${bounces}"}`);
const recipients = (route: string, kind: string, bounces: string): Promise<number> =>
  metric(`postern_route_recipients_total{route="acme/${route}",kind="${kind}",bounces="${bounces}"}`);

describe('a 550 of the route', () => {
  it('RT-09 with suppressBounces: no bounce, and history, log and metric have it', async () => {
    const before = await failures('quiet', 'no');
    const id = await routed.hand({
      client: stranger,
      sender: 'x@remote.example',
      recipients: 'Reject.me@quiet.example',
    });
    const kept = await seen('reject.me@quiet.example', /postfix\/postern-r\d+\/smtp\[.*Reject\.me=.*status=bounced/);
    expect(kept).toMatchObject({
      stage: 'delivery',
      verdict: 'failed',
      sender: 'x@remote.example',
      recipients: ['Reject.me@quiet.example'],
      domains: ['quiet.example'],
      clientAddress: stranger,
      reply: '550 5.1.1 no such user here',
      rule: 'routing',
      setting: '/organizations/acme/routes/quiet',
      text: 'the delivery to acme/quiet failed for good (5.1.1), without a bounce to the sender',
    });
    expect(await failures('quiet', 'no')).toBe(before + 1);
    expect(await routed.arrivals(id)).toEqual([]);
    const { stdout } = await routed.ground.postern.run('history', '--queue-id', kept.queueId);
    const lines = stdout.trim().split('\n');
    expect(lines[0]).toMatch(
      / delivery +failed +192\.0\.2\.1 .* 550 5\.1\.1 no such user here: the delivery to acme\/quiet/,
    );
    expect(lines[1]).toMatch(/ message +pass /);
    const [complaint] = routed.ground.postern.complaints().filter(({ msg }) => msg === 'a delivery to a route failed');
    expect(complaint).toMatchObject({ queue_id: kept.queueId, recipient: 'Reject.me@quiet.example', bounces: false });
  });

  it('RT-09 beside it, the copy here is delivered, and mail of other rules still bounces', async () => {
    const id = await routed.hand({ client: stranger, recipients: ['reject.too@a.example', 'bob@kept.example'] });
    const kept = await seen('reject.too@a.example', /reject\.too=.*status=bounced/);
    expect(kept).toMatchObject({
      verdict: 'failed',
      text: 'the delivery to acme/archive failed for good (5.1.1), the sender is told',
    });
    expect(await routed.arrivals(id)).toEqual([
      'here: bob@kept.example',
      'here: stranger@remote.example',
      'quiet: bob@kept.example',
    ]);
  });

  it('RT-09 off: a normal DSN, and it is seen too', async () => {
    const before = await failures('archive', 'yes');
    const id = await routed.hand({ client: stranger, recipients: 'reject.off@a.example' });
    expect(await routed.arrivals(id)).toEqual(['here: stranger@remote.example']);
    await seen('reject.off@a.example', /reject\.off=.*status=bounced/);
    expect(await failures('archive', 'yes')).toBe(before + 1);
  });

  it('a recipient that a transport line leads there, past our milter, is known by the service', async () => {
    await routed.hand({ service: 'bare', client: stranger, recipients: 'reject.line@plain.example' });
    const kept = await seen(
      'reject.line@plain.example',
      /postern-r\d+\/smtp\[.* to=<reject\.line@plain\.example>.*status=bounced/,
    );
    expect(kept).toMatchObject({
      sender: 'stranger@remote.example',
      clientAddress: 'unknown',
      text: 'the delivery to acme/archive failed for good (5.1.1), the sender is told',
    });
  });
});

describe('what goes to routes', () => {
  it('is counted by route, by kind, and by whether a failure is told', async () => {
    const counts = (): Promise<number[]> =>
      Promise.all([
        recipients('archive', 'moved', 'yes'),
        recipients('quiet', 'moved', 'no'),
        recipients('quiet', 'copied', 'no'),
        recipients('archive', 'copied', 'no'),
      ]);
    const before = await counts();
    const inbound = ['b@a.example', 'c@a.example', 'd@quiet.example', 'e@kept.example'];
    await routed.arrivals(await routed.hand({ client: stranger, recipients: inbound }));
    await routed.arrivals(await routed.hand({ sender: 'alice@a.example', recipients: 'f@else.example' }));
    const after = await counts();
    expect(after.map((count, index) => count - before[index]!)).toEqual([2, 1, 1, 1]);
  });

  it('a loop that is stopped is counted', async () => {
    const id = await routed.hand({ client: stranger, recipients: 'bob@a.example' });
    const text = (await routed.arrival(id, 'archive')).content.toString('latin1');
    const mark = /^X-Postern-Route: .*\r\n/m.exec(text)?.[0] ?? '';
    const { replies } = await routed.post({ client: stranger, recipients: 'bob@a.example', headers: mark });
    expect(replies.at(-1)).toMatch(/^550 5\.4\.6 /);
    expect(await metric('postern_route_loops_total{route="acme/archive"}')).toBe(1);
  });
});

describe('a server that is down', () => {
  const waiting = (): Promise<[number, number]> =>
    Promise.all([
      metric('postern_route_queue_messages{route="acme/quiet"}'),
      metric('postern_route_queue_oldest_seconds{route="acme/quiet"}'),
    ]);

  it('what waits for it is shown, and gone once it is delivered', async () => {
    await routed.down('quiet');
    const ids = [
      await routed.hand({ client: stranger, recipients: ['a@quiet.example', 'b@quiet.example'] }),
      await routed.hand({ client: stranger, recipients: 'c@kept.example' }),
    ];
    const { lab, postern } = routed.ground;
    await waitFor('two deferred messages', async () => {
      const queue = await lab.queue();
      return queue.filter(({ queue_name: name }) => name === 'deferred').length === 2 ? true : undefined;
    });
    // The queue is read at a start, and every 15 seconds after it.
    await postern.stop();
    await postern.start();
    const [messages, oldest] = await waitFor('the queue in the metrics', async () => {
      const now = await waiting();
      return now[0] > 0 ? now : undefined;
    });
    expect(messages).toBe(2);
    expect(oldest).toBeGreaterThanOrEqual(0);
    expect(oldest).toBeLessThan(120);
    expect(await metric('postern_route_queue_messages{route="acme/archive"}')).toBe(0);
    await routed.up('quiet');
    await lab.flush();
    expect(await routed.arrivals(ids[0]!)).toEqual(['quiet: a@quiet.example', 'quiet: b@quiet.example']);
    expect(await routed.arrivals(ids[1]!)).toEqual(['here: c@kept.example', 'quiet: c@kept.example']);
    await waitFor(
      'an empty queue in the metrics',
      async () => ((await waiting())[0] === 0 ? true : undefined),
      30_000,
      500,
    );
    expect((await waiting())[1]).toBe(0);
  });

  it('RT-09 for longer than mail may wait: no bounce, and it is seen', async () => {
    await routed.down('quiet');
    const { lab } = routed.ground;
    await lab.set({ maximal_queue_lifetime: '2s' });
    try {
      const before = await failures('quiet', 'no');
      const id = await routed.hand({ client: stranger, recipients: ['late@quiet.example', 'latest@quiet.example'] });
      const kept = await seen('late@quiet.example', /status=expired, returned to sender/);
      expect(kept).toMatchObject({ sender: 'stranger@remote.example', reply: null, clientAddress: stranger });
      expect(kept.text).toMatch(
        /^the delivery to acme\/quiet was given up after the last try \(4\.\d\.\d\), without a bounce to the sender: .*Connection refused/,
      );
      expect(await failed('latest@quiet.example')).toHaveLength(1);
      expect(await failures('quiet', 'no')).toBe(before + 2);
      expect(await routed.arrivals(id)).toEqual([]);
    } finally {
      await lab.set({ maximal_queue_lifetime: '5d' });
      await routed.up('quiet');
    }
  });
});

describe('Postern is down meanwhile', () => {
  it('what failed then is read afterwards, each failure once', async () => {
    const { lab, postern } = routed.ground;
    await routed.down('quiet');
    await routed.hand({ client: stranger, recipients: 'reject.meanwhile@quiet.example' });
    await lab.waitForLog(/reject\.meanwhile=.*status=deferred/);
    await postern.stop();
    await routed.up('quiet');
    await lab.flush();
    await lab.waitForLog(/reject\.meanwhile=.*status=bounced/);
    await postern.start();
    const kept = await waitFor('the failure', async () => (await failed('reject.meanwhile@quiet.example'))[0], SEEN_MS);
    expect(kept).toMatchObject({
      sender: 'stranger@remote.example',
      clientAddress: 'unknown',
      text: 'the delivery to acme/quiet failed for good (5.1.1), whether the sender is told is not known',
    });
    expect(await failures('quiet', 'unknown')).toBe(1);
    await postern.stop();
    await postern.start();
    await routed.hand({ client: stranger, recipients: 'reject.after@quiet.example' });
    await seen('reject.after@quiet.example', /reject\.after=.*status=bounced/);
    expect(await failed('reject.meanwhile@quiet.example')).toHaveLength(1);
  });
});
