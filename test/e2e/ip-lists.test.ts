/** Allowed and blocked IPs on a real Postfix, edited with the command line beside the serving Postern. */
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Ground } from '../support/ground.ts';
import { runCli } from '../support/run-cli.ts';
import { replyText, SmtpClient } from '../support/smtp-client.ts';
import { waitFor } from '../support/waiting.ts';

type Lists = { readonly allowedIps?: readonly unknown[]; readonly blockedIps?: readonly unknown[] };

const settings = (lists: Lists): object => ({
  version: 1,
  organizations: { acme: { primaryDomain: 'a.example', domains: { 'a.example': lists, 'b.example': {} } } },
});
const BLOCKED = /^550 5\.7\.1 /;
const TAKEN = /^250 /;

let ground: Ground;

beforeAll(async () => {
  ground = await Ground.start({ settings: settings({}), ownDomains: ['a.example', 'b.example'] });
});

afterAll(async () => {
  await ground.destroy();
});

let begun = 0;

/** Settings that no test before had, so that the change is told. */
async function begin({ allowedIps = [], blockedIps = [] }: Lists = {}): Promise<void> {
  begun += 1;
  const entries = [...blockedIps, { ip: '192.0.2.250', note: `test ${begun}` }];
  await ground.postern.changeSettings(settings({ allowedIps, blockedIps: entries }));
}

const replyTo = (client: string, recipient = 'anna@a.example'): Promise<string> => ground.send({ client, recipient });

/** `postern ip ARGS…`, and waits until it acts; milliseconds from the end of the command. */
async function ip(args: readonly string[], stdin = ''): Promise<number> {
  const before = ground.postern.lines.length;
  const { directory, operatorFile } = ground.postern;
  const { code, stderr } = await runCli(['ip', ...args, '-c', operatorFile], { cwd: directory, stdin });
  if (code !== 0) throw new Error(stderr);
  const saved = performance.now();
  await ground.postern.waitForLine('the change', ({ msg }) => msg === 'change', before);
  return performance.now() - saved;
}

/** What the policy door answers a peer that writes the client's address as it likes. */
function policyAnswer(clientAddress: string): Promise<string> {
  const attributes = { request: 'smtpd_access_policy', protocol_state: 'RCPT', client_address: clientAddress };
  const request = { ...attributes, sender: 'x@remote.example', recipient: 'anna@a.example' };
  return new Promise((resolve, reject) => {
    const socket = connect(ground.policyPort, '127.0.0.1', () => {
      socket.write(
        `${Object.entries(request)
          .map(([name, value]) => `${name}=${value}\n`)
          .join('')}\n`,
      );
    });
    let answer = '';
    socket.setEncoding('utf8').on('data', (chunk: string) => {
      answer += chunk;
      if (!answer.endsWith('\n\n')) return;
      socket.destroy();
      resolve(answer.trim());
    });
    socket.on('error', reject);
  });
}

describe('IP-04 an IPv4 client in IPv6 form', () => {
  const blocked = ['::ffff:192.0.2.9', '0:0:0:0:0:ffff:c000:209', '::FFFF:192.0.2.9', '192.0.2.9'];
  const allowed = ['::ffff:192.0.2.7', '0:0:0:0:0:ffff:c000:207', '::FFFF:192.0.2.7', '192.0.2.7'];

  beforeAll(async () => {
    await ground.postern.changeSettings(settings({ blockedIps: ['192.0.2.0/24'], allowedIps: ['192.0.2.7'] }));
  });

  /** XCLIENT as it stands: the text after `ADDR=` is what another server would say. */
  async function xclientReply(address: string, recipient = 'anna@a.example'): Promise<string> {
    const session = await SmtpClient.connect(ground.lab.port('smtp'));
    try {
      await session.ehlo('client.test');
      const tagged = address.includes(':') ? `IPV6:${address}` : address;
      const taken = await session.xclient({ ADDR: tagged });
      if (taken.code !== 220) throw new Error(replyText(taken));
      await session.ehlo('client.test');
      await session.mail('stranger@remote.example');
      return replyText(await session.rcpt(recipient));
    } finally {
      session.close();
    }
  }

  it.each(blocked)('IP-04 %s is blocked by 192.0.2.0/24', async (client) => {
    expect(await xclientReply(client)).toMatch(BLOCKED);
    expect(await policyAnswer(client)).toMatch(/^action=550 5\.7\.1 /);
  });

  it.each(allowed)('IP-04 %s is allowed by 192.0.2.7', async (client) => {
    const recipient = `allowed-${allowed.indexOf(client)}@a.example`;
    expect(await xclientReply(client, recipient)).toMatch(TAKEN);
    expect(await policyAnswer(client)).toBe('action=DUNNO');
    expect(await ground.postern.rcptDecision(recipient)).toMatchObject({
      rule: 'ip-allow',
      setting: '/organizations/acme/domains/a.example/allowedIps/0',
    });
  });

  it('IP-04 an entry in IPv6 form is the IPv4 entry too', async () => {
    await begin({ blockedIps: ['::ffff:198.51.100.0/120'] });
    expect(await replyTo('198.51.100.9')).toMatch(BLOCKED);
    expect(await replyTo('198.51.101.9')).toMatch(TAKEN);
  });
});

