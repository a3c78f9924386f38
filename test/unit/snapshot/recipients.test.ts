import { describe, expect, it } from 'vitest';
import { recipientListHas } from '../../../src/mail/index.ts';
import { recipientFilesOf } from '../../../src/snapshot/index.ts';
import { aDocument, aDomain, aSettings, aSnapshot, inDomain, withDomain, type Keys } from '../../support/builders.ts';

const recipientsOf = (settings: Keys, recipientLists: Record<string, string> = {}) =>
  aSnapshot(withDomain(settings), { recipientLists }).domains.get(aDomain('example.com'))!.recipients;

describe('who exists, compiled', () => {
  it('is nothing where the domain does not say, so that everybody exists', () => {
    expect(recipientsOf({})).toBeNull();
  });

  it('keeps the order of files and maps, with where each stands', () => {
    const sources = recipientsOf(
      { recipients: [{ map: 'hash:/etc/postfix/virtual' }, 'b.txt', { map: 'lmdb:/x' }, 'a.txt'] },
      { 'a.txt': 'anna\n', 'b.txt': 'bob\n' },
    );
    expect(sources?.map((each) => [each.kind === 'file' ? each.file : each.map, each.pointer])).toEqual([
      ['hash:/etc/postfix/virtual', inDomain('recipients/0')],
      ['b.txt', inDomain('recipients/1')],
      ['lmdb:/x', inDomain('recipients/2')],
      ['a.txt', inDomain('recipients/3')],
    ]);
    const found = sources?.map((each) => each.kind === 'file' && recipientListHas(each.list, 'bob'));
    expect(found).toEqual([false, true, false, false]);
  });

  it('domains that name one file have one list', () => {
    const recipients = ['all.txt'];
    const { domains } = aSnapshot(aDocument({ 'a.example': { recipients }, 'b.example': { recipients } }), {
      recipientLists: { 'all.txt': 'bob\n' },
    });
    const lists = [...domains.values()].flatMap((policy) =>
      (policy.recipients ?? []).flatMap((each) => (each.kind === 'file' ? [each.list] : [])),
    );
    expect(lists).toHaveLength(2);
    expect(lists[0]).toBe(lists[1]);
  });

  it('names each file once, with the place that names it first; maps are no files', () => {
    const domains = {
      'a.example': { recipients: [{ map: 'hash:/x' }, 'a.txt', 'all.txt'] },
      'b.example': { recipients: ['all.txt', 'b.txt'] },
      'c.example': {},
    };
    expect([...recipientFilesOf(aSettings(aDocument(domains)))]).toEqual([
      ['a.txt', '/organizations/acme/domains/a.example/recipients/1'],
      ['all.txt', '/organizations/acme/domains/a.example/recipients/2'],
      ['b.txt', '/organizations/acme/domains/b.example/recipients/1'],
    ]);
  });

  it('throws where a file was forgotten: that is a mistake of the caller', () => {
    expect(() => recipientsOf({ recipients: ['gone.txt'] })).toThrow(
      'the file of recipients gone.txt was not given to compile',
    );
  });

  it('has the delimiter of address extensions of this host', () => {
    expect(aSnapshot(withDomain({}), { recipientDelimiter: '+-' }).host.recipientDelimiter).toBe('+-');
  });
});
