/** The milter door over real sockets: what is told, what is answered, and when. */
import { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, vi } from 'vitest';
import type { SpamHit } from '../../../src/decide/index.ts';
import { formatIpAddress } from '../../../src/mail/index.ts';
import type { MessageJudge, Signer, SpamPatterns } from '../../../src/services/index.ts';
import { withSigningKeys } from '../../../src/snapshot/index.ts';
import { aDomain, aSnapshot, withDomain } from '../../support/builders.ts';
import { isSignedBy } from '../../support/dkim-check.ts';
import { MilterClient } from '../../support/milter-client.ts';
import { waitFor } from '../../support/waiting.ts';
import * as mta from '../../unit/wire/milter/mta.ts';
import { samplesOf } from '../adapters/peers.ts';
import { milterGround, signaturesOf } from './ground.ts';

const OURS = { user: 'alice', fields: ['From: alice@example.com', 'Subject: x'], body: 'Hello \t you\r\n\r\n' };
const FOREIGN = {
  sender: '<x@partner.example>',
  recipients: ['<bob@example.com>'],
  fields: ['From: x@partner.example'],
};
const TRY_AGAIN = 'y 451 4.3.0 Mail system temporarily unavailable';

/** Counts the writes that `run` brings about on sockets of this process that are not `client`'s. */
async function serverWrites(client: MilterClient, run: () => Promise<unknown>): Promise<number> {
  const write = vi.spyOn(Socket.prototype, 'write');
  try {
    await run();
    return write.mock.contexts.filter((socket) => socket !== client.socket).length;
  } finally {
    write.mockRestore();
  }
}

/** A signer whose signatures wait until they are let go. */
function slowSigner(): { signer: Signer; started: () => number; release: () => void } {
  const waiting: (() => void)[] = [];
  let started = 0;
  return {
    signer: {
      sign: () => {
        started += 1;
        return new Promise((resolve) =>
          waiting.push(() => {
            resolve(['v=1; slow']);
          }),
        );
      },
    },
    started: () => started,
    release: () => {
      for (const go of waiting.splice(0)) go();
    },
  };
}

