/**
 * Encoded recipients through a real Postfix: what reaches the server of a route under the encoded address is, octet by
 * octet, what would have reached it under the plain one.
 */
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { decodeRules, encodeRecipient } from '../../src/mail/index.ts';
import { encodeRegexpTable } from '../../src/wire/postfix-map/index.ts';
import { PostfixLab } from '../support/postfix-lab.ts';
import { replyText, SmtpClient } from '../support/smtp-client.ts';
import { SmtpSink } from '../support/smtp-sink.ts';
import { waitFor } from '../support/waiting.ts';

const LABEL = 'r7-0a1b2c3d';
const INTERNAL = 'route.postern.internal';

let sink: SmtpSink;
let lab: PostfixLab;

beforeAll(async () => {
  sink = await SmtpSink.start();
  lab = await PostfixLab.start({
    ownDomains: [],
    destinationPort: sink.port,
    settings: { recipient_delimiter: '+', smtputf8_enable: 'yes' },
  });
  const table = join(lab.configDirectory, 'decode');
  await writeFile(table, encodeRegexpTable(decodeRules(LABEL, INTERNAL)));
  await chmod(table, 0o644);
  await lab.set({ smtp_generic_maps: `regexp:${table}` });
});

afterAll(async () => {
  await lab.destroy();
  await sink.stop();
});

/** The recipient that the server saw of a message sent to `recipient`. */
async function arrives(session: SmtpClient, recipient: string): Promise<string> {
  const id = `id-${Math.random()}`;
  for (const reply of [
    await session.mail('sender@remote.example', 'SMTPUTF8'),
    await session.rcpt(recipient),
    await session.data(`Subject: ${id}\nTo: someone@remote.example\n\ntext\n`),
  ]) {
    if (reply.code !== 250) throw new Error(`${recipient}: ${replyText(reply)}`);
  }
  const message = await waitFor(`the message to ${recipient}`, () =>
    sink.messages.find(({ content }) => content.includes(id)),
  );
  return message.recipients.map(({ address }) => address).join(' ');
}

it.each([
  ['u', 'example.test'],
  ['u=x=y', 'example.test'],
  ['u+tag', 'example.test'],
  ["o'brien", 'example.test'],
  ['a!b', 'example.test'],
  ['a%b', 'example.test'],
  ['"a b"', 'example.test'],
  [String.raw`"a\"b"`, 'example.test'],
  [String.raw`"a\\"`, 'example.test'],
  [String.raw`"a\b"`, 'example.test'],
  ['"a@b"', 'example.test'],
  ['"a=b@c"', 'example.test'],
  ['"u"', 'example.test'],
  ['"="', 'example.test'],
  ['=', 'example.test'],
  ['U.Ser', 'Example.TEST'],
  ['jürgen', 'example.test'],
  ['"jürgen à"', 'example.test'],
  ['u', 'bücher.test'],
  ['u'.repeat(400), 'example.test'],
  ['u', '[127.0.0.9]'],
  ['"a b"', '[127.0.0.9]'],
  ['u', '[IPv6:2001:db8::9]'],
  ['a@b', 'example.test'],
  ['a..b', 'example.test'],
  ['.a', 'example.test'],
  ['a.', 'example.test'],
  ['u', 'example.test.'],
  ['a."b c".d', 'example.test'],
  ['"a"."b"', 'example.test'],
  [String.raw`a\ b`, 'example.test'],
  [String.raw`a\@b`, 'example.test'],
])('arrives as under its plain address: %s@%s', async (localPart, domain) => {
  const session = await SmtpClient.open(lab.port());
  const plain = await arrives(session, `${localPart}@${domain}`);
  expect(await arrives(session, encodeRecipient({ localPart, domain }, LABEL, INTERNAL))).toBe(plain);
  session.close();
});
