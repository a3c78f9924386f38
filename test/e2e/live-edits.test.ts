/** An edit of settings.yaml acts on a running Postfix: same SMTP session, same policy connection, within a second. */
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Ground } from '../support/ground.ts';
import type { WriteManner } from '../support/postern-process.ts';
import type { SmtpClient } from '../support/smtp-client.ts';
import { waitFor } from '../support/waiting.ts';

const settingsWith = (domain: object): object => ({
  version: 1,
  organizations: { acme: { primaryDomain: 'a.example', domains: { 'a.example': domain } } },
});
const blocked = settingsWith({ blockedIps: ['198.51.100.0/24'] });
const allowed = settingsWith({ blockedIps: ['198.51.100.0/24'], allowedIps: ['198.51.100.7'] });

let ground: Ground;

beforeAll(async () => {
  ground = await Ground.start({ settings: blocked, ownDomains: ['a.example'] });
});

afterAll(async () => {
  await ground.destroy();
});

/** A session in which MAIL was taken, so that RCPT can be asked again and again. */
async function beginMessage(): Promise<SmtpClient> {
  const session = await ground.open('smtp', { client: '198.51.100.7' });
  expect((await session.mail('stranger@remote.example')).code).toBe(250);
  return session;
}

/** Writes the settings and asks RCPT until the answer has the code. Milliseconds from the end of the write. */
async function timeUntil(code: number, session: SmtpClient, settings: object, manner: WriteManner): Promise<number> {
  await ground.postern.writeSettings(settings, manner);
  const written = performance.now();
  const changed = async (): Promise<number | undefined> =>
    (await session.rcpt('anna@a.example')).code === code ? performance.now() - written : undefined;
  return waitFor(`code ${code} at RCPT`, changed, 10_000, 25);
}

/** Client ports of the established loopback TCP connections to `port`. Source: Linux proc(5), /proc/net/tcp. */
function connectionsTo(port: number): string[] {
  const remote = `0100007F:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const rows = readFileSync('/proc/net/tcp', 'utf8')
    .split('\n')
    .map((row) => row.trim().split(/\s+/));
  return rows.filter((row) => row[2] === remote && row[3] === '01').map((row) => row[1] ?? '');
}

for (const manner of ['rename', 'in-place'] as const) {
  it(`an edit (${manner}) acts within 1 s on an open session and its open policy connection`, async () => {
    const session = await beginMessage();
    expect((await session.rcpt('anna@a.example')).code).toBe(550);
    const connections = connectionsTo(ground.policyPort);
    expect(connections.length).toBeGreaterThan(0);

    expect(await timeUntil(250, session, allowed, manner)).toBeLessThan(1000);
    expect(await timeUntil(550, session, blocked, manner)).toBeLessThan(1000);
    expect(connectionsTo(ground.policyPort)).toEqual(connections);
    await session.quit();
  });
}

it('IP-15 an allowed address is received within 1 s, and the log names the allow entry', async () => {
  const session = await beginMessage();
  const before = ground.postern.lines.length;
  expect(await timeUntil(250, session, allowed, 'rename')).toBeLessThan(1000);
  expect((await session.data('Subject: drill\n\ntext')).code).toBe(250);
  await session.quit();
  const message = await ground.sink.messageTo('anna@a.example');
  expect(message.content.toString()).not.toMatch(/^X-Spam-Flag:/im);
  const passed = await ground.postern.waitForLine('a pass', (line) => line.verdict === 'pass', before);
  expect(passed).toMatchObject({
    rule: 'ip-allow',
    setting: '/organizations/acme/domains/a.example/allowedIps/0',
  });
  await ground.postern.changeSettings(blocked);
});

it('a broken edit changes nothing, is reported, and the next good one acts', async () => {
  const session = await beginMessage();
  await ground.postern.writeSettings(
    'version: 1\norganizations: { acme: { primaryDomain: a.example, domains: { a.example: { blokedIps: [] } } } }\n',
  );
  const isReadyzUnhappy = async (): Promise<string | undefined> => {
    const body = await (await fetch(`${ground.postern.metricsUrl}/readyz`)).text();
    return body.includes('blokedIps') ? body : undefined;
  };
  expect(await waitFor('the complaint on /readyz', isReadyzUnhappy)).toMatch(/settings\.yaml:2:\d+/);
  expect((await session.rcpt('anna@a.example')).code).toBe(550);
  expect(await timeUntil(250, session, allowed, 'rename')).toBeLessThan(1000);
  await session.quit();
  await ground.postern.changeSettings(blocked);
});

it('an edit without any request in between is live after a quiet time', async () => {
  await ground.postern.writeSettings(allowed);
  await sleep(1000);
  const session = await beginMessage();
  expect((await session.rcpt('anna@a.example')).code).toBe(250);
  await session.quit();
});
