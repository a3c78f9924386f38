/** Postfix's own bounces at the milter door: the addresses that they name, and the hash of what they become. */
import { describe, expect, it } from 'vitest';
import { withSigningKeys } from '../../../src/snapshot/index.ts';
import { aRoutedSnapshot, knownRoute, withDomain } from '../../support/builders.ts';
import { isSignedBy } from '../../support/dkim-check.ts';
import { MilterClient, type MilterMessage } from '../../support/milter-client.ts';
import * as mta from '../../unit/wire/milter/mta.ts';
import { milterGround, signaturesOf, type Ground } from './ground.ts';

const DOCUMENT = withDomain({}, { routes: { archive: { host: 'archive.example.net' } } });
const LABEL = knownRoute(aRoutedSnapshot(DOCUMENT), 'archive').label;
const END = `@${LABEL}.route.postern.internal`;
const MEBIOCTET = 1_048_576;

const bounce = (body: string | Buffer): MilterMessage => ({
  sender: '',
  isEarly: true,
  recipients: ['alice@example.com'],
  fields: ['From: MAILER-DAEMON@example.com (Mail Delivery System)', 'Auto-Submitted: auto-replied'],
  body,
});
const reported = (address: string): string =>
  `<${address}>: host said: 550\r\n\r\nFinal-Recipient: rfc822; ${address}\r\n`;

/** A door whose snapshot has a route that Postfix knows, and a client of it that is as bounce(8). */
async function routedGround(offer?: Buffer): Promise<Ground & { client: MilterClient }> {
  const ground = await milterGround();
  ground.current = withSigningKeys(aRoutedSnapshot(DOCUMENT), [ground.key]);
  const client = await MilterClient.connect(ground.place);
  await client.negotiate(offer);
  await client.localClient();
  return Object.assign(ground, { client });
}

/** The new body of an answer, in the latin1 of its octets; null where there is none. */
function newBody(changes: readonly (readonly (string | number)[])[]): string | null {
  const parts = changes.filter(([code]) => code === 'b').map(([, octets]) => octets);
  return parts.length === 0 ? null : parts.join('');
}

