/**
 * A second milter beside Postern on a real Postfix: Debian's opendkim, which puts `DKIM-Filter` into every message that it
 * sees. With the optional line of `postern postfix print` it is not asked for a client that every own domain allows.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { Ground, type MailAttempt } from '../support/ground.ts';
import { SecondMilter } from '../support/second-milter.ts';
import { replyText, type SmtpClient } from '../support/smtp-client.ts';
import { waitFor } from '../support/waiting.ts';

const settings = {
  version: 1,
  organizations: {
    acme: {
      primaryDomain: 'a.example',
      domains: {
        'a.example': { allowedIps: ['198.51.100.7', '198.51.100.8', '2001:db8::7'] },
        'b.example': { allowedIps: ['198.51.100.7', '2001:db8::/64'] },
      },
    },
  },
};
const allowed = { client: '198.51.100.7' };
const halfAllowed = { client: '198.51.100.8' };
const stranger = { client: '203.0.113.9' };

let ground: Ground;
let second: SecondMilter;

beforeAll(async () => {
  second = await SecondMilter.start();
  ground = await Ground.start({
    settings,
    ownDomains: ['a.example', 'b.example'],
    milter: true,
    lab: () => ({
      socketmap: null,
      settings: {
        smtpd_milters: `{ ${second.endpoint}, default_action=tempfail }`,
        non_smtpd_milters: '',
        // What an administrator may well have: only the braces of our answer keep Postern from being passed by.
        milter_default_action: 'accept',
      },
      services: { own: { smtpd_milters: second.endpoint } },
    }),
  });
  await ground.apply();
  await ground.lab.set(await optionalLines());
});

afterAll(async () => {
  await ground.destroy();
  await second.destroy();
});

/** What `print` offers beside what `apply` sets. */
async function optionalLines(): Promise<Record<string, string>> {
  const { stdout } = await ground.postern.run('postfix', 'print', '--json');
  const { optional } = JSON.parse(stdout) as { optional: { name: string; value: string }[] };
  return Object.fromEntries(optional.map(({ name, value }) => [name, value]));
}

interface Seen {
  /** Whether each milter was shown the message, as the message tells. */
  readonly bySecond: boolean;
  readonly byPostern: boolean;
  readonly bypass: string | undefined;
  readonly spamFlags: number;
}

function seenIn(content: Buffer): Seen {
  const header = content.toString('latin1').split('\r\n\r\n')[0] ?? '';
  return {
    bySecond: /^DKIM-Filter: OpenDKIM /m.test(header),
    byPostern: /^Authentication-Results: mx\.lab\.test; none$/m.test(header),
    bypass: /^X-Postern-Spam-Filter: (.*)$/m.exec(header)?.[1],
    spamFlags: header.match(/^X-Spam-Flag:/gm)?.length ?? 0,
  };
}

const message = 'From: news@sender.example\nSubject: drill\nX-Spam-Flag: YES\n\ntext\n';
const pass = async (attempt: MailAttempt): Promise<Seen> =>
  seenIn((await ground.pass({ ...attempt, message })).content);

/** One message more in a session that is open. */
async function passIn(session: SmtpClient, recipient: string): Promise<Seen> {
  const before = ground.sink.messages.length;
  expect((await session.mail('news@sender.example')).code).toBe(250);
  expect((await session.rcpt(recipient)).code).toBe(250);
  expect((await session.data(message)).code).toBe(250);
  return seenIn((await ground.sink.messageTo(recipient, 15_000, before)).content);
}

const BYPASS = 'bypass; rule=ip-allow';
const onlyPostern: Seen = { bySecond: false, byPostern: true, bypass: BYPASS, spamFlags: 0 };
const both: Seen = { bySecond: true, byPostern: true, bypass: undefined, spamFlags: 1 };

describe('with the optional line', () => {
  it('it is not what apply sets, and doctor finds nothing wrong with it', async () => {
    expect(await ground.lab.parameter('smtpd_milter_maps')).toMatch(/^socketmap:inet:127\.0\.0\.1:\d+:milters$/);
    expect(await optionalLines()).toEqual({});
    const { stdout } = await ground.postern.run('postfix', 'doctor');
    expect(stdout.split('\n').filter((line) => line.includes('smtpd_milter_maps'))).toEqual([
      `warning: smtpd_milter_maps replaces the -o smtpd_milters of 127.0.0.1:${ground.lab.port('own')}/inet as well: ` +
        `for allowed clients ${second.endpoint} is not asked, and Postern is asked although the list does not name it`,
      `  postconf -P '127.0.0.1:${ground.lab.port('own')}/inet/smtpd_milter_maps='`,
    ]);
  });

  it.each(['198.51.100.7', '2001:db8::7'])(
    'IP-15 a client that both own domains allow is shown to Postern alone: %s',
    async (client) => {
      expect(await pass({ client, recipient: `allowed-${client.length}@a.example` })).toEqual(onlyPostern);
      expect(await pass({ client, recipient: `allowed-${client.length}@b.example` })).toEqual(onlyPostern);
    },
  );

  it('ADM-03 a client that one of two allows is shown to both; the header alone tells, where it may', async () => {
    expect(await pass({ ...halfAllowed, recipient: 'half@a.example' })).toEqual({ ...onlyPostern, bySecond: true });
    expect(await pass({ ...halfAllowed, recipient: 'half@b.example' })).toEqual(both);
  });

  it('a client that is in no list is shown to both', async () => {
    expect(await pass({ ...stranger, recipient: 'stranger@a.example' })).toEqual(both);
  });

  it('a service with milters of its own: the table acts there too, as doctor says', async () => {
    expect(await pass({ ...allowed, service: 'own', recipient: 'own@a.example' })).toEqual(onlyPostern);
    const seen = await pass({ ...stranger, service: 'own', recipient: 'own-stranger@a.example' });
    expect(seen).toMatchObject({ bySecond: true, byPostern: false });
  });

  it('the second milter down: mail of allowed clients does not wait for it', async () => {
    await second.end();
    try {
      expect(await pass({ ...allowed, recipient: 'second-down@a.example' })).toEqual(onlyPostern);
      const reply = await ground.send({ ...stranger, recipient: 'waits@a.example', message });
      expect(reply).toMatch(/^451 /);
    } finally {
      await second.begin();
    }
  });
});

