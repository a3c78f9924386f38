/** Recipients that the MTA has refused (RCPT_REJ): the unknown ones are told, all are no recipients of the message. */
import { describe, expect, it } from 'vitest';
import type { UnknownRecipient } from '../../../src/services/index.ts';
import type { Snapshot } from '../../../src/snapshot/index.ts';
import type { MilterClient } from '../../support/milter-client.ts';
import { waitFor } from '../../support/waiting.ts';
import * as mta from '../../unit/wire/milter/mta.ts';
import { milterGround, type Ground } from './ground.ts';

type Told = { readonly snapshot: Snapshot; readonly unknown: UnknownRecipient };

const refuse = (client: MilterClient, recipient: string, status: string): void => {
  const macros = [
    '{rcpt_mailer}',
    'error',
    '{rcpt_host}',
    status,
    '{rcpt_addr}',
    'Recipient address rejected: some text',
  ];
  client.send(mta.macros('R', 'i', '4Q', ...macros), mta.rcpt(recipient));
};

async function told(): Promise<Ground & { told: Told[] }> {
  const list: Told[] = [];
  const ground = await milterGround({
    onUnknownRecipient: (snapshot, unknown) => list.push({ snapshot, unknown }),
  });
  return Object.assign(ground, { told: list });
}

describe('refused recipients', () => {
  it('an unknown one is told with who named it, and the snapshot of MAIL', async () => {
    const ground = await told();
    const client = await ground.open({ address: '203.0.113.9' });
    await client.command('M', mta.macros('M', '{auth_authen}', 'anna'), mta.mail('<x@partner.example>'));
    refuse(client, '<nobody@example.com>', '5.1.1');
    const [first] = await waitFor('the telling', () => (ground.told.length > 0 ? ground.told : undefined));
    expect(first?.snapshot).toBe(ground.current);
    expect(first?.unknown).toMatchObject({
      client: { kind: 'smtp', address: { family: 4 } },
      saslUsername: 'anna',
      daemonName: 'smtpd',
      recipient: { text: 'nobody@example.com' },
    });
  });

  it('of what is refused for another reason or for now nothing is told, and none is a recipient', async () => {
    const ground = await told();
    const client = await ground.open({ address: '203.0.113.9' });
    await client.command('M', mta.macros('M'), mta.mail('<x@partner.example>'));
    for (const status of ['5.7.1', '4.1.1', '5.1.10', '5.1.1 gone away', '']) refuse(client, '<a@example.com>', status);
    // Taken by error(8) later: what looks like a status there is its whole text.
    await client.command(
      'R',
      mta.macros('R', '{rcpt_mailer}', 'smtp', '{rcpt_host}', '5.1.1'),
      mta.rcpt('<bob@example.com>'),
    );
    await client.command('T', mta.macros('T', 'i', '4Q'), mta.data);
    const message = { fields: ['From: x@partner.example'], body: 'x\r\n' };
    await client.content(message);
    expect((await client.answer(message)).verdict).toBe('c');
    expect(ground.told).toEqual([]);
    expect(ground.decisions()).toEqual([expect.objectContaining({ recipients: 1 })]);
  });

  it('an MTA that does not offer it is no worse off', async () => {
    const ground = await told();
    const client = await ground.open({ offer: mta.offer(6, 0x1ff, 0x1fffff & ~0x800) });
    expect(client.protocol & 0x800).toBe(0);
    expect((await client.message({ fields: ['From: x@partner.example'], sender: '<x@partner.example>' })).verdict).toBe(
      'c',
    );
  });
});
