/** What holds while Postern is down: queued mail reaches its route, and no mail goes past one. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { RoutedGround, type RouteLines } from '../support/routed-ground.ts';
import { waitFor } from '../support/waiting.ts';

const client = '192.0.2.1';
const ownDomains = ['cond.example', 'plain.example', 'free.example'];

const settings = ({ archive = '', dlp = '' }: RouteLines): string => `version: 1
organizations:
  acme:
    primaryDomain: cond.example
    routes: { archive: ${archive}, dlp: ${dlp} }
    domains:
      cond.example:
        inboundRouting: [{ mail: [external], route: archive }]
        outboundRouting: [{ mail: [external], action: change, route: dlp }]
      plain.example:
        inboundRouting: [{ mail: [external, internal], route: archive }]
      free.example: {}
`;

const start = (): Promise<RoutedGround> => RoutedGround.start({ routes: ['archive', 'dlp'], ownDomains, settings });

/** Waits until so many messages are queued, and gives their recipients as they stand in the queue. */
async function queued(routed: RoutedGround, count: number): Promise<string[]> {
  let flushAt = Date.now() + 4000;
  return waitFor(`${count} queued messages`, async () => {
    const queue = await routed.ground.lab.queue();
    // What was being delivered while Postfix read its files anew is left until it looks at its queue again.
    if (Date.now() > flushAt) {
      flushAt = Infinity;
      await routed.ground.lab.flush();
    }
    const recipients = queue.flatMap((message) => message.recipients.map(({ address }) => address));
    const isDeferred = queue.every((message) => message.queue_name === 'deferred');
    return recipients.length === count && isDeferred ? recipients.sort() : undefined;
  });
}

