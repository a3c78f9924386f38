/** Mail of trusted clients leaves signed, and two independent verifiers accept it as it arrived at the next server. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Verdicts, verifyDkim } from '../support/dkim-verifiers.ts';
import { Ground } from '../support/ground.ts';
import { replyText } from '../support/smtp-client.ts';
import { type SinkMessage, SmtpSink } from '../support/smtp-sink.ts';

const settings = {
  version: 1,
  organizations: {
    acme: {
      primaryDomain: 'example.com',
      domains: {
        'example.com': { inboundGateway: { enabled: true, ips: ['198.51.100.10'] } },
        'both.example': {},
        'bücher.example': {},
      },
    },
  },
};
const accounts = { 'alice@example.com': 'correct horse' };
const alice = { name: 'alice@example.com', password: 'correct horse' };

const head = (domain: string): string =>
  `From: Alice <alice@${domain}>\r\nTo: bob@elsewhere.example\r\nSubject: a sample\r\n` +
  `Date: Tue, 25 Nov 2025 01:01:01 +0000\r\nMessage-ID: <1@${domain}>\r\n`;
const withBody = (body: string | Buffer): Buffer =>
  Buffer.concat([Buffer.from(`${head('example.com')}\r\n`), Buffer.from(body)]);
const withFields = (fields: string): Buffer => Buffer.from(`${head('example.com')}${fields}\r\ntext\r\n`, 'latin1');
const line = (length: number): string => 'long'.repeat(Math.ceil(length / 4)).slice(0, length);
/** Lines of many lengths, some of them with white space at the end, up to about `size` octets. */
const longBody = (size: number): string => {
  const lines: string[] = [];
  for (let length = 0, number = 0; length < size; number += 1) {
    lines.push(`${number} ${line(number % 71)}${' \t'.repeat(number % 3)}\r\n`);
    length += lines.at(-1)!.length;
  }
  return lines.join('');
};
const eightBit = 'MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n';

/** What goes in; `id` is the local-part of its recipient. */
interface Case {
  readonly id: string;
  readonly what: string;
  readonly content: Buffer;
  readonly chunked?: boolean;
}

