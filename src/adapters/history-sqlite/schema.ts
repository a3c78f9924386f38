/**
 * The tables of the history database, and how one of an older version becomes one of this version.
 * Source: SQLite, "CREATE TABLE" (STRICT, WITHOUT ROWID), "PRAGMA user_version".
 */
import { join } from 'node:path';
import { addressWords, type IpAddress } from '../../mail/index.ts';

/** The database below the state directory. */
export const historyFileOf = (stateDirectory: string): string => join(stateDirectory, 'history.db');

/** Step n leads from user_version n to n + 1. A step that was released never changes. */
export const STEPS: readonly string[] = [
  `
CREATE TABLE decisions (
  id INTEGER PRIMARY KEY,
  at INTEGER NOT NULL,
  stage TEXT NOT NULL,
  queue_id TEXT,
  instance TEXT,
  client_address TEXT NOT NULL,
  client_key BLOB,
  true_client TEXT,
  true_client_key BLOB,
  sasl_username TEXT,
  sender TEXT NOT NULL COLLATE NOCASE,
  recipients TEXT NOT NULL,
  domains TEXT NOT NULL,
  verdict TEXT NOT NULL,
  observed TEXT,
  reply TEXT,
  rule TEXT NOT NULL,
  setting TEXT,
  text TEXT NOT NULL,
  revision TEXT NOT NULL
) STRICT;
CREATE INDEX decisions_at ON decisions (at);
CREATE INDEX decisions_client ON decisions (client_key) WHERE client_key IS NOT NULL;
CREATE INDEX decisions_true_client ON decisions (true_client_key) WHERE true_client_key IS NOT NULL;
CREATE INDEX decisions_queue_id ON decisions (queue_id) WHERE queue_id IS NOT NULL;
CREATE INDEX decisions_sender ON decisions (sender);
CREATE TABLE decision_recipients (
  address TEXT NOT NULL COLLATE NOCASE,
  id INTEGER NOT NULL,
  PRIMARY KEY (address, id)
) STRICT, WITHOUT ROWID;
CREATE TABLE decision_domains (
  domain TEXT NOT NULL COLLATE NOCASE,
  id INTEGER NOT NULL,
  PRIMARY KEY (domain, id)
) STRICT, WITHOUT ROWID;
CREATE TABLE hits (
  domain TEXT NOT NULL,
  list TEXT NOT NULL,
  entry TEXT NOT NULL,
  count INTEGER NOT NULL,
  last_at INTEGER NOT NULL,
  last_address TEXT NOT NULL,
  PRIMARY KEY (domain, list, entry)
) STRICT, WITHOUT ROWID;
`,
];

/** An address so that octets in order are addresses in order: the family, then the address in network byte order. */
export function addressKey(address: IpAddress): Uint8Array {
  const words = addressWords(address);
  const key = Buffer.alloc(1 + 4 * words.length);
  key[0] = address.family;
  words.forEach((word, index) => key.writeUInt32BE(word >>> 0, 1 + 4 * index));
  return key;
}