describe.each(['unix', 'tcp'] as const)('over %s', (over) => {
  it('asks for silence, and for DATA to be answered over TCP alone', async () => {
    const { place } = await milterGround({ over });
    const client = await MilterClient.connect(place);
    const agreed = await client.negotiate();
    client.close();
    expect(agreed).toMatchObject({ version: 6, actions: 0x1bb });
    expect(agreed.protocol).toBe((over === 'tcp' ? 0xef880 : 0xff880) | 0x100000);
    expect(agreed.lists).toContain('{daemon_name}');
    expect(agreed.lists).toContain('i {auth_authen}');
  });

  it('several messages on one connection are signed one after the other, each in one write', async () => {
    const { open, key, decisions } = await milterGround({ over, key: 'rsa' });
    const client = await open();
    for (const [n, body] of [
      '',
      'Hello',
      ' \r\n\t\r\n',
      'x'.repeat(70_000),
      'dots\r\n..\r\n.\r\n',
      '\xff\xe4\0 \r\n',
    ].entries()) {
      const message = {
        ...OURS,
        body,
        queueId: `4Q${n}`,
        fields: ['From: alice@example.com', `Subject: ${n}\n\t folded `],
      };
      await client.envelope(message);
      const writes = await serverWrites(client, async () => {
        await client.content(message);
        const { verdict, fields } = await client.answer(message);
        expect(verdict).toBe('c');
        const [signature = '', ...others] = signaturesOf(fields);
        expect(others).toEqual([]);
        expect(isSignedBy(signature, message.fields, Buffer.from(body, 'latin1'), key.publicKey)).toBe(true);
        expect(isSignedBy(signature, ['From: eve@example.com'], Buffer.from(body, 'latin1'), key.publicKey)).toBe(
          false,
        );
      });
      expect(writes).toBe(1);
      client.send(mta.abort);
    }
    expect(decisions().map((line) => line['queue_id'])).toEqual(['4Q0', '4Q1', '4Q2', '4Q3', '4Q4', '4Q5']);
  });

  it('MIL-09 results on top, then marks, then signatures, all above the Received of the MTA', async () => {
    const document = withDomain({ allowedIps: ['203.0.113.5'] });
    const { open } = await milterGround({ over, document, around: { trustedNetworks: ['203.0.113.5'] } });
    const client = await open();
    const { fields } = await client.message({ ...OURS, user: 'x@other.example', recipients: ['<bob@example.com>'] });
    expect(fields.map((field) => field.slice(0, field.indexOf(':')))).toEqual([
      'X-Postern-Spam-Filter',
      'DKIM-Signature',
      ...['Received', 'From', 'Subject'],
    ]);
    const stranger = await open({ address: '203.0.113.66' });
    const forged = {
      ...FOREIGN,
      fields: ['Authentication-Results: mx.example.com; dkim=pass', 'From: x@partner.example'],
    };
    expect((await stranger.message(forged)).fields).toEqual([
      'Authentication-Results: mx.example.com; none',
      'Received: own',
      'From: x@partner.example',
    ]);
  });

  it('MIL-13 a dialogue cut into single octets, and one in a single write, have the same answers', async () => {
    const { open, place, key } = await milterGround({ over });
    // Fields and chunks are cut where it hurts: inside CR LF, inside the white space before it, inside a fold.
    const chunks = ['Hello \t', ' \r', '\n\r\n', '\r', '\nend', '\r\n'];
    const packets = [
      mta.macros('M', '{auth_authen}', 'alice'),
      mta.mail('<alice@example.com>'),
      mta.rcpt('<carol@elsewhere.example>'),
      mta.macros('T', 'i', '4Q'),
      mta.data,
      mta.header('From', ' alice@example.com'),
      mta.header('Subject', ' one\n\ttwo'),
      mta.header('X-Empty', ''),
      mta.endOfHeaders,
      ...chunks.map((chunk) => mta.body(chunk)),
      mta.endOfMessage,
      mta.abort,
    ];
    const fields = ['From: alice@example.com', 'Subject: one\n\ttwo', 'X-Empty:'];
    const octetwise = await MilterClient.connect(place);
    for (const octet of Buffer.concat([mta.offer()])) {
      octetwise.send(Buffer.from([octet]));
      await new Promise(setImmediate);
    }
    expect((await octetwise.packets(1))[0]?.code).toBe('O');
    const joined = await open();
    for (const [client, writes] of [
      [octetwise, [...Buffer.concat(packets)].map((octet) => Buffer.from([octet]))],
      [joined, [Buffer.concat(packets)]],
    ] as const) {
      for (const write of writes) {
        client.send(write);
        if (writes.length > 1) await new Promise(setImmediate);
      }
      if (over === 'tcp') expect((await client.packets(1)).map(({ code }) => code)).toEqual(['c']);
      const { verdict, changes } = await client.answer({ fields });
      expect(verdict).toBe('c');
      const signature = ` ${String(changes.find((change) => change[2] === 'DKIM-Signature')?.[3]).trim()}`;
      expect(isSignedBy(signature, fields, Buffer.from(chunks.join('')), key.publicKey)).toBe(true);
      client.close();
    }
  });
});

