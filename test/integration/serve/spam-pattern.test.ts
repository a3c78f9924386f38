/** Spam patterns made to be slow, on headers made to be slow, in a running Postern: every message is answered, and others meanwhile. */
import { expect, it, onTestFinished } from 'vitest';
import { startSteady } from '../../proof/policy-volume/steady.ts';
import { MilterClient, type MilterAnswer } from '../../support/milter-client.ts';
import { PosternProcess } from '../../support/postern-process.ts';
import { freePorts } from '../../support/waiting.ts';
import { isWholeProof } from '../adapters/peers.ts';

const rounds = isWholeProof ? 100 : 3;
const GATEWAY = '192.0.2.1';
/** The length of a header, in octets. A field of it just fits into the longest milter packet. */
const MEGABYTE = 1_000_000;

const PATTERNS: Readonly<Record<string, string>> = {
  'a.test': '(a+)+$',
  'b.test': '(.*)*x',
  'c.test': '^(([a-z])+.)+[A-Z]([a-z])+$',
};
const subject = `Subject: ${'a'.repeat(10_000)}!`;
const top = [`Received: from h (h [203.0.113.66]) by gw.test with ESMTP id 1`, 'From: s@c.test'];
const letters = (count: number): string => 'ab'.repeat(count / 2);
/** None of them matches: a pattern sees all that one may see. Postfix folds none of it and cuts none of it by itself. */
const HEADERS: Readonly<Record<string, readonly string[]>> = {
  'one field of 1 MB': [...top, subject, `Y-Big: ${letters(MEGABYTE)}!`],
  'many fields of 1 MB': [
    ...top,
    subject,
    ...Array.from({ length: MEGABYTE / 125 }, (_, n) => `Y-${1000 + n}: ${letters(118)}!`),
  ],
  'a subject alone': [...top, subject],
};

const isMarked = ({ fields }: MilterAnswer): boolean => fields.some((field) => field.startsWith('X-Spam-Flag:'));

it(
  'GW-09 patterns that explode elsewhere: every message has its verdict, and policy answers come meanwhile',
  {
    timeout: isWholeProof ? 900_000 : 60_000,
  },
  async () => {
    const ports = await freePorts('policy', 'milter');
    const domains = Object.fromEntries(
      Object.entries(PATTERNS).map(([name, spamPattern]) => [
        name,
        { inboundGateway: { enabled: true, ips: [GATEWAY], spamPattern } },
      ]),
    );
    const postern = await PosternProcess.start({
      listen: { policy: `127.0.0.1:${ports.policy}`, milter: `127.0.0.1:${ports.milter}` },
      settings: { version: 1, organizations: { acme: { primaryDomain: 'a.test', domains } } },
      operator: { postfix: { configDirectory: './no-postfix' }, trustedNetworks: ['127.0.0.0/8'] },
    });
    onTestFinished(() => postern.destroy());
    const steady = await startSteady(ports.policy, [
      { attributes: { client_address: '198.51.100.9', recipient: 'u@a.test' }, answer: 'DUNNO' },
    ]);
    onTestFinished(() => {
      steady.stop();
    });

    const durations: number[] = [];
    const send = async (domain: string, fields: readonly string[]): Promise<MilterAnswer> => {
      const client = await MilterClient.open(
        { kind: 'tcp', host: '127.0.0.1', port: ports.milter },
        { address: GATEWAY },
      );
      const message = { sender: '<s@c.test>', recipients: [`<u@${domain}>`], fields };
      await client.envelope(message);
      await client.content(message);
      const sentAt = performance.now();
      const answer = await client.answer(message);
      durations.push(performance.now() - sentAt);
      client.quit();
      return answer;
    };
    // The patterns are looked for: what they match is marked.
    expect(isMarked(await send('a.test', [...top, 'Subject: aaa']))).toBe(true);
    expect(isMarked(await send('b.test', [...top, 'Subject: axa']))).toBe(true);

    for (const [what, fields] of Object.entries(HEADERS)) {
      durations.length = 0;
      await steady.look();
      const startedAt = performance.now();
      for (let round = 0; round < rounds; round += 1) {
        const answers = await Promise.all(Object.keys(PATTERNS).map((domain) => send(domain, fields)));
        for (const answer of answers) expect([answer.verdict, isMarked(answer)]).toEqual(['c', false]);
      }
      const elapsedMs = performance.now() - startedAt;
      const { answered, wrong, p99Ms, longestMs } = await steady.look();
      const sorted = durations.toSorted((one, other) => one - other);
      const at = (share: number): string => (sorted[Math.floor(share * (sorted.length - 1))] ?? 0).toFixed(0);
      console.log(
        `${what}: ${sorted.length} verdicts, median ${at(0.5)} ms, p99 ${at(0.99)} ms, longest ${at(1)} ms; ` +
          `${answered} policy answers within ${elapsedMs.toFixed(0)} ms, p99 ${p99Ms.toFixed(1)} ms, longest ${longestMs.toFixed(1)} ms`,
      );
      expect(wrong).toEqual([]);
      // One comes every 3 to 5 ms. A search that held up the loop would leave one or two to each message.
      expect(answered).toBeGreaterThan(elapsedMs / 50);
    }
    expect(postern.complaints()).toEqual([]);
  },
);
