import { describe, expect, it } from 'vitest';
import { chooseTableType } from '../../../src/adapters/map-writer/table-type.ts';
import { ask, filesIn, indexed, typesHere, workshop, writerIn } from './workshop.ts';

const choose = (setting: Parameters<typeof chooseTableType>[0], defaultDatabaseType: string, ...mapTypes: string[]) =>
  chooseTableType(setting, { defaultDatabaseType, mapTypes });

describe('MAP-03', () => {
  it.each([
    ['hash', ['lmdb', 'cdb', 'hash', 'texthash'], 'hash'],
    ['cdb', ['lmdb', 'cdb', 'hash', 'texthash'], 'cdb'],
    ['lmdb', ['lmdb', 'texthash'], 'lmdb'],
    ['btree', ['btree', 'cdb', 'hash', 'texthash'], 'cdb'],
    ['dbm', ['dbm', 'hash', 'texthash'], 'hash'],
    // The default is built in; its package may be gone.
    ['lmdb', ['hash', 'texthash'], 'hash'],
    ['dbm', ['dbm', 'texthash'], 'texthash'],
    ['texthash', ['lmdb', 'texthash'], 'lmdb'],
  ])('MAP-03 default_database_type %s among %j makes auto %s', (defaultType, types, expected) => {
    expect(choose('auto', defaultType, ...types)).toBe(expected);
  });

  it('MAP-03 a Postfix with none of them is told clearly', () => {
    expect(() => choose('auto', 'hash', 'regexp', 'static')).toThrow(
      expect.objectContaining({
        code: 'POSTERN_NO_POSTFIX',
        message: expect.stringContaining('neither lmdb, cdb, hash nor texthash tables') as string,
      }),
    );
  });

  it('MAP-03 a type that was asked for and is missing is told clearly, and none is taken instead', () => {
    expect(choose('hash', 'lmdb', 'lmdb', 'hash')).toBe('hash');
    expect(() => choose('cdb', 'lmdb', 'lmdb', 'hash')).toThrow(
      expect.objectContaining({
        code: 'POSTERN_OPERATOR_FILE_INVALID',
        message: expect.stringContaining('this Postfix has no cdb tables') as string,
      }),
    );
  });

  it.each(typesHere)('MAP-03 a %s table has the suffix of its type, and Postfix finds it by its name', async (type) => {
    const at = await workshop();
    const writer = await writerIn(at, { type });
    expect(writer.type).toBe(type);
    await writer.publish([indexed('transport', { 'example.com': 'postern:[192.0.2.7]:25' })]);
    const suffix = { lmdb: '.lmdb', cdb: '.cdb', hash: '.db', texthash: '' }[type];
    expect((await filesIn(at.mapDirectory)).filter((name) => !name.startsWith('.'))).toEqual([`transport${suffix}`]);
    expect(writer.table('transport', 'indexed')).toBe(`${type}:${at.mapDirectory}/transport`);
    expect(await ask(at, 'example.com', writer.table('transport', 'indexed'))).toEqual({
      code: 0,
      stdout: 'postern:[192.0.2.7]:25\n',
      stderr: '',
    });
  });
});
