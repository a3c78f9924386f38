/** Many messages over many connections at once: no error, every one signed as itself, and nothing grows. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { askDkimpy } from '../support/dkim-verifiers.ts';
import { Ground } from '../support/ground.ts';
import { waitFor } from '../support/waiting.ts';

const whole = process.env.POSTERN_PROOF === 'whole';
const total = whole ? 10_000 : 400;
const connections = 50;
/** Each session sends this many, so that connections come and go. */
const perSession = whole ? 20 : 4;

const settings = {
  version: 1,
  organizations: { acme: { primaryDomain: 'example.com', domains: { 'example.com': {} } } },
};

/**
 * A small heap makes V8 collect all along: what is left in memory is then what is held. Without it the heap grows as
 * the machine has room, and says nothing.
 */
const SMALL_HEAP = '--max-old-space-size=64 --max-semi-space-size=4';

let ground: Ground;

beforeAll(async () => {
  const before = process.env.NODE_OPTIONS;
  process.env.NODE_OPTIONS = SMALL_HEAP;
  ground = await Ground.start({
    settings,
    ownDomains: ['example.com'],
    milter: true,
    policyDoor: 'unix',
    dns: {},
    lab: (_, milterOverTcp) => ({
      services: { tcp: { smtpd_milters: milterOverTcp } },
      settings: { default_destination_concurrency_limit: '50', qmgr_message_active_limit: '20000' },
    }),
  });
  if (before === undefined) delete process.env.NODE_OPTIONS;
  else process.env.NODE_OPTIONS = before;
  await ground.activateKey('example.com');
});

afterAll(async () => {
  await ground.destroy();
});

const recipientOf = (number: number): string => `m${number}@elsewhere.example`;
const body = 'a line of the body, with some words in it and spaces at its end  \r\n'.repeat(60);

function messageOf(number: number): Buffer {
  const header = `From: Alice <alice@example.com>\r\nTo: ${recipientOf(number)}\r\nSubject: number ${number}\r\n`;
  return Buffer.from(`${header}X-Postern-Number: ${number}\r\n\r\nnumber ${number}\r\n${body}`);
}

/** Sends the numbers from `from` up to below `to` over all connections, half of them by each door of the milter. */
async function sendAll(from: number, to: number): Promise<void> {
  let next = from;
  const worker = async (door: string): Promise<void> => {
    while (next < to) {
      const session = await ground.open(door);
      for (let count = 0; count < perSession && next < to; count += 1) {
        const number = next++;
        await session.mail('alice@example.com');
        expect((await session.rcpt(recipientOf(number))).code).toBe(250);
        expect((await session.data(messageOf(number))).code).toBe(250);
      }
      await session.quit();
    }
  };
  await Promise.all(Array.from({ length: connections }, (_, index) => worker(index % 2 === 0 ? 'smtp' : 'tcp')));
  await waitFor('all messages', () => (ground.sink.messages.length >= to ? true : undefined), 300_000, 100);
}

/** What the process holds, once its connections have gone. */
async function holds(): Promise<{ handles: number; residentMb: number }> {
  await waitFor('the end of the milter connections', async () =>
    (await ground.postern.metric('postern_connections{door="milter"}')) === 0 ? true : undefined,
  );
  return {
    handles: await ground.postern.metric('postern_process_open_fds'),
    residentMb: (await ground.postern.metric('postern_process_resident_memory_bytes')) / 1e6,
  };
}

it(
  `MIL-12 ${total} messages over ${connections} connections: all signed, no error, handles and memory settle`,
  { timeout: 900_000 },
  async () => {
    const rounds: { handles: number; residentMb: number }[] = [];
    const begun = performance.now();
    for (let round = 1; round <= 5; round += 1) {
      await sendAll(((round - 1) * total) / 5, (round * total) / 5);
      rounds.push(await holds());
    }
    const seconds = (performance.now() - begun) / 1000;
    const list = (what: 'handles' | 'residentMb'): string => rounds.map((each) => Math.round(each[what])).join(' ');
    console.log(
      `${Math.round(total / seconds)} messages/s end to end; handles ${list('handles')}, memory ${list('residentMb')} MB`,
    );

    // The policy and socketmap connections of Postfix's processes stay, and their number follows the load.
    expect(Math.max(...rounds.map(({ handles }) => handles))).toBeLessThan(50 + 3 * connections);
    // The first round fills what V8 and the allocator keep; after it only what leaks would add up.
    expect(rounds[4]!.residentMb).toBeLessThan(rounds[1]!.residentMb + 40);
    expect(rounds[4]!.residentMb).toBeLessThan(300);

    expect(ground.postern.complaints()).toEqual([]);
    expect(await ground.postern.metric('postern_messages_total{verdict="pass"}')).toBe(total);
    expect(await ground.postern.metric('postern_signatures_total')).toBe(total);

    const recipients = ground.sink.recipients();
    expect(recipients).toHaveLength(total);
    expect(new Set(recipients).size).toBe(total);
    for (const { content, recipients: to } of ground.sink.messages) {
      const number = to[0]!.address.slice(1).split('@')[0]!;
      const text = content.toString('latin1');
      expect(text.match(/^DKIM-Signature:/gm)).toHaveLength(1);
      expect(text).toContain(`\r\nSubject: number ${number}\r\n`);
      expect(text).toContain(`\r\n\r\nnumber ${number}\r\n`);
    }
    const sample = ground.sink.messages.filter((_, index) => index % (total / 200) === 0);
    const results = await askDkimpy(
      sample.map(({ content }) => content),
      ground.dns,
    );
    expect(results.flat().filter(({ passed }) => passed)).toHaveLength(200);
  },
);
