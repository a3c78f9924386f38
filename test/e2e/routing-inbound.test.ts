/** Inbound routing by a rule that looks at the sender: what arrives at the route's server, and what stays here. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RoutedGround } from '../support/routed-ground.ts';

const stranger = '192.0.2.1';
const alice = { service: 'submission', user: { name: 'alice@a.example', password: 'secret' } };

let routed: RoutedGround;

beforeAll(async () => {
  routed = await RoutedGround.start({
    routes: ['archive', 'quiet'],
    ownDomains: ['a.example', 'plain.example', 'sub.a.example', 'saved.example', 'quiet.example', 'kept.example'],
    settings: ({ archive, quiet }) => `version: 1
organizations:
  acme:
    primaryDomain: a.example
    routes:
      archive: ${archive}
      quiet: ${quiet}
    domains:
      a.example:
        inboundRouting: [{ mail: [external], route: archive }]
      saved.example:
        inboundRouting: [{ mail: [external], route: archive, alsoSave: true }]
      quiet.example:
        inboundRouting: [{ mail: [external], route: quiet, suppressBounces: true }]
      kept.example:
        inboundRouting: [{ mail: [external], route: archive, alsoSave: true, suppressBounces: true }]
`,
    lab: () => ({ accounts: { 'alice@a.example': 'secret' }, settings: { recipient_delimiter: '+' } }),
  });
});

afterAll(async () => {
  await routed.destroy();
});

describe('which mail', () => {
  it('RT-14 (b) mail from outside arrives at the route under its plain address, case and extension kept', async () => {
    const id = await routed.hand({ client: stranger, recipients: ['Bob+x@A.example', 'u=v@a.example'] });
    expect(await routed.arrivals(id)).toEqual(['archive: Bob+x@A.example', 'archive: u=v@a.example']);
    const message = await routed.arrival(id, 'archive');
    expect(message.sender.address).toBe('stranger@remote.example');
    expect(message.content.toString('latin1')).not.toMatch(/postern\.internal|r\d+-[0-9a-f]{8}\./);
    expect(message.content.toString('latin1')).toMatch(/^X-Postern-Route: \S+\r$/m);
  });

  it('RT-14 (b) a sender of the same domain is external where the client is a stranger', async () => {
    const id = await routed.hand({ client: '203.0.113.9', sender: 'alice@a.example', recipients: 'bob@a.example' });
    expect(await routed.arrivals(id)).toEqual(['archive: bob@a.example']);
  });

  it('RT-14 (a) the same sender, authenticated, is internal: its mail stays here', async () => {
    const id = await routed.hand({
      ...alice,
      client: stranger,
      sender: 'alice@a.example',
      recipients: 'bob@a.example',
    });
    expect(await routed.arrivals(id)).toEqual(['here: bob@a.example']);
    const { content } = await routed.arrival(id);
    expect(content.toString('latin1')).not.toContain('X-Postern-Route');
  });

  it('RT-14 (a) so is one in mynetworks', async () => {
    const id = await routed.hand({ sender: 'alice@a.example', recipients: 'bob@a.example' });
    expect(await routed.arrivals(id)).toEqual(['here: bob@a.example']);
  });

  it('RT-14 (c) the same sender through the server of a route is external', async () => {
    // The server of "quiet": mail for a.example goes to "archive", which has not had it.
    const id = await routed.hand({ client: '127.0.0.3', sender: 'alice@a.example', recipients: 'bob@a.example' });
    expect(await routed.arrivals(id)).toEqual(['archive: bob@a.example']);
  });

  it('of one message each recipient goes its own way', async () => {
    const recipients = ['bob@a.example', 'anna@plain.example', 'carl@saved.example'];
    const id = await routed.hand({ client: stranger, recipients });
    expect(await routed.arrivals(id)).toEqual([
      'archive: bob@a.example',
      'archive: carl@saved.example',
      'here: anna@plain.example',
      'here: carl@saved.example',
    ]);
  });

  it('RT-08 a domain without a rule goes its usual way', async () => {
    const id = await routed.hand({ client: stranger, recipients: 'anna@plain.example' });
    expect(await routed.arrivals(id)).toEqual(['here: anna@plain.example']);
    expect((await routed.arrival(id)).recipients[0]?.parameters).toEqual(['ORCPT=rfc822;anna@plain.example']);
    const out = await routed.hand({ sender: 'alice@a.example', recipients: 'carol@else.example' });
    expect(await routed.arrivals(out)).toEqual(['here: carol@else.example']);
  });

  it.each(['sub.a.example', 'nota.example', 'a.example.test', 'xa.example'])(
    'RT-06 %s looks like a routed domain, and is none',
    async (domain) => {
      const id = await routed.hand({ recipients: `bob@${domain}` });
      expect(await routed.arrivals(id)).toEqual([`here: bob@${domain}`]);
    },
  );

  it.each([
    ['bob@A.EXAMPLE', 'bob@A.EXAMPLE'],
    ['bob@a.example.', 'bob@a.example'],
    ['"bob"@a.example', 'bob@a.example'],
    ['"bo b"@a.example', '"bo b"@a.example'],
    ['@mx.remote.example,@two.example:bob@a.example', 'bob@a.example'],
  ])('RT-06 %s does not lead past a rule', async (spelled, arrived) => {
    const id = await routed.hand({ client: stranger, recipients: spelled });
    expect(await routed.arrivals(id)).toEqual([`archive: ${arrived}`]);
  });

  it.each(['bob%a.example', 'a.example!bob', 'bob%a.example@[127.0.0.1]', '"bob@a.example"@[127.0.0.1]'])(
    'RT-06 nor does %s from a client that may write so',
    async (spelled) => {
      const id = await routed.hand({ recipients: spelled });
      expect(await routed.arrivals(id)).toEqual(['archive: bob@a.example']);
    },
  );
});

describe('copies and bounces', () => {
  it('RT-05 with alsoSave the mailbox here has it once, and the route under the same address', async () => {
    const id = await routed.hand({ client: stranger, recipients: 'bob@saved.example', sender: 'x+y@remote.example' });
    expect(await routed.arrivals(id)).toEqual(['archive: bob@saved.example', 'here: bob@saved.example']);
    const [here, there] = [await routed.arrival(id), await routed.arrival(id, 'archive')];
    expect(here.sender.address).toBe('x+y@remote.example');
    expect(there.sender.address).toBe('x+y@remote.example');
    const text = there.content.toString('latin1');
    expect(text.replace(/^X-Postern-Route: .*\r\n/m, '')).toBe(here.content.toString('latin1'));
    expect(there.recipients[0]?.parameters).toContain('NOTIFY=FAILURE');
  });

  it('NOTIFY and ORCPT of the client are carried over', async () => {
    const parameters = 'NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;first+2Btag@b.example';
    const id = await routed.hand({ client: stranger, recipients: 'bob@a.example', parameters });
    const [recipient] = (await routed.arrival(id, 'archive')).recipients;
    expect(recipient?.parameters.toSorted()).toEqual(['NOTIFY=SUCCESS,FAILURE', 'ORCPT=rfc822;first+2Btag@b.example']);
  });

  it('without NOTIFY none is made up, and ORCPT names the plain address', async () => {
    const id = await routed.hand({ client: stranger, recipients: 'bob+x@a.example' });
    const [recipient] = (await routed.arrival(id, 'archive')).recipients;
    expect(recipient?.parameters).toEqual(['ORCPT=rfc822;bob+2Bx@a.example']);
  });

  it('RT-09 with suppressBounces the copy is sent with NOTIFY=NEVER, and a 550 there makes no bounce', async () => {
    const taken = await routed.hand({
      client: stranger,
      recipients: 'bob@quiet.example',
      parameters: 'NOTIFY=FAILURE',
    });
    expect((await routed.arrival(taken, 'quiet')).recipients[0]?.parameters).toContain('NOTIFY=NEVER');
    const refused = await routed.hand({ client: stranger, recipients: 'reject@quiet.example' });
    expect(await routed.arrivals(refused)).toEqual([]);
    expect(routed.server('quiet').refused).toContain('reject@quiet.example');
    const kept = await routed.hand({ client: stranger, recipients: 'reject.kept@kept.example' });
    expect(routed.server('archive').refused).not.toContain('reject.kept@kept.example');
    // The mailbox here refuses it too, and that is told: only the copy for the route is silent.
    expect(await routed.arrivals(kept)).toEqual(['here: stranger@remote.example']);
    expect(routed.server('archive').refused).toContain('reject.kept@kept.example');
  });

  it('RT-09 without it a 550 of the route is told to the sender, with the address that he wrote to', async () => {
    const id = await routed.hand({ client: stranger, recipients: 'reject.two@a.example' });
    expect(await routed.arrivals(id)).toEqual(['here: stranger@remote.example']);
    const text = (await routed.arrival(id)).content.toString('latin1');
    expect(text).toContain('Original-Recipient: rfc822;reject.two@a.example');
    expect(text).toContain('550 5.1.1 no such user here');
  });
});

describe('mail that comes by no SMTP client', () => {
  it('sendmail(1) to a routed domain: a stranger as sender is routed, the own domain is internal', async () => {
    const external = await routed.sendmail('-f', 'someone@remote.example', 'bob@a.example');
    expect(await routed.arrivals(external)).toEqual(['archive: bob@a.example']);
    const internal = await routed.sendmail('-f', 'alice@a.example', 'bob@a.example');
    expect(await routed.arrivals(internal)).toEqual(['here: bob@a.example']);
  });

  it("Postfix's own bounce to a routed domain is routed", async () => {
    const id = await routed.hand({ sender: 'alice@a.example', recipients: 'reject.out@else.example' });
    expect(await routed.arrivals(id)).toEqual(['archive: alice@a.example']);
    const bounce = await routed.arrival(id, 'archive');
    expect(bounce.sender.address).toBe('');
    expect(bounce.content.toString('latin1')).toContain('Final-Recipient: rfc822; reject.out@else.example');
  });

  it('a null sender from outside is routed like every other', async () => {
    const id = await routed.hand({ client: stranger, sender: '', recipients: 'bob@a.example' });
    expect(await routed.arrivals(id)).toEqual(['archive: bob@a.example']);
  });
});
