/**
 * Whether the MX of an own domain points to its inbound gateway, and what that means for its administrator.
 * Never an error: a gateway often takes mail in at other addresses than those that it sends from, which are the ones
 * that the settings list. Never part of a decision about mail.
 * Source: RFC 5321 §5.1 (which hosts take mail for a domain), RFC 7505 §3 (null MX).
 */
import { findInIpSet, formatIpAddress, isPrivateSet, type Domain, type IpSet } from '../mail/index.ts';
import type { GatewayPolicy, Snapshot } from '../snapshot/index.ts';
import type { Clock, MailHost, MailHostResolver, MailHosts } from './ports.ts';

/**
 * `points`: all mail exchangers are gateway addresses. `elsewhere`: none is. `mixed`: some are. `no-mx`: the domain takes
 * no mail. `unknown`: DNS did not tell, or cannot.
 */
export type GatewayMxVerdict = 'points' | 'elsewhere' | 'mixed' | 'no-mx' | 'unknown';

/** A host that takes mail for the domain. */
export type GatewayMxHost = {
  /** Printable ASCII. */
  readonly name: string;
  readonly addresses: readonly string[];
  /** Whether all its addresses are the gateway's; null where that is not known. */
  readonly isGateway: boolean | null;
};

/** How an own domain's MX stands to its gateway. */
export type GatewayMx = {
  readonly domain: Domain;
  readonly verdict: GatewayMxVerdict;
  /** The preferred ones first. */
  readonly hosts: readonly GatewayMxHost[];
  /** What was found and what to do, without the domain's name; printable ASCII. */
  readonly text: string;
};

/** An own domain with a gateway. */
export type DomainWithGateway = { readonly domain: Domain; readonly gateway: GatewayPolicy };

/** How long one own domain may take, and all of a round together. */
const ONE_MS = 8000;
const ROUND_MS = 9000;
/** How many own domains a round asks about at once. */
const AT_ONCE = 16;
/** How many hosts a text names. */
const MOST_NAMED = 5;

const PROVIDER = "publish the MX names that the gateway's provider gives you";

/** The own domains of a snapshot that have a gateway. */
export function domainsWithGateway({ domains }: Snapshot): DomainWithGateway[] {
  return [...domains.values()].flatMap(({ domain, gateway }) => (gateway === null ? [] : [{ domain, gateway }]));
}

/** Looks up and judges one own domain. Never throws; `at` in milliseconds since 1970. */
export async function explainGatewayMx(
  { domain, gateway }: DomainWithGateway,
  resolver: MailHostResolver,
  at: number,
  { timeoutMs = ONE_MS, end }: { readonly timeoutMs?: number; readonly end?: AbortSignal } = {},
): Promise<GatewayMx> {
  return judgeGatewayMx(domain, await resolver.mailHosts(domain, timeoutMs, end), gateway.ips, at);
}

/** The same for many, in their order, within nine seconds: those whose turn does not come by then are not known. */
export async function explainGatewaysMx(
  gateways: readonly DomainWithGateway[],
  resolver: MailHostResolver,
  clock: Clock,
): Promise<readonly GatewayMx[]> {
  const found: GatewayMx[] = [];
  const until = clock.now() + ROUND_MS;
  const waiting = gateways.entries();
  const ask = async (): Promise<void> => {
    for (const [place, each] of waiting) {
      const left = Math.min(ONE_MS, until - clock.now());
      found[place] =
        left > 0
          ? await explainGatewayMx(each, resolver, clock.now(), { timeoutMs: left })
          : judgeGatewayMx(each.domain, { kind: 'unknown', code: 'no time was left' }, each.gateway.ips, clock.now());
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, ask));
  return found;
}

