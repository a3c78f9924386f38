import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { parseIpAddress } from '../../../src/mail/index.ts';
import {
  createGatewayHealth,
  type GatewayHealth,
  type GatewayMeters,
  type MailHosts,
} from '../../../src/services/index.ts';
import type { Snapshot } from '../../../src/snapshot/index.ts';
import { aDocument, aDomain, aSnapshot } from '../../support/builders.ts';
import { FakeLog } from '../../support/fake-log.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

/** Own domains by name with the gateway's addresses. */
const withGateways = (own: Record<string, readonly string[]>): Snapshot =>
  aSnapshot(
    aDocument({
      'example.com': {},
      ...Object.fromEntries(
        Object.entries(own).map(([name, ips]) => [name, { inboundGateway: { enabled: true, ips } }]),
      ),
    }),
  );
const mxAt = (address: string): MailHosts => ({
  kind: 'mx',
  hosts: [{ name: 'mx.example.net', addresses: [parseIpAddress(address)!], isComplete: true }],
});

/** The gauge as a scrape would show it. */
class Gauges implements GatewayMeters {
  readonly points = new Map<string, boolean | null>();
  setGatewayMx(domain: string, points: boolean | null): void {
    this.points.set(domain, points);
  }
  forgetGateway(domain: string): void {
    this.points.delete(domain);
  }
}

let current: Snapshot;
let answers: Record<string, MailHosts>;
let asked: string[];
let held: PromiseWithResolvers<undefined> | null;
let mostAtOnce: number;
let meters: Gauges;
let log: FakeLog;
let health: GatewayHealth;

beforeEach(() => {
  vi.useFakeTimers({ now: 0 });
  [answers, asked, held, mostAtOnce] = [{}, [], null, 0];
  let atOnce = 0;
  meters = new Gauges();
  log = new FakeLog();
  health = createGatewayHealth({
    current: () => current,
    resolver: {
      mailHosts: async (domain) => {
        asked.push(domain);
        mostAtOnce = Math.max(mostAtOnce, ++atOnce);
        await held?.promise;
        atOnce -= 1;
        return answers[domain] ?? { kind: 'unknown', code: 'ETIMEOUT' };
      },
    },
    meters,
    clock: { now: () => Date.now() },
    log,
  });
});
afterEach(() => {
  health.stop();
  vi.useRealTimers();
});

const settle = (): Promise<unknown> => vi.advanceTimersByTimeAsync(0);

