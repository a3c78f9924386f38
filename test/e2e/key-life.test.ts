/** The life of a key, by the real commands and a real DNS server, beside a Postern that serves all the while. */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { verifyDkim } from '../support/dkim-verifiers.ts';
import { type CreatedKey, Ground } from '../support/ground.ts';
import type { SinkMessage } from '../support/smtp-sink.ts';

const own = ['life.example', 'failed.example', 'wrong.example', 'fallback.example'];
const provider = 'mail.provider.example';
const settings = {
  version: 1,
  provider: { signingDomain: provider },
  organizations: {
    acme: { primaryDomain: 'life.example', domains: Object.fromEntries(own.map((domain) => [domain, {}])) },
  },
};

let ground: Ground;
let sent = 0;

beforeAll(async () => {
  ground = await Ground.start({ settings, ownDomains: own, milter: true, dns: { failing: ['failed.example'] } });
});

afterAll(async () => {
  await ground.destroy();
});

/** Mail of the domain by a trusted client, as it arrived. */
function send(domain: string): Promise<SinkMessage> {
  sent += 1;
  const message = `From: a@${domain}\r\nTo: b@elsewhere.example\r\nSubject: ${sent}\r\n\r\ntext\r\n`;
  return ground.pass({ recipient: `${sent}@elsewhere.example`, message });
}

/** Who signed a message, each as "selector@domain"; both verifiers must accept every signature. */
async function signersOf(message: SinkMessage): Promise<string[]> {
  const [verdicts] = await verifyDkim([message.content], ground.dns);
  const { dkimpy, opendkim } = verdicts!;
  expect([...dkimpy, ...opendkim].filter(({ passed }) => !passed)).toEqual([]);
  expect(opendkim).toHaveLength(dkimpy.length);
  return dkimpy.map(({ selector, domain }) => `${selector}@${domain}`).sort();
}

const signers = async (domain: string): Promise<string[]> => signersOf(await send(domain));

interface Answer {
  readonly code: number;
  readonly ok: boolean;
  readonly cause: string;
  readonly text: string;
  readonly key: { readonly state: string };
}

async function activate(domain: string, ...args: readonly string[]): Promise<Answer> {
  const { code, stdout } = await ground.postern.run('dkim', 'activate', domain, ...args, '--json');
  return { code, ...(JSON.parse(stdout) as Omit<Answer, 'code'>) };
}

async function states(domain: string): Promise<Record<string, string>> {
  const { stdout } = await ground.postern.run('dkim', 'list', '--json');
  const keys = JSON.parse(stdout) as { domain: string; selector: string; state: string }[];
  return Object.fromEntries(
    keys.filter((key) => key.domain === domain).map(({ selector, state }) => [selector, state]),
  );
}