describe('a bounce of Postfix', () => {
  it('names the real recipient, and is signed as it leaves', async () => {
    const { client, key, log } = await routedGround();
    const message = bounce(reported(`u=example.test${END}`));
    const { verdict, changes, fields } = await client.message(message);
    expect(verdict).toBe('c');
    expect(newBody(changes)).toBe(reported('u@example.test'));
    const [signature = ''] = signaturesOf(fields);
    const isSigned = (body: string): boolean =>
      isSignedBy(signature, message.fields ?? [], Buffer.from(body, 'latin1'), key.publicKey);
    expect(isSigned(reported('u@example.test'))).toBe(true);
    expect(isSigned(String(message.body))).toBe(false);
    // The parts of a new body stand in a row, with nothing after them that could part them.
    expect(changes.map(([code]) => code)).toEqual(['i', 'b']);
    expect(log.at('warn')).toEqual([]);
    client.close();
  });

  it('without encoded recipients keeps its body, and its hash is of that', async () => {
    const { client, key } = await routedGround();
    for (const body of [reported('u@example.test'), '', 'x'.repeat(200_000)]) {
      const message = bounce(body);
      const { changes, fields } = await client.message(message);
      expect(newBody(changes)).toBeNull();
      const [signature = ''] = signaturesOf(fields);
      expect(isSignedBy(signature, message.fields ?? [], Buffer.from(body), key.publicKey)).toBe(true);
    }
    client.close();
  });

  it.each([
    ['of the bound', MEBIOCTET, true],
    ['above the bound', MEBIOCTET + 1, false],
  ])('with a body %s: signed all the same, and said where it is not looked at', async (_, octets, isDecoded) => {
    const { client, key, log } = await routedGround();
    const head = reported(`u=example.test${END}`);
    const body = `${head}${'long line \r\n'.repeat(octets / 12)}`.slice(0, octets - 2) + '\r\n';
    expect(body).toHaveLength(octets);
    const message = bounce(body);
    const { verdict, changes, fields } = await client.message(message);
    expect(verdict).toBe('c');
    const left = isDecoded ? body.replace(head, reported('u@example.test')) : body;
    expect(newBody(changes)).toEqual(isDecoded ? left : null);
    const [signature = ''] = signaturesOf(fields);
    expect(isSignedBy(signature, message.fields ?? [], Buffer.from(left), key.publicKey)).toBe(true);
    expect(log.at('warn').map(({ fields: told }) => told)).toEqual(
      isDecoded ? [] : [{ queue_id: '4QueueId', limit: MEBIOCTET }],
    );
    client.close();
  });

  it('so does the copy for the postmaster, which has a sender', async () => {
    const { client } = await routedGround();
    for (const sender of ['double-bounce@example.com', 'Double-Bounce@mx.example.com']) {
      const message = { ...bounce(reported(`u=example.test${END}`)), sender };
      expect(newBody((await client.message(message)).changes)).toBe(reported('u@example.test'));
    }
    client.close();
  });

  it('cut anywhere, also inside an encoded recipient', async () => {
    const { client } = await routedGround();
    const body = Buffer.from(reported(`u=example.test${END}`));
    await client.envelope(bounce(body));
    client.send(mta.header('From', ' MAILER-DAEMON@example.com'), mta.endOfHeaders);
    for (const octet of body) client.send(mta.body(Buffer.of(octet)));
    client.send(mta.endOfMessage);
    expect(newBody((await client.answer()).changes)).toBe(reported('u@example.test'));
    client.close();
  });

  it('the next one on the connection has nothing of it', async () => {
    const { client } = await routedGround();
    expect(newBody((await client.message(bounce(reported(`u=example.test${END}`)))).changes)).not.toBeNull();
    const { changes } = await client.message(bounce(reported(`v=b.test${END}`)));
    expect(newBody(changes)).toBe(reported('v@b.test'));
    client.close();
  });

  it('goes as it is where the MTA takes no new body, with a note for debugging', async () => {
    const { client, key, log } = await routedGround(mta.offer(6, 0x1fd));
    const body = reported(`u=example.test${END}`);
    const message = bounce(body);
    const { verdict, changes, fields } = await client.message(message);
    expect([verdict, newBody(changes)]).toEqual(['c', null]);
    const [signature = ''] = signaturesOf(fields);
    expect(isSignedBy(signature, message.fields ?? [], Buffer.from(body), key.publicKey)).toBe(true);
    expect(log.at('debug').map(({ fields: told }) => told['code'])).toEqual(['body-not-replaceable']);
    client.close();
  });
});

describe('what is no bounce of Postfix', () => {
  it.each<[string, Partial<MilterMessage>]>([
    ['local mail with a sender', { sender: 'alice@example.com' }],
    ['local mail with a sender that is nearly one', { sender: 'double-bounce-x@example.com' }],
    ['an SMTP client with the sender of postmaster copies', { sender: '<double-bounce@example.com>', isEarly: false }],
    ['a null sender without a queue id at MAIL, as of an SMTP client', { sender: '<>', isEarly: false }],
  ])('%s keeps its body, whatever it says', async (_, changed) => {
    const { client } = await routedGround();
    const { verdict, changes } = await client.message({ ...bounce(reported(`u=example.test${END}`)), ...changed });
    expect([verdict, newBody(changes)]).toEqual(['c', null]);
    client.close();
  });

  it('an SMTP client with the null sender', async () => {
    const ground = await routedGround();
    const stranger = await ground.open();
    const { changes } = await stranger.message({ ...bounce(reported(`u=example.test${END}`)), sender: '<>' });
    expect(newBody(changes)).toBeNull();
  });
});
