/** Mail that must not leave with our signature, and that the decision log says why. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Ground, type MailAttempt } from '../support/ground.ts';
import type { LogLine } from '../support/postern-process.ts';
import type { SinkMessage } from '../support/smtp-sink.ts';

const settings = {
  version: 1,
  organizations: {
    acme: {
      primaryDomain: 'example.com',
      domains: {
        'example.com': { inboundGateway: { enabled: true, ips: ['198.51.100.10'] } },
        'unverified.example': {},
        'watch.example': { enforcement: 'observe' },
      },
    },
    other: { primaryDomain: 'other.example', domains: { 'other.example': {} } },
  },
};
const accounts = { 'alice@example.com': 'correct horse', 'olga@other.example': 'battery staple' };
const alice = { name: 'alice@example.com', password: 'correct horse' };
const olga = { name: 'olga@other.example', password: 'battery staple' };
const stranger = { client: '203.0.113.5' };
const overSubmission = { ...stranger, service: 'submission' };

const text = (from: string, more = ''): string =>
  `${from}To: x@example.com\r\nSubject: a sample\r\nDate: Tue, 25 Nov 2025 01:01:01 +0000\r\nMessage-ID: <1@x>\r\n${more}\r\ntext\r\n`;
const fromUs = 'From: Chief <ceo@example.com>\r\n';

let ground: Ground;

beforeAll(async () => {
  ground = await Ground.start({
    settings,
    ownDomains: ['example.com', 'unverified.example', 'watch.example', 'other.example'],
    milter: true,
    dns: {},
    operator: { authservId: 'mx.example.com', reinjectionServices: ['REINJECT'] },
    lab: () => ({
      accounts,
      services: { reinject: { milter_macro_daemon_name: 'REINJECT' } },
      // Every client of this lab is one of loopback to Postfix, which else would add a From and complete addresses.
      settings: { local_header_rewrite_clients: '' },
    }),
  });
  await ground.activateKey('example.com');
  await ground.activateKey('watch.example');
  await ground.activateKey('other.example');
});

afterAll(async () => {
  await ground.destroy();
});

interface Passed {
  readonly message: SinkMessage;
  readonly isSigned: boolean;
  readonly decision: LogLine;
}

async function pass(attempt: MailAttempt & { readonly message: string | Buffer }): Promise<Passed> {
  const before = ground.postern.lines.length;
  const message = await ground.pass(attempt);
  return { message, isSigned: isSigned(message), decision: await ground.postern.messageDecision(before) };
}

const isSigned = ({ content }: SinkMessage): boolean => /^DKIM-Signature:/im.test(content.toString('latin1'));

/** How often mail was left unsigned for this reason. */
const skipped = (reason: string): Promise<number> =>
  ground.postern.metric(`postern_signing_skipped_total{reason="${reason}"}`);

function expectUnsigned({ isSigned: signed, decision }: Passed, why: RegExp): void {
  expect(signed).toBe(false);
  expect(decision.signatures).toEqual([]);
  expect(decision.text).toMatch(why);
}

it('the ground signs: what is unsigned below is so for its own reason', async () => {
  const { isSigned: signed, decision } = await pass({ recipient: 'control@elsewhere.example', message: text(fromUs) });
  expect(signed).toBe(true);
  expect(decision.signatures).toEqual(['postern._domainkey.example.com']);
});

it('SIG-07 (b) a stranger with our From', async () => {
  const attempt = { ...stranger, recipient: 'sig-07-b@example.com', message: text(fromUs) };
  expectUnsigned(await pass(attempt), /not authenticated/);
});

it('SIG-07 (b) a gateway with our From', async () => {
  const attempt = { client: '198.51.100.10', recipient: 'sig-07-gw@example.com', message: text(fromUs) };
  expectUnsigned(await pass(attempt), /not authenticated/);
});

it('SIG-06 a foreign From, from a trusted client: no signature, no error, counted', async () => {
  const before = await skipped('not_our_domain');
  const passed = await pass({ recipient: 'sig-06@elsewhere.example', message: text('From: x@gmail.example\r\n') });
  expectUnsigned(passed, /gmail\.example, which is not ours/);
  expect(await skipped('not_our_domain')).toBe(before + 1);
  expect(ground.postern.complaints()).toEqual([]);
});

it('SIG-06 a sub-domain of ours is not ours', async () => {
  const passed = await pass({
    recipient: 'sig-06-sub@elsewhere.example',
    message: text('From: x@sub.example.com\r\n'),
  });
  expectUnsigned(passed, /not ours/);
});

it('SIG-06 our Sender under a foreign From does not count', async () => {
  const message = text('Sender: a@example.com\r\nFrom: x@gmail.example\r\n');
  expectUnsigned(await pass({ recipient: 'sig-06-sender@elsewhere.example', message }), /not ours/);
});

