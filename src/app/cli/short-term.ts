/** Automatic short-term blocks for `postern ip`: shown in the block list, and lifted by removing them from it. */
import { readShortTermBlocks, requestLift } from '../../adapters/short-term-blocks/index.ts';
import { compileIpSet, ipSetOverlaps, parseDomain, type IpRange } from '../../mail/index.ts';
import { PosternError, type ShortTermBlock } from '../../services/index.ts';
import type { OwnDomain } from '../../settings/index.ts';
import { complain } from './output.ts';

/** The blocks of an own domain that act now, the newest first; none for a list that is not the block list. */
export async function shortTermBlocksOf(
  stateDirectory: string,
  list: 'allowedIps' | 'blockedIps',
  own: OwnDomain,
): Promise<readonly ShortTermBlock[]> {
  if (list !== 'blockedIps' || own.autoBlock === undefined) return [];
  return (await shortTermBlocks(stateDirectory)).filter(({ domain }) => domain === own.domain);
}

/** A block as a row of the list: entry, expiry, no hits, what it is. */
export const shortTermRow = ({ range, until, reason }: ShortTermBlock): readonly string[] => [
  range.text,
  `until ${new Date(until).toISOString()}`,
  '',
  `automatic: ${reason}`,
];

/** A block as JSON, like an entry of the list. */
export const shortTermJson = ({ range, since, until, reason }: ShortTermBlock): object => ({
  entry: range.text,
  automatic: true,
  since: new Date(since).toISOString(),
  expires: new Date(until).toISOString(),
  isExpired: false,
  reason,
});

/** What a removal takes out besides entries of the settings. */
export type Lifting = {
  /** Whether a block shares an address with the range. */
  readonly covers: (range: IpRange) => boolean;
  /** Lifts; gives how many blocks that are. Errors: PosternError where it cannot be asked for. */
  readonly lift: () => Promise<number>;
};

/** The blocks of an own domain that a removal of these ranges lifts. */
export async function liftingOf(
  stateDirectory: string,
  list: 'allowedIps' | 'blockedIps',
  domainText: string,
  ranges: readonly IpRange[],
): Promise<Lifting> {
  const domain = parseDomain(domainText);
  const wanted = compileIpSet(ranges.map((range) => ({ range })));
  const blocks =
    list === 'blockedIps' && domain.ok
      ? (await shortTermBlocks(stateDirectory)).filter(
          (block) => block.domain === domain.value && ipSetOverlaps(wanted, block.range),
        )
      : [];
  const found = compileIpSet(blocks.map(({ range }) => ({ range })));
  return {
    covers: (range) => ipSetOverlaps(found, range),
    lift: async () => {
      const [newest] = blocks;
      if (newest === undefined) return 0;
      // A clock that was set back in between must not leave one out.
      const at = Math.max(Date.now(), newest.since);
      await requestLift(stateDirectory, { domain: newest.domain, ranges, at });
      return blocks.length;
    },
  };
}

/** The entries of the settings are worth showing and editing all the same, so this only says what is wrong. */
export async function shortTermBlocks(stateDirectory: string): Promise<readonly ShortTermBlock[]> {
  try {
    return await readShortTermBlocks(stateDirectory, Date.now());
  } catch (error) {
    if (!(error instanceof PosternError)) throw error;
    complain(`warning: short-term blocks are not known: ${error.message}`);
    return [];
  }
}
