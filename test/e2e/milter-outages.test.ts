/** Postern ends or dies while it looks at a message: nothing half-done is delivered, nothing is lost, nothing leaves unsigned. */
import { readdir, rename, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { askDkimpy } from '../support/dkim-verifiers.ts';
import { Ground } from '../support/ground.ts';
import { replyText, type SmtpClient, type SmtpReply } from '../support/smtp-client.ts';
import { waitFor } from '../support/waiting.ts';

const settings = {
  version: 1,
  organizations: { acme: { primaryDomain: 'example.com', domains: { 'example.com': {} } } },
};
const header = 'From: Alice <alice@example.com>\r\nSubject: in the middle\r\n\r\n';
/** More than what the sockets between Postfix and Postern hold. */
const longBody = `${'line of a long body '.repeat(4)}\r\n`.repeat(60_000);

let ground: Ground;
let running = true;

beforeAll(async () => {
  ground = await Ground.start({
    settings,
    ownDomains: ['example.com'],
    milter: true,
    dns: {},
    lab: (_, milterOverTcp) => ({
      // Only the milter is asked: what happens here is its doing.
      policy: null,
      socketmap: null,
      services: {
        tcp: { smtpd_milters: milterOverTcp },
        impatient: { milter_command_timeout: '1s', milter_content_timeout: '1s' },
      },
    }),
  });
  await ground.activateKey('example.com');
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

async function open(service: string, recipient: string): Promise<SmtpClient> {
  const session = await ground.open(service);
  expect((await session.mail('alice@example.com')).code).toBe(250);
  expect((await session.rcpt(recipient)).code).toBe(250);
  expect((await session.command('DATA')).code).toBe(354);
  return session;
}

/** Exactly one copy arrived, and it is signed. */
async function expectSignedOnce(recipient: string): Promise<void> {
  const { content } = await ground.sink.messageTo(recipient);
  const [results] = await askDkimpy([content], ground.dns);
  expect(results).toMatchObject([{ domain: 'example.com', passed: true }]);
  expect(ground.sink.recipients().filter((each) => each === recipient)).toHaveLength(1);
}

async function expectNothingLeft(recipient: string): Promise<void> {
  expect(ground.sink.recipients()).not.toContain(recipient);
  expect(await ground.lab.queue()).toEqual([]);
}

/** Postern is stopped in its tracks while Postfix hands it the body; the reply comes once it is ended or goes on. */
async function sendIntoStop(
  service: string,
  recipient: string,
): Promise<{ session: SmtpClient; reply: Promise<SmtpReply> }> {
  const session = await open(service, recipient);
  const incoming = join(ground.lab.queueDirectory, 'incoming');
  ground.postern.signal('SIGSTOP');
  const reply = session.command(`${header}${longBody}.`);
  try {
    // With the whole message in its queue file cleanup(8) hands it over, and cannot get it all into the socket.
    await waitFor('the message in the queue', async () => {
      const sizes = await Promise.all(
        (await readdir(incoming)).map(async (name) => (await stat(join(incoming, name))).size),
      );
      return sizes.some((size) => size > longBody.length) ? true : undefined;
    });
    await sleep(200);
  } catch (error) {
    ground.postern.signal('SIGCONT');
    throw error;
  }
  return { session, reply };
}

describe.each(['smtp', 'tcp'])('MIL-12 on the service "%s"', (service) => {
  it('MIL-12 killed after DATA, before all of the body has come: 451, and nothing is delivered', async () => {
    const recipient = `after-data-${service}@elsewhere.example`;
    const session = await open(service, recipient);
    session.write(`${header}the first half\r\n`);
    await kill();
    expect(replyText(await session.command('the second half\r\n.'))).toMatch(/^451 4\.7\.1 /);
    session.close();
    await expectNothingLeft(recipient);
    await ground.postern.start();
    running = true;
    expect(await ground.send({ service, recipient, message: `${header}text\r\n` })).toMatch(/^250 /);
    await expectSignedOnce(recipient);
  });

  it('MIL-12 killed while the body comes: 451, and nothing is delivered', async () => {
    const recipient = `body-${service}@elsewhere.example`;
    const { session, reply } = await sendIntoStop(service, recipient);
    await kill();
    expect(replyText(await reply)).toMatch(/^451 4\.7\.1 /);
    session.close();
    await expectNothingLeft(recipient);
    await ground.postern.start();
    running = true;
    expect(await ground.send({ service, recipient, message: `${header}${longBody}` })).toMatch(/^250 /);
    await expectSignedOnce(recipient);
  });

  it('MIL-12 SIGTERM after DATA: the message is waited for and finished, then it ends', async () => {
    const recipient = `drain-after-data-${service}@elsewhere.example`;
    const session = await open(service, recipient);
    session.write(`${header}the first half\r\n`);
    running = false;
    const before = ground.postern.lines.length;
    ground.postern.signal('SIGTERM');
    await ground.postern.waitForLine('the log line "draining"', (line) => line.msg === 'draining', before);
    await sleep(200);
    expect(replyText(await session.command('the second half\r\n.'))).toMatch(/^250 /);
    expect(await ground.postern.ended).toBe(0);
    session.close();
    await expectSignedOnce(recipient);
  });

  it('MIL-12 SIGTERM while the body comes: the message in hand is finished, then it ends', async () => {
    const recipient = `drain-${service}@elsewhere.example`;
    const { session, reply } = await sendIntoStop(service, recipient);
    running = false;
    ground.postern.signal('SIGTERM');
    ground.postern.signal('SIGCONT');
    expect(replyText(await reply)).toMatch(/^250 /);
    expect(await ground.postern.ended).toBe(0);
    session.close();
    await expectSignedOnce(recipient);
  });
});

it('MIL-12 an idle SMTP session does not hold up the end: a restart takes less than 2 s', async () => {
  const session = await ground.open('tcp');
  const begun = performance.now();
  await ground.postern.restart();
  expect(performance.now() - begun).toBeLessThan(2000);
  session.close();
});

it('MIL-12 with Postern down mail waits at the client, local mail in the maildrop; it leaves signed afterwards', async () => {
  await kill();
  const reply = await ground.send({ recipient: 'down@elsewhere.example', message: `${header}text\r\n` });
  expect(reply).toMatch(/^451 4\.7\.1 /);
  const logged = ground.lab.logLines().length;
  const local = header.replaceAll('\r\n', '\n');
  await ground.lab.sendmail(local, '-f', 'alice@example.com', 'down-local@elsewhere.example');
  await waitFor('Postfix to try', () =>
    ground.lab
      .logLines()
      .slice(logged)
      .find((line) => /milter/i.test(line) && /cleanup\[/.test(line)),
  );
  expect(ground.sink.recipients()).not.toContain('down-local@elsewhere.example');
  await ground.postern.start();
  running = true;
  // pickup(8) looks again once a minute, and whenever something is handed in.
  await ground.lab.sendmail(local, '-f', 'alice@example.com', 'up-local@elsewhere.example');
  await expectSignedOnce('up-local@elsewhere.example');
  await expectSignedOnce('down-local@elsewhere.example');
});

it('MIL-12 a bounce that comes up while Postern is down is not lost', async () => {
  expect(
    await ground.send({
      recipient: 'defer-late@elsewhere.example',
      sender: 'alice@example.com',
      message: `${header}text\r\n`,
    }),
  ).toMatch(/^250 /);
  await ground.lab.waitForLog(/to=<defer-late@elsewhere\.example>.*status=deferred/);
  await kill();
  const [queued] = await ground.lab.queue();
  const logged = ground.lab.logLines().length;
  // The destination now refuses for good.
  ground.sink.refuse('defer-late@elsewhere.example');
  await ground.lab.flush();
  await waitFor('the refusal', () =>
    ground.lab
      .logLines()
      .slice(logged)
      .find((line) => /550 5\.1\.1/.test(line)),
  );
  await ground.postern.start();
  running = true;
  await waitFor(
    'the bounce',
    async () => {
      await ground.lab.flush();
      return ground.sink.recipients().includes('alice@example.com') ? true : undefined;
    },
    20_000,
    500,
  );
  const bounce = await ground.sink.messageTo('alice@example.com');
  expect(bounce.content.toString()).toContain('defer-late@elsewhere.example');
  expect(queued).toBeDefined();
});

it('a Postern that hangs: 451 when Postfix has waited long enough', async () => {
  const session = await open('impatient', 'hang@elsewhere.example');
  ground.postern.signal('SIGSTOP');
  try {
    expect(replyText(await session.command(`${header}text\r\n.`))).toMatch(/^451 4\.7\.1 /);
  } finally {
    ground.postern.signal('SIGCONT');
  }
  session.close();
  await expectNothingLeft('hang@elsewhere.example');
});

it('a key that cannot be read: outgoing mail waits and never leaves unsigned; other mail flows', async () => {
  const key = join(ground.postern.directory, 'state/keys/example.com/postern.pem');
  await rename(key, `${key}.away`);
  await ground.postern.restart();
  const attempt = { recipient: 'no-key@elsewhere.example', message: `${header}text\r\n` };
  expect(await ground.send(attempt)).toMatch(/^451 4\.3\.0 /);
  const foreign = `${header.replace('alice@example.com', 'bob@remote.example')}text\r\n`;
  expect(await ground.send({ recipient: 'foreign@elsewhere.example', message: foreign })).toMatch(/^250 /);
  await rename(`${key}.away`, key);
  expect(await ground.send(attempt)).toMatch(/^250 /);
  await expectSignedOnce('no-key@elsewhere.example');
});
