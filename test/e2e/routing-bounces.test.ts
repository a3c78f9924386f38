/** Bounces of Postfix about mail for routes: they name the recipients as their senders know them, or are not sent at all. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { verifyDkim } from '../support/dkim-verifiers.ts';
import { RoutedGround, type Posting } from '../support/routed-ground.ts';
import { SmtpSink } from '../support/smtp-sink.ts';
import { waitFor } from '../support/waiting.ts';

const stranger = '192.0.2.1';
/** What no bounce may show. */
const INTERNAL = /postern\.internal|r\d+-[0-9a-f]{8}/i;

let routed: RoutedGround;

beforeAll(async () => {
  routed = await RoutedGround.start({
    routes: ['archive', 'quiet'],
    ownDomains: ['a.example', 'out.example', 'plain.example', 'quiet.example', 'kept.example'],
    settings: ({ archive, quiet }) => `version: 1
organizations:
  acme:
    primaryDomain: a.example
    routes:
      archive: ${archive}
      quiet: ${quiet}
    domains:
      a.example:
        inboundRouting: [{ mail: [external], route: archive }]
      out.example:
        outboundRouting: [{ mail: [external], action: change, route: archive }]
      plain.example: {}
      quiet.example:
        inboundRouting: [{ mail: [external], route: quiet, suppressBounces: true }]
      kept.example:
        inboundRouting: [{ mail: [external], route: quiet, alsoSave: true, suppressBounces: true }]
`,
    dns: {},
    // Bounces are from MAILER-DAEMON of this domain.
    lab: () => ({ settings: { myorigin: 'plain.example', recipient_delimiter: '+', delay_warning_time: '2s' } }),
  });
  await routed.ground.activateKey('plain.example');
});

afterAll(async () => {
  await routed.destroy();
});

/** The notice that came about a posting, as text. */
async function noticeOf(id: string): Promise<{ readonly text: string; readonly content: Buffer }> {
  const message = await routed.arrival(id);
  expect(message.sender.address).toBe('');
  return { text: message.content.toString('utf8'), content: message.content };
}

/** How Postfix tells of a final recipient. Source: RFC 6533 §3. */
const mailKind = (recipient: string): string => (/^[ -~]*$/.test(recipient) ? 'rfc822' : 'utf-8');

async function expectSigned(content: Buffer): Promise<void> {
  const [verdicts] = await verifyDkim([content], routed.ground.dns);
  const signature = { domain: 'plain.example', selector: 'postern', algorithm: 'rsa-sha256', passed: true };
  expect(verdicts).toEqual({ dkimpy: [signature], opendkim: [signature] });
}

/** Hands mail in that the route refuses, and gives what its sender is told. */
async function bounceOf(posting: Posting): Promise<{ readonly text: string; readonly content: Buffer }> {
  const id = await routed.hand({ client: stranger, ...posting });
  return noticeOf(id);
}