describe('what is told', () => {
  it('MIL-01 ABORT ends the message, not the connection, and is not answered', async () => {
    const { open, decisions } = await milterGround();
    const client = await open({ address: '192.0.2.9' });
    await client.envelope({
      user: 'alice',
      sender: '<a@example.com>',
      recipients: ['<x@elsewhere.example>', '<z@elsewhere.example>'],
    });
    client.send(mta.header('From', ' alice@example.com'), mta.header('Subject', ' one'), mta.abort, mta.abort);
    const { verdict, fields } = await client.message({
      sender: '<b@example.com>',
      recipients: ['<y@elsewhere.example>'],
      fields: ['Subject: two'],
    });
    expect(verdict).toBe('c');
    expect(fields).toEqual(['Authentication-Results: mx.example.com; none', 'Received: own', 'Subject: two']);
    expect(decisions()).toEqual([
      expect.objectContaining({
        client_address: '192.0.2.9',
        sender: 'b@example.com',
        recipients: 1,
        text: 'not signed: no From',
      }),
    ]);
    expect(decisions()[0]).not.toHaveProperty('sasl_username');
    expect(client.pendingBytes).toBe(0);
  });

  it('MIL-07 macros absent, empty, late and unknown', async () => {
    const { open, decisions, log } = await milterGround();
    const client = await open();
    client.send(
      mta.macros('M', '{auth_type}', '', '{auth_authen}', 'alice', '{foo}', 'x', 'odd'),
      mta.mail('<alice@example.com>'),
      mta.rcpt('<carol@elsewhere.example>'),
      mta.macros('T', 'i', '4Late'),
      mta.data,
    );
    await client.content({ fields: ['From: alice@example.com'], queueId: '4Late' });
    expect(signaturesOf((await client.answer()).fields)).toHaveLength(1);
    expect(decisions()[0]).toMatchObject({ sasl_username: 'alice', queue_id: '4Late' });
    expect(log.at('debug').map(({ fields }) => fields['code'])).toEqual(['macro-tail']);
    expect(log.at('warn')).toEqual([]);
  });

  it('MIL-07 an empty {auth_authen} is no authentication', async () => {
    const { open, decisions } = await milterGround();
    const { fields } = await (await open()).message({ ...OURS, user: '' });
    expect(signaturesOf(fields)).toEqual([]);
    expect(decisions()[0]).not.toHaveProperty('sasl_username');
  });

  it('a user name in UTF-8 belongs to the organization of its domain, whatever its spelling', async () => {
    const document = {
      version: 1,
      organizations: {
        acme: { primaryDomain: 'example.com', domains: { 'example.com': {} } },
        other: { primaryDomain: 'bücher.example', domains: { 'bücher.example': {} } },
      },
    };
    const { open, decisions } = await milterGround({ document });
    const user = Buffer.from('eve@bücher.example').toString('latin1');
    expect(signaturesOf((await (await open()).message({ ...OURS, user })).fields)).toEqual([]);
    expect(decisions()[0]).toMatchObject({
      sasl_username: 'eve@bücher.example',
      text: expect.stringContaining('another organization') as string,
    });
  });

  it.each([
    ['6', 'IPv6:2001:db8::1', '2001:db8::1'],
    ['6', '2001:db8::1', '2001:db8::1'],
    ['6', '[2001:db8::1]', '2001:db8::1'],
    ['6', '::ffff:192.0.2.9', '192.0.2.9'],
    ['4', '192.0.2.9', '192.0.2.9'],
    ['4', 'nonsense', 'unknown'],
    ['L', '/run/x.sock', 'unknown'],
    ['U', '', 'unknown'],
  ])('MIL-11 family %s %s is %s', async (family, address, shown) => {
    const document = withDomain({
      blockedIps: ['0.0.0.0/0', '::/0'],
      inboundGateway: { enabled: true, ips: ['192.0.2.10'], onlyFromGateway: true },
    });
    const { open, decisions, log } = await milterGround({ document });
    expect((await (await open({ family, address })).message(FOREIGN)).verdict).toBe('c');
    expect(decisions()[0]).toMatchObject({ client_address: shown });
    expect(log.at('error')).toEqual([]);
  });

  it('local submission is trusted, a client that only looks so is not', async () => {
    const { place, decisions } = await milterGround({ around: { trustedNetworks: ['192.0.2.1'] } });
    for (const [isEarly, sender] of [
      [true, 'alice@example.com'],
      [true, ''],
      [false, '<alice@example.com>'],
    ] as const) {
      const client = await MilterClient.connect(place);
      await client.negotiate();
      await client.localClient();
      const { fields } = await client.message({ sender, isEarly, recipients: ['carol@elsewhere.example'] });
      expect(signaturesOf(fields)).toHaveLength(isEarly ? 1 : 0);
      client.quit();
      await client.ended();
    }
    expect(decisions().map((line) => [line['client_address'], line['sender'], line['queue_id']])).toEqual([
      ['local', 'alice@example.com', '4QueueId'],
      ['local', '<>', '4QueueId'],
      ['127.0.0.1', 'alice@example.com', '4QueueId'],
    ]);
  });

  it('QUIT_NC forgets the client: the next one begins with nothing of it', async () => {
    const { open, decisions } = await milterGround({ around: { trustedNetworks: ['127.0.0.0/8'] } });
    const client = await open({ address: '127.0.0.1' });
    expect(signaturesOf((await client.message()).fields)).toHaveLength(1);
    client.send(mta.quitNewConnection);
    // Its successor is not introduced: as good as unknown.
    expect(signaturesOf((await client.message()).fields)).toEqual([]);
    client.send(mta.abort, mta.quitNewConnection);
    await client.client('203.0.113.9');
    expect(signaturesOf((await client.message()).fields)).toEqual([]);
    expect(decisions().map((line) => line['client_address'])).toEqual(['127.0.0.1', 'unknown', '203.0.113.9']);
  });

  it('QUIT closes at once, also where the client does not close its side', async () => {
    const { open, door } = await milterGround();
    const client = await open();
    client.quit();
    await waitFor('the end of the connection', () => (door.connections === 0 ? true : undefined), 2_000, 5);
  });

  it('an MTA that cannot give recipients their parameters is refused: mail for routes would lose what was asked', async () => {
    const { open } = await milterGround();
    await expect(open({ offer: mta.offer(2, 0x3f, 0x7f) })).rejects.toThrow('no negotiation but nothing');
  });

  it('an MTA that offers no silence is answered event by event', async () => {
    const { open, key } = await milterGround();
    const client = await open({ offer: mta.offer(6, 0x1ff, 0x7f) });
    const { verdict, fields } = await client.message({ ...OURS, user: 'alice', body: 'x\r\n' });
    expect(verdict).toBe('c');
    expect(isSignedBy(signaturesOf(fields)[0] ?? '', OURS.fields, Buffer.from('x\r\n'), key.publicKey)).toBe(true);
    expect(client.pendingBytes).toBe(0);
  });
});

