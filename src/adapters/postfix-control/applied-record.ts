/**
 * Where the record of `postfix apply` is kept: one file in the state directory, only for its owner.
 */
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { parseRecord, renderRecord, type AppliedRecord } from '../../answers/index.ts';
import { PosternError } from '../../services/index.ts';
import { makePrivateDirectory, reasonOf, withLock, writeFileAtomically } from '../files/index.ts';

const pathIn = (stateDirectory: string): string => join(stateDirectory, 'postfix-applied.json');

/** The record; null where nothing is applied. Errors: PosternError where it is there but of no use. */
export async function readAppliedRecord(stateDirectory: string): Promise<AppliedRecord | null> {
  const path = pathIn(stateDirectory);
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw new PosternError('POSTERN_STATE_UNREADABLE', `${path} cannot be read: ${reasonOf(error)}`, { cause: error });
  }
  const record = parseRecord(text);
  if (record.ok) return record.value;
  const message = `${path}, which says what apply changed, cannot be used: ${record.error}; nothing was changed`;
  throw new PosternError('POSTERN_STATE_UNREADABLE', message);
}

/** Keeps a record, or that there is none. Errors: PosternError. */
export async function writeAppliedRecord(stateDirectory: string, record: AppliedRecord | null): Promise<void> {
  const path = pathIn(stateDirectory);
  try {
    if (record === null) await rm(path, { force: true });
    else await writeFileAtomically(path, renderRecord(record), 0o600);
  } catch (error) {
    throw new PosternError('POSTERN_STATE_UNWRITABLE', `${path} cannot be written: ${reasonOf(error)}`, {
      cause: error,
    });
  }
}

/** Does `work` while no other apply or undo with this state directory works. Errors: PosternError; those of `work`. */
export async function withRecordLock<T>(stateDirectory: string, work: () => Promise<T>): Promise<T> {
  try {
    await makePrivateDirectory(stateDirectory);
  } catch (error) {
    const message = `${stateDirectory} cannot be made: ${reasonOf(error)}`;
    throw new PosternError('POSTERN_STATE_UNWRITABLE', message, { cause: error });
  }
  return withLock(pathIn(stateDirectory), work);
}
