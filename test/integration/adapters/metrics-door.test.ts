/** Metrics and health over HTTP. */
import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  createMeters,
  openMetricsDoor,
  type PrometheusMeters,
  type Readiness,
} from '../../../src/adapters/metrics/index.ts';
import type { OpenDoor } from '../../../src/adapters/socket/index.ts';
import type { DecisionLabels } from '../../../src/services/index.ts';
import { waitFor } from '../../support/waiting.ts';
import { anyPort, inDirectory, KeptLog, ownGroup, parseSamples, RawClient, samplesOf } from './peers.ts';

let now = 1_700_000_000_000;
let health: () => Readiness;
let meters: PrometheusMeters;
let log: KeptLog;
let door: OpenDoor;

beforeEach(async () => {
  health = () => ({ status: 'ready', revision: 'aaaabbbbcccc', problems: [], mapsNotLive: [] });
  meters = createMeters({ now: () => now });
  log = new KeptLog();
  door = await openMetricsDoor({ listener: anyPort, unix: ownGroup, log, meters, health: () => health() });
});

afterEach(async () => {
  await door.close(0);
});

interface Reply {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

async function ask(path: string, method = 'GET', body?: string): Promise<Reply> {
  const { listener } = door;
  const where = listener.kind === 'tcp' ? { host: listener.host, port: listener.port } : { socketPath: listener.path };
  const request = httpRequest({
    ...where,
    path,
    method,
    ...(body !== undefined && { headers: { 'Content-Length': body.length } }),
  });
  request.end(body);
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  let text = '';
  for await (const chunk of response) text += String(chunk);
  return { status: response.statusCode!, headers: response.headers, body: text };
}

const decision = (domain: string | null): DecisionLabels => ({
  stage: 'rcpt',
  verdict: 'reject',
  rule: 'ip-block',
  enforcement: 'enforce',
  domain,
});

describe('/metrics', () => {
  it('is the text format, with every name that is promised', async () => {
    meters.countDecision(decision('a.example'));
    meters.countSocketmapAnswer('tls_policy', 'ok');
    meters.observeAnswer('policy', 0.00004);
    meters.connectionOpened('policy');
    meters.connectionOpened('policy');
    meters.connectionClosed('policy');
    meters.countConnectionRefused('socketmap');
    meters.countProtocolFault('policy');
    const state = {
      revisionNumber: 0xabc,
      liveSince: now - 90_000,
      ownDomains: 3,
      settingsValid: true,
      storeUp: false,
    };
    meters.setSnapshot(state);
    const { status, headers, body } = await ask('/metrics');
    expect(status).toBe(200);
    expect(headers['content-type']).toBe('text/plain; version=0.0.4; charset=utf-8');
    const samples = parseSamples(body);
    const expected: Record<string, number> = {
      'postern_decisions_total{stage="rcpt",verdict="reject",rule="ip-block",enforcement="enforce",domain="a.example"}': 1,
      'postern_connections_refused_total{door="socketmap"}': 1,
      'postern_connections_refused_total{door="policy"}': 0,
      'postern_protocol_faults_total{door="policy"}': 1,
      'postern_socketmap_answers_total{map="tls_policy",status="ok"}': 1,
      'postern_answer_seconds_bucket{le="0.00005",door="policy"}': 1,
      'postern_answer_seconds_bucket{le="10",door="policy"}': 1,
      'postern_answer_seconds_count{door="policy"}': 1,
      'postern_connections{door="policy"}': 1,
      'postern_connections{door="metrics"}': 1,
      postern_settings_revision: 0xabc,
      postern_snapshot_age_seconds: 90,
      postern_own_domains: 3,
      postern_settings_valid: 1,
      postern_store_up: 0,
    };
    for (const [name, value] of Object.entries(expected)) expect([name, samples.get(name)]).toEqual([name, value]);
    expect(samples.get('postern_process_resident_memory_bytes')).toBeGreaterThan(0);
    expect([...samples.keys()].filter((name) => !name.startsWith('postern_'))).toEqual([]);
  });

  it('the age of the snapshot is that of the moment of asking', async () => {
    const state = { revisionNumber: 1, liveSince: now, ownDomains: 1, settingsValid: true, storeUp: true };
    meters.setSnapshot(state);
    now += 5_000;
    expect((await samplesOf(meters)).get('postern_snapshot_age_seconds')).toBe(5);
    now += 2_500;
    expect((await samplesOf(meters)).get('postern_snapshot_age_seconds')).toBe(7.5);
  });

  it('own domains are bounded: the first 200 keep their name, later ones are "other", none is "none"', async () => {
    for (let n = 0; n < 1_000; n += 1) meters.countDecision(decision(`d${n}.example`));
    meters.countDecision(decision('d7.example'));
    meters.countDecision(decision(null));
    const counted = [...(await samplesOf(meters)).entries()].filter(([name]) =>
      name.startsWith('postern_decisions_total'),
    );
    expect(counted).toHaveLength(202);
    const valueOf = (domain: string): number | undefined =>
      counted.find(([name]) => name.includes(`domain="${domain}"`))?.[1];
    expect(valueOf('d7.example')).toBe(2);
    expect(valueOf('d199.example')).toBe(1);
    expect(valueOf('d200.example')).toBeUndefined();
    expect(valueOf('other')).toBe(800);
    expect(valueOf('none')).toBe(1);
  });

  it('two sets of meters do not mix', async () => {
    createMeters({ now: () => 0 }).countProtocolFault('policy');
    expect((await samplesOf(meters)).get('postern_protocol_faults_total{door="policy"}')).toBe(0);
  });
});

describe('health', () => {
  it('/healthz is 200 while the process lives, whatever else is wrong', async () => {
    health = () => ({ status: 'starting', revision: null, problems: [], mapsNotLive: [] });
    expect(await ask('/healthz')).toMatchObject({ status: 200, body: 'ok\n' });
  });

  it.each([
    ['ready', 200],
    ['degraded', 200],
    ['starting', 503],
    ['draining', 503],
  ] as const)('/readyz says %s with %i', async (status, code) => {
    const state: Readiness = {
      status,
      revision: status === 'starting' ? null : 'aaaabbbbcccc',
      problems:
        status === 'degraded' ? [{ code: 'POSTERN_SETTINGS_INVALID', text: 'settings.yaml:2:1: is wrong' }] : [],
      mapsNotLive:
        status === 'ready'
          ? [{ name: 'transport', table: 'hash:/maps/transport', state: 'saved-not-yet-live', since: 1, reason: null }]
          : [],
    };
    health = () => state;
    const reply = await ask('/readyz');
    expect(reply.status).toBe(code);
    expect(reply.headers['content-type']).toBe('application/json');
    expect(JSON.parse(reply.body)).toEqual(state);
  });

  it('a page that cannot be made is 500, logged, and the next one is served', async () => {
    health = () => {
      throw new Error('broken invariant');
    };
    expect((await ask('/readyz')).status).toBe(500);
    expect(log.at('error')[0]?.fields.err).toHaveProperty('message', 'broken invariant');
    expect((await ask('/healthz')).status).toBe(200);
  });
});

describe('HTTP', () => {
  it.each(['/metrics', '/healthz', '/readyz'])('HEAD %s is the head of GET', async (path) => {
    const head = await ask(path, 'HEAD');
    expect(head).toMatchObject({ status: 200, body: '' });
    expect(Number(head.headers['content-length'])).toBeGreaterThan(0);
    expect(head.headers['content-type']).toBe((await ask(path)).headers['content-type']);
  });

  it.each(['POST', 'PUT', 'DELETE', 'OPTIONS'])('%s is 405 and names what is allowed', async (method) => {
    const reply = await ask('/metrics', method);
    expect(reply.status).toBe(405);
    expect(reply.headers.allow).toBe('GET, HEAD');
  });

  it.each(['/', '/metrics/', '/admin', '/../metrics'])('%s is 404', async (path) => {
    expect((await ask(path)).status).toBe(404);
  });

  it('a query string does not matter', async () => {
    expect((await ask('/healthz?probe=1')).status).toBe(200);
  });

  it('a body is refused, and not read', async () => {
    expect((await ask('/metrics', 'GET', 'x'.repeat(10))).status).toBe(413);
    expect((await ask('/metrics', 'POST', 'x'.repeat(1_000_000))).status).toBe(405);
  });

  it('a head above the limit is 431, something else than HTTP is 400; the door goes on', async () => {
    const long = await RawClient.open(door.listener);
    long.send(`GET /metrics HTTP/1.1\r\nHost: x\r\nX-Long: ${'x'.repeat(10_000)}\r\n\r\n`);
    await long.ended();
    expect(long.text).toMatch(/^HTTP\/1\.1 431 /);
    long.close();
    const odd = await RawClient.open(door.listener);
    odd.send('request=smtpd_access_policy\n\n');
    await odd.ended();
    expect(odd.text).toMatch(/^HTTP\/1\.1 400 /);
    odd.close();
    expect((await ask('/healthz')).status).toBe(200);
  });

  it('serves a unix socket', async () => {
    await inDirectory(async (directory) => {
      await door.close(0);
      const listener = { kind: 'unix', path: `${directory}/metrics.sock` } as const;
      door = await openMetricsDoor({ listener, unix: ownGroup, log, meters, health });
      expect((await ask('/healthz')).status).toBe(200);
    });
  });
});

describe('drain', () => {
  it('a connection that says nothing or half a head ends at once, a page in hand is finished', async () => {
    const silent = await RawClient.open(door.listener);
    const half = await RawClient.open(door.listener);
    half.send('GET /metrics HTTP/1.1\r\n');
    const rendered = meters.render.bind(meters);
    const held = Promise.withResolvers<undefined>();
    meters.render = async () => {
      await held.promise;
      return rendered();
    };
    const page = ask('/metrics');
    await waitFor('the three connections', () => (door.connections === 3 ? true : undefined));
    await sleep(50);
    // Longer than a test may take: what waits for the end of the grace period does not pass.
    const closed = door.close(600_000);
    await Promise.all([silent.ended(), half.ended()]);
    held.resolve(undefined);
    expect((await page).status).toBe(200);
    await closed;
    silent.close();
    half.close();
  });

  it('no connection is kept alive', async () => {
    expect((await ask('/healthz')).headers.connection).toBe('close');
    await waitFor('the end of the connection', () => (door.connections === 0 ? true : undefined));
  });
});
