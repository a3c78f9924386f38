/**
 * How far the log was read, kept over a restart. No outside source.
 */
import { readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { makePrivateDirectory, writeFileAtomically } from '../files/index.ts';

/** A place in a file, at the end of a line. */
export type Position = {
  /** The path under which the log was followed. */
  readonly path: string;
  /** Device and inode: a name may come to mean another file. */
  readonly file: string;
  readonly offset: number;
  /** The octets before `offset`, in base64: a file that was cut and filled anew has others there. */
  readonly before: string;
};

/** What was kept; null where nothing was. Errors: those of the file system, SyntaxError for what is no position. */
export async function loadPosition(path: string): Promise<Position | null> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
  const read = JSON.parse(text) as Partial<Position> | null;
  const { path: log, file, offset, before } = read ?? {};
  const isGood = typeof log === 'string' && typeof file === 'string' && typeof before === 'string';
  if (!isGood || !Number.isSafeInteger(offset)) throw new SyntaxError('it is no position in a log');
  return { path: log, file, offset: offset as number, before };
}

/** Keeps a position. Errors: those of the file system. */
export async function savePosition(path: string, position: Position): Promise<void> {
  await makePrivateDirectory(dirname(path));
  await writeFileAtomically(path, `${JSON.stringify(position)}\n`, 0o600);
}
