/**
 * Mail that comes through an inbound gateway, on a real Postfix: who is behind it, what the lists and the spam pattern do
 * about it at the end of the message, and domains that decide differently there. One gateway is a real Postfix too.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Ground } from '../support/ground.ts';
import { PostfixLab } from '../support/postfix-lab.ts';
import { replyText, SmtpClient } from '../support/smtp-client.ts';
import { waitFor } from '../support/waiting.ts';

const GATEWAYS = ['198.51.100.0/24', '10.9.0.0/20', '2001:db8:9::/64'];
const lists = { blockedIps: ['203.0.113.50', '2001:db8:66::/48'], allowedIps: ['203.0.113.51'] };
const behind = (more: object = {}): object => ({
  ...lists,
  inboundGateway: { enabled: true, ips: GATEWAYS, spamPattern: '^X-Gw-Score: (9|10)', ...more },
});
const domains = {
  'a.example': behind(),
  'alike.example': behind(),
  'hold.example': behind({ blockedBehindGateway: 'quarantine' }),
  'gone.example': behind({ blockedBehindGateway: 'discard' }),
  'spared.example': behind({ skipSpamFilter: true }),
  'counted.example': {
    inboundGateway: { enabled: true, ips: GATEWAYS },
    autoBlock: { after: 2, within: '10m', for: '1h' },
  },
  'watch.example': { enforcement: 'observe', ...behind() },
  'plain.example': {},
  'real.example': {
    ...lists,
    inboundGateway: { enabled: true, ips: ['127.0.0.1'], onlyFromGateway: true, spamPattern: '^Subject: .*spam' },
  },
};
const gateway = { client: '198.51.100.7' };
const alice = { name: 'alice@a.example', password: 'correct horse' };
let ground: Ground;

beforeAll(async () => {
  ground = await Ground.start({
    settings: { version: 1, organizations: { acme: { primaryDomain: 'a.example', domains } } },
    ownDomains: Object.keys(domains),
    milter: true,
    operator: { authservId: 'mx.example.com' },
    lab: () => ({ accounts: { [alice.name]: alice.password } }),
  });
});
afterAll(async () => {
  await ground.destroy();
});

const HOPS = [
  'Received: from gw3.gw.example (gw3.gw.example [10.9.1.2])\r\n\tby gw4.gw.example (Postfix) with ESMTP id 1',
  'Received: from gw2.gw.example (gw2.gw.example [198.51.100.3]) by gw3.gw.example (Postfix) with ESMTP id 2',
];
const fromPeer = (address: string, name = 'peer.example'): string[] => [
  ...HOPS,
  `Received: from ${name} (${name} [${address}])\r\n\tby gw2.gw.example (Postfix) with ESMTPS id 3`,
  'Received: from inside.example (inside.example [203.0.113.50]) by peer.example (Postfix) with ESMTP id 4',
];
const letter = (...fields: string[]): string =>
  [...fields, 'From: news@sender.example', 'Subject: through the gateway', '', 'text', ''].join('\r\n');

const BLOCKED = '550 5.7.1 Client address blocked by receiving domain policy';

/** The fields of a delivered message that speak of spam. */
async function marks(recipient: string, fields: readonly string[], client = gateway.client): Promise<string[]> {
  const { content } = await ground.pass({ client, recipient, message: letter(...fields) });
  const [header = ''] = content.toString('latin1').split('\r\n\r\n');
  return header.split('\r\n').filter((field) => /^x-(?:spam|postern)-/i.test(field));
}

/** The log line of a message. */
const lineOf = (recipient: string, from: number): Promise<object> =>
  ground.postern.waitForLine(recipient, ({ msg, stage }) => msg === 'decision' && stage === 'message', from);

