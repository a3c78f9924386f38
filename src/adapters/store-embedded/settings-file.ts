/**
 * The settings file and the list files beside it, as a SettingsStore. Relative list files are relative to it.
 */
import { readFile } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import { PosternError, type SettingsStore } from '../../services/index.ts';
import { reasonOf } from '../files/index.ts';
import { parseYamlBytes } from './yaml-text.ts';

/** `name` is how messages call the file; its path as the operator wrote it, where there is one. */
export function createSettingsFile(path: string, name: string = basename(path)): SettingsStore {
  return {
    read: async () => parseYamlBytes(name, await readSettings(path, name)),
    readList: async (file) => {
      try {
        return await readFile(resolve(dirname(path), file), 'utf8');
      } catch (error) {
        throw new PosternError('POSTERN_SETTINGS_UNREADABLE', reasonOf(error), { cause: error });
      }
    },
  };
}

/** The octets of the settings file. Errors: PosternError with the reason in words. */
export async function readSettings(path: string, name: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    const message = `${name} cannot be read: ${reasonOf(error)}`;
    throw new PosternError('POSTERN_SETTINGS_UNREADABLE', message, { cause: error });
  }
}