describe('SIG-16 from creation to signature', () => {
  let key: CreatedKey;

  it('SIG-16 a created key signs nothing, and activating it with DNS empty fails and changes nothing', async () => {
    key = await ground.createKey('life.example', '--selector', 's1');
    expect(await signers('life.example')).toEqual([]);
    const refused = await activate('life.example');
    expect(refused).toMatchObject({ code: 1, ok: false, cause: 'no-such-name', key: { state: 'created' } });
    expect(refused.text).toContain('s1._domainkey.life.example');
    expect(await signers('life.example')).toEqual([]);
  });

  it('the private key is for its owner alone', async () => {
    const keys = join(ground.postern.directory, 'state/keys');
    const modes = await Promise.all(
      [keys, join(keys, 'life.example'), join(keys, 'life.example/s1.pem'), join(keys, 'index.json')].map(
        async (path) => (await stat(path)).mode & 0o777,
      ),
    );
    expect(modes).toEqual([0o700, 0o700, 0o600, 0o600]);
  });

  it('SIG-16 published and activated it signs within 1 s without a restart; a message begun before stays as it began', async () => {
    await ground.dns.setTxt(key.hostFull, key.txt);
    // Postfix tells the milter of a message no sooner than at DATA.
    const session = await ground.open('smtp');
    const begin = async (recipient: string): Promise<void> => {
      expect((await session.mail('a@life.example')).code).toBe(250);
      expect((await session.rcpt(recipient)).code).toBe(250);
    };
    const message = 'From: a@life.example\r\nSubject: x\r\n\r\ntext\r\n';
    await begin('begun-before@elsewhere.example');
    expect((await session.command('DATA')).code).toBe(354);

    const before = ground.postern.lines.length;
    expect(await activate('life.example')).toMatchObject({ code: 0, ok: true, key: { state: 'active' } });
    const activated = performance.now();
    await ground.postern.waitForLine('the log line "keys"', (line) => line.msg === 'keys', before);
    expect(performance.now() - activated).toBeLessThan(1000);

    expect((await session.command(`${message}.`)).code).toBe(250);
    await begin('begun-after@elsewhere.example');
    expect((await session.data(message)).code).toBe(250);
    await session.quit();
    expect(await signersOf(await ground.sink.messageTo('begun-before@elsewhere.example'))).toEqual([]);
    expect(await signersOf(await ground.sink.messageTo('begun-after@elsewhere.example'))).toEqual(['s1@life.example']);
    expect(ground.postern.lines.filter((line) => line.msg === 'ready')).toHaveLength(1);
  });

  it('SIG-16 a second key: mail goes on with the first until DNS shows the second', async () => {
    await ground.createKey('life.example', '--selector', 's2');
    expect(await signers('life.example')).toEqual(['s1@life.example']);
    expect(await activate('life.example', '--selector', 's2')).toMatchObject({ code: 1, key: { state: 'created' } });
    expect(await signers('life.example')).toEqual(['s1@life.example']);
    expect(await states('life.example')).toEqual({ s1: 'active', s2: 'created' });
  });

  it('SIG-17 from the switch only the second signs, the first retires, and mail that it signed still verifies', async () => {
    const old = await send('life.example');
    const shown = await ground.postern.run('dkim', 'show', 'life.example', '--selector', 's2', '--json');
    const second = JSON.parse(shown.stdout) as CreatedKey;
    await ground.dns.setTxt(second.hostFull, second.txt);
    const before = ground.postern.lines.length;
    expect(await activate('life.example', '--selector', 's2')).toMatchObject({ code: 0, key: { state: 'active' } });
    await ground.postern.waitForLine('the log line "keys"', (line) => line.msg === 'keys', before);
    expect(await signers('life.example')).toEqual(['s2@life.example']);
    expect(await states('life.example')).toEqual({ s1: 'retiring', s2: 'active' });
    expect(await signersOf(old)).toEqual(['s1@life.example']);
  });

  it('SIG-17 a selector is not used again for another key, in whatever case', async () => {
    for (const selector of ['s1', 'S1', 's2']) {
      const again = await ground.postern.run('dkim', 'create', 'life.example', '--selector', selector);
      expect(again.code, selector).toBe(1);
      expect(again.stdout + again.stderr).toContain('selector');
    }
    expect(await signers('life.example')).toEqual(['s2@life.example']);
  });

  it('an Ed25519 key beside it retires nothing: both sign', async () => {
    await ground.activateKey('life.example', '--selector', 'ed', '--ed25519');
    expect(await signers('life.example')).toEqual(['ed@life.example', 's2@life.example']);
  });

  it('it signs after a restart as before', async () => {
    await ground.postern.restart();
    expect(await signers('life.example')).toEqual(['ed@life.example', 's2@life.example']);
  });
});

