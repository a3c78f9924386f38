/** What Postern refuses and takes, seen through a real Postfix: RCPT replies and what arrives. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Ground } from '../support/ground.ts';
import { replyText } from '../support/smtp-client.ts';
import { waitFor } from '../support/waiting.ts';

const settings = {
  version: 1,
  organizations: {
    acme: {
      primaryDomain: 'a.example',
      routes: {
        dlp: { host: '192.0.2.30', port: 2525 },
        scanner: { host: '198.51.100.40' },
      },
      domains: {
        'a.example': {
          blockedIps: [{ ip: '192.0.2.66', note: 'abuse 4711' }, '203.0.113.0/24', '2001:db8:bad::/48'],
          allowedIps: ['203.0.113.7', '2001:db8:bad::7'],
        },
        'b.example': {},
        'wide.example': { blockedIps: ['203.0.113.7'], allowedIps: ['203.0.113.0/24'] },
        'watch.example': { enforcement: 'observe', blockedIps: ['192.0.2.66'] },
        'gw.example': {
          inboundGateway: { enabled: true, ips: ['198.51.100.10', '198.51.100.40'], onlyFromGateway: true },
        },
        'gwallow.example': {
          allowedIps: ['203.0.113.9'],
          inboundGateway: { enabled: true, ips: ['198.51.100.10'], onlyFromGateway: true },
        },
        'bank-client.example': {
          tls: [{ title: 'Partner', applyTo: ['incoming'], domains: ['partner.example'] }],
        },
      },
    },
    other: { primaryDomain: 'other.example', domains: { 'other.example': {} } },
  },
};

const accounts = { 'anna@gw.example': 'correct horse', 'olga@other.example': 'battery staple' };
const anna = { name: 'anna@gw.example', password: 'correct horse' };

let ground: Ground;

beforeAll(async () => {
  ground = await Ground.start({
    settings,
    ownDomains: [...Object.keys(settings.organizations.acme.domains), 'other.example'],
    lab: (policy) => ({
      accounts,
      tls: true,
      services: {
        // Everything rests on the recipient list: an OK from the policy service would relay for anybody.
        'no-relay-list': {
          smtpd_relay_restrictions: '',
          smtpd_recipient_restrictions: `${policy}, permit_mynetworks, reject_unauth_destination`,
        },
        'data-policy': { smtpd_data_restrictions: policy },
      },
      // The host's own name and its address literals are taken off an address; a bare name gets the domain of $myorigin.
      settings: { mydestination: 'mx.lab.test', myorigin: 'a.example' },
    }),
  });
});

afterAll(async () => {
  await ground.destroy();
});

describe('blocked and allowed clients', () => {
  it('a client blocked for one own domain is accepted for another in the same session', async () => {
    const session = await ground.open('smtp', { client: '192.0.2.66' });
    expect((await session.mail('stranger@remote.example')).code).toBe(250);
    expect(replyText(await session.rcpt('anna@a.example'))).toMatch(/^550 5\.7\.1 /);
    expect(replyText(await session.rcpt('same-session@b.example'))).toMatch(/^250 /);
    expect((await session.data('Subject: one of two\n\ntext')).code).toBe(250);
    await session.quit();
    const message = await ground.sink.messageTo('same-session@b.example');
    expect(message.recipients.map((each) => each.address)).toEqual(['same-session@b.example']);
    expect(message.sender.address).toBe('stranger@remote.example');
    expect(message.content.toString()).toContain('\r\nSubject: one of two\r\n');
    expect(ground.sink.recipients()).not.toContain('anna@a.example');
  });

  it('the refusal says nothing of the note, the log names the entry', async () => {
    const from = ground.postern.lines.length;
    const reply = await ground.send({ client: '192.0.2.66', recipient: 'note@a.example' });
    expect(reply).toMatch(/^550 5\.7\.1 /);
    expect(reply).not.toContain('4711');
    expect(await ground.postern.rcptDecision('note@a.example', from)).toMatchObject({
      verdict: 'reject',
      rule: 'ip-block',
      client_address: '192.0.2.66',
      sender: 'stranger@remote.example',
      setting: '/organizations/acme/domains/a.example/blockedIps/0',
    });
  });

  it('IP-12 (a) an allowed address inside a blocked range is received', async () => {
    const from = ground.postern.lines.length;
    const message = 'Subject: drill\n\ntext';
    expect(await ground.send({ client: '203.0.113.7', recipient: 'ip-12-a@a.example', message })).toMatch(/^250 /);
    await ground.sink.messageTo('ip-12-a@a.example');
    expect(await ground.postern.rcptDecision('ip-12-a@a.example', from)).toMatchObject({
      verdict: 'pass',
      rule: 'ip-allow',
      setting: '/organizations/acme/domains/a.example/allowedIps/0',
    });
  });

  it('IP-12 (b) a blocked address inside an allowed range is received', async () => {
    expect(await ground.send({ client: '203.0.113.7', recipient: 'anna@wide.example' })).toMatch(/^250 /);
  });

  it('IP-12 (c) the neighbour of the allowed address is blocked', async () => {
    expect(await ground.send({ client: '203.0.113.8', recipient: 'anna@a.example' })).toMatch(/^550 5\.7\.1 /);
  });

  it('IP-12 the same for IPv6 clients', async () => {
    expect(await ground.send({ client: '2001:db8:bad::7', recipient: 'anna@a.example' })).toMatch(/^250 /);
    expect(await ground.send({ client: '2001:db8:bad::8', recipient: 'anna@a.example' })).toMatch(/^550 5\.7\.1 /);
  });

  it('a client on no list is received', async () => {
    expect(await ground.send({ client: '192.0.2.1', recipient: 'anna@a.example' })).toMatch(/^250 /);
  });

  it('a domain that only observes takes the mail, and the log says what would have been', async () => {
    const from = ground.postern.lines.length;
    expect(await ground.send({ client: '192.0.2.66', recipient: 'anna@watch.example' })).toMatch(/^250 /);
    expect(await ground.postern.rcptDecision('anna@watch.example', from)).toMatchObject({
      verdict: 'pass',
      observed: 'reject',
      rule: 'ip-block',
    });
  });

  it('POL-11 each recipient is decided at RCPT, and DATA refuses nothing', async () => {
    const session = await ground.open('data-policy', { client: '192.0.2.66' });
    await session.mail('stranger@remote.example');
    expect(replyText(await session.rcpt('x@a.example'))).toMatch(/^550 5\.7\.1 /);
    expect(replyText(await session.rcpt('pol-11@b.example'))).toMatch(/^250 /);
    expect((await session.data('Subject: POL-11\n\ntext')).code).toBe(250);
    await session.quit();
    await ground.sink.messageTo('pol-11@b.example');
  });
});

describe('a recipient that wraps an own domain is decided like the address that Postfix reads in it', () => {
  const message = 'Subject: wrapped\n\ntext';

  it.each([
    'wrap1%a.example@mx.lab.test',
    'wrap2%a.example@[127.0.0.1]',
    'wrap3%a.example',
    'a.example!wrap4',
    'a.example!wrap5@mx.lab.test',
    '"wrap6@a.example"@[127.0.0.1]',
    '"wrap7@a.example"@mx.lab.test',
    '"wrap8%a.example"@mx.lab.test',
    'wrap9%a.example%mx.lab.test@[127.0.0.1]',
    'wrap10',
    '"wrap11"',
    'WRAP12%A.EXAMPLE@MX.LAB.TEST',
  ])('%s', async (recipient) => {
    const plain = `${/wrap\d+/i.exec(recipient)![0]}@a.example`.toLowerCase();
    const arrived = (): string[] => ground.sink.recipients().map((each) => each.toLowerCase());
    expect(await ground.send({ client: '192.0.2.66', recipient })).toMatch(/^550 5\.7\.1 .*blocked/);
    // From another client it is taken, and is what it was taken for.
    expect(await ground.send({ client: '192.0.2.1', recipient, message })).toMatch(/^250 /);
    await waitFor(`mail to ${plain}`, () => (arrived().includes(plain) ? true : undefined));
  });
});

describe('gateway-only', () => {
  const stranger = { client: '203.0.113.9' };

  it('GW-07 (a) a stranger is refused', async () => {
    expect(await ground.send({ ...stranger, recipient: 'anna@gw.example' })).toMatch(/^550 5\.7\.1 /);
  });

  it('GW-07 (b) the same address, authenticated with Cyrus SASL, is accepted', async () => {
    const message = 'Subject: from home\n\ntext';
    const attempt = { ...stranger, service: 'submission', user: anna, sender: 'anna@gw.example', message };
    expect(await ground.send({ ...attempt, recipient: 'gw-07-b@gw.example' })).toMatch(/^250 /);
    await ground.sink.messageTo('gw-07-b@gw.example');
    await ground.lab.waitForLog(/client=unknown\[203\.0\.113\.9\], sasl_method=PLAIN, sasl_username=anna@gw\.example/);
  });

  it('GW-07 (b) on the submission service without authentication, or with a wrong password, it is a stranger', async () => {
    expect(await ground.send({ ...stranger, service: 'submission', recipient: 'anna@gw.example' })).toMatch(
      /^550 5\.7\.1 /,
    );
    const session = await ground.open('submission', stranger);
    expect((await session.authPlain(anna.name, 'wrong')).code).toBe(535);
    await session.mail('anna@gw.example');
    expect(replyText(await session.rcpt('anna@gw.example'))).toMatch(/^550 5\.7\.1 /);
    session.close();
  });

  it("GW-07 (b) an account of another organization's own domain is a stranger here", async () => {
    const user = { name: 'olga@other.example', password: 'battery staple' };
    const attempt = { ...stranger, service: 'submission', user, sender: 'olga@other.example' };
    expect(await ground.send({ ...attempt, recipient: 'anna@gw.example' })).toMatch(/^550 5\.7\.1 /);
    expect(await ground.send({ ...attempt, recipient: 'somebody@elsewhere.example' })).toMatch(/^250 /);
  });

  it('GW-07 (c) loopback is accepted', async () => {
    expect(await ground.send({ recipient: 'anna@gw.example' })).toMatch(/^250 /);
  });

  it('GW-07 (d) the gateway is accepted', async () => {
    expect(await ground.send({ client: '198.51.100.10', recipient: 'anna@gw.example' })).toMatch(/^250 /);
  });

  it('GW-07 (e) the stranger is accepted for a domain that has the switch off', async () => {
    expect(await ground.send({ ...stranger, recipient: 'anna@b.example' })).toMatch(/^250 /);
  });

  it('GW-07 (f) an allowed address is refused too: the switch is about the path', async () => {
    const from = ground.postern.lines.length;
    expect(await ground.send({ ...stranger, recipient: 'anna@gwallow.example' })).toMatch(/^550 5\.7\.1 /);
    expect(await ground.postern.rcptDecision('anna@gwallow.example', from)).toMatchObject({ rule: 'gateway-only' });
  });

  it("GW-07 (g) a route's server is accepted only if it is in the gateway list", async () => {
    expect(await ground.send({ client: '192.0.2.30', recipient: 'anna@gw.example' })).toMatch(/^550 5\.7\.1 /);
    expect(await ground.send({ client: '198.51.100.40', recipient: 'anna@gw.example' })).toMatch(/^250 /);
  });
});

describe('POL-09 an allowed client gets no relay', () => {
  const attempt = { client: '203.0.113.7', recipient: 'bob@elsewhere.example' };

  it('POL-09 with the usual relay restrictions', async () => {
    expect(await ground.send(attempt)).toMatch(/^554 5\.7\.1 .*Relay access denied/);
  });

  it('POL-09 where only the recipient restrictions stand between it and the world', async () => {
    expect(await ground.send({ ...attempt, service: 'no-relay-list' })).toMatch(/^554 5\.7\.1 .*Relay access denied/);
    expect(await ground.send({ client: '203.0.113.7', recipient: 'a@a.example', service: 'no-relay-list' })).toMatch(
      /^250 /,
    );
  });

  it('POL-09 nor does an own domain as sender', async () => {
    expect(await ground.send({ ...attempt, sender: 'anna@a.example' })).toMatch(/^554 5\.7\.1 .*Relay access denied/);
  });

  it('an address of the internal domain is taken from nobody, not even loopback', async () => {
    const recipient = 'u=a.example@r1-00000000.route.postern.internal';
    expect(await ground.send({ recipient })).toMatch(/^550 5\.7\.1 /);
    expect(await ground.send({ client: '203.0.113.7', recipient })).toMatch(/^55[04] 5\.7\.1 /);
  });
});

describe('TLS-12 incoming TLS required', () => {
  const attempt = { client: '192.0.2.1', sender: 'a@partner.example', recipient: 'anna@bank-client.example' };
  const wanted = /^550 5\.7\.1 .*Session encryption is required for this sender domain/;

  it('TLS-12 plaintext from a listed sender domain is refused, whatever its case', async () => {
    expect(await ground.send(attempt)).toMatch(wanted);
    expect(await ground.send({ ...attempt, sender: 'A@PARTNER.example' })).toMatch(wanted);
  });

  it('TLS-12 over STARTTLS it is accepted', async () => {
    const message = 'Subject: over TLS\n\ntext';
    const secured = { ...attempt, recipient: 'tls-12@bank-client.example', tls: true, message };
    expect(await ground.send(secured)).toMatch(/^250 /);
    await ground.sink.messageTo('tls-12@bank-client.example');
  });

  it('TLS-12 a sub-domain, the null sender and another own domain are not meant', async () => {
    expect(await ground.send({ ...attempt, sender: 'a@sub.partner.example' })).toMatch(/^250 /);
    expect(await ground.send({ ...attempt, sender: '' })).toMatch(/^250 /);
    expect(await ground.send({ ...attempt, recipient: 'anna@b.example' })).toMatch(/^250 /);
  });

  it('TLS-12 both own domains in one plaintext session: only the one with the policy refuses', async () => {
    const session = await ground.open('smtp', { client: '192.0.2.1' });
    await session.mail('a@partner.example');
    expect(replyText(await session.rcpt('anna@bank-client.example'))).toMatch(wanted);
    expect((await session.rcpt('anna@b.example')).code).toBe(250);
    session.close();
  });
});