describe('SIG-10 whose mail it is cannot be told', () => {
  it.each([
    ['(a) two From fields', 'From: a@example.com\r\nFrom: b@other.example\r\n', /2 From/],
    ['(a) the same From twice', `${fromUs}${fromUs}`, /2 From/],
    ['(a) two From fields in another spelling', `${fromUs}Subject: x\r\nFROM : b@other.example\r\n`, /2 From/],
    ['(b) no From', '', /no From/],
    ['authors in two domains', 'From: a@example.com, b@other.example\r\n', /several domains/],
    ['(e) an address in a comment only', 'From: undisclosed (a@example.com)\r\n', /unparsable/],
    ['(e) an empty group', 'From: Team:;\r\n', /unparsable/],
  ])('SIG-10 %s', async (what, from, why) => {
    const recipient = `sig-10-${what.replace(/\W+/g, '-')}@elsewhere.example`;
    const attempt = { ...overSubmission, user: alice, sender: 'alice@example.com', recipient, message: text(from) };
    expectUnsigned(await pass(attempt), why);
  });
});

it('SIG-16 a key that is created, and one that DNS shows but that was not activated', async () => {
  const key = await ground.createKey('unverified.example');
  const message = text('From: a@unverified.example\r\n');
  expectUnsigned(await pass({ recipient: 'sig-16-created@elsewhere.example', message }), /no active key/);
  await ground.dns.setTxt(key.hostFull, key.txt);
  const verified = await ground.postern.run('dkim', 'verify', 'unverified.example', '--json');
  expect(JSON.parse(verified.stdout)).toMatchObject({ ok: true, key: { state: 'verified' } });
  expectUnsigned(await pass({ recipient: 'sig-16-verified@elsewhere.example', message }), /no active key/);
});

it("another organization's SASL user gets no signature of ours, but its own", async () => {
  const attempt = { ...overSubmission, user: olga, sender: 'olga@other.example' };
  const foreign = await pass({ ...attempt, recipient: 'olga-1@elsewhere.example', message: text(fromUs) });
  expectUnsigned(foreign, /another organization/);
  const own = text('From: olga@other.example\r\n');
  const signed = await pass({ ...attempt, recipient: 'olga-2@elsewhere.example', message: own });
  expect(signed.decision.signatures).toEqual(['postern._domainkey.other.example']);
});

it('a domain that only observes', async () => {
  const message = text('From: a@watch.example\r\n');
  expectUnsigned(await pass({ recipient: 'observe@elsewhere.example', message }), /only observed/);
});

it('mail on a re-injection service', async () => {
  const attempt = { service: 'reinject', recipient: 'reinject@elsewhere.example', message: text(fromUs) };
  expectUnsigned(await pass(attempt), /re-injection/);
});

describe('a forgery that came in from outside and is handed in again', () => {
  const forged = (more = ''): string => text(fromUs, more);

  it.each([
    ['plain', ''],
    [
      'with results in our name that it brought',
      'Authentication-Results: mx.example.com; dmarc=pass header.from=example.com\r\n',
    ],
    [
      'with many of them',
      'Authentication-Results: mx.example.com; dmarc=pass header.from=example.com\r\n'.repeat(5) +
        'Authentication-Results: MX.Example.COM 1; dmarc=pass header.from=example.com\r\n',
    ],
  ])('%s: neither over SMTP from loopback nor by sendmail(1) it gets a signature', async (what, more) => {
    const id = what.replace(/\W+/g, '-');
    const first = await pass({ ...stranger, recipient: `forged-${id}@example.com`, message: forged(more) });
    expectUnsigned(first, /not authenticated/);
    expect(first.message.content.toString()).not.toContain('dmarc=pass');

    const handedIn = { recipient: `again-${id}@elsewhere.example`, message: first.message.content };
    expectUnsigned(await pass(handedIn), /came from outside before/);

    const before = ground.postern.lines.length;
    const local = `local-${id}@elsewhere.example`;
    await ground.lab.sendmail(first.message.content.toString().replaceAll('\r\n', '\n'), '-f', 'x@example.com', local);
    expect(isSigned(await ground.sink.messageTo(local))).toBe(false);
    expect(await ground.postern.messageDecision(before)).toMatchObject({ client_address: 'local', signatures: [] });
  });

  it('a SASL user who sends it on as it is signs with what is asked of the user: authentication is the proof', async () => {
    const first = await pass({ ...stranger, recipient: 'forged-sasl@example.com', message: forged() });
    const attempt = { ...overSubmission, user: alice, sender: 'alice@example.com' };
    const passed = await pass({
      ...attempt,
      recipient: 'again-sasl@elsewhere.example',
      message: first.message.content,
    });
    expect(passed.isSigned).toBe(true);
  });

  it('mail of ours that says nothing of the outside is signed on every pass', async () => {
    const first = await pass({ recipient: 'ours-1@elsewhere.example', message: text(fromUs) });
    const again = await pass({ recipient: 'ours-2@elsewhere.example', message: first.message.content });
    expect(again.message.content.toString().match(/^DKIM-Signature:/gm)).toHaveLength(2);
  });
});
