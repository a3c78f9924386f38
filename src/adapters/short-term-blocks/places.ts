/** Where automatic blocks and requests to lift them are kept in the state directory. */
import { join } from 'node:path';

/** The file of the blocks; only its owner may read it. */
export const blockFileOf = (stateDirectory: string): string => join(stateDirectory, 'short-term-blocks.json');

/** The directory of the requests, one file each. */
export const liftDirectoryOf = (stateDirectory: string): string => join(stateDirectory, 'lifts');

/** The request files among the names in the directory, the oldest first: names begin with their time. */
export const requestsAmong = (names: readonly string[]): string[] =>
  names.filter((name) => /^[0-9]+-[0-9a-f-]+\.json$/.test(name)).sort();