describe('DNS-10 every failure has its own words and changes nothing', () => {
  const texts = new Set<string>();

  async function expectRefused(domain: string, cause: string): Promise<void> {
    const begun = performance.now();
    const answer = await activate(domain);
    expect(performance.now() - begun).toBeLessThan(10_000);
    expect(answer).toMatchObject({ code: 1, ok: false, cause, key: { state: 'created' } });
    expect(texts).not.toContain(answer.text);
    texts.add(answer.text);
  }

  it('DNS-10 no such name, no TXT record, a server that fails, one that does not answer', async () => {
    await ground.createKey('failed.example');
    await ground.createKey('wrong.example');
    const name = 'postern._domainkey.wrong.example';
    await expectRefused('failed.example', 'server-failure');
    await expectRefused('wrong.example', 'no-such-name');
    await ground.dns.setWithoutTxt(name);
    await expectRefused('wrong.example', 'no-such-record');
    ground.dns.pause();
    try {
      await expectRefused('wrong.example', 'no-answer');
    } finally {
      ground.dns.resume();
    }
    expect([await states('failed.example'), await states('wrong.example')]).toEqual([
      { postern: 'created' },
      { postern: 'created' },
    ]);
  });

  it('DNS-03 DNS-04 DNS-06 a record that is there and is wrong', async () => {
    const name = 'postern._domainkey.wrong.example';
    const shown = await ground.postern.run('dkim', 'show', 'wrong.example', '--json');
    const { txt } = JSON.parse(shown.stdout) as CreatedKey;
    const other = await ground.createKey('wrong.example', '--selector', 'other');
    const wrong: readonly (readonly [string, ...string[]])[] = [
      ['two records', txt, 'v=DKIM1; p=MIIB'],
      ['cut', txt.slice(0, 255)],
      ['revoked', 'v=DKIM1; p='],
      ['another key', other.txt],
      ['no DKIM record', 'v=spf1 -all'],
      ['another version', txt.replace('DKIM1', 'dkim1')],
    ];
    const causes = new Set<string>();
    for (const [what, ...records] of wrong) {
      await ground.dns.setTxt(name, ...records);
      const answer = await activate('wrong.example', '--selector', 'postern');
      expect(answer, what).toMatchObject({ code: 1, ok: false, key: { state: 'created' } });
      expect(answer.text, what).not.toBe('');
      causes.add(answer.text);
    }
    expect(causes.size).toBe(wrong.length);
    expect(await signers('wrong.example')).toEqual([]);
  });

  it('DNS-01 the record in five strings is right', async () => {
    const name = 'postern._domainkey.wrong.example';
    const shown = await ground.postern.run('dkim', 'show', 'wrong.example', '--selector', 'postern', '--json');
    const { txt } = JSON.parse(shown.stdout) as CreatedKey;
    const strings = [txt.slice(0, 9), txt.slice(9, 22), txt.slice(22, 100), txt.slice(100, 300), txt.slice(300)];
    await ground.dns.setTxt(name, strings);
    const before = ground.postern.lines.length;
    expect(await activate('wrong.example', '--selector', 'postern')).toMatchObject({ code: 0, ok: true });
    await ground.postern.waitForLine('the log line "keys"', (line) => line.msg === 'keys', before);
    expect(await signers('wrong.example')).toEqual(['postern@wrong.example']);
  });
});

describe("SIG-07 (e) the provider's signing domain", () => {
  it('SIG-07 (e) signs for a domain without an active key, until it has one', async () => {
    expect(await signers('fallback.example')).toEqual([]);
    await ground.activateKey(provider);
    expect(await signers('fallback.example')).toEqual([`postern@${provider}`]);
    const key = await ground.createKey('fallback.example');
    expect(await signers('fallback.example')).toEqual([`postern@${provider}`]);
    await ground.dns.setTxt(key.hostFull, key.txt);
    const before = ground.postern.lines.length;
    expect(await activate('fallback.example')).toMatchObject({ code: 0 });
    await ground.postern.waitForLine('the log line "keys"', (line) => line.msg === 'keys', before);
    expect(await signers('fallback.example')).toEqual(['postern@fallback.example']);
  });

  it('SIG-07 (e) signs for nobody whose From is not ours', async () => {
    expect(await signers('elsewhere.example')).toEqual([]);
    expect(await signers(provider)).toEqual([]);
  });
});
