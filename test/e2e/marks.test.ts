/** Marks: what a stranger brings in our name is taken out, what a trusted client brings stays, and what later filters are told. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Ground, type MailAttempt } from '../support/ground.ts';

const settings = {
  version: 1,
  organizations: {
    acme: {
      primaryDomain: 'a.example',
      domains: {
        'a.example': {
          allowedIps: ['198.51.100.7'],
          inboundGateway: { enabled: true, ips: ['198.51.100.10'], skipSpamFilter: true },
        },
        'b.example': {},
        'watch.example': { enforcement: 'observe', allowedIps: ['198.51.100.7'] },
      },
    },
  },
};
const accounts = { 'alice@a.example': 'correct horse' };
const alice = { name: 'alice@a.example', password: 'correct horse' };
const stranger = { client: '203.0.113.9' };
const allowed = { client: '198.51.100.7' };
const gateway = { client: '198.51.100.10' };

let ground: Ground;

beforeAll(async () => {
  ground = await Ground.start({
    settings,
    ownDomains: ['a.example', 'b.example', 'watch.example'],
    milter: true,
    operator: { authservId: 'mx.example.com', reinjectionServices: ['REINJECT'] },
    lab: (_, milterOverTcp) => ({
      accounts,
      services: {
        tcp: { smtpd_milters: milterOverTcp },
        reinject: { milter_macro_daemon_name: 'REINJECT' },
      },
    }),
  });
});

afterAll(async () => {
  await ground.destroy();
});

const origin = 'From: news@sender.example\r\nSubject: marks\r\n';

/** The header as it arrived, one unfolded field a line, without the fields that every message here has. */
async function arrived(attempt: MailAttempt, fields: readonly string[]): Promise<readonly string[]> {
  const message = `${origin}${fields.map((field) => `${field}\r\n`).join('')}\r\nX-Postern-Body: kept\r\n`;
  const { content } = await ground.pass({ ...attempt, message });
  const [header = '', body = ''] = content.toString('latin1').split('\r\n\r\n');
  expect(body).toBe('X-Postern-Body: kept\r\n');
  return header
    .replace(/\r\n[ \t]+/g, ' ')
    .split('\r\n')
    .filter((field) => !/^(?:Received|From|Subject|Date|Message-Id):/i.test(field));
}

const results = 'Authentication-Results: mx.example.com; none';

describe('brought by a stranger', () => {
  it.each(['smtp', 'tcp'])(
    'MIL-02 of eight results fields the 2nd, 3rd and 5th are ours and go (%s)',
    async (service) => {
      const field = (number: number): string =>
        [2, 3, 5].includes(number)
          ? `Authentication-Results: mx.example.com; dkim=pass header.i=${number}`
          : `Authentication-Results: ${number}.example; dkim=pass`;
      const brought = [1, 2, 3, 4, 5, 6, 7, 8].map(field);
      const header = await arrived({ ...stranger, service, recipient: `mil-02-${service}@b.example` }, brought);
      expect(header).toEqual([results, ...[1, 4, 6, 7, 8].map(field)]);
    },
  );

  it('MIL-02 every X-Postern field goes, however it is spelled, and nothing else', async () => {
    const brought = [
      'X-Postern-Spam-Filter: bypass; rule=ip-allow',
      'X-Other: 1',
      'x-postern-SPAM-filter : bypass',
      'X-Postern-Route: secret',
      'X-Other: 2',
      'X-Postern-Spam-Filter:\r\n bypass;\r\n\trule=ip-allow',
      'X-Postern: not ours',
      'X-Postern-Verdict: spam',
      'X-Not-X-Postern-Verdict: 3',
      'X-Postern-Route:',
      'X-Spam-Flag: YES',
    ];
    const before = ground.postern.lines.length;
    const header = await arrived({ ...stranger, recipient: 'x-postern@b.example' }, brought);
    expect(header).toEqual([
      results,
      'X-Other: 1',
      'X-Other: 2',
      'X-Postern: not ours',
      'X-Not-X-Postern-Verdict: 3',
      'X-Spam-Flag: YES',
    ]);
    expect(await ground.postern.messageDecision(before)).toMatchObject({ removed: 6 });
  });

  it('VER-02 only results of our name go', async () => {
    const ours = [
      'mx.example.com; dkim=pass',
      'MX.Example.COM 1; spf=pass',
      '"mx.example.com"; spf=pass',
      '(c) mx.example.com; spf=pass',
    ];
    const others = ['relay.other.example; dkim=pass', 'mx.example.com.evil.example; dkim=pass'];
    const brought = [...ours, ...others].map((value) => `Authentication-Results: ${value}`);
    const header = await arrived({ ...stranger, recipient: 'ver-02@b.example' }, brought);
    expect(header).toEqual([results, ...others.map((value) => `Authentication-Results: ${value}`)]);
  });

  it('a gateway is no better', async () => {
    const header = await arrived({ ...gateway, recipient: 'gateway@b.example' }, ['X-Postern-Verdict: spam']);
    expect(header).not.toContain('X-Postern-Verdict: spam');
  });

  it('MIL-09 our results stand above all else', async () => {
    const { content } = await ground.pass({
      ...stranger,
      recipient: 'mil-09@b.example',
      message: `${origin}\r\ntext\r\n`,
    });
    expect(content.toString().startsWith(`${results}\r\nReceived:`)).toBe(true);
  });

  it('MIL-02 more than can be taken out in good time: refused at once, and nothing is delivered', async () => {
    const brought = (count: number): string => 'X-Postern-Route: 1\r\n'.repeat(count);
    const attempt = { ...stranger, recipient: 'too-many@b.example' };
    const begun = performance.now();
    const reply = await ground.send({ ...attempt, message: `${origin}${brought(100_000)}\r\ntext\r\n` });
    expect(reply).toMatch(/^550 5\.6\.0 /);
    expect(performance.now() - begun).toBeLessThan(5000);
    expect(ground.sink.recipients()).not.toContain('too-many@b.example');
    const { content } = await ground.pass({ ...attempt, message: `${origin}${brought(500)}\r\ntext\r\n` });
    expect(content.toString()).not.toContain('X-Postern-Route');
  });

  it('a hundred of them', async () => {
    const brought = Array.from(
      { length: 200 },
      (_, index) => `X-${index % 2 === 0 ? 'Postern' : 'Other'}-${index % 10}: ${index}`,
    );
    const header = await arrived({ ...stranger, recipient: 'hundred@b.example' }, brought);
    expect(header).toEqual([results, ...brought.filter((field) => field.startsWith('X-Other'))]);
  });
});