const cases: readonly Case[] = [
  { id: 'plain', what: 'a plain message', content: withBody('text\r\n') },
  { id: 'dots', what: 'SIG-02 lines that begin with dots', content: withBody('.\r\n..\r\n.dot\r\n...\r\nend.\r\n') },
  { id: 'spaces', what: 'SIG-02 spaces at line ends', content: withBody('a  \r\n b \r\n   \r\nc   d  \r\n') },
  { id: 'tabs', what: 'SIG-02 tabs', content: withBody('\ta\tb\t\r\n\t\r\n \t c\t \r\n') },
  { id: 'empty', what: 'SIG-02 an empty body', content: withBody('') },
  { id: 'header-only', what: 'SIG-02 no blank line after the header', content: Buffer.from(head('example.com')) },
  { id: 'blank', what: 'SIG-02 a body of blank lines', content: withBody('\r\n\r\n \r\n\t\r\n\r\n') },
  { id: 'blank-end', what: 'SIG-02 blank lines at the end', content: withBody('Hello World\r\n\r\n\r\n') },
  { id: 'no-end', what: 'SIG-02 no final line end', content: withBody('Hello World'), chunked: true },
  { id: 'no-end-space', what: 'SIG-02 no final line end, a space last', content: withBody('a \t'), chunked: true },
  {
    id: 'utf8',
    what: 'SIG-05 an 8-bit body',
    content: Buffer.from(`${head('example.com')}${eightBit}\r\nGrüße \u{1f600}\r\n`),
  },
  {
    id: 'octets',
    what: 'SIG-05 a body of all octets above 127',
    content: withBody(Buffer.from([...Array.from({ length: 128 }, (_, index) => index + 128), 13, 10])),
  },
  {
    id: 'from-utf8',
    what: 'raw UTF-8 in From',
    content: Buffer.from(`${head('example.com').replace('Alice', '"Jürgen, äöü"')}\r\ntext\r\n`),
  },
  {
    id: 'from-latin1',
    what: 'raw Latin-1 in From',
    content: Buffer.from(`${head('example.com').replace('Alice', 'J\xfcrgen')}\r\ntext\r\n`, 'latin1'),
  },
  {
    id: 'from-folded',
    what: 'SIG-01 From folded right after the colon, with a comment',
    content: Buffer.from(
      `${head('example.com').replace('From: Alice', 'From:\r\n (a \\) comment)\r\n\t"Alice"')}\r\ntext\r\n`,
    ),
  },
  {
    id: 'no-separator',
    what: 'a body that begins without a blank line',
    content: Buffer.from(`${head('example.com')}this is no header field\r\nX-Not: a header field\r\n`),
  },
  { id: 'raw-subject', what: 'an 8-bit header field', content: withFields('Comments: Gr\xfc\xdfe \xe4\r\n') },
  { id: '70k', what: 'a body of 70 kB', content: withBody(longBody(70_000)) },
  { id: '5m', what: 'a body of 5 MB', content: withBody(longBody(5_000_000)) },
  { id: '64k', what: 'a body that fills whole milter packets', content: withBody(`${line(998)}\r\n`.repeat(132)) },
  {
    id: 'folded',
    what: 'SIG-01 folded fields',
    content: withFields('References: <a@b>\r\n <c@d>\r\n\t<e@f>\r\nIn-Reply-To:\t<e@f>  \r\n'),
  },
  {
    id: 'folded-first',
    what: 'SIG-01 fields folded right after the colon',
    content: withFields('List-Unsubscribe:\r\n <https://example.com/u?x=1>\r\nList-Id:\r\n\tone\r\n  two\r\n'),
  },
  {
    id: 'odd-colons',
    what: 'SIG-01 MIL-04 odd white space around the colon',
    content: withFields(
      'Reply-To :  a@example.com \r\nSender:bob@example.com\r\nIn-Reply-To:   <1@x>\t\r\nReferences:\r\n',
    ),
  },
  { id: 'line-998', what: 'a body line of 998 octets', content: withBody(`${line(998)}\r\nnext\r\n`) },
  { id: 'line-1200', what: 'SIG-04 a body line of 1,200 octets', content: withBody(`${line(1200)}\r\nnext\r\n`) },
  {
    id: 'references',
    what: 'SIG-04 a References field of 1,103 octets without folds',
    content: withFields(`References: ${line(1091)}\r\n`),
  },
  {
    id: 'multipart',
    what: 'a multipart message',
    content: Buffer.from(
      `${head('example.com')}MIME-Version: 1.0\r\nContent-Type: multipart/mixed;\r\n boundary="b b"\r\n\r\npreamble\r\n` +
        '--b b\r\n\r\none\r\n--b b\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n' +
        'AAAA\r\n--b b--\r\nepilogue \r\n',
    ),
  },
  {
    id: 'both-keys',
    what: 'RSA and Ed25519 beside each other',
    content: Buffer.from(`${head('both.example')}\r\ntext\r\n`),
  },
  {
    id: 'both-long',
    what: 'RSA and Ed25519 over 70 kB',
    content: Buffer.from(`${head('both.example')}\r\n${longBody(70_000)}`),
  },
];

const doors = ['smtp', 'tcp'] as const;
const recipientOf = (id: string, door: string): string => `${id}-${door}@elsewhere.example`;

let ground: Ground;
let sevenBit: SmtpSink;
/** Lines of Postfix's log from before Postern was there. */
let logBefore: number;
const arrived = new Map<string, { readonly message: SinkMessage; readonly verdicts: Verdicts }>();

