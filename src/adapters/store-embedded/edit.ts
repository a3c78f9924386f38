/**
 * Edits of the settings file that keep its comments, order and spelling, under a lock: two commands at once never
 * lose each other's edit. Copy, check, write aside, move: a refused edit leaves no trace.
 */
import { basename } from 'node:path';
import { PosternError, type SettingsStore } from '../../services/index.ts';
import { followLinks, reasonOf, withLock, writeFileAtomically } from '../files/index.ts';
import { createSettingsFile, readSettings } from './settings-file.ts';
import { editYamlText, type SettingsEdit } from './splice.ts';
import { parseYamlBytes } from './yaml-text.ts';

/** What to edit: where it lies, and how messages call it (its file name where that is left out). */
export type EditedFile = { readonly path: string; readonly name?: string };

/**
 * Edits the settings file. `plan` sees the present settings and gives the edits, done one after the other; `check`
 * sees the edited text as a store and throws to refuse it. Nothing is written where there is no edit.
 * Errors: PosternError where the file cannot be read, locked or written, and what `plan` and `check` throw.
 */
export async function editSettingsFile<T>(
  { path, name = basename(path) }: EditedFile,
  plan: (store: SettingsStore) => Promise<{ edits: readonly SettingsEdit[]; result: T }>,
  check: (edited: SettingsStore) => Promise<void>,
): Promise<T> {
  const file = createSettingsFile(path, name);
  // The lock lies beside the file itself, so that commands that come by different links meet.
  return withLock(await followLinks(path), async () => {
    const bytes = await readSettings(path, name);
    const before = parseYamlBytes(name, bytes);
    const { edits, result } = await plan({ ...file, read: () => Promise.resolve(before) });
    if (edits.length === 0) return result;
    const after = edits.reduce(editYamlText, before);
    await check({ ...file, read: () => Promise.resolve(after) });
    if (!bytes.equals(await readSettings(path, name))) {
      const message = `${name} was changed by somebody else just now; nothing was saved, try again`;
      throw new PosternError('POSTERN_FILE_LOCKED', message);
    }
    try {
      await writeFileAtomically(path, after.text, 0o640);
    } catch (error) {
      const message = `${name} cannot be written: ${reasonOf(error)}`;
      throw new PosternError('POSTERN_FILE_UNWRITABLE', message, { cause: error });
    }
    return result;
  });
}
