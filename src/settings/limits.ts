/** Every number that limits what an administrator may set, in one place. At the limit: saved; one above: refused. */
export const LIMITS = {
  /** Allowed or blocked entries of one own domain, counted apart; a range or a list file is one entry. */
  ipEntries: 10_000,
  /** Entries in one operator's list file. */
  listFileEntries: 1_000_000,
  gatewayIps: 50,
  /** Widest range in a gateway list, as prefix lengths. */
  gatewayIpv4Prefix: 20,
  gatewayIpv6Prefix: 64,
  tlsPolicies: 30,
  tlsPeerDomains: 100,
  selectorLength: 63,
  noteLength: 500,
  titleLength: 200,
  patternLength: 1000,
  /** Octets of header text that a pattern sees. */
  patternTextOctets: 65_536,
  nameLength: 63,
} as const;

/** The RSA key sizes that a DKIM key may have, in bits. Source: RFC 8301 §3.2. */
export const DKIM_BITS = [2048, 1024] as const;