beforeAll(async () => {
  sevenBit = await SmtpSink.start({ without: ['8BITMIME'] });
  ground = await Ground.start({
    settings,
    ownDomains: ['example.com', 'both.example', 'bücher.example'],
    milter: true,
    dns: {},
    lab: (_, milterOverTcp) => ({
      accounts,
      services: { tcp: { smtpd_milters: milterOverTcp } },
      settings: {
        // Bounces come from MAILER-DAEMON@$myorigin.
        myorigin: 'example.com',
        transport_maps: `inline:{{seven.example = smtp:[127.0.0.1]:${sevenBit.port}}}`,
        // What `doctor` advises where mail is signed.
        disable_mime_output_conversion: 'yes',
        smtp_line_length_limit: '0',
      },
    }),
  });
  logBefore = ground.lab.logLines().length;
  await ground.activateKey('example.com');
  await ground.activateKey('both.example');
  await ground.activateKey('both.example', '--selector', 'ed', '--ed25519');
  await ground.activateKey('bücher.example');
  await sendCases();
});

afterAll(async () => {
  await ground.destroy();
  await sevenBit.stop();
});

/** Sends every case through both doors, each door's on one connection, and has all verified. */
async function sendCases(): Promise<void> {
  for (const door of doors) {
    const session = await ground.open(door);
    for (const { id, content, chunked } of cases) {
      await session.mail('alice@example.com', 'BODY=8BITMIME');
      await session.rcpt(recipientOf(id, door));
      const reply = chunked === true ? await session.bdat(content) : await session.data(content);
      if (reply.code !== 250) throw new Error(`${id}: ${replyText(reply)}`);
    }
    await session.quit();
  }
  const recipients = doors.flatMap((door) => cases.map(({ id }) => recipientOf(id, door)));
  const messages = await Promise.all(recipients.map((recipient) => ground.sink.messageTo(recipient)));
  const verdicts = await verifyDkim(
    messages.map(({ content }) => content),
    ground.dns,
  );
  for (const [index, recipient] of recipients.entries()) {
    arrived.set(recipient, { message: messages[index]!, verdicts: verdicts[index]! });
  }
}

const rsa = (domain: string, selector = 'postern'): object => ({
  domain,
  selector,
  algorithm: 'rsa-sha256',
  passed: true,
});
const ed25519 = (domain: string): object => ({ domain, selector: 'ed', algorithm: 'ed25519-sha256', passed: true });

/** Both verifiers say pass, for the one RSA signature. */
function expectSigned(verdicts: Verdicts, domain = 'example.com'): void {
  expect(verdicts.dkimpy).toEqual([rsa(domain)]);
  expect(verdicts.opendkim).toEqual([rsa(domain)]);
}

async function verdictsOf({ content }: SinkMessage): Promise<Verdicts> {
  return (await verifyDkim([content], ground.dns))[0]!;
}

/** Our signature, unfolded, as tags. */
function signatureTags({ content }: SinkMessage): ReadonlyMap<string, string> {
  const [, field = ''] = /^DKIM-Signature:((?:[^\r]|\r\n[ \t])*)/m.exec(content.toString('latin1')) ?? [];
  return new Map(
    field
      .replace(/\s+/g, '')
      .split(';')
      .map((tag) => [tag.slice(0, tag.indexOf('=')), tag.slice(tag.indexOf('=') + 1)]),
  );
}

describe.each(doors)('signed on the service "%s"', (door) => {
  it.each(cases.filter(({ id }) => !id.startsWith('both')))('$what', ({ id }) => {
    expectSigned(arrived.get(recipientOf(id, door))!.verdicts);
  });

  it.each(cases.filter(({ id }) => id.startsWith('both')))('$what', ({ id }) => {
    const { dkimpy, opendkim } = arrived.get(recipientOf(id, door))!.verdicts;
    for (const results of [dkimpy, opendkim]) {
      expect(results).toHaveLength(2);
      expect(results).toEqual(expect.arrayContaining([rsa('both.example'), ed25519('both.example')]));
    }
  });

  it('the body arrives as it was sent', () => {
    const sent = cases.find(({ id }) => id === '5m')!.content;
    const { content } = arrived.get(recipientOf('5m', door))!.message;
    const bodyOf = (message: Buffer): Buffer => message.subarray(message.indexOf('\r\n\r\n'));
    expect(bodyOf(content).equals(bodyOf(sent))).toBe(true);
  });
});

