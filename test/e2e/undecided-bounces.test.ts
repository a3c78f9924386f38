/**
 * A real Postfix and a bounce about which no decision can be made: told to come again, it loses nothing and does not loop.
 * The milter door of this process is beside it.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createKeyFiles } from '../../src/adapters/key-files/index.ts';
import { openMilterDoor } from '../../src/adapters/milter-server/index.ts';
import type { OpenDoor } from '../../src/adapters/socket/index.ts';
import { createMessageJudge, createSigner, type MessageJudge } from '../../src/services/index.ts';
import { KeptLog, metersForTest, ownGroup } from '../integration/adapters/peers.ts';
import { aDocument, aSnapshot } from '../support/builders.ts';
import { PostfixLab } from '../support/postfix-lab.ts';
import { SmtpClient } from '../support/smtp-client.ts';
import { SmtpSink } from '../support/smtp-sink.ts';
import { freePorts, waitFor } from '../support/waiting.ts';

describe('a bounce that cannot be decided', () => {
  let isBroken = false;
  let asked = 0;
  let directory: string;
  let sink: SmtpSink;
  let lab: PostfixLab;
  let door: OpenDoor;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'postern-undecided-'));
    sink = await SmtpSink.start();
    const { milter } = await freePorts('milter');
    const clock = { now: Date.now };
    const [log, meters, snapshot] = [new KeptLog(), metersForTest(), aSnapshot(aDocument({ 'a.example': {} }))];
    const real = createMessageJudge(clock, log, meters);
    const judge: MessageJudge = {
      ...real,
      judgeMessage: (given, t) => {
        if (t.sender === null) asked += 1;
        if (isBroken && t.sender === null) throw new Error('no decision');
        return real.judgeMessage(given, t);
      },
    };
    door = await openMilterDoor({
      listener: { kind: 'tcp', host: '127.0.0.1', port: milter },
      unix: ownGroup,
      log,
      meters,
      judge,
      signer: createSigner(createKeyFiles(directory), clock),
      current: () => snapshot,
    });
    lab = await PostfixLab.start({
      ownDomains: ['a.example'],
      destinationPort: sink.port,
      milter: `inet:127.0.0.1:${milter}`,
      settings: { delay_warning_time: '2s' },
    });
  });

  afterAll(async () => {
    await lab.destroy();
    await door.close(0);
    await sink.stop();
    await rm(directory, { recursive: true, force: true });
  });

  beforeEach(() => {
    isBroken = true;
    asked = 0;
  });

  const arrived = (recipient: string): number => sink.recipients().filter((each) => each === recipient).length;

  async function hand(sender: string, recipient: string, parameters = ''): Promise<void> {
    const session = await SmtpClient.open(lab.port());
    await session.mail(sender);
    expect((await session.rcpt(recipient, parameters)).code).toBe(250);
    expect((await session.data('Subject: x\n\ntext\n')).code).toBe(250);
    await session.quit();
  }

  async function empty(): Promise<void> {
    await waitFor('an empty queue', async () => ((await lab.queue()).length === 0 ? true : undefined), 30_000, 50);
  }

  it('is not lost: the mail that it is about stays queued, and the bounce comes once, when it can be decided', async () => {
    await hand('alice@a.example', 'reject.x@else.example');
    await waitFor('some attempts', () => (asked >= 3 ? true : undefined));
    // One message, however often it was tried, and the server is not asked again.
    expect((await lab.queue()).map(({ sender }) => sender)).toEqual(['alice@a.example']);
    expect(arrived('alice@a.example')).toBe(0);
    isBroken = false;
    await empty();
    expect(arrived('alice@a.example')).toBe(1);
    expect(sink.refused.filter((each) => each === 'reject.x@else.example')).toHaveLength(1);
  });

  it('nor is a bounce that comes through sendmail(1)', async () => {
    await lab.sendmail('Subject: x\n\ntext\n', '-f', '<>', 'carol@else.example');
    await waitFor('an attempt', () => (asked >= 1 ? true : undefined));
    await sleep(2_000);
    expect(asked).toBe(1);
    expect((await lab.queue()).map(({ queue_name }) => queue_name)).toEqual(['maildrop']);
    expect(arrived('carol@else.example')).toBe(0);
    isBroken = false;
    // Postfix looks there once a minute, and when another one comes.
    await lab.sendmail('Subject: x\n\ntext\n', '-f', 'alice@a.example', 'dave@else.example');
    await empty();
    expect([arrived('carol@else.example'), arrived('dave@else.example')]).toEqual([1, 1]);
  });

  it('nor is the notice of a delay, and the mail that it is about arrives once', async () => {
    const { port } = sink;
    await sink.stop();
    await hand('alice@a.example', 'erin@else.example');
    await waitFor('some attempts', () => (asked >= 2 ? true : undefined), 20_000);
    isBroken = false;
    await lab.waitForLog(/sender delay notification/, 20_000);
    sink = await SmtpSink.start({ port });
    await lab.flush();
    await empty();
    expect(sink.recipients().sort()).toEqual(['alice@a.example', 'erin@else.example']);
  });
});
