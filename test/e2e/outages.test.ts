/** Postern ends, is killed, comes back: what a real Postfix does meanwhile, and that no message is lost. */
import { existsSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Ground } from '../support/ground.ts';
import { PostfixLab } from '../support/postfix-lab.ts';
import { PosternProcess } from '../support/postern-process.ts';
import { replyText, SmtpClient } from '../support/smtp-client.ts';
import { waitFor } from '../support/waiting.ts';

const settings = {
  version: 1,
  organizations: {
    acme: {
      primaryDomain: 'a.example',
      domains: { 'a.example': { blockedIps: ['192.0.2.66'] }, 'b.example': {} },
    },
  },
};
const ownDomains = ['a.example', 'b.example'];
const message = 'Subject: test\n\ntext';

describe('policy over TCP', () => {
  let ground: Ground;
  let running = true;

  beforeAll(async () => {
    ground = await Ground.start({
      settings,
      ownDomains,
      lab: (policy) => ({
        // Only the policy service is asked: the look-ups of socketmap_table(5) would defer by themselves.
        socketmap: null,
        services: {
          'fail-open': {
            smtpd_recipient_restrictions: `${policy.replace(/\{ default_action.*?\}/, 'default_action=DUNNO, try_limit=1')}, permit_mynetworks, reject_unauth_destination`,
          },
        },
      }),
    });
  });

  beforeEach(async () => {
    if (!running) await ground.postern.start();
    running = true;
  });

  afterAll(async () => {
    await ground.destroy();
  });

  async function kill(): Promise<void> {
    running = false;
    await ground.postern.kill();
  }

  it('with Postern killed every recipient is deferred, afterwards mail flows', async () => {
    await kill();
    const reply = await ground.send({ client: '192.0.2.1', recipient: 'killed@b.example', message });
    expect(reply).toMatch(/^451 4\.3\.5 .*policy service unavailable/);
    expect(await ground.send({ recipient: 'killed@b.example', message })).toMatch(/^451 4\.3\.5 /);
    await ground.postern.start();
    running = true;
    expect(await ground.send({ client: '192.0.2.1', recipient: 'killed@b.example', message })).toMatch(/^250 /);
    await ground.sink.messageTo('killed@b.example');
    expect(await ground.send({ client: '192.0.2.66', recipient: 'anna@a.example', message })).toMatch(/^550 5\.7\.1 /);
  });

  it('Postern killed in the middle of a session: that recipient is deferred, the session goes on', async () => {
    const session = await ground.open('smtp', { client: '192.0.2.1' });
    await session.mail('stranger@remote.example');
    expect((await session.rcpt('one@b.example')).code).toBe(250);
    await kill();
    expect(replyText(await session.rcpt('two@b.example'))).toMatch(/^451 4\.3\.5 /);
    await ground.postern.start();
    running = true;
    expect((await session.rcpt('three@b.example')).code).toBe(250);
    expect((await session.data(message)).code).toBe(250);
    await session.quit();
    const arrived = await ground.sink.messageTo('one@b.example');
    expect(arrived.recipients.map((each) => each.address)).toEqual(['one@b.example', 'three@b.example']);
  });

  it('a sending mail server keeps the message meanwhile and delivers it once', async () => {
    const sender = await PostfixLab.start({
      ownDomains: [],
      destinationPort: ground.lab.port(),
      hostname: 'out.remote.test',
    });
    try {
      await kill();
      const session = await SmtpClient.open(sender.port());
      await session.mail('someone@remote.example');
      await session.rcpt('queued@b.example');
      expect((await session.data(message)).code).toBe(250);
      await session.quit();
      await sender.waitForLog(/to=<queued@b\.example>.*status=deferred .*451 4\.3\.5/);
      expect((await sender.queue()).map((each) => each.recipients[0]?.address)).toEqual(['queued@b.example']);
      await ground.postern.start();
      running = true;
      await sender.flush();
      await ground.sink.messageTo('queued@b.example');
      await waitFor('an empty queue', async () => ((await sender.queue()).length === 0 ? true : undefined));
      expect(ground.sink.recipients().filter((each) => each === 'queued@b.example')).toHaveLength(1);
    } finally {
      await sender.destroy();
    }
  });

  it('POL-06 the fail-open line takes mail unchecked while Postern is down, and obeys while it is up', async () => {
    const attempt = { client: '192.0.2.66', service: 'fail-open', recipient: 'anna@a.example' };
    expect(await ground.send(attempt)).toMatch(/^550 5\.7\.1 /);
    await kill();
    expect(await ground.send({ ...attempt, message })).toMatch(/^250 /);
    expect(await ground.send({ ...attempt, recipient: 'bob@elsewhere.example' })).toMatch(/^554 5\.7\.1 /);
  });

  it('SIGTERM: exit 0 within 10 s though Postfix holds its connection open', async () => {
    const session = await ground.open('smtp', { client: '192.0.2.1' });
    await session.mail('stranger@remote.example');
    expect((await session.rcpt('one@b.example')).code).toBe(250);
    const begun = performance.now();
    running = false;
    expect(await ground.postern.stop()).toBe(0);
    expect(performance.now() - begun).toBeLessThan(10_500);
    session.close();
  });

  it('POL-06 (a) a port in use: one clear line and exit 1', async () => {
    const second = await PosternProcess.prepare({ listen: { policy: `127.0.0.1:${ground.policyPort}` }, settings });
    try {
      expect(await second.spawn()).toBe(1);
      const said = [second.otherOutput, ...second.lines.map((line) => JSON.stringify(line))].join('\n');
      expect(said.split('\n').filter((line) => line.includes(`127.0.0.1:${ground.policyPort}`))).toHaveLength(1);
      expect(said).not.toContain('    at ');
    } finally {
      await second.destroy();
    }
  });
});