it('MIL-06 MIL-09 SIG-14 the signature stands on top, its lines at most 78 octets, b= last, folded with CRLF alone', () => {
  const { content } = arrived.get(recipientOf('plain', 'smtp'))!.message;
  const [field = ''] = /^(?:[^\r\n]+\r\n[ \t])*[^\r\n]+\r\n(?![ \t])/.exec(content.toString('latin1')) ?? [];
  expect(field).toMatch(/^DKIM-Signature: /);
  const lines = field.slice(0, -2).split('\r\n');
  expect(Math.max(...lines.map(({ length }) => length))).toBeLessThanOrEqual(78);
  expect(lines.every((each) => each.trim() !== '' && !each.includes('\r'))).toBe(true);
  expect(field.replace(/\s/g, '')).toMatch(/;b=[A-Za-z0-9+/=]+$/);
});

it('SIG-11 SIG-20 h= names each field as often as it must, and none that may change on the way', async () => {
  const fields =
    'MIME-Version: 1.0\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: 7bit\r\nSender: a@example.com\r\n' +
    'List-Unsubscribe: <https://example.com/u>\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n' +
    'Received: from x by y; Tue, 25 Nov 2025 01:01:00 +0000\r\nAuthentication-Results: relay.example; none\r\n';
  const message = await ground.pass({ recipient: 'sig-20@elsewhere.example', message: withFields(fields) });
  const tags = signatureTags(message);
  const names = tags.get('h')!.toLowerCase().split(':');
  const count = (name: string): number => names.filter((each) => each === name).length;
  expect(['from', 'to', 'subject', 'cc', 'reply-to'].map(count)).toEqual([2, 2, 2, 1, 1]);
  for (const name of [
    'sender',
    'mime-version',
    'content-type',
    'content-transfer-encoding',
    'list-unsubscribe',
    'list-unsubscribe-post',
  ]) {
    expect(count(name), name).toBeGreaterThan(0);
  }
  for (const name of ['received', 'return-path', 'dkim-signature', 'authentication-results', 'bcc']) {
    expect(count(name), name).toBe(0);
  }
  expect(tags.has('l')).toBe(false);
  expect(tags.get('c')).toBe('relaxed/relaxed');
  expectSigned(await verdictsOf(message));
  for (const added of ['Cc: c@x.example', 'From: ceo@example.com']) {
    const changed = { ...message, content: Buffer.concat([Buffer.from(`${added}\r\n`), message.content]) };
    const verdicts = await verdictsOf(changed);
    expect([...verdicts.dkimpy, ...verdicts.opendkim].map(({ passed }) => passed)).toEqual([false, false]);
  }
});

it('MIL-01 several messages on one connection, one of them given up: each is signed for what it is', async () => {
  const session = await ground.open('smtp');
  const text = (number: number): Buffer =>
    Buffer.from(
      `${head(number === 2 ? 'both.example' : 'example.com')}X-Number: ${number}\r\n\r\nmessage ${number}\r\n`,
    );
  for (const number of [1, 2, 3]) {
    await session.mail('given-up@example.com');
    await session.rcpt(`given-up-${number}@elsewhere.example`);
    await session.command('RSET');
    await session.mail('alice@example.com');
    await session.rcpt(`several-${number}@elsewhere.example`);
    expect((await session.data(text(number))).code).toBe(250);
  }
  await session.quit();
  const messages = await Promise.all(
    [1, 2, 3].map((number) => ground.sink.messageTo(`several-${number}@elsewhere.example`)),
  );
  const verdicts = await Promise.all(messages.map(verdictsOf));
  expectSigned(verdicts[0]!);
  expect(verdicts[1]!.dkimpy).toHaveLength(2);
  expect(verdicts[1]!.dkimpy.every(({ passed }) => passed)).toBe(true);
  expectSigned(verdicts[2]!);
  expect(messages.map(({ recipients }) => recipients.length)).toEqual([1, 1, 1]);
});

it('SIG-07 (a) a SASL client at a foreign address is signed for', async () => {
  const attempt = { service: 'submission', client: '203.0.113.5', user: alice, sender: 'alice@example.com' };
  const message = await ground.pass({
    ...attempt,
    recipient: 'sig-07-a@elsewhere.example',
    message: withBody('text\r\n'),
  });
  expectSigned(await verdictsOf(message));
});

