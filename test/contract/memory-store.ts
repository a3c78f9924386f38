/** The store and last good settings in memory, for tests of what rests on these ports. */
import { parseYamlBytes } from '../../src/adapters/store-embedded/index.ts';
import {
  PosternError,
  type GoodSettings,
  type LastGood,
  type SettingsStore,
  type SettingsText,
} from '../../src/services/index.ts';

export class MemoryStore implements SettingsStore {
  /** Null where the settings cannot be read. */
  settings: string | null;
  readonly lists = new Map<string, string>();
  /** What the next reads wait for, one each. */
  readonly gates: Promise<void>[] = [];

  constructor(settings: string | null, lists: Readonly<Record<string, string>> = {}) {
    this.settings = settings;
    for (const [file, text] of Object.entries(lists)) this.lists.set(file, text);
  }

  async read(): Promise<SettingsText> {
    const { settings } = this;
    await this.gates.shift();
    if (settings === null) {
      throw new PosternError('POSTERN_SETTINGS_UNREADABLE', 'settings.yaml cannot be read: there is no such file');
    }
    return parseYamlBytes('settings.yaml', Buffer.from(settings));
  }

  readList(file: string): Promise<string> {
    const text = this.lists.get(file);
    if (text !== undefined) return Promise.resolve(text);
    return Promise.reject(new PosternError('POSTERN_SETTINGS_UNREADABLE', 'there is no such file'));
  }
}

export class MemoryLastGood implements LastGood {
  saved: (GoodSettings & { readonly savedAt: number }) | null = null;
  /** Where set, saving fails with it. */
  saveFault: Error | null = null;
  /** Where set, loading fails with it. */
  loadFault: Error | null = null;

  save(good: GoodSettings): Promise<void> {
    if (this.saveFault !== null) return Promise.reject(this.saveFault);
    this.saved = { settings: good.settings, lists: new Map(good.lists), savedAt: Date.UTC(2027, 0, 1) };
    return Promise.resolve();
  }

  load(): Promise<{ store: SettingsStore; savedAt: number } | null> {
    if (this.loadFault !== null) return Promise.reject(this.loadFault);
    if (this.saved === null) return Promise.resolve(null);
    const { settings, lists, savedAt } = this.saved;
    return Promise.resolve({ store: new MemoryStore(settings, Object.fromEntries(lists)), savedAt });
  }
}
