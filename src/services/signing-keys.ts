/**
 * The running snapshot with the keys that are active now. A key that was activated signs at once, whether or not the
 * settings changed. A key store that cannot be read keeps the last known keys, and says so.
 */
import { withSigningKeys, type ActiveKey, type Snapshot } from '../snapshot/index.ts';
import type { KeyFacts, KeyState, KeyVault, Log, Meters } from './ports.ts';
import type { Problem } from './snapshots.ts';

/** The snapshot that decisions use. */
export type KeyedSnapshots = {
  current(): Snapshot;
  /** Reads the keys for the first time. Errors: PosternError; serving without knowing the keys could let mail out unsigned. */
  start(): Promise<void>;
  /** Reads the keys again. Never throws. */
  reload(): Promise<void>;
  problem(): Problem | null;
};

/** Puts the active keys of `vault` into what `base` gives. */
export function createKeyedSnapshots(base: () => Snapshot, vault: KeyVault, log: Log, meters: Meters): KeyedSnapshots {
  let active: readonly ActiveKey[] = [];
  let problem: Problem | null = null;
  let made: { readonly from: Snapshot; readonly with: readonly ActiveKey[]; readonly snapshot: Snapshot } | null = null;
  const read = async (): Promise<void> => {
    const keys = await vault.list();
    const before = JSON.stringify(active);
    active = keys.filter(({ state }) => state === 'active');
    meters.setKeys(countStates(keys));
    if (JSON.stringify(active) === before) return;
    log.info('keys', { active: active.map(({ selector, domain }) => `${selector}._domainkey.${domain}`) });
  };
  return {
    current() {
      const from = base();
      if (made?.from !== from || made.with !== active)
        made = { from, with: active, snapshot: withSigningKeys(from, active) };
      return made.snapshot;
    },
    start: read,
    async reload() {
      try {
        await read();
        problem = null;
      } catch (error) {
        const text = `the keys cannot be read, the known ones stay: ${error instanceof Error ? error.message : String(error)}`;
        problem = { code: 'POSTERN_KEYS_UNREADABLE', text };
        log.error(text, { code: problem.code, err: error });
      }
    },
    problem: () => problem,
  };
}

function countStates(keys: readonly KeyFacts[]): Record<KeyState, number> {
  const count = { created: 0, verified: 0, active: 0, retiring: 0, revoked: 0 };
  for (const { state } of keys) count[state] += 1;
  return count;
}