describe('the true client', () => {
  it('GW-01 several hops inside the gateway provider: the first address that is no gateway is refused by', async () => {
    const from = ground.postern.lines.length;
    const message = letter(...fromPeer('203.0.113.50'));
    expect(await ground.send({ ...gateway, recipient: 'bob@a.example', message })).toBe(BLOCKED);
    expect(await lineOf('bob@a.example', from)).toMatchObject({
      ...{ verdict: 'reject', rule: 'ip-block', client_address: '198.51.100.7', true_client: ['203.0.113.50'] },
      setting: '/organizations/acme/domains/a.example/blockedIps/0',
    });
  });

  it('GW-01 what is below the first such address is never looked at', async () => {
    expect(await marks('gw01@a.example', fromPeer('192.0.2.66'))).toEqual([]);
  });

  it('GW-01 over IPv6', async () => {
    const message = letter(...fromPeer('IPv6:2001:db8:66::9'));
    expect(await ground.send({ client: '2001:db8:9::1', recipient: 'bob@a.example', message })).toBe(BLOCKED);
  });

  it('GW-02 the gateway itself is never looked up, and history names who is behind it', async () => {
    await marks('gw02@a.example', fromPeer('192.0.2.67'));
    const found = await waitFor('history', async () => {
      const { stdout } = await ground.postern.run('history', '--client', '192.0.2.67', '--json');
      return stdout.includes('gw02@a.example') ? stdout : undefined;
    });
    expect(found).toContain('192.0.2.67');
  });

  it('GW-04 forged hops below the border are not believed: neither an allowed nor a gateway address there helps', async () => {
    const forged = [
      ...fromPeer('203.0.113.50', 'mail.attacker.example').slice(0, 3),
      'Received: from gw9.gw.example (gw9.gw.example [198.51.100.9]) by gw.gw.example (Postfix) with ESMTP id 5',
      'Received: from good.example (good.example [203.0.113.51]) by gw9.gw.example (Postfix) with ESMTP id 6',
    ];
    expect(await ground.send({ ...gateway, recipient: 'bob@a.example', message: letter(...forged) })).toBe(BLOCKED);
  });

  it('without a Received field the client is unknown and no list acts', async () => {
    expect(await marks('nobody@a.example', [])).toEqual([]);
  });

  it('GW-08 a real Postfix as gateway: what it writes of its own clients is believed, what they bring is not', async () => {
    const relay = await PostfixLab.start({
      ownDomains: ['real.example'],
      destinationPort: ground.lab.port(),
      hostname: 'gw.gw.example',
      settings: { smtp_destination_recipient_limit: '1' },
    });
    try {
      const through = async (client: string, recipient: string, ...fields: string[]): Promise<void> => {
        const from = ground.postern.lines.length;
        const session = await SmtpClient.open(relay.port(), { client, helo: '[203.0.113.51]' });
        await session.mail('news@sender.example');
        await session.rcpt(recipient);
        expect((await session.data(letter(...fields))).code).toBe(250);
        session.close();
        await lineOf(recipient, from);
      };
      const forged = 'Received: from x (x [203.0.113.51]) by gw.gw.example (Postfix) with ESMTP id 9';
      await through('203.0.113.50', 'blocked@real.example', forged);
      await relay.waitForLog(/status=bounced .*Client address blocked by receiving domain policy/);
      await through('2001:db8:66::1', 'blocked6@real.example', forged);
      await through('203.0.113.52', 'fine@real.example', forged);
      await ground.sink.messageTo('fine@real.example');
      await through('203.0.113.51', 'allowed@real.example');
      const { content } = await ground.sink.messageTo('allowed@real.example');
      expect(content.toString()).toContain('X-Postern-Spam-Filter: bypass; rule=ip-allow');
      expect(
        ground.sink.messages.filter(({ recipients }) => recipients.some((to) => to.address.startsWith('blocked'))),
      ).toEqual([]);
    } finally {
      await relay.destroy();
    }
  });
});

describe('what becomes of blocked mail', () => {
  const message = letter(...fromPeer('203.0.113.50'));

  it('GW-08 reject is in the other tests; quarantine holds it in the queue, until somebody releases it', async () => {
    expect(await ground.send({ ...gateway, recipient: 'bob@hold.example', message })).toMatch(/^250 /);
    const held = (await ground.lab.queue()).filter(({ queue_name }) => queue_name === 'hold');
    expect(held.map(({ recipients }) => recipients.map(({ address }) => address))).toEqual([['bob@hold.example']]);
    await ground.lab.command('postsuper', '-H', held[0]!.queue_id);
    await ground.lab.flush();
    await ground.sink.messageTo('bob@hold.example');
  });

  it('GW-08 discard says 250 and delivers nothing', async () => {
    const from = ground.postern.lines.length;
    expect(await ground.send({ ...gateway, recipient: 'bob@gone.example', message })).toMatch(/^250 /);
    expect(await lineOf('bob@gone.example', from)).toMatchObject({ verdict: 'discard', rule: 'ip-block' });
    await ground.pass({ ...gateway, recipient: 'after@gone.example', message: letter() });
    expect(ground.sink.messages.flatMap(({ recipients }) => recipients)).not.toContain('bob@gone.example');
  });

  it('GW-08 an observed domain takes it, and the log says what would have been', async () => {
    const from = ground.postern.lines.length;
    expect(await ground.pass({ ...gateway, recipient: 'bob@watch.example', message })).toBeDefined();
    expect(await lineOf('bob@watch.example', from)).toMatchObject({ verdict: 'pass', observed: 'reject' });
  });
});

