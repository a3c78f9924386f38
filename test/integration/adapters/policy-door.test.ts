/** The policy door on real sockets. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { openPolicyDoor, type PolicyDoorOptions } from '../../../src/adapters/policy-server/index.ts';
import type { OpenDoor } from '../../../src/adapters/socket/index.ts';
import { IDLE_LIMIT_MS } from '../../../src/adapters/socket/door.ts';
import { permanent } from '../../../src/mail/index.ts';
import type { Judge } from '../../../src/services/index.ts';
import { atOnce } from '../../support/at-once.ts';
import { waitFor } from '../../support/waiting.ts';
import {
  anyPort,
  isWholeProof,
  judgeOf,
  KeptLog,
  metersForTest,
  ownGroup,
  policyRequest,
  RawClient,
  samplesOf,
  snapshotOf,
} from './peers.ts';

const snapshot = snapshotOf({ 'a.example': { blockedIps: ['203.0.113.66'] }, 'b.example': {} });
const blocked = { client_address: '203.0.113.66' };
const refusal = /^action=550 5\.7\.1 /;

const closers: (() => void | Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

async function open(extra: Partial<PolicyDoorOptions> = {}) {
  const log = new KeptLog();
  const meters = metersForTest();
  const judge = extra.judge ?? judgeOf(snapshot, log, meters);
  const door = await openPolicyDoor({ listener: anyPort, unix: ownGroup, log, meters, ...extra, judge });
  closers.push(() => door.close(0));
  return { door, log, meters };
}

async function connectTo(door: OpenDoor): Promise<RawClient> {
  const client = await RawClient.open(door.listener);
  closers.push(() => {
    client.close();
  });
  return client;
}

/** A request whose answer tells its number: only even ones come from the blocked client. */
const numbered = (n: number): string => policyRequest(n % 2 === 0 ? blocked : {});

describe('connection life', () => {
  it('POL-01 a thousand requests on one connection, idle in between, are answered in order and we never close first', async () => {
    // The real limit and Postfix's real idling in the whole proof; both a thousand times shorter otherwise.
    const scale = isWholeProof ? 1 : 1 / 1_000;
    const { door } = await open(isWholeProof ? {} : { idleLimitMs: IDLE_LIMIT_MS * scale });
    const client = await connectTo(door);
    for (let n = 0; n < 1_000; n += 1) {
      if (n === 300 || n === 600) await sleep(300_000 * scale);
      client.send(numbered(n));
      const answers = await client.policyAnswers(1);
      expect(answers).toHaveLength(1);
      expect(answers[0]).toMatch(n % 2 === 0 ? refusal : /^action=DUNNO$/);
    }
    expect(client.isEnded).toBe(false);
    expect(door.connections).toBe(1);
  }, 900_000);

  it('POL-01 the idle limit is above the life that Postfix gives a connection', () => {
    expect(IDLE_LIMIT_MS).toBeGreaterThan(1_000_000);
  });

  it('a connection that stays silent beyond the limit is closed, one that talks is not', async () => {
    // So much longer than the pauses that a busy machine does not make one of them too long.
    const idleLimitMs = 2_000;
    const { door } = await open({ idleLimitMs });
    const silent = await connectTo(door);
    const talking = await connectTo(door);
    const startedAt = performance.now();
    while (!silent.isEnded || performance.now() - startedAt < 1.5 * idleLimitMs) {
      await sleep(60);
      talking.send(policyRequest());
      await talking.policyAnswers(1);
    }
    expect(talking.isEnded).toBe(false);
  });

  it('a client that half-closes after its request is still answered', async () => {
    const { door } = await open();
    const client = await connectTo(door);
    client.socket.end(policyRequest(blocked));
    expect(await client.policyAnswers(1)).toEqual([expect.stringMatching(refusal)]);
    await client.ended();
  });
});