describe('edits', () => {
  it('IP-15 within 1 s of "ip add" the next session is shown to Postern alone, and an open one uses the new list', async () => {
    const client = '198.51.100.77';
    const open = await ground.open('smtp', { client });
    expect(await passIn(open, 'before@a.example')).toEqual(both);
    const lines = ground.postern.lines.length;
    for (const domain of ['a.example', 'b.example']) {
      const { code, stderr } = await ground.postern.run('ip', 'add', 'allow', domain, '--note', 'drill', client);
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    }
    const added = performance.now();
    const next = async (): Promise<Seen | undefined> => {
      const seen = await pass({ client, recipient: 'next@a.example' });
      return seen.bySecond ? undefined : seen;
    };
    expect(await waitFor('a session with Postern alone', next, 5000)).toEqual(onlyPostern);
    expect(performance.now() - added).toBeLessThan(1000);
    // Postfix asked for the milters of the open session when it began.
    expect(await passIn(open, 'after@a.example')).toEqual({ ...onlyPostern, bySecond: true });
    await open.quit();
    expect(await ground.postern.rcptDecision('after@a.example', lines)).toMatchObject({
      rule: 'ip-allow',
      setting: '/organizations/acme/domains/a.example/allowedIps/3',
      text: `${client} is allowed by ${client} (drill)`,
    });
  });

  it('after "ip remove" from one of two the next session is shown to both again', async () => {
    const before = ground.postern.lines.length;
    const { code } = await ground.postern.run('ip', 'remove', 'allow', 'a.example', '2001:db8::7');
    expect(code).toBe(0);
    await ground.postern.waitForLine('the log line "change"', (line) => line.msg === 'change', before);
    const client = '2001:db8::7';
    expect(await pass({ client, recipient: 'removed@a.example' })).toEqual(both);
    expect(await pass({ client, recipient: 'removed@b.example' })).toEqual({ ...onlyPostern, bySecond: true });
  });
});

describe('while a door of Postern is shut', () => {
  /** Ends Postern at once, and starts it without the door for the length of `work`. */
  async function without(door: string, work: () => Promise<void>): Promise<void> {
    const whole = await readFile(ground.postern.operatorFile, 'utf8');
    const { listen, ...others } = parse(whole) as { listen: Record<string, unknown> };
    const rest = Object.fromEntries(Object.entries(listen).filter(([name]) => name !== door));
    await writeFile(ground.postern.operatorFile, stringify({ ...others, listen: rest }));
    await ground.postern.kill();
    await ground.postern.start();
    try {
      await work();
    } finally {
      await writeFile(ground.postern.operatorFile, whole);
      await ground.postern.restart();
    }
  }

  it('the socketmap: Postfix falls back to the full list, so both are asked', async () => {
    await without('socketmap', async () => {
      const seen = await pass({ ...allowed, recipient: 'no-socketmap@a.example' });
      expect(seen).toEqual({ ...onlyPostern, bySecond: true });
      await ground.lab.waitForLog(/warning: socketmap:inet:\S+:milters lookup error for "198\.51\.100\.7"/);
    });
    expect(await pass({ ...allowed, recipient: 'socketmap-again@a.example' })).toEqual(onlyPostern);
  });

  it('MIL-12 the milter: mail waits although milter_default_action is accept, in a session that began with Postern alone too', async () => {
    const session = await ground.open('smtp', allowed);
    expect(await passIn(session, 'begun@a.example')).toEqual(onlyPostern);
    await without('milter', async () => {
      await session.mail('news@sender.example');
      const rcpt = await session.rcpt('waits@a.example');
      const reply = rcpt.code === 250 ? await session.data(message) : rcpt;
      expect(replyText(reply)).toMatch(/^451 4\.7\.1 Service unavailable/);
      expect(await ground.send({ ...allowed, recipient: 'waits@a.example', message })).toMatch(/^451 4\.7\.1 /);
    });
    session.close();
    expect(ground.sink.recipients()).not.toContain('waits@a.example');
    expect(await pass({ ...allowed, recipient: 'milter-again@a.example' })).toEqual(onlyPostern);
  });
});
