/**
 * Notices changed files by looking at them: works for edits in place, renames, symbolic links and file systems that
 * send no events. A change counts once the file has stood still for one look, so that half a file is not read.
 */
import { stat } from 'node:fs/promises';

/** Looks every this many milliseconds; a change is told within two looks. */
const LOOK_EVERY_MS = 100;

/**
 * A file that is looked at for the first time may have changed after it was read. One that changed this recently is
 * therefore told as changed.
 */
const RECENT_MS = 3000;

/** Ends the watching. */
export type Watch = { stop(): void };

type Print = { readonly text: string; readonly changedAt: number };

/**
 * Calls `onChange` after any of the files that `paths` names at that moment has changed, appeared or vanished, and
 * `onFirstSign` as soon as one of them looks like it, though it may still be written to.
 */
export function watchFiles(
  paths: () => readonly string[],
  onChange: () => void,
  onFirstSign: () => void = () => undefined,
): Watch {
  const seen = new Map<string, string>();
  let pending: string | null = null;
  let timer: NodeJS.Timeout | null = null;
  let stopped = false;

  const look = async (): Promise<void> => {
    const now = new Map<string, string>();
    let changed = false;
    for (const path of paths()) {
      const print = await fingerprint(path);
      const before = seen.get(path);
      changed ||= before === undefined ? Date.now() - print.changedAt < RECENT_MS : before !== print.text;
      now.set(path, print.text);
    }
    const all = JSON.stringify([...now]);
    const isStill = pending === all;
    pending = changed ? all : null;
    if (changed && !isStill) {
      if (!stopped) onFirstSign();
      return;
    }
    seen.clear();
    for (const [path, print] of now) seen.set(path, print);
    pending = null;
    if (changed && !stopped) onChange();
  };
  const schedule = (): void => {
    if (stopped) return;
    timer = setTimeout(() => void look().finally(schedule), LOOK_EVERY_MS);
  };
  void look().finally(schedule);
  return {
    stop() {
      stopped = true;
      if (timer !== null) clearTimeout(timer);
    },
  };
}

/** Never fails: a file that cannot be looked at has its error as its print. */
async function fingerprint(path: string): Promise<Print> {
  try {
    const { mtimeNs, ctimeNs, ctimeMs, size, ino } = await stat(path, { bigint: true });
    return { text: `${mtimeNs} ${ctimeNs} ${size} ${ino}`, changedAt: Number(ctimeMs) };
  } catch (error) {
    return { text: (error as NodeJS.ErrnoException).code ?? 'unreadable', changedAt: 0 };
  }
}