describe('refusal', () => {
  it('more forged fields than Postfix could take out in time are refused with 550 5.6.0, nothing is changed or signed', async () => {
    const { open, decisions, meters } = await milterGround();
    const client = await open();
    const flood = (count: number): object => ({
      ...FOREIGN,
      fields: [...Array<string>(count).fill('X-Postern-A: x'), 'From: x@partner.example'],
    });
    const { verdict, changes } = await client.message(flood(501));
    expect(verdict).toBe('y 550 5.6.0 Too many header fields that only the receiving mail system may add');
    expect(changes).toEqual([]);
    expect(decisions()[0]).toMatchObject({ verdict: 'reject', rule: 'marks', removed: 0, added: [], signatures: [] });
    expect((await samplesOf(meters)).get('postern_messages_total{verdict="reject"}')).toBe(1);
    const taken = await client.message(flood(500));
    expect(taken.verdict).toBe('c');
    expect(taken.fields).toEqual([
      'Authentication-Results: mx.example.com; none',
      'Received: own',
      'From: x@partner.example',
    ]);
  });
});

describe('which snapshot', () => {
  it('is that of MAIL: a message that began goes on with it, the next has the new one', async () => {
    // Over TCP DATA is answered, so that MAIL is known to have arrived.
    const ground = await milterGround({ over: 'tcp' });
    const client = await ground.open();
    await client.envelope(OURS);
    ground.current = withSigningKeys(aSnapshot(withDomain({})), []);
    await client.content(OURS);
    expect(signaturesOf((await client.answer(OURS)).fields)).toHaveLength(1);
    client.send(mta.abort);
    expect(signaturesOf((await client.message(OURS)).fields)).toEqual([]);
    expect(ground.decisions().map((line) => line['text'])).toEqual([
      'signed by example.com (s1)',
      'not signed: example.com has no active key',
    ]);
  });
});

