import { describe, expect, it } from 'vitest';
import {
  ownReading,
  whetherExists,
  type ExistenceFact,
  type MapAnswer,
  type MapQuestion,
} from '../../../src/decide/index.ts';
import { aDocument, aSnapshot, aTransaction, inDomain, type Keys } from '../../support/builders.ts';

const LISTS = { 'bob.txt': 'bob@example.com\n', 'carol.txt': 'carol\n', 'all.txt': '@example.com\n', 'none.txt': '' };
const V = 'hash:/etc/postfix/virtual';
const W = 'ldap:/etc/postfix/ldap.cf';
const WHO = '/organizations/acme/domains/example.com/recipients';

function find(
  recipients: unknown[] | undefined,
  recipient = 'bob@example.com',
  answers: Record<string, MapAnswer> = {},
  recipientDelimiter = '',
): ExistenceFact | MapQuestion | null {
  const settings: Keys = recipients === undefined ? {} : { recipients };
  const snapshot = aSnapshot(aDocument({ 'example.com': settings, 'bücher.example': settings }), {
    ...{ recipientLists: LISTS, recipientDelimiter },
  });
  const own = ownReading(snapshot, aTransaction({ recipient }).recipient)!;
  return whetherExists(snapshot.host, own.policy, own.mailbox, new Map(Object.entries(answers)));
}

describe('whether a recipient exists', () => {
  it('is not asked where its domain does not say', () => {
    expect(find(undefined)).toBeNull();
    expect(find(undefined, 'postmaster@example.com')).toBeNull();
  });

  it('is said by the first file that names it, under the name that it has there', () => {
    expect(find(['none.txt', 'bob.txt', 'all.txt'])).toEqual({
      ...{ kind: 'existing', setting: `${WHO}/1`, text: 'bob@example.com exists: bob.txt has bob@example.com' },
    });
    expect(find(['carol.txt', 'all.txt'])).toMatchObject({ text: 'bob@example.com exists: all.txt has @example.com' });
    expect(find(['carol.txt'], 'Carol@Example.COM')).toMatchObject({
      ...{ kind: 'existing', text: 'Carol@Example.COM exists: carol.txt has carol' },
    });
    expect(find(['bob.txt'], 'bob+x@example.com', {}, '+')).toMatchObject({ kind: 'existing' });
  });

  it('is denied where no source has it, read or asked', () => {
    const missing = {
      kind: 'missing',
      setting: WHO,
      text: 'bob@example.com does not exist: no source of recipients has it',
    };
    expect(find(['none.txt', 'carol.txt'])).toEqual(missing);
    expect(find([{ map: V }, 'none.txt'], 'bob@example.com', { [V]: 'absent' })).toEqual(missing);
    expect(find(['bob.txt'], 'bob+x@example.com')).toMatchObject({ kind: 'missing' });
  });

  it('a map is asked only when it is its turn, for all names, the most exact first', () => {
    expect(find(['bob.txt', { map: V }])).toMatchObject({ kind: 'existing' });
    expect(find(['none.txt', { map: V }, 'bob.txt'], 'Bob+x@example.com', {}, '+')).toEqual({
      map: V,
      names: ['bob+x@example.com', 'bob@example.com', 'bob+x', 'bob', '@example.com'],
    });
    expect(find([{ map: V }, { map: W }], 'bob@example.com', { [V]: 'absent' })).toMatchObject({ map: W });
    expect(find([{ map: V }, { map: W }], 'bob@example.com', { [V]: 'found' })).toEqual({
      ...{ kind: 'existing', setting: `${WHO}/0`, text: `bob@example.com exists: it is in ${V}` },
    });
  });

  it('a map that cannot be asked leaves it open, unless a source after it names the recipient', () => {
    const answers = { [V]: { unreadable: 'no such file' }, [W]: { unreadable: 'no server' } };
    const open = {
      kind: 'unknown',
      setting: `${WHO}/0`,
      text: `whether bob@example.com exists cannot be found out: ${V}: no such file`,
    };
    expect(find([{ map: V }], 'bob@example.com', answers)).toEqual(open);
    // Of several the first is told.
    expect(find([{ map: V }, { map: W }, 'none.txt'], 'bob@example.com', answers)).toEqual(open);
    expect(find([{ map: V }, 'bob.txt'], 'bob@example.com', answers)).toMatchObject({ kind: 'existing' });
    expect(find([{ map: V }, { map: W }], 'bob@example.com', { ...answers, [W]: 'found' })).toMatchObject({
      ...{ kind: 'existing', setting: `${WHO}/1` },
    });
    expect(find([{ map: V }, { map: W }], 'bob@example.com', { ...answers, [W]: 'absent' })).toEqual(open);
    // It is asked all the same.
    expect(find([{ map: V }, { map: W }], 'bob@example.com', { [V]: answers[V] })).toMatchObject({ map: W });
  });

  it.each(['postmaster@example.com', 'Postmaster@EXAMPLE.com', 'srs0=a=b=c=d@example.com', 'prvs=1=bob@example.com'])(
    '%s is never missing, and no map is asked for it',
    (recipient) => {
      expect(find([{ map: V }], recipient)).toEqual({
        kind: 'existing',
        setting: WHO,
        text: `${recipient} is never missing: it is postmaster or a tagged return address`,
      });
    },
  );

  it.each(['bob@bücher.example', 'bob@xn--bcher-kva.example', 'bob@BÜCHER.example.', 'bob%bücher.example'])(
    '%s is looked for in both spellings of its domain, however it is typed',
    (recipient) => {
      expect(find([{ map: V }], recipient)).toMatchObject({
        names: [
          ...['bob@xn--bcher-kva.example', 'bob@bücher.example', 'bob'],
          ...['@xn--bcher-kva.example', '@bücher.example'],
        ],
      });
    },
  );

  it('the setting is that of the domain itself', () => {
    expect(find(['none.txt'], 'bob@example.com')).toMatchObject({ setting: inDomain('recipients') });
    expect(find(['none.txt'], 'bob@bücher.example')).toMatchObject({
      setting: '/organizations/acme/domains/bücher.example/recipients',
    });
  });
});
