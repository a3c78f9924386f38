import { describe, expect, it } from 'vitest';
import { renderMilterChanges } from '../../../src/answers/index.ts';
import { MilterSession, SMFIF, type Modification } from '../../../src/wire/milter/index.ts';
import { aField } from '../../support/messages.ts';
import { applyHeaderChanges, body, endOfMessage, header, mail, offer, rcpt } from '../wire/milter/mta.ts';

/** The message as an MTA would deliver it, its own Received on top; lines of `fields` are `Name: value`. */
function delivered(fields: readonly string[], changes: readonly Modification[]): string[] {
  const wanted = { actions: SMFIF.ADDHDRS | SMFIF.CHGHDRS, transport: 'unix' as const };
  const session = new MilterSession({ wanted });
  session.receive(offer());
  for (const packet of [mail('<a@b>'), rcpt('<c@d>'), header('X', ' y'), body('z'), endOfMessage])
    session.receive(packet);
  const answer = session.reply({ kind: 'continue' }, changes);
  const received: [string, string] = ['Received', ' by mx'];
  // CHGHEADER counts without the MTA's Received, which only insertions see; no case here removes one.
  const before = [received, ...fields.map(aField).map(({ name, value }): [string, string] => [name, value])];
  return applyHeaderChanges(before, answer, true).map(([name, value]) => `${name}:${value}`);
}

describe('renderMilterChanges', () => {
  it('MIL-02 fields 2, 3 and 5 of eight are deleted from the last to the first', () => {
    const fields = [1, 2, 3, 4, 5, 6, 7, 8].map((n) => `Authentication-Results: ${n}.example`);
    const changes = renderMilterChanges(fields.map(aField), [1, 2, 4], [], []);
    expect(changes).toEqual(
      [5, 3, 2].map((index) => ({ kind: 'deleteHeader', name: 'Authentication-Results', index })),
    );
    expect(delivered(fields, changes)).toEqual([
      'Received: by mx',
      ...[1, 4, 6, 7, 8].map((n) => `Authentication-Results: ${n}.example`),
    ]);
  });

  it('MIL-02 names in mixed case are counted as one, others apart', () => {
    const fields = ['X-A: 1', 'Subject: s', 'x-a: 2', 'X-B: 3', 'X-a: 4', 'x-b: 5'];
    const changes = renderMilterChanges(fields.map(aField), [5, 0, 4], [], []);
    expect(delivered(fields, changes)).toEqual(['Received: by mx', 'Subject: s', 'x-a: 2', 'X-B: 3']);
  });

  it('MIL-09 results on top, then marks, then signatures, all above the Received of the MTA', () => {
    const fields = ['From: a@example.com', 'To: b@example.com', 'Subject: s'];
    const added = [
      { name: 'Authentication-Results', value: 'mx.example.com; none' },
      { name: 'X-Postern-Spam-Filter', value: 'bypass; rule=ip-allow' },
    ];
    const changes = renderMilterChanges(fields.map(aField), [], added, ['v=1; s=one;\n\tb=x', 'v=1; s=two;\n\tb=y']);
    expect(delivered(fields, changes)).toEqual([
      'Authentication-Results: mx.example.com; none',
      'X-Postern-Spam-Filter: bypass; rule=ip-allow',
      'DKIM-Signature: v=1; s=one;\n\tb=x',
      'DKIM-Signature: v=1; s=two;\n\tb=y',
      'Received: by mx',
      ...fields,
    ]);
  });

  it('deletions come before insertions, which would shift them on some MTAs', () => {
    const fields = ['Authentication-Results: mx.example.com; dkim=pass', 'From: x@y.example'];
    const added = [{ name: 'Authentication-Results', value: 'mx.example.com; none' }];
    const changes = renderMilterChanges(fields.map(aField), [0], added, []);
    expect(changes.map(({ kind }) => kind)).toEqual(['deleteHeader', 'insertHeader']);
    expect(delivered(fields, changes)).toEqual([
      'Authentication-Results: mx.example.com; none',
      'Received: by mx',
      'From: x@y.example',
    ]);
  });

  it('nothing wanted is nothing sent', () => {
    expect(renderMilterChanges([], [], [], [])).toEqual([]);
    expect(renderMilterChanges([aField('A: 1')], [], [], [])).toEqual([]);
  });
});
