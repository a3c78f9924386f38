/** Metrics of inbound gateways, as a scrape sees them. */
import { beforeEach, describe, expect, it } from 'vitest';
import { createMeters, type PrometheusMeters } from '../../../src/adapters/metrics/index.ts';
import { samplesOf } from './peers.ts';

const AT = 1_700_000_000_250;
let meters: PrometheusMeters;
beforeEach(() => {
  meters = createMeters({ now: () => AT });
});

const samples = async (): Promise<Record<string, number>> =>
  Object.fromEntries([...(await samplesOf(meters))].filter(([name]) => name.startsWith('postern_gateway_')));

describe('gateway metrics', () => {
  it('nothing is shown before the first mail and the first look-up', async () => {
    expect(await samples()).toEqual({});
  });

  it('the last mail of each own domain, in seconds, and how many there were', async () => {
    meters.noteGatewayMail('a.example', AT - 5000);
    meters.noteGatewayMail('b.example', AT - 1000);
    meters.noteGatewayMail('a.example', AT);
    expect(await samples()).toEqual({
      'postern_gateway_last_mail_timestamp_seconds{domain="a.example"}': 1_700_000_000.25,
      'postern_gateway_last_mail_timestamp_seconds{domain="b.example"}': 1_699_999_999.25,
      'postern_gateway_messages_total{domain="a.example"}': 2,
      'postern_gateway_messages_total{domain="b.example"}': 1,
    });
  });

  it('whether the MX points to the gateway; no sample while that is not known', async () => {
    meters.setGatewayMx('a.example', true);
    meters.setGatewayMx('b.example', false);
    meters.setGatewayMx('c.example', null);
    expect(await samples()).toMatchObject({
      'postern_gateway_mx_points{domain="a.example"}': 1,
      'postern_gateway_mx_points{domain="b.example"}': 0,
      'postern_gateway_messages_total{domain="c.example"}': 0,
    });
    meters.setGatewayMx('a.example', null);
    expect(Object.keys(await samples()).filter((name) => name.includes('mx_points'))).toEqual([
      'postern_gateway_mx_points{domain="b.example"}',
    ]);
  });

  it('a gateway that is gone leaves no stale value behind, for an alert to ring for ever', async () => {
    meters.noteGatewayMail('a.example', AT);
    meters.setGatewayMx('a.example', false);
    await samples();
    meters.forgetGateway('a.example');
    expect(await samples()).toEqual({ 'postern_gateway_messages_total{domain="a.example"}': 1 });
  });

  it('own domains are bounded as in all metrics: the first 200 by name, the others together', async () => {
    for (let n = 0; n < 200; n += 1) meters.countDecision({ ...decision, domain: `d${n}.example` });
    meters.noteGatewayMail('d7.example', AT);
    for (let n = 200; n < 1000; n += 1) meters.noteGatewayMail(`d${n}.example`, AT - n);
    meters.noteGatewayMail('d300.example', AT - 9000);
    for (let n = 200; n < 1000; n += 1) meters.setGatewayMx(`d${n}.example`, n !== 500);
    expect(await samples()).toEqual({
      'postern_gateway_last_mail_timestamp_seconds{domain="d7.example"}': AT / 1000,
      // Of those that share a name: the latest mail, and 0 where one of them does not point.
      'postern_gateway_last_mail_timestamp_seconds{domain="other"}': (AT - 200) / 1000,
      'postern_gateway_messages_total{domain="d7.example"}': 1,
      'postern_gateway_messages_total{domain="other"}': 801,
      'postern_gateway_mx_points{domain="other"}': 0,
    });
    meters.setGatewayMx('d500.example', true);
    expect(await samples()).toMatchObject({ 'postern_gateway_mx_points{domain="other"}': 1 });
  });
});

const decision = { stage: 'rcpt', verdict: 'pass', rule: 'own-domain', enforcement: 'enforce' } as const;