describe('brought by somebody who is trusted', () => {
  const brought = ['X-Postern-Route: a', 'Authentication-Results: mx.example.com; dkim=pass', 'X-Postern-Route: b'];

  it('loopback: all stays', async () => {
    expect(await arrived({ recipient: 'loopback@b.example' }, brought)).toEqual(brought);
  });

  it('a SASL user: all stays', async () => {
    const attempt = { ...stranger, service: 'submission', user: alice, sender: 'alice@a.example' };
    expect(await arrived({ ...attempt, recipient: 'sasl@b.example' }, brought)).toEqual(brought);
  });

  it('local submission: all stays', async () => {
    const message = `${origin.replaceAll('\r\n', '\n')}X-Postern-Route: a\n\ntext\n`;
    await ground.lab.sendmail(message, '-f', 'root@a.example', 'sendmail@b.example');
    const { content } = await ground.sink.messageTo('sendmail@b.example');
    expect(content.toString()).toContain('\r\nX-Postern-Route: a\r\n');
  });

  it('a service that takes mail back from a content filter: all stays, nothing is added', async () => {
    expect(await arrived({ service: 'reinject', recipient: 'reinject@b.example' }, brought)).toEqual(brought);
  });
});

describe('what later filters are told', () => {
  const bypass = /^X-Postern-Spam-Filter: bypass; rule=/;

  it('IP-15 an allowed client: to bypass the spam filter; its own X-Spam-Flag goes', async () => {
    const brought = ['X-Spam-Flag: YES', 'x-spam-flag: no', 'X-Spam-Level: ***'];
    const header = await arrived({ ...allowed, recipient: 'allowed@a.example' }, brought);
    expect(header).toEqual([results, 'X-Postern-Spam-Filter: bypass; rule=ip-allow', 'X-Spam-Level: ***']);
  });

  it('a client that came through the gateway: to bypass, but X-Spam-Flag stays', async () => {
    const header = await arrived({ ...gateway, recipient: 'gateway@a.example' }, ['X-Spam-Flag: YES']);
    expect(header.filter((field) => bypass.test(field))).toHaveLength(1);
    expect(header).toContain('X-Spam-Flag: YES');
  });

  it('ADM-03 another own domain does not allow it: nothing is told, X-Spam-Flag stays', async () => {
    const header = await arrived({ ...allowed, recipient: 'other@b.example' }, ['X-Spam-Flag: YES']);
    expect(header).toEqual([results, 'X-Spam-Flag: YES']);
  });

  it('ADM-03 one message to both domains: the field would speak for both, so each is asked for a message of its own', async () => {
    const session = await ground.open('smtp', allowed);
    await session.mail('news@sender.example');
    expect((await session.rcpt('both@a.example')).code).toBe(250);
    expect(await session.rcpt('both@b.example')).toMatchObject({ code: 452 });
    expect((await session.data(`${origin}X-Spam-Flag: YES\r\n\r\ntext\r\n`)).code).toBe(250);
    await session.quit();
    const { content } = await ground.sink.messageTo('both@a.example');
    expect(content.toString()).toContain('X-Postern-Spam-Filter: bypass; rule=ip-allow');
    expect(content.toString()).not.toContain('X-Spam-Flag');
    const brought = ['X-Spam-Flag: YES'];
    expect(await arrived({ ...allowed, recipient: 'both@b.example' }, brought)).toEqual([results, ...brought]);
  });

  it('a domain that only observes: the message is left as it came', async () => {
    const brought = ['X-Postern-Verdict: spam', 'X-Spam-Flag: YES'];
    expect(await arrived({ ...allowed, recipient: 'allowed@watch.example' }, brought)).toEqual(brought);
  });
});
