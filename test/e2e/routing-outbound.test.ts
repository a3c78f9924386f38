/** Outbound routing, extra copies, and mail that the server of a route hands back. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RoutedGround } from '../support/routed-ground.ts';

let routed: RoutedGround;

/** By XCLIENT: the servers of the routes are at these addresses, and in mynetworks. */
const archiveServer = '127.0.0.2';
const dlpServer = '127.0.0.3';
const stranger = '192.0.2.1';
const user = (name: string): object => ({ service: 'submission', user: { name, password: 'secret' } });

beforeAll(async () => {
  routed = await RoutedGround.start({
    routes: ['archive', 'dlp'],
    ownDomains: ['a.example', 'b.example', 'in.example', 'copied.example', 'both.example', 'saved.example'],
    settings: ({ archive, dlp }) => `version: 1
organizations:
  acme:
    primaryDomain: a.example
    routes:
      archive: ${archive}
      dlp: ${dlp}
    domains:
      a.example:
        outboundRouting: [{ mail: [external], action: change, route: dlp }]
      b.example: {}
      in.example:
        inboundRouting: [{ mail: [external], route: archive }]
      copied.example:
        outboundRouting: [{ mail: [internal, external], action: additionally, route: archive }]
      both.example:
        outboundRouting:
          - { mail: [external], action: change, route: dlp }
          - { mail: [external], action: additionally, route: archive }
          - { mail: [external], action: additionally, route: dlp }
      saved.example:
        inboundRouting: [{ mail: [internal, external], route: archive, alsoSave: true }]
        outboundRouting: [{ mail: [internal], action: additionally, route: archive }]
`,
    lab: () => ({
      accounts: { 'alice@a.example': 'secret', 'bob@copied.example': 'secret' },
      settings: { recipient_delimiter: '+' },
    }),
  });
});

afterAll(async () => {
  await routed.destroy();
});

describe('change', () => {
  it('RT-07 mail within the own domain stays here, another own domain and the outside go to the route', async () => {
    const recipients = ['bob@a.example', 'c@b.example', 'd@else.example', 'e@sub.a.example', 'f@nota.example'];
    const id = await routed.hand({ sender: 'alice@a.example', recipients });
    expect(await routed.arrivals(id)).toEqual([
      'dlp: c@b.example',
      'dlp: d@else.example',
      'dlp: e@sub.a.example',
      'dlp: f@nota.example',
      'here: bob@a.example',
    ]);
    const message = await routed.arrival(id, 'dlp');
    expect(message.sender.address).toBe('alice@a.example');
    expect(message.content.toString('latin1')).not.toContain('postern.internal');
  });

  it('RT-07 by SASL and by sendmail(1) too', async () => {
    const sender = 'alice@a.example';
    const bySasl = await routed.hand({
      ...user('alice@a.example'),
      client: stranger,
      sender,
      recipients: 'd@e.example',
    });
    expect(await routed.arrivals(bySasl)).toEqual(['dlp: d@e.example']);
    const local = await routed.sendmail('-f', sender, 'd@e.example', 'bob@a.example');
    expect(await routed.arrivals(local)).toEqual(['dlp: d@e.example', 'here: bob@a.example']);
  });

  it('RT-08 the sender of a domain without a rule, of none of ours, and the null sender go their usual way', async () => {
    for (const sender of ['carl@b.example', 'carl@remote.example', '']) {
      const id = await routed.hand({ sender, recipients: 'd@else.example' });
      expect(await routed.arrivals(id)).toEqual(['here: d@else.example']);
    }
  });

  it('a stranger who writes as a sender of ours is not trusted, so no outbound rule is for him', async () => {
    const id = await routed.hand({ client: stranger, sender: 'alice@a.example', recipients: 'c@b.example' });
    expect(await routed.arrivals(id)).toEqual(['here: c@b.example']);
  });

  it("it goes before the recipient's inbound rule", async () => {
    const id = await routed.hand({ sender: 'alice@a.example', recipients: 'bob@in.example' });
    expect(await routed.arrivals(id)).toEqual(['dlp: bob@in.example']);
  });
});

