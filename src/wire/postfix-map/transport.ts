/**
 * The value of a transport line: which service of master.cf delivers, and to which server.
 * Never looks a host up.
 * Source: Postfix transport(5), "RESULT FORMAT"; RFC 1123 §2.1; RFC 5952.
 */
import { LocalProtocolError } from '../protocol-error.ts';

/** Where a transport line leads. */
export type TransportTarget = {
  /** The name of a service in master.cf. */
  readonly service: string;
  /** A host name as A-labels, or an IP address without brackets. */
  readonly host: string;
  /** From 1 to 65535. */
  readonly port: number;
  /** Whether the MX records of the host are followed; never for an address. */
  readonly mx: boolean;
};

const SERVICE = /^[a-z][a-z0-9_-]{0,63}$/;
const HOST_NAME =
  /^(?=.{1,253}$)(?!\d+(?:\.\d+)*$)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*$/;
const IPV4 = /^(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?!$)|$)){4}$/;

/**
 * `service:[host]:port`, or `service:host:port` where MX records are followed.
 * Errors: LocalProtocolError for a name, an address or a port that is none, so that a text from elsewhere cannot lead
 * mail to another place than it seems to.
 */
export function encodeTransport({ service, host, port, mx }: TransportTarget): string {
  if (!SERVICE.test(service)) refuse('the service is no name of master.cf');
  if (!Number.isInteger(port) || port < 1 || port > 65_535) refuse('the port is not from 1 to 65535');
  const isAddress = IPV4.test(host) || isIpv6(host);
  if (!isAddress && !HOST_NAME.test(host)) refuse('the host is neither a host name in lower case nor an IP address');
  if (isAddress && mx) refuse('an address has no MX records');
  return mx ? `${service}:${host}:${port}` : `${service}:[${host}]:${port}`;
}

/** Eight groups, or fewer around one `::`. */
function isIpv6(text: string): boolean {
  const halves = text.split('::');
  const groups = halves.flatMap((half) => (half === '' ? [] : half.split(':')));
  if (!groups.every((group) => /^[0-9a-f]{1,4}$/.test(group))) return false;
  return halves.length === 1 ? groups.length === 8 : halves.length === 2 && groups.length < 8;
}

function refuse(what: string): never {
  throw new LocalProtocolError(what, { code: 'TRANSPORT_TARGET', protocol: 'Postfix table', offset: 0 });
}