describe('the route refuses', () => {
  it.each<[string, Partial<Posting>?]>([
    ['reject.one@a.example'],
    ['Reject.Case@A.example'],
    ['reject+tag=x=y@a.example'],
    ["reject.o'brien/b@a.example"],
    ['"reject a  b"@a.example'],
    ['"reject with a name that is longer than a line of the text of a bounce, which is broken in it"@a.example'],
    [`reject.${'long'.repeat(40)}@a.example`],
    ['reject.jürgen@a.example', { mailParameters: 'SMTPUTF8' }],
    ['"reject jürgen"@a.example', { mailParameters: 'SMTPUTF8' }],
    ['reject.x@bücher.example', { mailParameters: 'SMTPUTF8', client: '127.0.0.1', sender: 'alice@out.example' }],
    [String.raw`"reject \"a\" @ b=c@d"@else.example`, { client: '127.0.0.1', sender: 'alice@out.example' }],
    ['reject.x@[127.0.0.9]', { client: '127.0.0.1', sender: 'alice@out.example' }],
    ['reject.x@[IPv6:2001:db8::9]', { client: '127.0.0.1', sender: 'alice@out.example' }],
  ])('RT-09 %s: the sender is told of this address, and of no other', async (recipient, more = {}) => {
    const { text, content } = await bounceOf({ recipients: recipient, ...more });
    // Postfix may have broken the line in a quoted name; then as many spaces are gone as it says.
    const unfolded = text.replaceAll(/\r\n {4}(?! )/g, ' ');
    expect(unfolded).toContain(`<${recipient}>: host 127.0.0.2[127.0.0.2] said: 550`);
    expect(text).toContain(`\r\nFinal-Recipient: ${mailKind(recipient)}; ${recipient}\r\n`);
    // Postfix 3.7 says so of its own, too; see the one that no route has.
    expect(text).toContain(`\r\nOriginal-Recipient: rfc822;${recipient}\r\n`);
    expect(text).not.toMatch(INTERNAL);
    await expectSigned(content);
  });

  it('RT-09 one of several recipients: each is told under its own address, the others arrive', async () => {
    const recipients = ['reject.a@a.example', 'bob@a.example', 'reject.b@a.example'];
    const id = await routed.hand({ client: stranger, recipients });
    const { text, content } = await noticeOf(id);
    expect(routed.seen(id)).toContain('archive: bob@a.example');
    for (const address of ['reject.a@a.example', 'reject.b@a.example']) {
      expect(text).toContain(`<${address}>: host`);
      expect(text).toContain(`Final-Recipient: rfc822; ${address}\r\n`);
    }
    expect(text).not.toContain('<bob@a.example>:');
    expect(text).not.toMatch(INTERNAL);
    await expectSigned(content);
  });

  it('RT-09 what the client gave as ORCPT stands as the original recipient', async () => {
    const parameters = 'ORCPT=rfc822;list+2Bowner@remote.example';
    const { text } = await bounceOf({ recipients: 'reject.orcpt@a.example', parameters });
    expect(text).toContain('\r\nFinal-Recipient: rfc822; reject.orcpt@a.example\r\n');
    expect(text).toContain('\r\nOriginal-Recipient: rfc822;list+owner@remote.example\r\n');
    expect(text).not.toMatch(INTERNAL);
  });

  it.each<[string, string?]>([['reject.free@else.example'], ['reject.jürgen@else.example', 'SMTPUTF8']])(
    'RT-09 a bounce about %s, which no route has, is as Postfix made it',
    async (recipients, mailParameters = '') => {
      const { text, content } = await bounceOf({ client: '127.0.0.1', recipients, mailParameters });
      expect(text).toContain(`\r\nFinal-Recipient: ${mailKind(recipients)}; ${recipients}\r\n`);
      expect(text).toContain(`\r\nOriginal-Recipient: rfc822;${recipients}\r\n`);
      await expectSigned(content);
    },
  );
});

describe('other notices', () => {
  it('of a delay name the recipient too, and so does the report of success of a route without DSN', async () => {
    await routed.down('archive');
    const id = await routed.hand({
      client: stranger,
      recipients: 'late@a.example',
      parameters: 'NOTIFY=SUCCESS,DELAY',
    });
    const isTold = (): true | undefined => (routed.seen(id).length > 0 ? true : undefined);
    await waitFor('the notice of the delay', isTold, 30_000);
    const [, host = '', port = ''] = /host: (\S+), port: (\d+)/.exec(routed.lines['archive'] ?? '') ?? [];
    const plain = await SmtpSink.start({ host, port: Number(port), without: ['DSN'] });
    try {
      await routed.ground.lab.flush();
      await routed.quiet();
      expect(plain.recipients()).toEqual(['late@a.example']);
    } finally {
      await plain.stop();
      await routed.up('archive');
    }
    const notices = routed.ground.sink.messages.filter(({ content }) => content.includes(id));
    const texts = notices.map(({ content }) => content.toString('latin1'));
    expect(texts.map((text) => /^Subject: (.*)\r$/m.exec(text)?.[1])).toEqual([
      'Delayed Mail (still being retried)',
      'Successful Mail Delivery Report',
    ]);
    for (const text of texts) {
      expect(text).toContain('\r\nFinal-Recipient: rfc822; late@a.example\r\n');
      expect(text).toContain('<late@a.example>: ');
      expect(text).not.toMatch(INTERNAL);
    }
    for (const { content } of notices) await expectSigned(content);
  });
});

