/** Edits of the settings file by a command: planned on good settings, checked whole, saved or not at all. */
import { editSettingsFile, type SettingsEdit } from '../../adapters/store-embedded/index.ts';
import { PosternError, type LocatedIssue, type SettingsStore, type SettingsText } from '../../services/index.ts';
import type { Settings } from '../../settings/index.ts';
import type { Workspace } from '../workspace.ts';
import { loadGood, readGood } from './load.ts';

/** What to edit, and what to answer when it is saved. */
export type Plan<T> = { readonly edits: readonly SettingsEdit[]; readonly result: T };

/**
 * Edits under the lock; the edited text is checked whole before it is written. `hear` is told what the check found of
 * an edit that is saved, warnings all.
 * Errors: PosternError where the settings are not good, before or after the edit, and what `plan` throws.
 */
export async function editSettings<T>(
  workspace: Workspace,
  plan: (settings: Settings, text: SettingsText) => Plan<T>,
  hear: (warnings: readonly LocatedIssue[]) => void = () => undefined,
): Promise<T> {
  let warnings: readonly LocatedIssue[] = [];
  const check = async (store: SettingsStore): Promise<void> => {
    const edited = await loadGood(store, workspace);
    if (edited === null) throw new PosternError('POSTERN_SETTINGS_INVALID', 'nothing was saved');
    warnings = edited.issues;
  };
  const result = await editSettingsFile(
    { path: workspace.settingsFile, name: workspace.settingsName },
    async (store) => {
      const settings = await readGood(store);
      if (settings === null)
        throw new PosternError('POSTERN_SETTINGS_INVALID', 'nothing was saved; mend the settings first');
      return plan(settings, await store.read());
    },
    check,
  );
  hear(warnings);
  return result;
}