describe('policy over a unix socket in the queue directory, named by its relative path', () => {
  let ground: Ground;

  beforeAll(async () => {
    ground = await Ground.start({ settings, ownDomains, policyDoor: 'unix', lab: () => ({ domainClass: 'virtual' }) });
  });

  afterAll(async () => {
    await ground.destroy();
  });

  it('refuses and takes', async () => {
    expect(await ground.send({ client: '192.0.2.66', recipient: 'anna@a.example' })).toMatch(/^550 5\.7\.1 /);
    expect(await ground.send({ client: '192.0.2.66', recipient: 'unix@b.example', message })).toMatch(/^250 /);
    await ground.sink.messageTo('unix@b.example');
  });

  it('the socket has the mode of the file, and a killed Postern that left it behind comes back', async () => {
    const socket = join(ground.lab.queueDirectory, 'postern/policy.sock');
    expect((await stat(socket)).mode & 0o777).toBe(0o660);
    await ground.postern.kill();
    expect(existsSync(socket)).toBe(true);
    expect(await ground.send({ client: '192.0.2.1', recipient: 'meanwhile@a.example' })).toMatch(/^451 4\.3\.[05] /);
    await ground.postern.start();
    // Other recipients than before: smtpd gives a failed transport look-up once more from its cache.
    expect(await ground.send({ client: '192.0.2.66', recipient: 'afterwards@a.example' })).toMatch(/^550 5\.7\.1 /);
    expect(await ground.send({ client: '192.0.2.1', recipient: 'afterwards@b.example' })).toMatch(/^250 /);
  });

  it('socketmap: mail without a route goes its usual way; with Postern killed it waits', async () => {
    await ground.postern.kill();
    const session = await ground.open('smtp');
    // The sender's address is looked up as well, so that MAIL or RCPT may be the command that is deferred.
    const mail = await session.mail('stranger@remote.example');
    const reply = mail.code === 250 ? await session.rcpt('anna@elsewhere.example') : mail;
    session.close();
    expect(replyText(reply)).toMatch(/^451 4\.3\.[05] /);
    await ground.lab.waitForLog(/socketmap:inet:127\.0\.0\.1:\d+:transport/);
    await ground.postern.start();
    expect(await ground.send({ recipient: 'map@elsewhere.example', message })).toMatch(/^250 /);
    await ground.sink.messageTo('map@elsewhere.example');
  });
});