describe('what the postmaster gets', () => {
  it('copies of bounces, and bounces that have nobody to go to, name the recipient too', async () => {
    await routed.ground.lab.set({ notify_classes: 'bounce, 2bounce' });
    try {
      const id = await routed.hand({ client: stranger, recipients: 'reject.copy@a.example' });
      expect(await routed.arrivals(id)).toEqual(['here: postmaster@plain.example', 'here: stranger@remote.example']);
      const undeliverable = await routed.hand({ client: stranger, sender: '', recipients: 'reject.double@a.example' });
      expect(await routed.arrivals(undeliverable)).toEqual(['here: postmaster@plain.example']);
      const notices = routed.ground.sink.messages.filter(({ content }) =>
        [id, undeliverable].some((each) => content.includes(each)),
      );
      const told = notices.map(({ sender, content }) => [sender.address, content.toString('latin1')] as const);
      expect(told.map(([sender]) => sender).sort()).toEqual([
        '',
        'double-bounce@mx.lab.test',
        'double-bounce@mx.lab.test',
      ]);
      for (const [, text] of told) {
        expect(text).toMatch(/<reject\.(?:copy|double)@a\.example>: host/);
        expect(text).not.toMatch(INTERNAL);
      }
    } finally {
      await routed.ground.lab.set({ notify_classes: '' });
    }
  });
});

describe('suppressBounces', () => {
  it('RT-09 a refusal is told to nobody; here it was delivered all the same, and other rules bounce', async () => {
    const quiet = await routed.hand({
      client: stranger,
      recipients: 'reject.q@quiet.example',
      parameters: 'NOTIFY=FAILURE',
    });
    routed.server('quiet').refuse('gone@kept.example');
    const kept = await routed.hand({ client: stranger, recipients: 'gone@kept.example' });
    const told = await routed.hand({ client: stranger, recipients: ['reject.q@quiet.example', 'reject.t@a.example'] });
    expect(await routed.arrivals(quiet)).toEqual([]);
    expect(await routed.arrivals(kept)).toEqual(['here: gone@kept.example']);
    expect(routed.server('quiet').refused).toEqual(
      expect.arrayContaining(['reject.q@quiet.example', 'gone@kept.example']),
    );
    const { text } = await noticeOf(told);
    expect(text).toContain('Final-Recipient: rfc822; reject.t@a.example');
    expect(text).not.toContain('reject.q@quiet.example>:');
    expect(text).not.toContain('Final-Recipient: rfc822; reject.q');
  });

  it('RT-09 a server that is down until Postfix gives up: a bounce without it, none with it, nor of the delay', async () => {
    await routed.down('archive');
    await routed.down('quiet');
    const before = routed.ground.sink.messages.length;
    const quiet = await routed.hand({ client: stranger, recipients: 'q@quiet.example' });
    const kept = await routed.hand({ client: stranger, recipients: 'k@kept.example' });
    const told = await routed.hand({ client: stranger, recipients: 't@a.example' });
    await sleep(4_000);
    await routed.ground.lab.set({ maximal_queue_lifetime: '1s' });
    await routed.ground.lab.flush();
    await routed.quiet();
    await routed.ground.lab.set({ maximal_queue_lifetime: '5d' });
    await routed.up('archive');
    await routed.up('quiet');
    expect(routed.seen(quiet)).toEqual([]);
    expect(routed.seen(kept)).toEqual(['here: k@kept.example']);
    expect(routed.ground.lab.logLines().filter((line) => line.includes('status=expired'))).toHaveLength(3);
    const notices = routed.ground.sink.messages.slice(before).filter(({ sender }) => sender.address === '');
    const texts = notices.map(({ content }) => content.toString('latin1'));
    expect(texts.map((text) => /^Subject: (.*)\r$/m.exec(text)?.[1])).toEqual([
      'Delayed Mail (still being retried)',
      'Undelivered Mail Returned to Sender',
    ]);
    for (const text of texts) {
      expect(text).toContain(told);
      expect(text).toContain('Final-Recipient: rfc822; t@a.example');
      expect(text).not.toMatch(INTERNAL);
    }
  });
});