describe('a decision that takes its time', () => {
  const gateway = { enabled: true, ips: ['198.51.100.7'], spamPattern: '^X-Gw-Score: 9' };
  const SPAM = {
    recipients: ['<bob@example.com>'],
    sender: '<x@partner.example>',
    fields: ['Received: from a (a [203.0.113.50]) by gw.example (Postfix) with ESMTP id 1;', 'X-Gw-Score: 9'],
  };
  let looks = 0;
  const slowly = (found: Promise<SpamHit>): SpamPatterns => ({
    look: (_, { client }) => {
      if (client.kind !== 'smtp' || formatIpAddress(client.address) !== '198.51.100.7') return null;
      looks += 1;
      return found.then((hit) => new Map([[aDomain('example.com'), hit]]));
    },
  });

  it('the body waits for it; another connection does not', async () => {
    const { promise, resolve } = Promise.withResolvers<SpamHit>();
    const ground = await milterGround({
      document: withDomain({ inboundGateway: gateway }),
      spamPatterns: slowly(promise),
    });
    const [waiting, other] = [await ground.open({ address: '198.51.100.7' }), await ground.open()];
    const answer = waiting.message(SPAM);
    expect((await other.message(OURS)).verdict).toBe('c');
    expect(ground.decisions()).toHaveLength(1);
    resolve({ kind: 'match', field: 'X-Gw-Score' });
    const { verdict, fields } = await answer;
    expect(verdict).toBe('c');
    expect(fields).toContain('X-Spam-Flag: YES');
  });

  it('a peer that leaves meanwhile is forgotten', async () => {
    const { promise, resolve } = Promise.withResolvers<SpamHit>();
    const ground = await milterGround({
      document: withDomain({ inboundGateway: gateway }),
      spamPatterns: slowly(promise),
    });
    looks = 0;
    const leaving = await ground.open({ address: '198.51.100.7' });
    void leaving.message(SPAM).catch(() => undefined);
    await waitFor('the question', () => (looks > 0 ? true : undefined));
    leaving.close();
    resolve({ kind: 'none', isCut: false });
    expect((await (await ground.open()).message(OURS)).verdict).toBe('c');
    expect(ground.log.at('error')).toEqual([]);
  });

  it('one that fails is 451, and the connection goes on', async () => {
    const ground = await milterGround({
      document: withDomain({ inboundGateway: gateway }),
      spamPatterns: { look: () => Promise.reject(new Error('the thread is gone')) },
    });
    const client = await ground.open({ address: '198.51.100.7' });
    expect((await client.message(SPAM)).verdict).toBe(TRY_AGAIN);
    const told = ground.log.at('error').map(({ message }) => message);
    expect(told).toEqual(['a message could not be decided', 'a message could not be answered']);
    client.send(mta.abort);
    expect((await client.message(SPAM)).verdict).toBe(TRY_AGAIN);
  });

  it.each([
    ['quarantine', 'c'],
    ['discard', 'd'],
  ])('GW-08 %s as the protocol says it', async (blockedBehindGateway, letter) => {
    const inboundGateway = { ...gateway, blockedBehindGateway };
    const ground = await milterGround({ document: withDomain({ inboundGateway, blockedIps: ['203.0.113.50'] }) });
    const client = await ground.open({ address: '198.51.100.7' });
    const { verdict, changes } = await client.message(SPAM);
    expect(verdict).toBe(letter);
    expect(changes.at(-1)?.join(' ')).toBe(letter === 'c' ? 'q Postern: 203.0.113.50 is blocked' : undefined);
  });
});

