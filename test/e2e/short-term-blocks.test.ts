/** Automatic short-term blocks from end to end: a real Postfix, a serving Postern, and the command line beside it. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Ground } from '../support/ground.ts';
import { replyText } from '../support/smtp-client.ts';
import { waitFor } from '../support/waiting.ts';

const settings = (domain: object): object => ({
  version: 1,
  organizations: { acme: { primaryDomain: 'a.example', domains: { 'a.example': domain, 'b.example': BEHIND } } },
});
const autoBlock = { after: 3, within: '10m', for: '1h' };
const BEHIND = { autoBlock, inboundGateway: { enabled: true, ips: ['198.51.100.7'] } };
let ground: Ground;

beforeAll(async () => {
  ground = await Ground.start({
    settings: settings({ autoBlock, blockedIps: ['192.0.2.66'] }),
    ownDomains: ['a.example', 'b.example'],
    milter: true,
    lab: () => ({ settings: { relay_recipient_maps: 'inline:{known@a.example=ok,known@b.example=ok}' } }),
  });
});
afterAll(async () => {
  await ground.destroy();
});

async function replies(client: string, ...recipients: string[]): Promise<string[]> {
  const session = await ground.open('smtp', { client });
  await session.mail('x@partner.example');
  const said: string[] = [];
  for (const recipient of recipients) said.push(replyText(await session.rcpt(recipient)).slice(0, 9));
  await session.quit();
  return said;
}

/** Blocks a client by three recipients that do not exist. */
async function block(client: string): Promise<void> {
  const from = ground.postern.lines.length;
  await replies(client, 'x1@a.example', 'x2@a.example', 'x3@a.example');
  await ground.postern.waitForLine('the block', ({ msg }) => msg === 'client blocked', from);
}

type Entry = { readonly entry: string; readonly automatic?: true; readonly reason?: string };

async function listed(): Promise<readonly Entry[]> {
  const { stdout } = await ground.postern.run('ip', 'list', 'block', 'a.example', '--json');
  return (JSON.parse(stdout) as Entry[]).filter(({ automatic }) => automatic === true);
}

const untilListed = (count: number): Promise<readonly Entry[]> =>
  waitFor('the list', async () => {
    const entries = await listed();
    return entries.length === count ? entries : undefined;
  });

describe('automatic short-term blocks', () => {
  it('unknown recipients block, the list tells, a kill does not forget, and removing lifts within a second', async () => {
    await block('192.0.2.5');
    await block('2001:db8:1:2::5');
    expect(await replies('192.0.2.5', 'known@a.example', 'known@b.example')).toEqual(['550 5.7.1', '250 2.1.5']);
    expect(await (await fetch(`${ground.postern.metricsUrl}/metrics`)).text()).toMatch(
      /^postern_short_term_clients\{state="blocked"\} 2$/m,
    );
    expect(await untilListed(2)).toEqual([
      expect.objectContaining({ entry: '2001:db8:1:2::/64' }),
      expect.objectContaining({ entry: '192.0.2.5', reason: '3 hits within 10m, the last an unknown recipient' }),
    ]);
    await ground.postern.kill();
    await ground.postern.start();
    expect(await replies('2001:db8:1:2::ffff', 'known@a.example')).toEqual(['550 5.7.1']);
    expect(await ground.postern.rcptDecision('known@a.example', ground.postern.lines.length - 1)).toMatchObject({
      rule: 'short-term-block',
      setting: '/organizations/acme/domains/a.example/autoBlock',
    });
    const { code, stdout } = await ground.postern.run('ip', 'remove', 'block', 'a.example', '192.0.2.5');
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'removed 0, lifted 1 short-term block\n' });
    await sleep(1000);
    expect(await replies('192.0.2.5', 'known@a.example')).toEqual(['250 2.1.5']);
    expect(await listed()).toHaveLength(1);
  });

  it('unknown recipients beside a known one count against the client behind the gateway, never the gateway', async () => {
    const send = async (peer: string, ...recipients: string[]): Promise<string> => {
      const session = await ground.open('smtp', { client: '198.51.100.7' });
      await session.mail('x@partner.example');
      for (const recipient of recipients) await session.rcpt(recipient);
      const hop = `Received: from a (a [${peer}]) by gw.example (Postfix) with ESMTP id 1`;
      const reply = replyText(await session.data(`${hop}\r\nFrom: x@partner.example\r\n\r\ntext\r\n`));
      await session.quit();
      return reply.slice(0, 9);
    };
    const from = ground.postern.lines.length;
    const unknown = ['x1@b.example', 'x2@b.example', 'x3@b.example'];
    expect(await send('203.0.113.50', ...unknown, 'known@b.example')).toBe('250 2.0.0');
    await ground.postern.waitForLine('the block', ({ msg }) => msg === 'client blocked', from);
    expect(await send('203.0.113.50', 'known@b.example')).toBe('550 5.7.1');
    expect(await send('203.0.113.51', 'known@b.example')).toBe('250 2.0.0');
  });

  it('while Postern is down a lift waits for it', async () => {
    await ground.postern.stop();
    const { stdout } = await ground.postern.run('ip', 'remove', 'block', 'a.example', '2001:db8:1:2::1');
    expect(stdout).toBe('removed 0, lifted 1 short-term block\n');
    await ground.postern.start();
    expect(await replies('2001:db8:1:2::5', 'known@a.example')).toEqual(['250 2.1.5']);
    expect(await listed()).toEqual([]);
  });

  it('with the setting its blocks go', async () => {
    await block('192.0.2.7');
    await untilListed(1);
    await ground.postern.writeSettings(settings({}));
    await waitFor('the reply', async () =>
      (await replies('192.0.2.7', 'known@a.example'))[0] === '250 2.1.5' ? true : undefined,
    );
    await sleep(1000);
    await ground.postern.writeSettings(settings({ autoBlock, blockedIps: ['192.0.2.66'] }));
    await waitFor('the list', async () =>
      (await replies('192.0.2.66', 'known@a.example'))[0] === '550 5.7.1' ? true : undefined,
    );
    expect(await replies('192.0.2.7', 'known@a.example')).toEqual(['250 2.1.5']);
  });
});
