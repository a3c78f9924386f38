/**
 * Which entries of an IP list deserve a second look: very wide ones, and addresses that many senders share.
 * Never refuses; the table ages, and is no list of what these services send from today.
 * Source: what each line of the table names, mostly SPF records (RFC 7208 §5.6, "ip4" and "ip6"), as of its date.
 */
import { parseIpListInput } from './ip-list-input.ts';
import { ipRangesOverlap, isWiderThan, type IpRange, type WidestNetwork } from './ip-range.ts';

/** A service whose outbound addresses are shared by its customers. */
export type SharedSender = {
  readonly name: string;
  /** Where the ranges come from: an SPF record, or a page of the service. */
  readonly source: string;
  /** Year and month in which the source was seen to hold these ranges. */
  readonly asOf: string;
  readonly ranges: readonly IpRange[];
};

const sender = (name: string, source: string, asOf: string, networks: string): SharedSender => ({
  name,
  source,
  asOf,
  ranges: parseIpListInput(networks).ranges.map((entry) => entry.range),
});

/** Large shared senders and the ranges that their SPF records held, most mail first. */
export const sharedSenders: readonly SharedSender[] = [
  sender(
    'Google (Gmail and Workspace)',
    'SPF record _spf.google.com',
    '2026-09',
    `74.125.0.0/16 209.85.128.0/17 2001:4860:4864::/56 2404:6800:4864::/56 2607:f8b0:4864::/56 2800:3f0:4864::/56
     2a00:1450:4864::/56 2c0f:fb50:4864::/56`,
  ),
  sender(
    'Microsoft 365',
    'SPF record spf.protection.outlook.com',
    '2026-06',
    `40.92.0.0/15 40.107.0.0/16 52.100.0.0/15 52.102.0.0/16 52.103.0.0/17 104.47.0.0/17 2a01:111:f400::/48
     2a01:111:f403::/49 2a01:111:f403:8000::/51 2a01:111:f403:c000::/51 2a01:111:f403:f000::/52`,
  ),
  sender(
    'Amazon SES',
    'SPF record amazonses.com',
    '2026-09',
    `23.249.208.0/20 23.251.224.0/19 24.110.64.0/18 54.240.0.0/18 54.240.64.0/18 69.169.224.0/20 76.223.128.0/19
     76.223.176.0/20 98.77.0.0/16 199.127.232.0/22 199.255.192.0/22 206.55.144.0/20 216.221.160.0/19`,
  ),
  sender(
    'SendGrid',
    'SPF record sendgrid.net',
    '2026-09',
    `50.31.32.0/19 149.72.0.0/16 159.183.0.0/16 167.89.0.0/17 168.245.0.0/17 192.254.112.0/20 198.21.0.0/21
     198.37.144.0/20 208.117.48.0/20`,
  ),
  sender('Mailchimp', 'SPF record mailchimp.com', '2026-09', '148.105.0.0/16 198.2.128.0/18 205.201.128.0/20'),
  sender(
    'Mailgun and Mailjet',
    'SPF record mailgun.org',
    '2026-09',
    `69.72.32.0/20 87.253.232.0/21 141.193.32.0/23 143.55.224.0/21 143.55.232.0/22 143.55.236.0/22 159.112.240.0/20
     159.135.132.128/25 159.135.140.80/29 159.135.224.0/20 161.38.192.0/20 161.38.204.0/22 185.189.236.0/22
     185.211.120.0/22 185.250.236.0/22 198.244.48.0/20 198.244.60.0/22 204.220.90.0/23 204.220.92.0/22 204.220.160.0/20
     204.220.168.0/21 204.220.176.0/20`,
  ),
  sender(
    'Postmark',
    'its support page "IPs for firewalls"',
    '2025-03',
    '50.31.156.96/27 50.31.205.0/24 104.245.209.192/26',
  ),
];

/** An entry wider than this is worth a warning. */
const WIDE: WidestNetwork = { ipv4Prefix: 16, ipv6Prefix: 32 };

/**
 * What the administrator should know about an entry before keeping it, in whole sentences; null where there is
 * nothing to say. A warning, never a refusal.
 */
export function warnAboutRange(range: IpRange): string | null {
  const warnings: string[] = [];
  if (isWiderThan(range, WIDE)) {
    const prefix = range.first.family === 4 ? WIDE.ipv4Prefix : WIDE.ipv6Prefix;
    warnings.push(`"${range.text}" is wider than a /${prefix}, and holds many networks; check that all are meant.`);
  }
  const found = sharedSenders.filter((shared) => shared.ranges.some((other) => ipRangesOverlap(range, other)));
  if (found.length > 0) {
    const names = found.map((shared) => `${shared.name} (${shared.source}, as of ${shared.asOf})`);
    warnings.push(
      `"${range.text}" holds outbound addresses of ${names.join(', ')}: senders unrelated to each other share them.`,
    );
  }
  return warnings.length === 0 ? null : warnings.join(' ');
}
