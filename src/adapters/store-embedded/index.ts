/** The face of the store that lives in files: settings, list files, last good settings. */
export { editSettingsFile, type EditedFile } from './edit.ts';
export { createLastGood } from './last-good.ts';
export { createSettingsFile } from './settings-file.ts';
export { createSettingsThread } from './settings-thread.ts';
export { watchFiles, type Watch } from './watch.ts';
export type { ListEdit, SettingsEdit } from './splice.ts';
export { parseYamlBytes } from './yaml-text.ts';
