/** IP lists: their limits, duplicates, the width of gateway ranges, and entries worth a second look. */
import { isWiderThan, warnAboutRange } from '../../mail/index.ts';
import type { Draft, DraftDomain } from '../draft.ts';
import type { Issues, Path } from '../issue.ts';
import { LIMITS } from '../limits.ts';
import type { IpEntry } from '../schema/ip-entries.ts';

const GATEWAY_WIDTH = { ipv4Prefix: LIMITS.gatewayIpv4Prefix, ipv6Prefix: LIMITS.gatewayIpv6Prefix };

/** What makes two entries the same: their range however it is spelt, or their file. */
export const identityOf = (entry: IpEntry): string => (entry.kind === 'file' ? `file ${entry.file}` : entry.range.text);

/** Checks allowed, blocked and gateway IPs. */
export function checkIpLists(draft: Draft, issues: Issues): void {
  for (const { domains } of draft.organizations) {
    for (const { path, settings } of domains) {
      checkEntries(settings.allowedIps ?? [], [...path, 'allowedIps'], issues);
      checkEntries(settings.blockedIps ?? [], [...path, 'blockedIps'], issues);
      if (settings.inboundGateway !== undefined)
        checkGateway(settings.inboundGateway, [...path, 'inboundGateway'], issues);
    }
  }
}

function checkEntries(entries: readonly (IpEntry | undefined)[], path: Path, issues: Issues): void {
  const seen = new Map<string, number>();
  entries.forEach((entry, index) => {
    if (entry === undefined) return;
    const identity = identityOf(entry);
    const first = seen.get(identity);
    if (first === undefined) seen.set(identity, index);
    else issues.warning([...path, index], `is the same as entry ${first + 1} and does not count; keep one of the two`);
    const warning = entry.kind === 'range' && path.at(-1) === 'allowedIps' ? warnAboutRange(entry.range) : null;
    if (warning !== null) issues.warning([...path, index], warning);
  });
  if (seen.size > LIMITS.ipEntries) {
    const wayOut = 'put ranges in place of single addresses, or move the list to a file: { file: … }';
    issues.error(path, `holds ${seen.size} entries, and the limit is ${LIMITS.ipEntries}; ${wayOut}`);
  }
}

type DraftGateway = NonNullable<DraftDomain['settings']['inboundGateway']>;

function checkGateway({ enabled, ips }: DraftGateway, path: Path, issues: Issues): void {
  const ranges = ips ?? [];
  const distinct = new Set(ranges.flatMap((range) => (range === undefined ? [] : [range.text])));
  if (distinct.size > LIMITS.gatewayIps) {
    const wayOut = 'put ranges in place of single addresses';
    issues.error([...path, 'ips'], `holds ${distinct.size} entries, and the limit is ${LIMITS.gatewayIps}; ${wayOut}`);
  }
  ranges.forEach((range, index) => {
    if (range === undefined || !isWiderThan(range, GATEWAY_WIDTH)) return;
    const widest = `/${LIMITS.gatewayIpv4Prefix} for IPv4 and /${LIMITS.gatewayIpv6Prefix} for IPv6`;
    issues.error([...path, 'ips', index], `"${range.text}" is too wide; the widest is ${widest}`);
  });
  if (enabled === true && ips?.length === 0) {
    const wayOut = 'name its addresses, or set enabled: false';
    issues.error([...path, 'ips'], `is empty, so no mail could come through the gateway; ${wayOut}`);
  }
}
