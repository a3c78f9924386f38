/** `postern postfix apply` and `undo` on a running and on a stopped Postfix that knew nothing of Postern. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { changePostfix, queuedFor, readConfiguration, readPostfix } from '../../src/adapters/postfix-control/index.ts';
import { Ground } from '../support/ground.ts';
import { freePorts, waitFor } from '../support/waiting.ts';

const settings = `version: 1
organizations:
  acme:
    primaryDomain: a.example
    domains:
      a.example: { blockedIps: [192.0.2.66] }
`;
const own = 'smtpd_recipient_restrictions: own list of a service';

let ground: Ground;

beforeAll(async () => {
  ground = await Ground.start({
    settings,
    ownDomains: ['a.example'],
    policyDoor: 'unix',
    milter: true,
    lab: () => ({
      policy: null,
      socketmap: null,
      milter: null,
      services: { other: { smtpd_recipient_restrictions: 'permit_mynetworks, reject_unauth_destination' } },
    }),
  });
});

afterAll(async () => {
  await ground.destroy();
});

const files = async (): Promise<Record<string, string>> => ({
  main: await readFile(join(ground.lab.configDirectory, 'main.cf'), 'latin1'),
  master: await readFile(join(ground.lab.configDirectory, 'master.cf'), 'latin1'),
});
const postfix = (...args: readonly string[]): ReturnType<typeof ground.postern.run> =>
  ground.postern.run('postfix', ...args);
const reloads = (): number => ground.lab.logLines().filter((line) => / reload -- version /.test(line)).length;

const blocked = (service = 'smtp'): Promise<string> =>
  ground.send({ client: '192.0.2.66', recipient: 'anna@a.example', service });

/** Whether a mark that a stranger forged arrives at the destination. */
async function forgedMarkArrives(recipient: string): Promise<boolean> {
  const message = 'Subject: forged\nX-Postern-Verdict: ham\n\ntext';
  expect(await ground.send({ client: '192.0.2.1', recipient, message })).toMatch(/^250 /);
  return (await ground.sink.messageTo(recipient)).content.toString().includes('X-Postern-Verdict: ham');
}

it('apply makes a running Postfix ask, a second apply changes nothing, undo gives back bytes and behaviour', async () => {
  const before = await files();
  expect(await blocked()).toMatch(/^250 /);
  expect(await forgedMarkArrives('before@a.example')).toBe(true);

  const applied = await postfix('apply');
  expect(applied).toMatchObject({ code: 0, stderr: '' });
  expect(applied.stdout).toContain(`Postfix was reloaded; smtpd answers at 127.0.0.1:${ground.lab.port('smtp')}`);
  expect(applied.stdout).toContain(`postern postfix apply --service 127.0.0.1:${ground.lab.port('other')}\n`);
  expect(reloads()).toBe(1);
  expect(await blocked()).toMatch(/^550 5\.7\.1 /);
  expect(await blocked('other')).toMatch(/^250 /);
  expect(await forgedMarkArrives('applied@a.example')).toBe(false);
  expect(await ground.send({ client: '192.0.2.1', recipient: 'bob@elsewhere.example' })).toMatch(/^554 5\.7\.1 /);

  expect(JSON.parse((await postfix('apply', '--json')).stdout)).toMatchObject({ changed: false, reloaded: false });
  expect(reloads()).toBe(1);

  const undone = await postfix('undo');
  expect(undone).toMatchObject({ code: 0, stderr: '' });
  expect(reloads()).toBe(2);
  expect(await files()).toEqual(before);
  expect(await blocked()).toMatch(/^250 /);
  expect(await forgedMarkArrives('undone@a.example')).toBe(true);
});

it(`with --service a service with an ${own} asks too, and undo takes it back`, async () => {
  const before = await files();
  const name = `127.0.0.1:${ground.lab.port('other')}`;
  expect(await postfix('apply', '--service', name)).toMatchObject({ code: 0, stderr: '' });
  expect(await blocked('other')).toMatch(/^550 5\.7\.1 /);
  expect(await ground.send({ client: '192.0.2.1', recipient: 'a@a.example', service: 'other' })).toMatch(/^250 /);
  expect((await postfix('doctor')).stdout).not.toContain('has lines of its own');
  await postfix('undo');
  expect(await files()).toEqual(before);
  expect(await blocked('other')).toMatch(/^250 /);
});

it('a change with which smtpd would end at its start is refused before anything is touched', async () => {
  const facts = await readPostfix(ground.lab.configDirectory);
  const before = await readConfiguration(ground.lab.configDirectory);
  const reloadsBefore = reloads();
  // postconf reads this; smtpd ends, because nothing would keep strangers from relaying.
  const main = `${before.main}smtpd_relay_restrictions =\nsmtpd_recipient_restrictions = permit\n`;
  await expect(changePostfix(facts!, { before, after: { ...before, main } })).rejects.toThrow(
    /^smtpd would end at its start .* so nothing was changed: 127\.0\.0\.1:\d+\/inet; the mail log says why$/,
  );
  expect(await readConfiguration(ground.lab.configDirectory)).toEqual(before);
  expect(reloads()).toBe(reloadsBefore);
  expect(await blocked()).toMatch(/^250 /);
});

it('a change after which smtpd does not answer is put back, and smtpd answers again', async () => {
  const facts = await readPostfix(ground.lab.configDirectory);
  const before = await readConfiguration(ground.lab.configDirectory);
  const { elsewhere } = await freePorts('elsewhere');
  const master = before.master.replace(`127.0.0.1:${ground.lab.port('smtp')} inet`, `127.0.0.1:${elsewhere} inet`);
  expect(master).not.toBe(before.master);
  expect(await changePostfix(facts!, { before, after: { ...before, master } })).toEqual({
    kind: 'put-back',
    reason: `smtpd does not answer at 127.0.0.1:${ground.lab.port('smtp')}; the mail log says why`,
  });
  expect(await readConfiguration(ground.lab.configDirectory)).toEqual(before);
  expect(await blocked()).toMatch(/^250 /);
});

it('a stopped Postfix is changed without a reload, and asks when it starts', async () => {
  await ground.lab.stop();
  const before = await files();
  const started = reloads();
  const applied = await postfix('apply', '--json');
  expect(JSON.parse(applied.stdout)).toMatchObject({ ok: true, changed: true, reloaded: false });
  expect(reloads()).toBe(started);
  await ground.lab.start();
  expect(await blocked()).toMatch(/^550 5\.7\.1 /);
  await ground.lab.stop();
  expect(JSON.parse((await postfix('undo', '--json')).stdout)).toMatchObject({ changed: true, reloaded: false });
  expect(await files()).toEqual(before);
  await ground.lab.start();
  expect(await blocked()).toMatch(/^250 /);
});

it('messages that wait for an encoded recipient are found in the queue', async () => {
  await ground.lab.set({ defer_transports: 'smtp' });
  await ground.lab.sendmail('Subject: x\n\ntext', '-f', 'a@a.example', 'u=a.example@R7-0.Route.postern.internal');
  await ground.lab.sendmail('Subject: y\n\ntext', '-f', 'a@a.example', 'u@xroute.postern.internal');
  const queue = await waitFor('both messages', async () => {
    const queued = await ground.lab.queue();
    return queued.length === 2 ? queued : undefined;
  });
  const wanted = queue.filter(({ recipients }) => recipients.some(({ address }) => address.startsWith('u=')));
  expect(wanted).toHaveLength(1);
  expect(await queuedFor(ground.lab.configDirectory, 'route.postern.internal')).toEqual([wanted[0]?.queue_id]);
});
