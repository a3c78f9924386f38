/**
 * The last good settings, kept in the state directory: the text and its list files under the hash of their content,
 * and one manifest that names them. A start with broken settings runs on these.
 * Never trusts what it finds: content that is not what its hash says is not used.
 */
import { createHash } from 'node:crypto';
import { readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { PosternError, type GoodSettings, type LastGood, type SettingsStore } from '../../services/index.ts';
import { makePrivateDirectory, reasonOf, writeFileAtomically } from '../files/index.ts';
import { parseYamlText } from './yaml-text.ts';

type Manifest = {
  /** Milliseconds since 1970. */
  readonly savedAt: number;
  readonly settings: string;
  /** Names as the settings give them, each with the hash of the content. */
  readonly lists: readonly (readonly [file: string, hash: string])[];
};

const MANIFEST = 'last-good.json';
const PRIVATE = 0o600;

/** Keeps the last good settings under `stateDirectory`, which is made (0700) at the first save. */
export function createLastGood(stateDirectory: string, now: () => number): LastGood {
  const directory = join(stateDirectory, 'last-good');
  return {
    async save(good: GoodSettings) {
      await makePrivateDirectory(directory);
      const lists: [string, string][] = [];
      for (const [file, content] of good.lists) lists.push([file, await keep(directory, content)]);
      const manifest: Manifest = { savedAt: now(), settings: await keep(directory, good.settings), lists };
      await writeFileAtomically(join(directory, MANIFEST), `${JSON.stringify(manifest, null, 2)}\n`, PRIVATE);
      const wanted = new Set([MANIFEST, manifest.settings, ...lists.map(([, hash]) => hash)]);
      for (const name of await readdir(directory)) {
        if (!wanted.has(name)) await rm(join(directory, name), { force: true, recursive: true });
      }
    },
    async load() {
      const path = join(directory, MANIFEST);
      let text: string;
      try {
        text = await readFile(path, 'utf8');
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
        throw unusable(`${path} cannot be read: ${reasonOf(error)}`, error);
      }
      const manifest = readManifest(text);
      if (manifest === null) throw unusable(`${path} is broken`);
      return { store: storeOf(directory, manifest), savedAt: manifest.savedAt };
    },
  };
}

const hashOf = (content: string): string => createHash('sha256').update(content).digest('hex');

const unusable = (message: string, cause?: unknown): PosternError =>
  new PosternError('POSTERN_STATE_UNREADABLE', message, { cause });

/** Stores content under its hash; equal content is there already, unless a fault of the disk cut it. */
async function keep(directory: string, content: string): Promise<string> {
  const hash = hashOf(content);
  const path = join(directory, hash);
  const size = await stat(path).then(
    (present) => present.size,
    () => -1,
  );
  if (size !== Buffer.byteLength(content)) await writeFileAtomically(path, content, PRIVATE);
  return hash;
}

const isHash = (value: unknown): value is string => typeof value === 'string' && /^[0-9a-f]{64}$/.test(value);

function readManifest(text: string): Manifest | null {
  let value: Partial<Record<keyof Manifest, unknown>> | null;
  try {
    value = JSON.parse(text) as Partial<Record<keyof Manifest, unknown>> | null;
  } catch {
    return null;
  }
  const { savedAt, settings, lists } = value ?? {};
  if (typeof savedAt !== 'number' || !Number.isFinite(new Date(savedAt).getTime())) return null;
  if (!isHash(settings) || !Array.isArray(lists)) return null;
  const pairs = lists.filter(
    (entry): entry is [string, string] => Array.isArray(entry) && typeof entry[0] === 'string' && isHash(entry[1]),
  );
  return pairs.length === lists.length ? { savedAt, settings, lists: pairs } : null;
}

function storeOf(directory: string, manifest: Manifest): SettingsStore {
  const lists = new Map(manifest.lists);
  const read = async (hash: string): Promise<string> => {
    const path = join(directory, hash);
    let content: string;
    try {
      content = await readFile(path, 'utf8');
    } catch (error) {
      throw unusable(`${path} cannot be read: ${reasonOf(error)}`, error);
    }
    if (hashOf(content) !== hash) throw unusable(`${path} is not what was saved`);
    return content;
  };
  return {
    read: async () => parseYamlText('last good settings', await read(manifest.settings)),
    readList: (file) => {
      const hash = lists.get(file);
      return hash === undefined ? Promise.reject(unusable(`no last good ${file} was saved`)) : read(hash);
    },
  };
}