describe('framing', () => {
  it('POL-02 (a) a request sent one byte at a time gets one answer', async () => {
    const { door } = await open();
    const client = await connectTo(door);
    for (const octet of policyRequest(blocked)) {
      client.send(octet);
      await new Promise(setImmediate);
    }
    expect(await client.policyAnswers(1)).toEqual([expect.stringMatching(refusal)]);
    await sleep(20);
    expect(client.text).toBe('');
  });

  it('POL-02 (b) three requests in one write get three answers in order', async () => {
    const { door } = await open();
    const client = await connectTo(door);
    client.send(numbered(0) + numbered(1) + numbered(2));
    const [first, second, third] = await client.policyAnswers(3);
    expect(first).toMatch(refusal);
    expect(second).toBe('action=DUNNO');
    expect(third).toMatch(refusal);
  });

  it('POL-02 (c) a cut between the two final newlines changes nothing', async () => {
    const { door } = await open();
    const client = await connectTo(door);
    client.send(policyRequest().slice(0, -1));
    await sleep(30);
    expect(client.text).toBe('');
    client.send('\n');
    expect(await client.policyAnswers(1)).toEqual(['action=DUNNO']);
  });

  it('POL-02 (d) CRLF line ends are taken as LF', async () => {
    const { door } = await open();
    const client = await connectTo(door);
    client.send(policyRequest(blocked, 'RCPT', '\r\n'));
    expect(await client.policyAnswers(1)).toEqual([expect.stringMatching(refusal)]);
  });

  it('a fault answers the earlier requests, is warned about with the peer, counted, and ends the connection', async () => {
    const { door, log, meters } = await open();
    const client = await connectTo(door);
    client.send(`${policyRequest(blocked)}no equals sign\n\n${policyRequest()}`);
    await client.ended();
    expect(client.text.split('\n\n')).toEqual([expect.stringMatching(refusal), '']);
    expect(log.at('warn')).toEqual([
      expect.objectContaining({
        fields: expect.objectContaining({
          door: 'policy',
          code: 'line-without-equals',
          peer: `127.0.0.1:${client.socket.localPort ?? 0}`,
        }) as unknown,
      }),
    ]);
    expect((await samplesOf(meters)).get('postern_protocol_faults_total{door="policy"}')).toBe(1);
  });

  it('a request above the limit ends the connection without being kept', async () => {
    const { door, log } = await open({ maxRequestBytes: 2_000 });
    const client = await connectTo(door);
    client.send(policyRequest({ helo_name: 'x'.repeat(3_000) }));
    await client.ended();
    expect(client.text).toBe('');
    expect(log.at('warn')[0]?.fields.code).toBe('request-too-long');
  });
});