describe('IP-12 allow beats block, whatever the widths and whichever came first', () => {
  it('IP-12 (a) (c) an allowed address in a network that is blocked later, and its neighbour', async () => {
    await begin();
    await ip(['add', 'allow', 'a.example', '203.0.113.7']);
    await ip(['add', 'block', 'a.example', '203.0.113.0/24']);
    expect(await replyTo('203.0.113.7')).toMatch(TAKEN);
    expect(await replyTo('203.0.113.8')).toMatch(BLOCKED);
    expect(await replyTo('203.0.113.8', 'anna@b.example')).toMatch(TAKEN);
    const message = 'Subject: drill\n\ntext';
    await ground.pass({ client: '203.0.113.7', recipient: 'ip-12-a@a.example', message });
  });

  it('IP-12 (b) a blocked address in a network that is allowed later, in an open session within 1 s', async () => {
    await begin();
    await ip(['add', 'block', 'a.example', '203.0.113.7']);
    const session = await ground.open('smtp', { client: '203.0.113.7' });
    await session.mail('stranger@remote.example');
    expect(replyText(await session.rcpt('anna@a.example'))).toMatch(BLOCKED);
    expect(await ip(['add', 'allow', 'a.example', '203.0.113.0/24'])).toBeLessThan(1000);
    expect(replyText(await session.rcpt('anna@a.example'))).toMatch(TAKEN);
    expect(await ip(['remove', 'allow', 'a.example', '203.0.113.0/24'])).toBeLessThan(1000);
    expect(replyText(await session.rcpt('anna@a.example'))).toMatch(BLOCKED);
    await session.quit();
  });
});

describe('expiry', () => {
  it('an entry stops acting at its time, without an edit and in the same session, and is listed as expired', async () => {
    await begin();
    const expires = new Date(Date.now() + 4000).toISOString();
    await ip(['add', 'block', 'a.example', '198.51.100.0/24', '--expires', expires]);
    const session = await ground.open('smtp', { client: '198.51.100.7' });
    await session.mail('stranger@remote.example');
    expect(replyText(await session.rcpt('anna@a.example'))).toMatch(BLOCKED);
    const changes = ground.postern.lines.filter(({ msg }) => msg === 'change').length;
    const isTaken = async (): Promise<number | undefined> =>
      (await session.rcpt('anna@a.example')).code === 250 ? Date.now() : undefined;
    const takenAt = await waitFor('the end of the block', isTaken, 10_000, 25);
    expect(takenAt).toBeGreaterThanOrEqual(Date.parse(expires));
    expect(takenAt - Date.parse(expires)).toBeLessThan(1000);
    expect(ground.postern.lines.filter(({ msg }) => msg === 'change')).toHaveLength(changes);
    await session.quit();

    const text = await ground.postern.run('ip', 'list', 'block', 'a.example');
    expect(text.stdout).toMatch(new RegExp(`^198\\.51\\.100\\.0/24 +expired ${expires.replaceAll('.', '\\.')}`, 'm'));
    const json = await ground.postern.run('ip', 'list', 'block', 'a.example', '--json');
    expect(JSON.parse(json.stdout)).toContainEqual(
      expect.objectContaining({ entry: '198.51.100.0/24', expires, isExpired: true }),
    );
    await ip(['remove', 'block', 'a.example', '--expired']);
    expect((await ground.postern.run('ip', 'list', 'block', 'a.example')).stdout).not.toContain('198.51.100.0');
  });

  it('an allowed address falls back to the block behind it', async () => {
    const expires = new Date(Date.now() + 4000).toISOString();
    await begin({ blockedIps: ['198.51.100.0/24'], allowedIps: [{ ip: '198.51.100.7', expires }] });
    expect(await replyTo('198.51.100.7')).toMatch(TAKEN);
    await sleep(Date.parse(expires) - Date.now());
    expect(await replyTo('198.51.100.7')).toMatch(BLOCKED);
  });
});

it('IP-11 10,000 entries from stdin are live within a second, one more is refused and changes nothing', async () => {
  await begin();
  const entries = Array.from({ length: 9_999 }, (_, n) => `10.${n >> 8}.${n & 255}.1`);
  expect(await ip(['add', 'block', 'a.example'], entries.join('\n'))).toBeLessThan(1000);
  expect(await replyTo('10.39.14.1')).toMatch(BLOCKED);
  await expect(ip(['add', 'block', 'a.example', '198.51.100.99'])).rejects.toThrow('the limit is 10000');
  expect(await replyTo('198.51.100.99')).toMatch(TAKEN);
  expect(await ip(['remove', 'block', 'a.example', '10.39.14.1'])).toBeLessThan(1000);
  expect(await replyTo('10.39.14.1')).toMatch(TAKEN);
  expect(await ip(['remove', 'block', 'a.example'], entries.slice(0, -1).join('\n'))).toBeLessThan(1000);
  expect(await replyTo('10.0.0.1')).toMatch(TAKEN);
});
