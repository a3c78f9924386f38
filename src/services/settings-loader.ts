/**
 * Loading for a serving Postern: the settings as they are now, made into a report that is plain data, so that another
 * thread can do the work and hand it over. What is good is kept as the last good settings.
 * Never decides what acts: the holder of the running snapshot does.
 */
import type { Snapshot } from '../snapshot/index.ts';
import { formatIssue, loadSettings, type Loaded, type LocatedIssue, type Surroundings } from './load-settings.ts';
import type { LastGood, SettingsStore } from './ports.ts';

/** How many faults of one load are named, in the log and in a problem. */
export const MAX_NAMED_ISSUES = 20;

/** Issues of one severity: the first of them, and how many there are in all. */
export type NamedIssues = { readonly named: readonly LocatedIssue[]; readonly count: number };

/**
 * What loading gave. `snapshot` is null where the settings are not good. There may be errors beside a snapshot: those of
 * list files whose last good text stands in.
 */
export type LoadReport = {
  readonly snapshot: Snapshot | null;
  /** Every list file that the settings name; null where they are too broken to say. */
  readonly listFiles: readonly string[] | null;
  readonly errors: NamedIssues;
  readonly warnings: NamedIssues;
  /** What else an operator should know, as sentences. */
  readonly remarks: readonly string[];
};

/** A report, and what became of keeping it as the last good settings: null when that is done, else why it failed. */
export type LoadResult = { readonly report: LoadReport; readonly kept: Promise<string | null> };

/** Loads settings. Errors: PosternError, where they cannot be read at all. */
export type SettingsLoader = {
  /** The settings as they are now. One at a time. */
  load(surroundings: Surroundings): Promise<LoadResult>;
  /** The last good settings; null where there are none. */
  loadLastGood(surroundings: Surroundings): Promise<(LoadReport & { readonly savedAt: number }) | null>;
  /** Says that a load will probably be asked for soon. */
  prepare(): void;
};

/** A loader that does the work where it is called. */
export function createSettingsLoader(store: SettingsStore, lastGood: LastGood): SettingsLoader {
  return {
    async load(surroundings) {
      const remarks: string[] = [];
      // Kept on disk, not in memory: such a list may hold a million entries.
      const lastList = async (file: string): Promise<string | null> => {
        try {
          return (await (await lastGood.load())?.store.readList(file)) ?? null;
        } catch (error) {
          remarks.push(`there is no last good content of ${file}: ${textOf(error)}`);
          return null;
        }
      };
      const loaded = await loadSettings(store, surroundings, lastList);
      return { report: reportOf(loaded, remarks), kept: keep(loaded, lastGood) };
    },
    async loadLastGood(surroundings) {
      const good = await lastGood.load();
      if (good === null) return null;
      return { ...reportOf(await loadSettings(good.store, surroundings), []), savedAt: good.savedAt };
    },
    prepare: () => undefined,
  };
}

/** Errors as lines of text, the first of them. */
export function describeErrors({ errors }: Pick<LoadReport, 'errors'>): string {
  const more = errors.count - errors.named.length;
  return [...errors.named.map(formatIssue), ...(more > 0 ? [`and ${more} more`] : [])].join('\n');
}

function reportOf({ snapshot, listFiles, issues }: Loaded, remarks: readonly string[]): LoadReport {
  const named = (severity: LocatedIssue['severity']): NamedIssues => {
    const all = issues.filter((issue) => issue.severity === severity);
    return { named: all.slice(0, MAX_NAMED_ISSUES), count: all.length };
  };
  return { snapshot, listFiles, errors: named('error'), warnings: named('warning'), remarks };
}

/** The answers do not need what is kept; only the next start with broken settings would. */
async function keep({ snapshot, text, lists }: Loaded, lastGood: LastGood): Promise<string | null> {
  if (snapshot === null) return null;
  try {
    await lastGood.save({ settings: text.text, lists });
    return null;
  } catch (error) {
    return textOf(error);
  }
}

const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