describe('answers', () => {
  it('POL-11 recipients are judged one by one at RCPT; DATA is no question', async () => {
    const { door } = await open();
    const client = await connectTo(door);
    const instance = '77.6a0c1234.1.0';
    client.send(policyRequest({ ...blocked, instance, recipient: 'x@a.example' }));
    expect(await client.policyAnswers(1)).toEqual([expect.stringMatching(/^action=5\d\d 5\./)]);
    client.send(policyRequest({ ...blocked, instance, recipient: 'y@b.example', queue_id: '4F2A1' }));
    expect(await client.policyAnswers(1)).toEqual(['action=DUNNO']);
    client.send(policyRequest({ ...blocked, instance, recipient: 'x@a.example', recipient_count: '1' }, 'DATA'));
    expect(await client.policyAnswers(1)).toEqual(['action=DUNNO']);
  });

  it.each(['CONNECT', 'HELO', 'EHLO', 'MAIL', 'DATA', 'END-OF-MESSAGE', 'VRFY', 'ETRN', ''])(
    'POL-11 protocol_state "%s" is answered DUNNO and not judged',
    async (state) => {
      const { door, log } = await open();
      const client = await connectTo(door);
      client.send(policyRequest(blocked, state));
      expect(await client.policyAnswers(1)).toEqual(['action=DUNNO']);
      expect(log.at('info')).toEqual([]);
    },
  );

  it('POL-11 RCPT without a recipient is answered DUNNO', async () => {
    const { door } = await open();
    const client = await connectTo(door);
    client.send(policyRequest({ ...blocked, recipient: '' }));
    expect(await client.policyAnswers(1)).toEqual(['action=DUNNO']);
  });

  it('POL-09 an allowed client is never answered OK for a domain that is not ours', async () => {
    const { door } = await open({
      judge: judgeOf(snapshotOf({ 'a.example': { allowedIps: ['198.51.100.7'] } }), new KeptLog(), metersForTest()),
    });
    const client = await connectTo(door);
    client.send(policyRequest({ client_address: '198.51.100.7', recipient: 'bob@elsewhere.example' }));
    expect(await client.policyAnswers(1)).toEqual(['action=DUNNO']);
  });

  it('an exception in the judge costs one request: 451, an error in the log, and the connection goes on', async () => {
    const log = new KeptLog();
    const meters = metersForTest();
    const real = judgeOf(snapshot, log, meters);
    const judge: Judge = {
      judgeRecipient(transaction, context) {
        if (transaction.recipient.localPart === 'boom') throw new Error('broken invariant');
        return real.judgeRecipient(transaction, context);
      },
    };
    const door = await openPolicyDoor({ listener: anyPort, unix: ownGroup, log, meters, judge });
    closers.push(() => door.close(0));
    const client = await connectTo(door);
    client.send(policyRequest(blocked) + policyRequest({ recipient: 'boom@a.example' }) + policyRequest());
    expect(await client.policyAnswers(3)).toEqual([
      expect.stringMatching(refusal),
      'action=451 4.3.0 Mail system temporarily unavailable',
      'action=DUNNO',
    ]);
    expect(log.at('error')).toHaveLength(1);
    expect(log.at('error')[0]?.fields.err).toHaveProperty('message', 'broken invariant');
  });

  it('a peer that sends and does not read is not read from any more, and gets every answer in order later', async () => {
    const filling = 'x'.repeat(360);
    const real = judgeOf(snapshot, new KeptLog(), metersForTest());
    const { door, meters } = await open({
      judge: {
        judgeRecipient(transaction, context) {
          const text = `${transaction.recipient.localPart} ${filling}`;
          return {
            ...atOnce(real.judgeRecipient(transaction, context)),
            verdict: { kind: 'reject', reply: permanent('550', '5.7.1', text) },
          };
        },
      },
    });
    const client = await connectTo(door);
    client.socket.pause();
    const answered = async (): Promise<number> =>
      (await samplesOf(meters)).get('postern_answer_seconds_count{door="policy"}') ?? 0;
    let sent = 0;
    let before = -1;
    // Until our own writing stands still: then the door has stopped to read.
    await waitFor('the door to stop reading', async () => {
      while (client.socket.writableLength < 1_000_000)
        client.send(policyRequest({ recipient: `n${sent++}@a.example` }));
      await sleep(50);
      const now = await answered();
      const stands = now === before;
      before = now;
      return stands ? true : undefined;
    });
    expect(await answered()).toBeLessThan(sent);
    client.socket.resume();
    const answers = await client.policyAnswers(sent, 60_000);
    expect(answers).toEqual(Array.from({ length: sent }, (_, n) => `action=550 5.7.1 n${n} ${filling}`));
  }, 120_000);

  describe('that have to be waited for', () => {
    /** Answers whose local-part has a gate wait for it; the number of each is in its reply. */
    async function gated(...gates: string[]) {
      const real = judgeOf(snapshot, new KeptLog(), metersForTest());
      const waiting = new Map(gates.map((name) => [name, Promise.withResolvers<null>()]));
      const asked: string[] = [];
      const judge: Judge = {
        judgeRecipient(transaction, context) {
          const { localPart } = transaction.recipient;
          asked.push(localPart);
          const decision = {
            ...atOnce(real.judgeRecipient(transaction, context)),
            verdict: { kind: 'reject', reply: permanent('550', '5.7.1', localPart) } as const,
          };
          const gate = waiting.get(localPart);
          return gate === undefined ? decision : gate.promise.then(() => decision);
        },
      };
      const opened = await open({ judge });
      return { ...opened, asked, gate: (name: string) => waiting.get(name)!, client: await connectTo(opened.door) };
    }
    const to = (...names: string[]): string =>
      names.map((name) => policyRequest({ recipient: `${name}@a.example` })).join('');
    const replies = (...names: string[]): string[] => names.map((name) => `action=550 5.7.1 ${name}`);

    it('keep their order on one connection, and hold up what comes behind them, in the same write and in later ones', async () => {
      const { client, gate, asked } = await gated('b', 'd');
      client.send(to('a', 'b', 'c'));
      await waitFor('the second request', () => (asked.includes('b') ? true : undefined));
      client.send(to('d', 'e'));
      await sleep(50);
      expect([asked, client.text]).toEqual([['a', 'b'], '']);
      gate('b').resolve(null);
      expect(await client.policyAnswers(3)).toEqual(replies('a', 'b', 'c'));
      gate('d').resolve(null);
      expect(await client.policyAnswers(2)).toEqual(replies('d', 'e'));
      expect(asked).toEqual(['a', 'b', 'c', 'd', 'e']);
    });

    it('hold up no other connection', async () => {
      const { door, client, gate } = await gated('a');
      client.send(to('a'));
      const other = await connectTo(door);
      other.send(to('x', 'y'));
      expect(await other.policyAnswers(2)).toEqual(replies('x', 'y'));
      expect(client.text).toBe('');
      gate('a').resolve(null);
      expect(await client.policyAnswers(1)).toEqual(replies('a'));
    });

    it('of a thousand requests that each wait are a thousand answers in order', async () => {
      const real = judgeOf(snapshot, new KeptLog(), metersForTest());
      const { door } = await open({
        judge: {
          async judgeRecipient(transaction, context) {
            const { localPart } = transaction.recipient;
            // Some are there at once, some at the next turn of the loop.
            if (Number(localPart.slice(1)) % 3 === 0) await new Promise(setImmediate);
            const decision = atOnce(real.judgeRecipient(transaction, context));
            return { ...decision, verdict: { kind: 'reject', reply: permanent('550', '5.7.1', localPart) } };
          },
        },
      });
      const client = await connectTo(door);
      const names = Array.from({ length: 1000 }, (_, n) => `n${n}`);
      client.send(to(...names));
      expect(await client.policyAnswers(1000)).toEqual(replies(...names));
    });

    it('that fail cost one request: 451, and those behind it are answered', async () => {
      const { client, gate, log, asked } = await gated('b');
      client.send(to('a', 'b', 'c'));
      await waitFor('the second request', () => (asked.includes('b') ? true : undefined));
      gate('b').reject(new Error('broken invariant'));
      expect(await client.policyAnswers(3)).toEqual([
        ...replies('a'),
        'action=451 4.3.0 Mail system temporarily unavailable',
        ...replies('c'),
      ]);
      expect(log.at('error').map(({ fields }) => fields.err)).toEqual([new Error('broken invariant')]);
    });

    it.each([
      ['', 'a client that half-closes meanwhile is still answered'],
      ['no equals sign\n\n', 'a fault behind it ends the connection after the answers'],
    ])('with %j behind them: %s', async (behind) => {
      const { client, gate, asked } = await gated('a');
      client.socket.end(`${to('a', 'b')}${behind}`);
      await waitFor('the first request', () => (asked.includes('a') ? true : undefined));
      await sleep(50);
      expect([client.text, client.isEnded]).toEqual(['', false]);
      gate('a').resolve(null);
      expect(await client.policyAnswers(2)).toEqual(replies('a', 'b'));
      await client.ended();
    });

    it('two that wait, and a client that half-closes', async () => {
      const { client, gate, asked } = await gated('a', 'b');
      client.socket.end(to('a', 'b'));
      await waitFor('the first request', () => (asked.includes('a') ? true : undefined));
      await sleep(20);
      gate('a').resolve(null);
      await waitFor('the second request', () => (asked.includes('b') ? true : undefined));
      await sleep(20);
      gate('b').resolve(null);
      expect(await client.policyAnswers(2)).toEqual(replies('a', 'b'));
      await client.ended();
    });

    it('a client that goes away meanwhile leaves nothing behind', async () => {
      const { door, client, gate, log } = await gated('a');
      client.send(to('a', 'b'));
      await sleep(50);
      client.close();
      gate('a').resolve(null);
      await waitFor('the connection to be gone', () => (door.connections === 0 ? true : undefined));
      expect(log.at('error')).toEqual([]);
    });

    it('a door that is closed waits for them: the connection is not idle', async () => {
      const { door, client, gate } = await gated('a');
      client.send(to('a'));
      await sleep(50);
      const closed = door.close(5_000);
      await sleep(50);
      expect(client.isEnded).toBe(false);
      gate('a').resolve(null);
      expect(await client.policyAnswers(1)).toEqual(replies('a'));
      await closed;
      await client.ended();
    });
  });

  it('each answer is measured', async () => {
    const { door, meters } = await open();
    const client = await connectTo(door);
    client.send(policyRequest() + policyRequest({}, 'MAIL'));
    await client.policyAnswers(2);
    const samples = await samplesOf(meters);
    expect(samples.get('postern_answer_seconds_count{door="policy"}')).toBe(2);
    expect(samples.get('postern_answer_seconds_bucket{le="10",door="policy"}')).toBe(2);
    expect(
      samples.get(
        'postern_decisions_total{stage="rcpt",verdict="pass",rule="own-domain",enforcement="enforce",domain="a.example"}',
      ),
    ).toBe(1);
  });
});
