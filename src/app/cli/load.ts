/** Settings for a command that needs good ones: loaded, or complained about. */
import { loadSettings, type Loaded, type SettingsStore } from '../../services/index.ts';
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