describe('createGatewayHealth', () => {
  it('asks at the start, shows what it found, and says what is not as one would expect', async () => {
    current = withGateways({ 'a.example': ['192.0.2.1'], 'b.example': ['192.0.2.1'], 'c.example': ['192.0.2.1'] });
    answers = { 'a.example': mxAt('192.0.2.1'), 'b.example': mxAt('198.51.100.1') };
    health.refresh();
    await settle();
    expect(Object.fromEntries(meters.points)).toEqual({ 'a.example': true, 'b.example': false, 'c.example': null });
    expect(health.states().get(aDomain('b.example'))?.verdict).toBe('elsewhere');
    expect(log.entries.map(({ level, fields }) => [level, fields.domain, fields.verdict])).toEqual([
      ['info', 'b.example', 'elsewhere'],
      ['info', 'c.example', 'unknown'],
    ]);
  });

  it('nothing is asked before, and nothing where no own domain has a gateway', async () => {
    current = withGateways({});
    await vi.advanceTimersByTimeAsync(HOUR);
    health.refresh();
    await vi.advanceTimersByTimeAsync(3 * HOUR);
    expect([asked, health.states().size, meters.points.size]).toEqual([[], 0, 0]);
  });

  it('a change of settings asks about the new and the changed gateways only, and forgets those that are gone', async () => {
    current = withGateways({ 'a.example': ['192.0.2.1'], 'b.example': ['192.0.2.1'], 'c.example': ['192.0.2.1'] });
    answers = { 'a.example': mxAt('192.0.2.1'), 'b.example': mxAt('192.0.2.2'), 'd.example': mxAt('192.0.2.1') };
    health.refresh();
    await settle();
    asked = [];
    current = withGateways({ 'a.example': ['192.0.2.1'], 'b.example': ['192.0.2.2'], 'd.example': ['192.0.2.1'] });
    health.refresh();
    await settle();
    expect(asked).toEqual(['b.example', 'd.example']);
    expect(Object.fromEntries(meters.points)).toEqual({ 'a.example': true, 'b.example': true, 'd.example': true });
    expect([...health.states().keys()]).toEqual(['a.example', 'b.example', 'd.example']);
  });

  it('asks every hour, spread over it: never many in one minute', async () => {
    const names = Array.from({ length: 120 }, (_, n) => `d${n}.example`);
    current = withGateways(Object.fromEntries(names.map((name) => [name, ['192.0.2.1']])));
    health.refresh();
    await settle();
    expect(asked).toHaveLength(120);
    await vi.advanceTimersByTimeAsync(HOUR + MINUTE);
    asked = [];
    const perMinute: number[] = [];
    for (let minute = 0; minute < 60; minute += 1) {
      const before = asked.length;
      await vi.advanceTimersByTimeAsync(MINUTE);
      perMinute.push(asked.length - before);
    }
    expect(asked.toSorted()).toEqual(names.toSorted());
    expect(Math.max(...perMinute)).toBeLessThan(8);
  });

  it('few look-ups at once, and one that hangs holds up no other settings', async () => {
    held = Promise.withResolvers();
    const names = Array.from({ length: 20 }, (_, n) => `d${n}.example`);
    current = withGateways(Object.fromEntries(names.map((name) => [name, ['192.0.2.1']])));
    health.refresh();
    await settle();
    expect([asked.length, mostAtOnce]).toEqual([4, 4]);
    // Gone and changed while it was being asked: the old answer must not be shown for the new gateway.
    answers = Object.fromEntries(names.map((name) => [name, mxAt('192.0.2.1')]));
    current = withGateways({ 'd0.example': ['198.51.100.1'], 'd9.example': ['192.0.2.1'] });
    health.refresh();
    held.resolve(undefined);
    await settle();
    expect(Object.fromEntries(meters.points)).toEqual({ 'd0.example': false, 'd9.example': true });
    expect([asked.length, mostAtOnce]).toEqual([6, 4]);
  });

  it('a verdict is said when it changes, not each hour', async () => {
    current = withGateways({ 'a.example': ['192.0.2.1'] });
    answers = { 'a.example': mxAt('198.51.100.1') };
    health.refresh();
    await vi.advanceTimersByTimeAsync(3 * HOUR);
    expect(asked.length).toBeGreaterThan(2);
    expect(log.messages('info')).toHaveLength(1);
    answers = { 'a.example': mxAt('192.0.2.1') };
    await vi.advanceTimersByTimeAsync(2 * HOUR);
    expect(log.entries.map(({ fields }) => fields.verdict)).toEqual(['elsewhere', 'points']);
    expect(meters.points.get('a.example')).toBe(true);
    answers = {};
    await vi.advanceTimersByTimeAsync(2 * HOUR);
    expect(meters.points.get('a.example')).toBeNull();
  });

  it('after the end nothing is asked and nothing shown any more', async () => {
    held = Promise.withResolvers();
    current = withGateways({ 'a.example': ['192.0.2.1'] });
    answers = { 'a.example': mxAt('192.0.2.1') };
    health.refresh();
    health.stop();
    held.resolve(undefined);
    await vi.advanceTimersByTimeAsync(3 * HOUR);
    health.refresh();
    await settle();
    expect([asked, meters.points.size]).toEqual([['a.example'], 0]);
  });

  it('a resolver that breaks its promise is logged, and asked again later', async () => {
    current = withGateways({ 'a.example': ['192.0.2.1'] });
    held = Promise.withResolvers();
    held.reject(new Error('broken invariant'));
    health.refresh();
    await settle();
    expect(log.messages('error')).toEqual(['the MX of a gateway cannot be judged']);
    held = null;
    answers = { 'a.example': mxAt('192.0.2.1') };
    await vi.advanceTimersByTimeAsync(HOUR + MINUTE);
    expect(meters.points.get('a.example')).toBe(true);
  });
});