describe('Postern is killed', () => {
  let routed: RoutedGround;
  let running = true;

  beforeAll(async () => {
    routed = await start();
  });

  afterEach(async () => {
    if (!running) await routed.ground.postern.start();
    running = true;
    await routed.ground.ready();
  });

  afterAll(async () => {
    await routed.destroy();
  });

  async function kill(): Promise<void> {
    running = false;
    await routed.ground.postern.kill();
  }

  it('queued mail still reaches the server of its route, under its plain address and marked', async () => {
    await routed.down('archive');
    await routed.down('dlp');
    const inbound = await routed.hand({ client, recipients: 'Bob+x@cond.example' });
    const plain = await routed.hand({ client, recipients: 'Bob+x@plain.example' });
    const outbound = await routed.hand({ sender: 'alice@cond.example', recipients: 'd@else.example' });
    const label = (await routed.label('archive')).replaceAll('.', '\\.');
    const waiting = await queued(routed, 3);
    expect(waiting).toEqual([
      expect.stringMatching(new RegExp(`^Bob\\+x=cond\\.example@${label}$`)),
      // The table is young, and Postfix may remember the one before; later its line does without.
      expect.stringMatching(new RegExp(`^Bob\\+x=plain\\.example@${label}$`)),
      expect.stringMatching(/^d=else\.example@r2-[0-9a-f]{8}\.route\.postern\.internal$/),
    ]);
    await kill();
    // Every process of Postfix begins anew: nothing of it remembers Postern.
    await routed.ground.lab.stop();
    await routed.ground.lab.start();
    await routed.up('archive');
    await routed.up('dlp');
    await routed.ground.lab.flush();
    expect(await routed.arrivals(inbound)).toEqual(['archive: Bob+x@cond.example']);
    expect(await routed.arrivals(plain)).toEqual(['archive: Bob+x@plain.example']);
    expect(await routed.arrivals(outbound)).toEqual(['dlp: d@else.example']);
    for (const [id, route] of [
      [inbound, 'archive'],
      [plain, 'archive'],
      [outbound, 'dlp'],
    ] as const) {
      const text = (await routed.arrival(id, route)).content.toString('latin1');
      expect(text).toMatch(/^X-Postern-Route: r\d/m);
      expect(text).not.toContain('postern.internal');
    }
  });

  it('new mail is deferred, whatever its recipient; afterwards it flows', async () => {
    await kill();
    const attempts = ['bob@cond.example', 'bob@plain.example', 'bob@free.example'];
    for (const recipients of attempts) {
      const { id, replies } = await routed.post({ client, recipients });
      expect(replies.at(-1)).toMatch(/^451 4\.[37]\.\d /);
      expect(await routed.arrivals(id)).toEqual([]);
    }
    const out = await routed.post({ sender: 'alice@cond.example', recipients: 'd@else.example' });
    expect(out.replies.at(-1)).toMatch(/^451 4\.[37]\.\d /);
    await routed.ground.postern.start();
    running = true;
    expect(await routed.arrivals(await routed.hand({ client, recipients: attempts }))).toEqual([
      'archive: bob@cond.example',
      'archive: bob@plain.example',
      'here: bob@free.example',
    ]);
  });

  it('killed between RCPT and the end of the message: it is deferred', async () => {
    const session = await routed.ground.open('smtp', { client });
    await session.mail('stranger@remote.example');
    expect((await session.rcpt('mid@cond.example')).code).toBe(250);
    await kill();
    expect((await session.data('Subject: mid\n\ntext')).code).toBe(451);
    session.close();
    await routed.quiet();
    expect([...routed.server('archive').recipients(), ...routed.ground.sink.recipients()]).not.toContain(
      'mid@cond.example',
    );
  });

  it('sendmail(1) submissions wait in the queue, and are routed afterwards', async () => {
    await kill();
    const id = await routed.sendmail('-f', 'alice@cond.example', 'later@else.example');
    await routed.ground.lab.waitForLog(/warning: connect to Milter service unix:postern\/milter\.sock/);
    expect(routed.seen(id)).toEqual([]);
    await routed.ground.postern.start();
    running = true;
    // Postfix looks at local submissions once a minute, and when another one comes.
    await routed.sendmail('-f', 'alice@cond.example', 'another@else.example');
    await waitFor('the message', () => (routed.seen(id).length > 0 ? true : undefined), 90_000);
    expect(await routed.arrivals(id)).toEqual(['dlp: later@else.example']);
  });
});

describe('the variant that takes mail while Postern is down', () => {
  let routed: RoutedGround;

  beforeAll(async () => {
    routed = await start();
    const open = async (name: string, ...changes: readonly (readonly [RegExp, string])[]): Promise<string> =>
      changes.reduce((value, [from, to]) => value.replace(from, to), await routed.ground.lab.parameter(name));
    await routed.ground.lab.set({
      smtpd_recipient_restrictions: await open('smtpd_recipient_restrictions', [
        /\{ default_action = [^}]*\}/,
        'default_action=DUNNO, try_limit=1',
      ]),
      smtpd_milters: await open('smtpd_milters', [/default_action=tempfail/, 'default_action=accept']),
      non_smtpd_milters: await open('non_smtpd_milters', [/default_action=tempfail/, 'default_action=accept']),
    });
    await routed.ground.postern.kill();
  });

  afterAll(async () => {
    await routed.destroy();
  });

  it('an unconditional route still works, and marks what it is sent', async () => {
    await routed.down('archive');
    const id = await routed.hand({ client, recipients: ['bob+x@plain.example', 'bob@free.example'] });
    expect(await queued(routed, 1)).toEqual(['bob+x@plain.example']);
    await routed.up('archive');
    await routed.ground.lab.flush();
    expect(await routed.arrivals(id)).toEqual(['archive: bob+x@plain.example', 'here: bob@free.example']);
    expect((await routed.arrival(id, 'archive')).content.toString('latin1')).toMatch(/^X-Postern-Route: r1-/m);
  });

  it('conditional rules and outbound rules are given up: their mail is delivered as if there were none', async () => {
    const inbound = await routed.hand({ client, recipients: 'bob@cond.example' });
    expect(await routed.arrivals(inbound)).toEqual(['here: bob@cond.example']);
    const outbound = await routed.hand({ sender: 'alice@cond.example', recipients: 'd@else.example' });
    expect(await routed.arrivals(outbound)).toEqual(['here: d@else.example']);
  });

  it('so are the guards: whoever may relay and knows a label reaches its route', async () => {
    const to = `x=y.example@${await routed.label('archive')}`;
    expect(await routed.arrivals(await routed.hand({ recipients: to }))).toEqual(['archive: x@y.example']);
    const { replies } = await routed.post({ client, recipients: to });
    expect(replies.at(-1)).toMatch(/^554 5\.7\.1 /);
  });
});