/** What the hosts that take mail for a domain mean beside its gateway's addresses. */
export function judgeGatewayMx(domain: Domain, found: MailHosts, ips: IpSet, at: number): GatewayMx {
  const result = (verdict: GatewayMxVerdict, text: string, hosts: readonly GatewayMxHost[] = []): GatewayMx => ({
    domain,
    verdict,
    hosts,
    text,
  });
  switch (found.kind) {
    case 'unknown':
      return result('unknown', `where mail for it goes is not known: DNS did not tell (${printable(found.code)})`);
    case 'null-mx':
      return result(
        'no-mx',
        `DNS says that it takes no mail (null MX): nothing comes through the gateway; ${PROVIDER}`,
      );
    case 'none':
      return result('no-mx', `DNS has neither an MX nor an address record of it: no mail comes; ${PROVIDER}`);
    case 'mx':
    case 'implicit': {
      const hosts = found.hosts.map((host) => judgeHost(host, ips, at));
      const whose = found.kind === 'mx' ? 'its MX' : 'it has no MX record, and its own address, which then counts,';
      return result(...judgeHosts(hosts, whose, isPrivateSet(ips)), hosts.map(shown));
    }
  }
}

type JudgedHost = Omit<GatewayMxHost, 'isGateway'> & {
  readonly isComplete: boolean;
  /** How many of the addresses are the gateway's. */
  readonly inside: number;
};

function judgeHost({ name, addresses, isComplete }: MailHost, ips: IpSet, at: number): JudgedHost {
  const inside = addresses.filter((address) => findInIpSet(ips, address, at) >= 0).length;
  return { name: printable(name), addresses: addresses.map(formatIpAddress), isComplete, inside };
}

const isOutside = ({ addresses, inside }: JudgedHost): boolean => inside < addresses.length;
/** Known to have no address at all. */
const isEmpty = ({ addresses, isComplete }: JudgedHost): boolean => isComplete && addresses.length === 0;

function shown(host: JudgedHost): GatewayMxHost {
  const { name, addresses, isComplete } = host;
  return { name, addresses, isGateway: isOutside(host) || isEmpty(host) ? false : isComplete ? true : null };
}

/** `whose` begins the sentence: the MX, or the domain's own address in its place. */
function judgeHosts(
  hosts: readonly JudgedHost[],
  whose: string,
  isPrivate: boolean,
): readonly [GatewayMxVerdict, string] {
  const outside = hosts.filter(isOutside);
  const isPartly = hosts.some(({ inside }) => inside > 0);
  if (outside.length > 0 && isPartly) {
    const effect = 'what senders take there passes the gateway by, unless these too take mail in for it';
    return ['mixed', `${whose} points only in part to the gateway: ${effect}; not its addresses: ${named(outside)}`];
  }
  if (outside.length > 0 && isPrivate) {
    const why = 'all addresses of the gateway are private ones, so that no public MX can be among them';
    return ['unknown', `whether ${whose} leads to the gateway, DNS cannot tell: ${why}; it names ${named(hosts)}`];
  }
  if (outside.length > 0) {
    const fine =
      'nothing is wrong where the gateway takes mail in at other addresses than it sends from (ips needs those it sends from)';
    return [
      'elsewhere',
      `${whose} names no address of the gateway: ${named(hosts)}; ${fine}; otherwise mail does not pass it: ${PROVIDER}`,
    ];
  }
  const missing = hosts.filter((host) => !host.isComplete);
  if (missing.length > 0) return ['unknown', `DNS did not tell all addresses of ${named(missing)}`];
  const empty = hosts.filter(isEmpty);
  if (!isPartly) return ['no-mx', `no host of its MX has an address: ${named(empty)}; ${PROVIDER}`];
  const rest = empty.length === 0 ? '' : `; without an address: ${named(empty)}`;
  return ['points', `${whose} points to the gateway: ${named(hosts.filter(({ inside }) => inside > 0))}${rest}`];
}

function named(hosts: readonly JudgedHost[]): string {
  const texts = hosts
    .slice(0, MOST_NAMED)
    .map(({ name, addresses }) =>
      addresses.length === 0 ? name : `${name} (${addresses.slice(0, MOST_NAMED).join(', ')})`,
    );
  const more = hosts.length - texts.length;
  return texts.join(', ') + (more > 0 ? ` and ${more} more` : '');
}

/** A name as DNS gave it, for a terminal: at most 253 octets. Source: RFC 1035 §2.3.4. */
const printable = (text: string): string => text.slice(0, 253).replace(/[^\x20-\x7e]/g, '?');
