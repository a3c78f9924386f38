/** The hits of list entries, for `postern ip list`. */
import { openHistory } from '../../adapters/history-sqlite/index.ts';
import { PosternError, type EntryHit, type EntryHits } from '../../services/index.ts';
import { complain } from './output.ts';

/**
 * The hits of a list by entry. Where history cannot be read the list is worth showing all the same, and it is said.
 * Errors: PosternError where history cannot be read and `areNeeded`.
 */
export async function readHits(
  stateDirectory: string,
  domain: string,
  list: EntryHit['list'],
  areNeeded: boolean,
): Promise<ReadonlyMap<string, EntryHits>> {
  try {
    const history = openHistory(stateDirectory);
    try {
      return await history.hits(domain, list);
    } finally {
      history.close();
    }
  } catch (error) {
    if (areNeeded || !(error instanceof PosternError)) throw error;
    complain(`warning: the hits are not known: ${error.message}`);
    return new Map();
  }
}

/** The hits of one entry in words. */
export function hitsText(hits: EntryHits | undefined): string {
  if (hits === undefined) return 'no hit yet';
  const { count, lastAt, lastAddress } = hits;
  return `${count} ${count === 1 ? 'hit' : 'hits'}, last ${new Date(lastAt).toISOString()} by ${lastAddress}`;
}

/** The order "recent block history": the last hit first, then what was never hit, as it stands. */
export const byLastHit = (
  a: { readonly hits: EntryHits | undefined },
  b: { readonly hits: EntryHits | undefined },
): number => (b.hits?.lastAt ?? -1) - (a.hits?.lastAt ?? -1);
