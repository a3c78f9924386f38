/**
 * Whether Postfix would deliver to a server that was asked, at a route's level of TLS, and why. Sends and asks nothing.
 * Source: Postfix TLS_README, "Client TLS security levels"; postconf(5) smtp_tls_verify_cert_match,
 * smtp_tls_secure_cert_match, tls_wildcard_matches_multiple_labels, smtp_dns_support_level.
 */
import type { Probe } from '../../adapters/smtp-probe/index.ts';
import type { RouteSettings } from '../../settings/index.ts';

/** What of the sending Postfix decides; what it would be without one at hand is the caller's to say. */
export type Sender = {
  /** The level that acts where the route says `may`: the own one of Postfix. */
  readonly ownLevel: string;
  /** Its `myhostname`; null where it is not known. */
  readonly hostname: string | null;
  readonly hasDnssec: boolean;
  readonly matchesManyLabels: boolean;
  /** Whose CAs were asked, as words; empty where Postfix trusts none. */
  readonly anchors: string;
};

/** A server that was asked: the name that led to its address, if one did. */
export type AskedServer = { readonly host: string | null; readonly probe: Probe };

/** The outcome. `reason` is a sentence that names the server as "the server". */
export type RouteVerdict = {
  readonly delivers: boolean;
  /** The level that acts. */
  readonly level: string;
  readonly reason: string;
  /** What the names of the certificate are compared with; null where they are not. */
  readonly comparedWith: readonly string[] | null;
  /** Those names of the certificate that fit. */
  readonly matching: readonly string[];
};

type Judged = Pick<RouteVerdict, 'delivers' | 'reason'>;

/** Judges. */
export function judgeServer(
  route: Pick<RouteSettings, 'host' | 'port' | 'tls' | 'certificateName'>,
  server: AskedServer,
  sender: Sender,
): RouteVerdict {
  const level = levelOf(route, sender);
  const comparedWith = namesWanted(route, server, level);
  const names = server.probe.certificate?.names ?? [];
  const matching = names.filter((name) => comparedWith?.some((one) => fits(name, one, sender.matchesManyLabels)));
  const judged = judgeTalk(route.port, server, sender) ?? judgeTls(level, server, sender, comparedWith, matching);
  return { level, comparedWith, matching, ...judged };
}

/** Plain `dane` of Postfix goes on in clear where DNS says nothing, so that a route's `dane` is `dane-only` there. */
const levelOf = ({ tls }: Pick<RouteSettings, 'tls'>, { ownLevel }: Sender): string =>
  tls === 'may' ? ownLevel : tls === 'dane' ? 'dane-only' : tls;

/** A dot in front: any name under it. */
function namesWanted(
  { host, tls, certificateName }: Pick<RouteSettings, 'host' | 'tls' | 'certificateName'>,
  server: AskedServer,
  level: string,
): readonly string[] | null {
  if (level !== 'verify' && level !== 'secure') return null;
  // A route that says `may` has no line of ours, and the name in it is not known to Postfix.
  if (tls !== 'may') {
    if (certificateName !== undefined) return [certificateName];
    const hostName = level === 'verify' && server.host !== null && server.host !== host ? [server.host] : [];
    return [...hostName, host, `.${host}`];
  }
  return level === 'verify' ? [server.host ?? host] : [host, `.${host}`];
}

/** What stands in the way before TLS; null where nothing does. */
function judgeTalk(port: number, { probe }: AskedServer, { hostname }: Sender): Judged | null {
  const { fault } = probe;
  const isTalk = fault !== null && ['connect', 'greeting', 'hello'].includes(fault.stage);
  if (isTalk) return { delivers: false, reason: `the server ${fault.reason}` };
  // Postfix looks for this at port 25 only.
  if (port !== 25 || hostname === null || probe.name?.toLowerCase() !== hostname.toLowerCase()) return null;
  const reason = `the server calls itself ${hostname} as this Postfix does, so mail would count as going round in a circle`;
  return { delivers: false, reason };
}

function judgeTls(
  level: string,
  { probe }: AskedServer,
  sender: Sender,
  comparedWith: readonly string[] | null,
  matching: readonly string[],
): Judged {
  const yes = (reason: string): Judged => ({ delivers: true, reason });
  const no = (reason: string): Judged => ({ delivers: false, reason });
  const missing = withoutTls(probe);
  switch (level) {
    case 'none':
      return yes('in clear, as the level is none');
    // Without DNSSEC, Postfix takes dane for may.
    case 'dane':
    case 'may':
      return yes(missing === null ? 'in TLS; the certificate does not count' : `in clear, because ${missing}`);
    case 'encrypt':
      return missing === null ? yes('in TLS; the certificate does not count') : no(missing);
    case 'verify':
    case 'secure':
      return missing === null ? judgeCertificate(probe, sender, comparedWith ?? [], matching) : no(missing);
    case 'dane-only':
      if (!sender.hasDnssec) return no('Postfix does not ask for DNSSEC; set smtp_dns_support_level = dnssec');
      return no(
        missing ?? 'whether DNS has TLSA records that fit, posttls-finger(1) -l dane-only tells and Postern does not',
      );
    default:
      return no(`what ${level}, the smtp_tls_security_level of Postfix, makes of it is not known here`);
  }
}

/** Why the conversation does not go on in TLS; null where it does. */
function withoutTls({ startTls, fault }: Probe): string | null {
  if (startTls === 'not-offered') return 'the server does not offer STARTTLS';
  return fault === null ? null : `the server ${fault.reason}`;
}

function judgeCertificate(
  { certificate }: Probe,
  { anchors }: Sender,
  comparedWith: readonly string[],
  matching: readonly string[],
): Judged {
  const no = (reason: string): Judged => ({ delivers: false, reason });
  if (anchors === '') return no('Postfix trusts no CA; set smtp_tls_CAfile or smtp_tls_CApath');
  if (certificate === null) return no('the server shows no certificate');
  if (certificate.fault !== null) return no(`the certificate does not verify: ${certificate.fault}`);
  if (matching.length === 0) {
    const names = certificate.names.length === 0 ? 'no name' : certificate.names.join(', ');
    return no(`the certificate names ${names}, and not ${comparedWith.join(' or ')}`);
  }
  return { delivers: true, reason: `in TLS, to a server that proves to be ${matching.join(', ')}` };
}

/** Whether a name in a certificate fits one that is wanted. Source: Postfix src/tls/tls_client.c, match_servername. */
function fits(certified: string, wanted: string, manyLabels: boolean): boolean {
  const name = certified.toLowerCase();
  const want = wanted.toLowerCase();
  if (want.startsWith('.')) return name.length > want.length && name.endsWith(want);
  if (name === want) return true;
  const parent = want.indexOf('.') < 0 ? null : want.slice(want.indexOf('.'));
  if (parent === null || !/^\*\.[^]/.test(name)) return false;
  return manyLabels ? parent.endsWith(name.slice(1)) : parent === name.slice(1);
}
