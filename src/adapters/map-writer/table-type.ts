/**
 * Which table type indexed maps get, and what follows from it.
 * Never asks Postfix: what it has comes in.
 * Source: Postfix postconf(5) default_database_type; DATABASE_README.
 */
import { PosternError, type TableType } from '../../services/index.ts';
import type { MapFile } from '../../wire/postfix-map/index.ts';
import type { MapTypeSetting } from './types.ts';

/** In the order of preference; Postfix opens each of them again by itself when it was replaced. */
const INDEXED = ['lmdb', 'cdb', 'hash'] as const satisfies readonly TableType[];
const SUFFIX: Readonly<Record<TableType | 'regexp', string>> = {
  lmdb: '.lmdb',
  cdb: '.cdb',
  hash: '.db',
  texthash: '',
  regexp: '',
};

/**
 * The type asked for. `auto`: the default type where it is lmdb, cdb or hash; else the first of these that Postfix has;
 * else texthash. Errors: PosternError where Postfix does not have it, or none at all.
 */
export function chooseTableType(
  setting: MapTypeSetting,
  postfix: { readonly defaultDatabaseType: string; readonly mapTypes: readonly string[] },
): TableType {
  const has = (type: string): boolean => postfix.mapTypes.includes(type);
  if (setting !== 'auto') {
    if (has(setting)) return setting;
    const message = `maps.type: this Postfix has no ${setting} tables (postconf -m); set it to auto, or install them`;
    throw new PosternError('POSTERN_OPERATOR_FILE_INVALID', message);
  }
  // The default may name a type whose package was removed.
  const preferred = [postfix.defaultDatabaseType, ...INDEXED];
  const found = preferred.find((type): type is TableType => isIndexed(type) && has(type));
  if (found !== undefined) return found;
  if (has('texthash')) return 'texthash';
  const message =
    'this Postfix has neither lmdb, cdb, hash nor texthash tables (postconf -m), so no map can be written for it; ' +
    'on Debian: apt-get install postfix-lmdb';
  throw new PosternError('POSTERN_NO_POSTFIX', message);
}

/** The type of one map. */
export const typeOf = (kind: MapFile['kind'], indexed: TableType): TableType | 'regexp' =>
  kind === 'regexp' ? 'regexp' : indexed;

/** What postmap appends to the name; nothing where Postfix reads the text itself. */
export const suffixOf = (type: TableType | 'regexp'): string => SUFFIX[type];

/** Whether Postfix reads the file only when a process starts. Source: DATABASE_README; tried on 3.7. */
export const needsReload = (type: TableType | 'regexp'): boolean => type === 'texthash' || type === 'regexp';

/** `postmap -s` ends with "fatal" for a cdb table, after a second's sleep. Tried on 3.7. */
export const canBeListed = (type: TableType | 'regexp'): boolean => type !== 'cdb';

const isIndexed = (type: string): boolean => (INDEXED as readonly string[]).includes(type);
