/** Good documents of two own domains of one organization, small enough that their settings often meet. */
import fc from 'fast-check';
import { aDocument, type Keys } from '../../support/builders.ts';

/** One of the values. */
export const pick = <T>(...values: T[]): fc.Arbitrary<T> => fc.constantFrom(...values);
/** A short list. */
export const some = <T>(item: fc.Arbitrary<T>): fc.Arbitrary<T[]> => fc.array(item, { maxLength: 4 });
const entry = pick<unknown>(
  '192.0.2.1',
  '192.0.2.0/24',
  '2001:db8::/32',
  { ip: '203.0.113.1', expires: '2026-01-01' },
  { file: 'drop.txt' },
);
const policy = fc.record({
  title: pick('A', 'B'),
  applyTo: pick(['incoming', 'outgoing'], ['outgoing']),
  domains: fc.uniqueArray(pick('p.example', 'q.example', 'bücher.example'), { minLength: 1 }),
  trustedCa: fc.boolean(),
  hostnameMatch: fc.boolean(),
});

/** Settings of an own domain, of which a pattern may be broken. */
export const domainSettings: fc.Arbitrary<Keys> = fc.record(
  {
    enforcement: pick('enforce', 'observe'),
    allowedIps: some(entry),
    blockedIps: some(entry),
    inboundGateway: fc.record(
      {
        enabled: fc.boolean(),
        ips: fc.constant(['198.51.100.0/28']),
        onlyFromGateway: fc.boolean(),
        spamPattern: pick('a', '([', '(?=a)', '^x$'),
      },
      { requiredKeys: ['ips'] },
    ),
    outboundRouting: some(fc.record({ mail: pick(['external']), action: pick('additionally'), route: pick('r', 's') })),
    tls: some(policy),
  },
  { requiredKeys: [] },
);

/** A document with the own domains a.example and b.example, and the routes r and s. */
export const document = fc
  .record({
    a: domainSettings,
    b: domainSettings,
    routes: fc.record({
      r: fc.record({ host: pick('192.0.2.30', 'relay.example.net', '127.0.0.1'), port: pick(25, 2525) }),
      s: pick({ host: '::1' }),
    }),
  })
  .map(({ a, b, routes }) => aDocument({ 'a.example': a, 'b.example': b }, { routes }));

const mail = pick(['external'], ['internal'], ['internal', 'external']);
const route = pick('r', 's');

/** Routing rules of an own domain for the routes r and s, with and without sources that say who exists. */
export const routingSettings: fc.Arbitrary<Keys> = fc
  .record(
    {
      enforcement: pick('enforce', 'enforce', 'enforce', 'observe'),
      recipients: fc.constant(['recipients.txt']),
      inboundRouting: some(
        fc.record(
          {
            ...{ mail, route, recipients: pick(['existing'], ['existing', 'missing'], ['missing']) },
            ...{ alsoSave: fc.boolean(), suppressBounces: fc.boolean() },
          },
          { requiredKeys: ['mail', 'route'] },
        ),
      ),
      outboundRouting: some(fc.record({ mail, route, action: pick('change', 'additionally') })),
      inboundGateway: route.map((internalThroughGateway) => ({
        ...{ enabled: true, ips: ['198.51.100.0/28'], internalThroughGateway },
      })),
    },
    { requiredKeys: [] },
  )
  .map(({ inboundRouting, ...settings }) => {
    if (inboundRouting === undefined) return settings;
    // Only where who exists is said may a rule speak of missing recipients.
    const rules = inboundRouting.map(({ recipients, ...rule }) =>
      settings.recipients === undefined || recipients === undefined ? rule : { ...rule, recipients },
    );
    return { ...settings, inboundRouting: rules };
  });