describe('trouble of ours', () => {
  const failing: Signer = { sign: () => Promise.reject(new Error('the key is gone')) };
  const helpless: MessageJudge = {
    judgeMessage: () => {
      throw new Error('no decision');
    },
    reportMessage: () => undefined,
  };

  it.each([
    ['a signature that cannot be made', { signer: failing }],
    ['a decision that cannot be made', { judge: helpless }],
  ])('%s is 451, never unsigned; counted, logged, and the connection goes on', async (_, replaced) => {
    const { open, log, meters } = await milterGround(replaced);
    const client = await open();
    for (let n = 1; n <= 2; n += 1) {
      const { verdict, changes } = await client.message(OURS);
      expect([verdict, changes]).toEqual([TRY_AGAIN, []]);
      expect((await samplesOf(meters)).get('postern_messages_total{verdict="defer"}')).toBe(n);
    }
    expect(log.at('error').at(-1)).toMatchObject({
      message: 'a message could not be answered',
      fields: { queue_id: '4QueueId' },
    });
    expect(client.isEnded).toBe(false);
    expect((await samplesOf(meters)).get('postern_signatures_total')).toBe(0);
  });

  it.each([
    ['signature', { signer: failing }],
    ['decision', { judge: helpless }],
  ])('the null sender of local mail waits too, for want of a %s: nothing goes past a route', async (_, replaced) => {
    const { place, log, meters } = await milterGround(replaced);
    const client = await MilterClient.connect(place);
    await client.negotiate();
    await client.localClient();
    const bounce = {
      sender: '',
      isEarly: true,
      recipients: ['carol@elsewhere.example'],
      fields: ['From: MAILER-DAEMON@example.com'],
    };
    expect(await client.message(bounce)).toMatchObject({ verdict: TRY_AGAIN, changes: [] });
    expect((await client.message({ ...bounce, sender: 'alice@example.com' })).verdict).toBe(TRY_AGAIN);
    expect((await samplesOf(meters)).get('postern_messages_total{verdict="defer"}')).toBe(2);
    expect(log.at('error').length).toBeGreaterThan(0);
    client.close();
  });

  it('the null sender of an SMTP client waits like any other', async () => {
    const { open } = await milterGround({ signer: failing });
    expect((await (await open()).message({ ...OURS, sender: '<>' })).verdict).toBe(TRY_AGAIN);
  });
});

