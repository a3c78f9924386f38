/** Encoded recipients are made by Postern alone: nobody else reaches a route's server by one, however it is written. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RoutedGround } from '../support/routed-ground.ts';

let routed: RoutedGround;
/** The true label of the route, with the internal domain. */
let label = '';

const aliases = [
  '{ wrong@alias.example = x=y.example@r1-00000000.route.postern.internal }',
  '{ odd@alias.example = x=y.example@elsewhere.route.postern.internal }',
];

beforeAll(async () => {
  routed = await RoutedGround.start({
    routes: ['archive'],
    ownDomains: ['a.example', 'alias.example'],
    settings: ({ archive }) => `version: 1
organizations:
  acme:
    primaryDomain: a.example
    routes: { archive: ${archive} }
    domains:
      a.example:
        inboundRouting: [{ mail: [external], route: archive }]
`,
    lab: () => ({
      accounts: { 'alice@a.example': 'secret' },
      // A domain of Postfix's own, where it reads what a local-part holds.
      settings: {
        mydestination: 'mx.lab.test',
        local_recipient_maps: '',
        virtual_alias_maps: `inline:{ ${aliases.join(', ')} }`,
        minimal_backoff_time: '300s',
        maximal_backoff_time: '300s',
      },
    }),
  });
  label = await routed.label('archive');
  expect(label).toMatch(/^r1-[0-9a-f]{8}\.route\.postern\.internal$/);
});

afterAll(async () => {
  await routed.destroy();
});

const clients: [string, object][] = [
  ['a client in mynetworks', {}],
  ['a user', { service: 'submission', client: '192.0.2.1', user: { name: 'alice@a.example', password: 'secret' } }],
  ['the server of a route', { client: '127.0.0.2' }],
];

const spellings = (to: string): string[] => [
  `x=y.example@${to}`,
  `x=y.example@${to.toUpperCase()}`,
  `x=y.example@${to}.`,
  `x=y.example%${to}@a.example`,
  `x=y.example%${to}@mx.lab.test`,
  `x=y.example%${to}@[127.0.0.1]`,
  `"x=y.example@${to}"@a.example`,
  `"x=y.example@${to}"@mx.lab.test`,
  `"x=y.example@${to}"@[127.0.0.1]`,
  `"\\x=y.example@${to}"@[127.0.0.1]`,
  `${to}!x=y.example`,
  `${to}!x=y.example@mx.lab.test`,
  `mx.lab.test!${to}!x=y.example`,
  `x=y.example%${to}`,
  `@a.example:x=y.example@${to}`,
  `@a.example,@mx.lab.test:x=y.example%${to}@mx.lab.test`,
];

describe.each(clients)('%s', (_, how) => {
  it('is refused each spelling that leads to the label, and nothing reaches the route', async () => {
    for (const recipients of spellings(label)) {
      const { id, replies } = await routed.post({ ...how, sender: 'alice@a.example', recipients });
      expect(replies.at(-1), recipients).toMatch(/^5\d\d 5\./);
      expect(await routed.arrivals(id), recipients).toEqual([]);
    }
    const { replies } = await routed.post({ ...how, sender: 'alice@a.example', recipients: `x=y.example@${label}` });
    expect(replies).toEqual([
      expect.stringMatching(/^550 5\.7\.1 .*This address is internal to the mail system and takes no mail/),
    ]);
  });

  it('is refused a label that is none, and the internal domain itself', async () => {
    for (const domain of [
      'r1-00000000.route.postern.internal',
      'r9.route.postern.internal',
      'route.postern.internal',
    ]) {
      const { id, replies } = await routed.post({ ...how, sender: 'alice@a.example', recipients: `x=y@${domain}` });
      expect(replies.at(-1), domain).toMatch(/^550 5\.7\.1 /);
      expect(await routed.arrivals(id), domain).toEqual([]);
    }
  });

  it('is refused a sender in the internal domain', async () => {
    const { id, replies } = await routed.post({ ...how, sender: `x=y.example@${label}`, recipients: 'bob@a.example' });
    expect(replies.at(-1)).toMatch(/^550 5\.7\.1 /);
    expect(await routed.arrivals(id)).toEqual([]);
  });
});

it('a stranger is refused as for any foreign address', async () => {
  for (const recipients of spellings(label)) {
    const { id, replies } = await routed.post({ client: '192.0.2.1', recipients });
    expect(replies.at(-1), recipients).toMatch(/^5\d\d 5\./);
    expect(await routed.arrivals(id), recipients).toEqual([]);
  }
});

it('one recipient among others is refused, the others have their mail', async () => {
  const { id, replies } = await routed.post({ recipients: ['bob@else.example', `x=y.example@${label}`] });
  expect(replies.map((reply) => reply.slice(0, 9))).toEqual(['250 2.1.5', '550 5.7.1', '250 2.0.0']);
  expect(await routed.arrivals(id)).toEqual(['here: bob@else.example']);
});

describe('sendmail(1)', () => {
  it('a message to such an address comes back to its sender, and nothing reaches the route', async () => {
    const addresses = spellings(label).filter((each) => !each.startsWith('@'));
    for (const address of addresses) {
      const id = await routed.sendmail('-f', 'carl@remote.example', '--', address);
      expect(await routed.arrivals(id), address).toEqual(['here: carl@remote.example']);
    }
  });

  it('one with a null sender is not refused: that recipient is taken out, the others have it', async () => {
    const id = await routed.sendmail('-f', '', 'bob@else.example', `x=y.example@${label}`);
    expect(await routed.arrivals(id)).toEqual(['here: bob@else.example']);
    const only = await routed.sendmail('-f', '', `x=y.example%${label}@mx.lab.test`);
    expect(await routed.arrivals(only)).toEqual([]);
  });
});

describe('an alias, which passes neither policy nor milter', () => {
  it.each(['wrong@alias.example', 'odd@alias.example'])(
    '%s, to a label that no line names, waits and is never given to the relay host',
    async (recipients) => {
      const id = await routed.hand({ recipients, sender: 'carl@remote.example' });
      await routed.ground.lab.waitForLog(
        new RegExp(`orig_to=<${recipients}>.*status=deferred .*Postern route not installed`),
      );
      const [message] = await routed.ground.lab.queue();
      expect(message?.recipients[0]?.delay_reason).toBe('Postern route not installed');
      expect(routed.seen(id)).toEqual([]);
      await routed.ground.lab.command('postsuper', '-d', message?.queue_id ?? '');
    },
  );
});
