/**
 * Metrics of inbound gateways: when mail last came through each, how much, and whether the MX points to it.
 * Never shows a value that is not known: an own domain has no sample before its first mail or its first look-up.
 * Source: Prometheus text format 0.0.4.
 */
import { Counter, Gauge, type Registry } from 'prom-client';
import type { GatewayMeters, Meters } from '../../services/index.ts';

/** Makes the meters in a registry; `labelOf` bounds how many own domains there are by name. */
export function gatewayMeters(
  registry: Registry,
  labelOf: (domain: string) => string,
): GatewayMeters & Pick<Meters, 'noteGatewayMail'> {
  const common = { labelNames: ['domain'] as const, registers: [registry] };
  const messages = new Counter({
    ...common,
    name: 'postern_gateway_messages_total',
    help: 'Messages that came through the inbound gateway of an own domain, refused ones included.',
  });
  const lastMail = new Map<string, number>();
  const points = new Map<string, boolean>();
  new Gauge({
    ...common,
    name: 'postern_gateway_last_mail_timestamp_seconds',
    help: 'When a message last came through the inbound gateway of an own domain; none since the start: no sample.',
    collect() {
      show(this, lastMail, (at) => at / 1000, Math.max);
    },
  });
  new Gauge({
    ...common,
    name: 'postern_gateway_mx_points',
    help: '1 where all mail exchangers of an own domain are addresses of its inbound gateway, 0 where not; not known: no sample.',
    collect() {
      show(this, points, Number, Math.min);
    },
  });

  /** Own domains that share a label show one value together. */
  function show<T>(
    gauge: Gauge<'domain'>,
    values: ReadonlyMap<string, T>,
    numberOf: (value: T) => number,
    together: (one: number, other: number) => number,
  ): void {
    const byLabel = new Map<string, number>();
    for (const [domain, value] of values) {
      const label = labelOf(domain);
      const known = byLabel.get(label);
      byLabel.set(label, known === undefined ? numberOf(value) : together(known, numberOf(value)));
    }
    // A domain that is gone must not keep its last value for ever.
    gauge.reset();
    for (const [domain, value] of byLabel) gauge.set({ domain }, value);
  }

  return {
    noteGatewayMail(domain, at) {
      messages.inc({ domain: labelOf(domain) });
      lastMail.set(domain, at);
    },
    setGatewayMx(domain, doesPoint) {
      if (doesPoint === null) points.delete(domain);
      else points.set(domain, doesPoint);
      // A rate needs a first value.
      messages.inc({ domain: labelOf(domain) }, 0);
    },
    forgetGateway(domain) {
      lastMail.delete(domain);
      points.delete(domain);
    },
  };
}