describe('additionally', () => {
  it('RT-10 one extra recipient, the sender, whatever the number of recipients; To is unchanged', async () => {
    const recipients = ['a@one.example', 'b@two.example', 'c@three.example'];
    const id = await routed.hand({ sender: 'alice+tag@copied.example', recipients });
    expect(await routed.arrivals(id)).toEqual([
      'archive: alice+tag@copied.example',
      'here: a@one.example',
      'here: b@two.example',
      'here: c@three.example',
    ]);
    const copy = await routed.arrival(id, 'archive');
    expect(copy.content.toString('latin1')).toMatch(/^To: list@remote\.example\r$/m);
    expect(copy.recipients[0]?.parameters.toSorted()).toEqual([
      'NOTIFY=NEVER',
      'ORCPT=rfc822;alice+2Btag@copied.example',
    ]);
  });

  it('RT-10 the null sender has no copy; one who writes to himself has the mail here and the copy', async () => {
    const none = await routed.hand({ sender: '', recipients: 'a@one.example' });
    expect(await routed.arrivals(none)).toEqual(['here: a@one.example']);
    const self = await routed.hand({ sender: 'alice@copied.example', recipients: 'alice@copied.example' });
    expect(await routed.arrivals(self)).toEqual(['archive: alice@copied.example', 'here: alice@copied.example']);
  });

  it('RT-10 a copy that the route refuses makes no bounce', async () => {
    const id = await routed.hand({ sender: 'reject.copy@copied.example', recipients: 'a@one.example' });
    expect(await routed.arrivals(id)).toEqual(['here: a@one.example']);
    expect(routed.server('archive').refused).toContain('reject.copy@copied.example');
  });

  it('a change and copies act together: one copy a route', async () => {
    const id = await routed.hand({ sender: 'al@both.example', recipients: ['a@one.example', 'bob@both.example'] });
    expect(await routed.arrivals(id)).toEqual([
      'archive: al@both.example',
      'dlp: a@one.example',
      'dlp: al@both.example',
      'here: bob@both.example',
    ]);
  });

  it('RT-03 alsoSave and additionally on one route: each recipient there once, and the sender once', async () => {
    const one = await routed.hand({ sender: 'alice@saved.example', recipients: 'bob@saved.example' });
    expect(await routed.arrivals(one)).toEqual([
      'archive: alice@saved.example',
      'archive: bob@saved.example',
      'here: bob@saved.example',
    ]);
    const recipients = ['alice', 'b', 'c', 'd', 'e'].map((name) => `${name}@saved.example`);
    const five = await routed.hand({ sender: 'alice@saved.example', recipients });
    expect(await routed.arrivals(five)).toEqual([
      ...recipients.map((recipient) => `archive: ${recipient}`),
      ...recipients.map((recipient) => `here: ${recipient}`),
    ]);
  });
});

/** The mark that a route puts on what it is sent. */
async function markOf(route: string, sender: string, recipients: string): Promise<string> {
  const client = sender.endsWith('@remote.example') ? stranger : undefined;
  const id = await routed.hand({ sender, recipients, ...(client !== undefined && { client }) });
  const { content } = await routed.arrival(id, route);
  const [mark] = /^X-Postern-Route: \S+\r\n/m.exec(content.toString('latin1')) ?? [];
  if (mark === undefined) throw new Error('no mark');
  return mark;
}

describe('a message that has been at a route', () => {
  it('RT-02 inbound mail that the server hands back is refused once, and goes round no more', async () => {
    const headers = await markOf('archive', 'carl@remote.example', 'bob@in.example');
    const before = routed.server('archive').messages.length;
    for (const client of [archiveServer, stranger]) {
      const back = await routed.post({ client, headers, sender: 'carl@remote.example', recipients: 'bob@in.example' });
      expect(back.replies.at(-1)).toMatch(/^550 5\.4\.6 /);
      expect(await routed.arrivals(back.id)).toEqual([]);
    }
    expect(routed.server('archive').messages).toHaveLength(before);
  });

  it('outbound mail that the server hands back goes out as if no rule existed', async () => {
    const headers = await markOf('dlp', 'alice@a.example', 'carol@else.example');
    const posting = { client: dlpServer, headers, sender: 'alice@a.example' };
    const back = await routed.hand({ ...posting, recipients: ['carol@else.example', 'bob@a.example'] });
    expect(await routed.arrivals(back)).toEqual(['here: bob@a.example', 'here: carol@else.example']);
    // The recipient's own rule is for mail that comes so, and leads to another route.
    const inbound = await routed.hand({ ...posting, recipients: 'bob@in.example' });
    expect(await routed.arrivals(inbound)).toEqual(['archive: bob@in.example']);
  });

  it('the copy for the route is made on the first pass only', async () => {
    const headers = await markOf('archive', 'al@both.example', 'a@one.example');
    const dlpMark = await markOf('dlp', 'alice@a.example', 'carol@else.example');
    for (const marks of [headers, dlpMark]) {
      const posting = { client: dlpServer, headers: marks, sender: 'al@both.example' };
      const back = await routed.hand({ ...posting, recipients: 'a@one.example' });
      expect(await routed.arrivals(back)).toEqual(['here: a@one.example']);
    }
  });

  it('a user who copies a mark cannot evade the route by it', async () => {
    const headers = await markOf('dlp', 'alice@a.example', 'carol@else.example');
    const posting = { ...user('alice@a.example'), client: stranger, sender: 'alice@a.example', headers };
    const forged = await routed.post({ ...posting, recipients: 'carol@else.example' });
    expect(forged.replies.at(-1)).toMatch(/^550 5\.4\.6 /);
    expect(await routed.arrivals(forged.id)).toEqual([]);
  });

  it('a mark that no route of ours puts on is no mark', async () => {
    const headers = 'X-Postern-Route: r1-00000000000000000000000000000000\n';
    const inbound = await routed.hand({ client: stranger, headers, recipients: 'bob@in.example' });
    expect(await routed.arrivals(inbound)).toEqual(['archive: bob@in.example']);
    const outbound = await routed.hand({ headers, sender: 'alice@a.example', recipients: 'd@else.example' });
    expect(await routed.arrivals(outbound)).toEqual(['dlp: d@else.example']);
  });
});