describe('trouble of theirs', () => {
  it.each<[string, Buffer, string]>([
    ['a length of 0', mta.u32(0), 'packet-empty'],
    ['a length of 2^32-1', Buffer.concat([mta.u32(0xffff_ffff), Buffer.from('L')]), 'packet-too-long'],
    ['an unknown command', mta.packet('Z', 'x'), 'unknown-command'],
    ['a field without its NUL', mta.packet('L', 'From\0x'), 'bad-payload'],
    ['a second negotiation', mta.offer(), 'negotiated-twice'],
  ])('MIL-13 %s closes, is warned about and counted; the message leaves nothing', async (_, bytes, code) => {
    const { open, log, meters, door, decisions } = await milterGround();
    const client = await open();
    await client.envelope(OURS);
    client.send(mta.header('From', ' alice@example.com'), bytes, mta.endOfMessage);
    await client.ended();
    expect(client.pendingBytes).toBe(0);
    expect(log.at('warn')).toMatchObject([{ fields: { door: 'milter', peer: 'unix', code } }]);
    expect((await samplesOf(meters)).get('postern_protocol_faults_total{door="milter"}')).toBe(1);
    await waitFor('no connection', () => (door.connections === 0 ? true : undefined), 2_000, 5);
    expect(decisions()).toEqual([]);
    expect((await (await open()).message(OURS)).verdict).toBe('c');
  });

  it('a peer that speaks another language is closed before it is buffered', async () => {
    const { place, log } = await milterGround();
    const client = await MilterClient.connect(place);
    client.send(Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n'));
    await client.ended();
    expect(log.at('warn')).toHaveLength(1);
  });

  it('a client that vanishes in the middle of a message leaves nothing', async () => {
    const slow = slowSigner();
    const { place, door, log, meters } = await milterGround({ signer: slow.signer });
    const steps: ((client: MilterClient) => void | Promise<void>)[] = [
      () => undefined,
      async (client) => {
        await client.negotiate();
      },
      async (client) => {
        await client.negotiate();
        await client.client();
      },
      async (client) => {
        await client.negotiate();
        await client.client();
        await client.envelope(OURS);
      },
      async (client) => {
        await client.negotiate();
        await client.client();
        await client.envelope(OURS);
        client.send(mta.header('From', ' alice@example.com'), mta.endOfHeaders, mta.body('x').subarray(0, 3));
      },
      async (client) => {
        await client.negotiate();
        await client.client();
        await client.envelope(OURS);
        await client.content(OURS);
        await waitFor('the signature', () => (slow.started() === 1 ? true : undefined), 5_000, 2);
      },
    ];
    for (const step of steps) {
      const client = await MilterClient.connect(place);
      await step(client);
      client.close();
    }
    slow.release();
    await waitFor('no connection', () => (door.connections === 0 ? true : undefined), 5_000, 5);
    await sleep(20);
    expect(log.at('error')).toEqual([]);
    expect(log.at('warn')).toEqual([]);
    expect((await samplesOf(meters)).get('postern_connections{door="milter"}')).toBe(0);
  });
});

describe('order and flow', () => {
  it('a slow signature does not let the next message overtake it', async () => {
    const slow = slowSigner();
    const { open, decisions } = await milterGround({ signer: slow.signer });
    const client = await open();
    // Two messages in one write: the first needs a signature, the second none.
    const message = (user: string, from: string): Buffer[] => [
      mta.macros('M', '{auth_authen}', user),
      mta.mail('<alice@example.com>'),
      mta.rcpt('<carol@elsewhere.example>'),
      mta.data,
      mta.header('From', ` ${from}`),
      mta.endOfHeaders,
      mta.endOfMessage,
      mta.abort,
    ];
    client.send(...message('first', 'alice@example.com'), ...message('second', 'x@partner.example'));
    await waitFor('the signature', () => (slow.started() === 1 ? true : undefined), 5_000, 2);
    await sleep(50);
    expect(client.pendingBytes).toBe(0);
    expect(decisions()).toEqual([]);
    slow.release();
    expect(signaturesOf((await client.answer()).fields)).toEqual([' v=1; slow']);
    expect(signaturesOf((await client.answer()).fields)).toEqual([]);
    expect(decisions().map((line) => line['sasl_username'])).toEqual(['first', 'second']);
  });

  it('a slow signature of one connection does not hold up another', async () => {
    const slow = slowSigner();
    const { open } = await milterGround({ signer: slow.signer });
    const [first, second] = [await open(), await open()];
    await first.envelope(OURS);
    await first.content(OURS);
    await waitFor('the signature', () => (slow.started() === 1 ? true : undefined), 5_000, 2);
    expect((await second.message(FOREIGN)).verdict).toBe('c');
    slow.release();
    expect((await first.answer(OURS)).verdict).toBe('c');
  });

  it('a client that does not take its answers is not read on: little is kept of it', async () => {
    const { open } = await milterGround();
    const client = await open({ offer: mta.offer(6, 0x1ff, 0x7f) });
    await client.envelope(OURS);
    await client.command('L', mta.header('From', ' alice@example.com'));
    await client.command('N', mta.endOfHeaders);
    client.socket.pause();
    const answered = vi.spyOn(Socket.prototype, 'write');
    const packets = 400_000;
    const chunk = Buffer.concat(Array.from({ length: 1_000 }, () => mta.body('x')));
    for (let n = 0; n < packets; n += 1_000) client.socket.write(chunk);
    await sleep(1_500);
    const stalled = answered.mock.contexts.filter((socket) => socket !== client.socket);
    const door = stalled[0] as Socket;
    answered.mockRestore();
    expect(stalled.length).toBeLessThan(packets);
    expect(door.writableLength).toBeLessThan(256 * 1_024);
    client.socket.resume();
    const replies = await client.packets(packets, 30_000);
    expect(replies.every(({ code }) => code === 'c')).toBe(true);
    client.send(mta.endOfMessage);
    expect((await client.answer()).verdict).toBe('c');
  });
});

describe('drain', () => {
  const soon = async (closing: Promise<void>): Promise<boolean> =>
    Promise.race([closing.then(() => true), sleep(1_000).then(() => false)]);

  it('ends idle connections at once: one that said nothing, one that negotiated, one between messages', async () => {
    const { place, open, door } = await milterGround();
    const silent = await MilterClient.connect(place);
    const idle = await open();
    const used = await open();
    await used.message(OURS);
    expect(await soon(door.close(10_000))).toBe(true);
    for (const client of [silent, idle, used]) await client.ended();
  });

  it('MIL-12 lets a message in hand finish, wherever it is, and then ends', async () => {
    const slow = slowSigner();
    const { open, door, place, log } = await milterGround({ signer: slow.signer });
    const [begun, signing] = [await open(), await open()];
    await begun.envelope(OURS);
    await signing.envelope(OURS);
    await signing.content(OURS);
    await waitFor('the signature', () => (slow.started() === 1 ? true : undefined), 5_000, 2);
    const closing = door.close(10_000);
    expect(await soon(closing)).toBe(false);
    await expect(MilterClient.connect(place)).rejects.toThrow();
    await begun.content(OURS);
    await waitFor('the signature', () => (slow.started() === 2 ? true : undefined), 5_000, 2);
    slow.release();
    for (const client of [begun, signing]) {
      expect((await client.answer(OURS)).verdict).toBe('c');
      await client.ended();
    }
    expect(await soon(closing)).toBe(true);
    expect(log.at('warn')).toEqual([]);
  });

  it('cuts a message that does not come to its end, and says so', async () => {
    const { open, door, log } = await milterGround();
    const client = await open();
    await client.envelope(OURS);
    await door.close(100);
    await client.ended();
    expect(log.at('warn')).toMatchObject([
      { message: 'connections were cut at the end of the grace period', fields: { cut: 1 } },
    ]);
  });
});

describe('metrics', () => {
  it('count messages, signatures and reasons; no label has an address, a domain or a queue id', async () => {
    const { open, meters } = await milterGround();
    const client = await open();
    await client.message(OURS);
    await client.message({ ...OURS, fields: ['From: x@partner.example'] });
    await (await open()).message({ fields: OURS.fields });
    const samples = await samplesOf(meters);
    expect(samples.get('postern_messages_total{verdict="pass"}')).toBe(3);
    expect(samples.get('postern_messages_total{verdict="defer"}')).toBe(0);
    expect(samples.get('postern_signatures_total')).toBe(1);
    expect(samples.get('postern_signing_skipped_total{reason="not_our_domain"}')).toBe(1);
    expect(samples.get('postern_signing_skipped_total{reason="not_trusted"}')).toBe(1);
    expect(samples.get('postern_signing_skipped_total{reason="observe"}')).toBe(0);
    expect(samples.get('postern_answer_seconds_count{door="milter"}')).toBe(3);
    expect(samples.get('postern_connections{door="milter"}')).toBe(2);
    for (const name of samples.keys()) expect(name).not.toMatch(/example|203\.0|4QueueId|alice/);
  });
});
