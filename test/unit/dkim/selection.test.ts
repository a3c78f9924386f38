import { describe, expect, it } from 'vitest';
import { selectSignedFields, type HeaderField } from '../../../src/dkim/index.ts';

const field = (name: string, value = ` of ${name}`): HeaderField => ({ name, value });
const counts = (names: readonly string[]): Record<string, number> => {
  const result: Record<string, number> = {};
  for (const name of names) result[name] = (result[name] ?? 0) + 1;
  return result;
};

describe('SIG-11 oversigning', () => {
  it('SIG-11 names each field exactly once more than it occurs', () => {
    const { names, fields } = selectSignedFields([field('From'), field('To'), field('Subject')]);
    expect(counts(names)).toEqual({ from: 2, to: 2, subject: 2, cc: 1, 'reply-to': 1 });
    expect(fields.map(({ name }) => name)).toEqual(['From', 'To', 'Subject']);
  });

  it('SIG-11 takes every instance, from the last to the first', () => {
    const { names, fields } = selectSignedFields([
      field('CC', ' first'),
      field('From'),
      field('cc ', ' second'),
      field('Cc', ' third'),
    ]);
    expect(counts(names)).toEqual({ from: 2, to: 1, subject: 1, cc: 4, 'reply-to': 1 });
    expect(fields.map(({ value }) => value)).toEqual([' of From', ' third', ' second', ' first']);
  });

  it('SIG-11 oversigns what a relay may add only where it is present', () => {
    const optional = 'date message-id mime-version content-type content-transfer-encoding in-reply-to references';
    for (const name of optional.split(' ')) {
      expect(counts(selectSignedFields([field('From')]).names)).not.toHaveProperty(name);
      expect(counts(selectSignedFields([field('From'), field(name)]).names)).toHaveProperty(name, 2);
    }
  });
});

describe('SIG-20 which fields are signed', () => {
  const signed = (name: string): boolean => selectSignedFields([field(name)]).fields.length === 1;

  it.each(
    `List-Unsubscribe List-Unsubscribe-Post MIME-Version Content-Type Content-Transfer-Encoding Sender
    From Reply-To Subject Date To Cc Message-ID In-Reply-To References Resent-Date Resent-From Resent-To Resent-Cc
    Resent-Message-ID Resent-Sender List-Id List-Help List-Subscribe List-Post List-Owner List-Archive`.split(/\s+/),
  )('SIG-20 %s is in h=', (name) => {
    expect(signed(name)).toBe(true);
    expect(selectSignedFields([field(name)]).names).toContain(name.toLowerCase());
  });

  it.each(
    `Received Return-Path DKIM-Signature Authentication-Results Bcc Resent-Bcc ARC-Seal ARC-Message-Signature
    ARC-Authentication-Results X-Postern-Verdict X-Postern-Route Content-Length X-Mailer Received-SPF`.split(/\s+/),
  )('SIG-20 %s is not in h=', (name) => {
    expect(signed(name)).toBe(false);
    expect(selectSignedFields([field(name)]).names).not.toContain(name.toLowerCase());
  });

  it.each(['List-a;l=0', 'List-a:b', 'List-', 'List-\u00e4', `List-${'x'.repeat(61)}`, 'Listing', 'list a'])(
    'SIG-20 %s cannot stand in a tag list and is not in h=',
    (name) => {
      expect(signed(name)).toBe(false);
    },
  );
});