describe('what a queue needs', () => {
  let routed: RoutedGround;

  beforeAll(async () => {
    routed = await start();
  });

  afterAll(async () => {
    await routed.destroy();
  });

  it('undo is refused while mail waits for a route, and works once it is delivered', async () => {
    await routed.down('archive');
    const id = await routed.hand({ client, recipients: 'bob@cond.example' });
    await queued(routed, 1);
    const configuration = await routed.ground.lab.command('postconf', '-n');
    const refused = await routed.ground.postern.run('postfix', 'undo');
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain('POSTERN_QUEUE_NEEDS_POSTERN');
    expect(refused.stderr).toContain('nothing was changed');
    expect(await routed.ground.lab.command('postconf', '-n')).toBe(configuration);
    await routed.up('archive');
    await routed.ground.lab.flush();
    expect(await routed.arrivals(id)).toEqual(['archive: bob@cond.example']);
    expect(await routed.ground.postern.run('postfix', 'undo')).toMatchObject({ code: 0, stderr: '' });
    expect(await routed.ground.lab.parameter('transport_maps')).toBe('');
    expect(await routed.ground.lab.command('postconf', '-M')).not.toContain('postern-r');
    // Postern knows nothing of Postfix any more, and Postfix nothing of Postern: mail goes its usual way.
    const after = await routed.hand({ client, recipients: 'bob@cond.example' });
    expect(await routed.arrivals(after)).toEqual(['here: bob@cond.example']);
    await routed.ground.apply();
    expect(await routed.arrivals(await routed.hand({ client, recipients: 'bob@cond.example' }))).toEqual([
      'archive: bob@cond.example',
    ]);
  });

  it('a queued recipient whose label no line names waits, and is not given to the relay host', async () => {
    await routed.down('dlp');
    const id = await routed.hand({ sender: 'alice@cond.example', recipients: 'd@else.example' });
    await queued(routed, 1);
    // The route goes from the settings while its mail is queued.
    const [archive] = Object.entries(routed.lines);
    await routed.ground.postern.changeSettings(`version: 1
organizations:
  acme:
    primaryDomain: cond.example
    routes: { archive: ${archive?.[1] ?? ''} }
    domains:
      cond.example: { inboundRouting: [{ mail: [external], route: archive }] }
      plain.example: {}
      free.example: {}
`);
    await routed.ground.ready();
    // The queue manager goes on with the last answer that it had for half a minute.
    await routed.ground.lab.waitForLog(
      /to=<d=else\.example@r2-.*status=deferred .*Postern route not installed/,
      60_000,
    );
    await routed.up('dlp');
    await routed.ground.lab.flush();
    expect(routed.seen(id)).toEqual([]);
    expect((await routed.ground.postern.run('postfix', 'undo')).stderr).toContain('POSTERN_QUEUE_NEEDS_POSTERN');
    // It comes back under its old label, and so does the mail.
    await routed.ground.postern.changeSettings(settings(routed.lines));
    await routed.ground.ready();
    await waitFor('the message', () => (routed.seen(id).length > 0 ? true : undefined), 60_000);
    expect(await routed.arrivals(id)).toEqual(['dlp: d@else.example']);
  });
});