describe('the spam pattern', () => {
  const SPAM = ['X-Spam-Flag: YES', 'X-Postern-Verdict: spam; rule=spam-pattern'];
  const peer = fromPeer('192.0.2.68');

  it.each([
    ['a match', 'X-Gw-Score: 9', 'gw10a'],
    ['another case', 'x-gw-SCORE: 10', 'gw10b'],
    ['a folded field', 'X-Gw-Score:\r\n 9', 'gw10c'],
  ])('GW-10 %s is delivered with the mark', async (_, field, name) => {
    expect(await marks(`${name}@a.example`, [...peer, field])).toEqual(SPAM);
  });

  it('GW-10 no match, and a field that only holds it further on, get no mark', async () => {
    expect(await marks('gw10d@a.example', [...peer, 'X-Gw-Score: 8', 'X-Other: X-Gw-Score: 9'])).toEqual([]);
  });

  it('GW-10 the same field from a direct client is not looked at', async () => {
    expect(await marks('gw10e@a.example', ['X-Gw-Score: 9'], '192.0.2.68')).toEqual([]);
  });

  it('GW-10 with skipSpamFilter: the gateway filters, so later filters are spared and its mark is ours', async () => {
    expect(await marks('gw10f@spared.example', [...peer, 'X-Gw-Score: 9'])).toEqual([
      'X-Postern-Spam-Filter: bypass; rule=gateway',
      ...SPAM,
    ]);
  });

  it('IP-15 mail of an allowed IP behind the gateway is not marked, and for the Inbox', async () => {
    expect(await marks('ip15@a.example', [...fromPeer('203.0.113.51'), 'X-Gw-Score: 9'])).toEqual([
      'X-Postern-Spam-Filter: bypass; rule=ip-allow',
    ]);
  });

  it('GW-10 forged marks go before ours come', async () => {
    const forged = ['X-Postern-Verdict: clean', 'X-Postern-Spam-Filter: bypass; rule=ip-allow'];
    expect(await marks('gw10g@a.example', [...peer, ...forged, 'X-Gw-Score: 9'])).toEqual(SPAM);
  });
});

describe('several own domains in one message', () => {
  const LATER = '452 4.5.3';

  async function replies(options: Parameters<Ground['open']>[1], service: string, ...to: string[]): Promise<string[]> {
    const session = await ground.open(service, options);
    await session.mail('news@a.example');
    const said: string[] = [];
    for (const recipient of to) said.push(replyText(await session.rcpt(recipient)).slice(0, 9));
    session.close();
    return said;
  }

  it('those that decide differently at its end are taken one after the other', async () => {
    expect(await replies(gateway, 'smtp', 'x@a.example', 'x@plain.example', 'y@a.example', 'x@hold.example')).toEqual([
      ...['250 2.1.5', LATER, '250 2.1.5', LATER],
    ]);
  });

  it('those that decide alike are taken together', async () => {
    expect(await replies(gateway, 'smtp', 'x@a.example', 'x@alike.example')).toEqual(['250 2.1.5', '250 2.1.5']);
  });

  it('a direct client is not delayed, but where only one domain allows it', async () => {
    const direct = { client: '192.0.2.68' };
    expect(await replies(direct, 'smtp', 'x@a.example', 'x@plain.example')).toEqual(['250 2.1.5', '250 2.1.5']);
    const allowed = { client: '203.0.113.51' };
    expect(await replies(allowed, 'smtp', 'x@a.example', 'x@plain.example')).toEqual(['250 2.1.5', LATER]);
  });

  it('a trusted client is never delayed', async () => {
    const user = { client: '198.51.100.7', user: alice };
    expect(await replies(user, 'submission', 'x@a.example', 'x@plain.example')).toEqual(['250 2.1.5', '250 2.1.5']);
  });
});

describe('automatic blocks', () => {
  it('what Postfix and the lists refuse behind a gateway blocks the client there, not the gateway', async () => {
    await ground.postern.writeSettings({
      version: 1,
      organizations: {
        acme: {
          primaryDomain: 'a.example',
          domains: {
            ...domains,
            'counted.example': { ...behind(), autoBlock: { after: 2, within: '10m', for: '1h' } },
          },
        },
      },
    });
    const spam = letter(...fromPeer('192.0.2.69'), 'X-Gw-Score: 9');
    const attempt = { ...gateway, recipient: 'bob@counted.example', message: spam };
    const from = ground.postern.lines.length;
    await waitFor('the block', async () => {
      await ground.send(attempt);
      return ground.postern.lines.slice(from).find(({ msg }) => msg === 'client blocked');
    });
    expect(await ground.send(attempt)).toBe(BLOCKED);
    const other = letter(...fromPeer('192.0.2.70'));
    expect(await ground.send({ ...gateway, recipient: 'bob@counted.example', message: other })).toMatch(/^250 /);
    const listed = await waitFor('the list', async () => {
      const { stdout } = await ground.postern.run('ip', 'list', 'block', 'counted.example');
      return stdout.includes('192.0.2.69') ? stdout : undefined;
    });
    expect(listed).toContain('the last a match of the spam pattern');
  });
});