it('SIG-07 (d) so is one at the address of a gateway', async () => {
  const attempt = { service: 'submission', client: '198.51.100.10', user: alice, sender: 'alice@example.com' };
  const message = await ground.pass({
    ...attempt,
    recipient: 'sig-07-d@elsewhere.example',
    message: withBody('text\r\n'),
  });
  expectSigned(await verdictsOf(message));
});

it('SIG-07 (c) local submission is signed, with what Postfix adds and without a final line end', async () => {
  await ground.lab.sendmail('Subject: local\n\ntext', '-f', 'alice@example.com', 'sendmail@elsewhere.example');
  const message = await ground.sink.messageTo('sendmail@elsewhere.example');
  expect(message.content.toString()).toMatch(/^From: .*alice@example\.com/m);
  expectSigned(await verdictsOf(message));
  const names = signatureTags(message).get('h')!.split(':');
  expect(names).toEqual(expect.arrayContaining(['date', 'message-id']));
});

it.each([
  ['a', 'From: a@example.com, Bob <b@example.com>'],
  ['d', 'From: "x@other.example" <a@example.com>'],
  ['e', 'From: Team (not x@other.example): a@example.com;'],
])('SIG-10 (%s) signed as example.com: %s', async (id, from) => {
  const message = Buffer.from(`${from}\r\n${head('example.com').replace(/^From.*\r\n/, '')}\r\ntext\r\n`);
  expectSigned(await verdictsOf(await ground.pass({ recipient: `sig-10-${id}@elsewhere.example`, message })));
});

it.each([
  ['A-label', 'xn--bcher-kva.example', ''],
  ['U-label', 'bücher.example', 'SMTPUTF8'],
])('an own domain beyond ASCII, written as %s, signs by its A-label', async (label, domain, parameter) => {
  const recipient = `${label}@elsewhere.example`;
  const session = await ground.open('smtp');
  await session.mail(`${parameter === '' ? 'gruesse' : 'grüße'}@${domain}`, parameter);
  await session.rcpt(recipient);
  expect((await session.data(Buffer.from(`${head(domain)}\r\ntext\r\n`))).code).toBe(250);
  await session.quit();
  expectSigned(await verdictsOf(await ground.sink.messageTo(recipient)), 'xn--bcher-kva.example');
});

it('SIG-08 a bounce that Postfix makes is signed with the domain of its From', async () => {
  const recipient = 'reject-sig-08@elsewhere.example';
  expect(await ground.send({ sender: 'alice@example.com', recipient, message: withBody('text\r\n') })).toMatch(/^250 /);
  const bounce = await ground.sink.messageTo('alice@example.com');
  expect(bounce.sender.address).toBe('');
  expect(bounce.content.toString()).toMatch(/^From: .*MAILER-DAEMON@example\.com/m);
  expectSigned(await verdictsOf(bounce));
});

it('SIG-08 so is one that comes over SMTP from a trusted client', async () => {
  const message = withBody('text\r\n')
    .toString()
    .replace(/^From.*/, 'From: MAILER-DAEMON@example.com');
  const bounce = await ground.pass({ sender: '', recipient: 'sig-08@elsewhere.example', message });
  expectSigned(await verdictsOf(bounce));
});

it('SIG-05 to a server without 8BITMIME the 8-bit message still verifies, as Postfix is told not to convert it', async () => {
  const message = cases.find(({ id }) => id === 'utf8')!.content;
  expect(await ground.send({ recipient: 'bob@seven.example', message })).toMatch(/^250 /);
  expectSigned(await verdictsOf(await sevenBit.messageTo('bob@seven.example')));
});

it('nothing of all this was odd to Postern or to Postfix', () => {
  expect(ground.postern.complaints()).toEqual([]);
  const said = ground.lab.logLines().slice(logBefore);
  expect(said.filter((each) => /(?:warning|fatal|panic):/.test(each))).toEqual([]);
});
