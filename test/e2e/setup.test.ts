/** Setting up: what `postern postfix print` says is set on a real Postfix that knew nothing of Postern, and checked. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Ground } from '../support/ground.ts';

const settings = `version: 1
organizations:
  acme:
    primaryDomain: a.example
    domains:
      a.example: { blockedIps: [192.0.2.66] }
      b.example: {}
`;
const brokenSettings = settings.replace('blockedIps', 'blokedIps');

let ground: Ground;

const readiness = async (): Promise<string> => (await fetch(`${ground.postern.metricsUrl}/readyz`)).text();

beforeAll(async () => {
  ground = await Ground.start({
    settings,
    ownDomains: ['a.example', 'b.example'],
    policyDoor: 'unix',
    lab: () => ({ policy: null, socketmap: null }),
  });
});

afterAll(async () => {
  await ground.destroy();
});

it('a Postfix that does not ask yet takes mail from the blocked client', async () => {
  expect(await ground.send({ client: '192.0.2.66', recipient: 'anna@a.example' })).toMatch(/^250 /);
  expect((await ground.postern.run('postfix', 'doctor')).code).toBe(1);
});

it('the printed lines make it ask; doctor then finds nothing wrong', async () => {
  const restrictionsBefore = await ground.lab.parameter('smtpd_recipient_restrictions');
  const printed = await ground.postern.run('postfix', 'print', '--json');
  expect(printed).toMatchObject({ code: 0, stderr: '' });
  const { main } = JSON.parse(printed.stdout) as { main: { name: string; value: string }[] };
  expect(main.length).toBeGreaterThan(0);
  await ground.lab.set(Object.fromEntries(main.map(({ name, value }) => [name, value])));

  // The path is relative to the queue directory; the operator's own restrictions stay, after ours.
  const restrictions = await ground.lab.parameter('smtpd_recipient_restrictions');
  expect(restrictions).toMatch(/^check_policy_service \{ unix:postern\/policy\.sock,/);
  expect(restrictions.endsWith(restrictionsBefore)).toBe(true);

  expect(await ground.send({ client: '192.0.2.66', recipient: 'anna@a.example' })).toMatch(/^550 5\.7\.1 /);
  expect(await ground.send({ client: '192.0.2.66', recipient: 'anna@b.example' })).toMatch(/^250 /);
  expect(await ground.send({ client: '192.0.2.1', recipient: 'bob@elsewhere.example' })).toMatch(/^554 5\.7\.1 /);
  expect(await ground.postern.run('postfix', 'doctor')).toMatchObject({ code: 0 });
});

it('printing again gives the same lines', async () => {
  const once = await ground.postern.run('postfix', 'print', '--json');
  const { main } = JSON.parse(once.stdout) as { main: { name: string; value: string }[] };
  await ground.lab.set(Object.fromEntries(main.map(({ name, value }) => [name, value])));
  expect((await ground.postern.run('postfix', 'print', '--json')).stdout).toBe(once.stdout);
});

it('POL-08 our line behind permit_mynetworks: doctor says what is skipped, and edits nothing', async () => {
  const right = await ground.lab.parameter('smtpd_recipient_restrictions');
  const policy = /^check_policy_service \{.*?\} \}/.exec(right)?.[0] ?? '';
  expect(policy).not.toBe('');
  const wrong = `permit_mynetworks, reject_unauth_destination, ${policy}`;
  await ground.lab.set({ smtpd_recipient_restrictions: wrong });
  const { code, stdout } = await ground.postern.run('postfix', 'doctor');
  expect(code).toBe(1);
  expect(stdout).toContain('permit_mynetworks');
  expect(await ground.lab.parameter('smtpd_recipient_restrictions')).toBe(wrong);
  await ground.lab.set({ smtpd_recipient_restrictions: right });
});

it('a restart with a broken settings file goes on from the last good one, and says so', async () => {
  await ground.postern.writeSettings(brokenSettings);
  const before = ground.postern.lines.length;
  await ground.postern.restart();
  expect(await ground.send({ client: '192.0.2.66', recipient: 'anna@a.example' })).toMatch(/^550 5\.7\.1 /);
  const log = ground.postern.lines.slice(before).map((line) => JSON.stringify(line));
  expect(log.some((line) => line.includes('last good'))).toBe(true);
  expect(log.some((line) => line.includes('settings.yaml:6:') && line.includes('blokedIps'))).toBe(true);
  expect(await readiness()).toContain('blokedIps');
  const check = await ground.postern.run('check');
  expect(check.code).toBe(1);
  expect(check.stdout + check.stderr).toMatch(/settings\.yaml:6:\d+: /);
  await ground.postern.changeSettings(`${settings}      c.example: {}\n`);
  expect(await readiness()).not.toContain('blokedIps');
});
