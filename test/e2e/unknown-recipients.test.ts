/**
 * What a real Postfix refuses as unknown counts against the client, and nothing counts twice: the policy door and the
 * milter door of this process beside it.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createKeyFiles } from '../../src/adapters/key-files/index.ts';
import { openMilterDoor } from '../../src/adapters/milter-server/index.ts';
import { openPolicyDoor } from '../../src/adapters/policy-server/index.ts';
import type { OpenDoor } from '../../src/adapters/socket/index.ts';
import {
  createAutoBlock,
  createJudge,
  createMessageJudge,
  createSigner,
  noteUnknownRecipient,
  type AutoBlock,
} from '../../src/services/index.ts';
import { MemoryShortTermBlocks } from '../contract/memory-short-term-blocks.ts';
import { KeptLog, metersForTest, ownGroup } from '../integration/adapters/peers.ts';
import { aDocument, aDomain, aSnapshot } from '../support/builders.ts';
import { policyService, PostfixLab } from '../support/postfix-lab.ts';
import { replyText, SmtpClient, type SessionOptions } from '../support/smtp-client.ts';
import { freePorts, waitFor } from '../support/waiting.ts';

const clock = { now: Date.now };
const snapshot = aSnapshot(
  aDocument({
    'a.example': {
      autoBlock: { after: 3, within: '10m', for: '1h' },
      blockedIps: ['192.0.2.66'],
      allowedIps: ['192.0.2.7'],
    },
    'b.example': {},
  }),
);
const log = new KeptLog();
const current = () => snapshot;
let blocks: AutoBlock;
let directory: string;
let lab: PostfixLab;
let doors: OpenDoor[];

const begin = (): AutoBlock => createAutoBlock({ current, clock, log, store: new MemoryShortTermBlocks() });

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'postern-unknown-'));
  const ports = await freePorts('policy', 'milter', 'nobody');
  const meters = metersForTest();
  const at = (port: number) => ({
    listener: { kind: 'tcp' as const, host: '127.0.0.1', port },
    unix: ownGroup,
    log,
    meters,
  });
  blocks = begin();
  doors = [
    await openPolicyDoor({
      ...at(ports.policy),
      judge: {
        judgeRecipient: (t, context) =>
          createJudge(current, clock, log, meters, undefined, blocks).judgeRecipient(t, context),
      },
    }),
    await openMilterDoor({
      ...at(ports.milter),
      judge: createMessageJudge(clock, log, meters),
      signer: createSigner(createKeyFiles(directory), clock),
      current,
      onUnknownRecipient: (seen, unknown) => {
        noteUnknownRecipient(blocks, seen, unknown, clock.now());
      },
    }),
  ];
  lab = await PostfixLab.start({
    ownDomains: ['a.example', 'b.example'],
    destinationPort: ports.nobody,
    policy: policyService(`inet:127.0.0.1:${ports.policy}`),
    milter: `inet:127.0.0.1:${ports.milter}`,
    settings: { relay_recipient_maps: 'inline:{known@a.example=ok,known@b.example=ok}' },
    services: { soft: { soft_bounce: 'yes' } },
  });
});

afterAll(async () => {
  await lab.destroy();
  await Promise.all(doors.map((door) => door.close(0)));
  await rm(directory, { recursive: true, force: true });
});

beforeEach(async () => {
  await blocks.stop();
  blocks = begin();
});

const listed = (): string[] => blocks.list().map(({ domain, range, reason }) => `${domain} ${range.text} ${reason}`);

async function replies(
  options: SessionOptions & { readonly service?: string },
  ...recipients: string[]
): Promise<string[]> {
  const session = await SmtpClient.open(lab.port(options.service), options);
  await session.mail('x@partner.example');
  const said: string[] = [];
  for (const recipient of recipients) said.push(replyText(await session.rcpt(recipient)).slice(0, 9));
  await session.quit();
  return said;
}

/** One connection of the milter has told all once another one that came later has. */
async function settled(): Promise<void> {
  const before = log.lines.length;
  const session = await SmtpClient.open(lab.port(), {});
  await session.mail('x@partner.example');
  await session.rcpt('known@b.example');
  await session.quit();
  await waitFor('the decision', () => (log.lines.length > before ? true : undefined));
}

describe('recipients that Postfix does not know', () => {
  it('three of them block the client for that own domain alone', async () => {
    const client = '192.0.2.5';
    expect(await replies({ client }, 'a1@a.example', 'a2@a.example', '"a 3"@a.example')).toEqual([
      '550 5.1.1',
      '550 5.1.1',
      '550 5.1.1',
    ]);
    await waitFor('the block', () => (blocks.hasBlocks ? true : undefined));
    expect(listed()).toEqual(['a.example 192.0.2.5 3 hits within 10m, the last an unknown recipient']);
    expect(await replies({ client }, 'known@a.example', 'known@b.example')).toEqual(['550 5.7.1', '250 2.1.5']);
    expect(await replies({ client: '192.0.2.6' }, 'known@a.example')).toEqual(['250 2.1.5']);
    blocks.lift(
      aDomain('a.example'),
      blocks.list().map(({ range }) => range),
    );
    expect(await replies({ client }, 'known@a.example')).toEqual(['250 2.1.5']);
  });

  it('a refusal by the block list counts once, though Postfix shows it to the milter too', async () => {
    const client = '192.0.2.66';
    expect(await replies({ client }, 'known@a.example', 'a1@a.example')).toEqual(['550 5.7.1', '550 5.7.1']);
    await settled();
    expect(listed()).toEqual([]);
    await replies({ client }, 'known@a.example');
    expect(listed()).toEqual(['a.example 192.0.2.66 3 hits within 10m, the last a refusal by the block list']);
  });

  it('relaying, other own domains, refusals for now, allowed and trusted clients do not count', async () => {
    const unknown = ['a1@a.example', 'a2@a.example', 'a3@a.example', 'a4@a.example'];
    await replies({ client: '192.0.2.5' }, 'x@elsewhere.example', 'y@elsewhere.example', 'z@elsewhere.example');
    await replies({ client: '192.0.2.5' }, ...unknown.map((each) => each.replace('@a.', '@b.')));
    expect(await replies({ client: '192.0.2.5', service: 'soft' }, ...unknown)).toContain('450 4.1.1');
    expect(await replies({ client: '192.0.2.7' }, ...unknown)).toContain('550 5.1.1');
    expect(await replies({ client: '127.0.0.1' }, ...unknown)).toContain('550 5.1.1');
    await settled();
    expect(listed()).toEqual([]);
  });

  it('addresses of one IPv6 /64 are one client', async () => {
    for (const host of [1, 2, 3]) await replies({ client: `2001:db8:1:2::${host}` }, `a${host}@a.example`);
    await waitFor('the block', () => (blocks.hasBlocks ? true : undefined));
    expect(await replies({ client: '2001:db8:1:2:ffff::9' }, 'known@a.example')).toEqual(['550 5.7.1']);
    expect(await replies({ client: '2001:db8:1:3::1' }, 'known@a.example')).toEqual(['250 2.1.5']);
  });
});
