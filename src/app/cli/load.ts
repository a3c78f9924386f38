/** Settings for a command that needs good ones: loaded, or complained about. */
import { loadSettings, readSettings, type Loaded, type SettingsStore } from '../../services/index.ts';
import type { Settings } from '../../settings/index.ts';
import type { Workspace } from '../workspace.ts';
import { complainAbout, EXIT } from './output.ts';

/** Loads, says what is wrong, and sets the exit code; null where it is not good. */
export async function loadGood(store: SettingsStore, workspace: Workspace): Promise<Loaded | null> {
  const loaded = await loadSettings(store, workspace.surroundings);
  if (loaded.snapshot !== null) return loaded;
  complainAbout(loaded.issues);
  process.exitCode = EXIT.refused;
  return null;
}

/** Reads and checks the settings alone, says what is wrong, and sets the exit code; null where they are not good. */
export async function readGood(store: SettingsStore): Promise<Settings | null> {
  const { settings, issues } = await readSettings(store);
  if (settings !== null) return settings;
  complainAbout(issues);
  process.exitCode = EXIT.refused;
  return null;
}
