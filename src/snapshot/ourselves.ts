/**
 * Whether a route leads to the Postfix that sends, so that mail would go round in a circle: by an address or by a name
 * that this host goes by. Looks nothing up: which names lead here by DNS only, `postern route test` finds out.
 * Source: postconf(5) myhostname, mydomain, inet_interfaces, proxy_interfaces; RFC 6761 §6.3 (localhost).
 */
import { compareIpAddresses, isLoopback, parseIpAddress, type Domain, type IpAddress } from '../mail/index.ts';
import type { Issues, Organization } from '../settings/index.ts';

/** An address and port that an smtpd of this host listens on; null stands for every local address. */
export type SmtpdListener = { readonly address: IpAddress | null; readonly port: number };

/** Where this host's Postfix is reached. */
export type Ourselves = {
  /** Empty where no Postfix is at hand. */
  readonly smtpdListeners: readonly SmtpdListener[];
  /** Addresses of this host, for listeners on every address. */
  readonly localAddresses: readonly IpAddress[];
  /** Addresses of a proxy or NAT in front of it; absent: none. Source: postconf(5) proxy_interfaces. */
  readonly proxyAddresses?: readonly IpAddress[];
  /** The name of this host; absent where it is not known. Source: postconf(5) myhostname. */
  readonly hostName?: Domain;
  /** Names of the loopback interface; absent: `localhost` alone. */
  readonly loopbackNames?: readonly Domain[];
};

/** True where a connection to this address and port ends at this Postfix. */
export function isOurAddress(address: IpAddress, port: number, ourselves: Ourselves): boolean {
  const isSame = (other: IpAddress): boolean => compareIpAddresses(address, other) === 0;
  const here = ourselves.smtpdListeners.filter((listener) => listener.port === port);
  if (here.length > 0 && ourselves.proxyAddresses?.some(isSame) === true) return true;
  return here.some((listener) =>
    listener.address === null ? isLoopback(address) || ourselves.localAddresses.some(isSame) : isSame(listener.address),
  );
}

/**
 * True where this name is one of this host, at a port where its smtpd listens. The domains of `mydestination` are none:
 * mail for them is delivered here, but their names may lead to any machine. With `mx` the name itself is not
 * connected to, so that only the loopback, which has no other mail exchanger, counts.
 */
export function isOurName(name: string, port: number, mx: boolean, ourselves: Ourselves): boolean {
  const here = ourselves.smtpdListeners.filter((listener) => listener.port === port);
  const loopback: readonly string[] = ourselves.loopbackNames ?? ['localhost'];
  if (loopback.includes(name)) return here.some(({ address }) => address === null || isLoopback(address));
  return !mx && name === ourselves.hostName && here.length > 0;
}

/** Refuses the routes of an organization that lead to this Postfix. */
export function checkRoutesToOurselves(organization: Organization, ourselves: Ourselves, issues: Issues): void {
  for (const [name, { host, port, mx }] of organization.routes) {
    const address = parseIpAddress(host);
    const isOurs = address === null ? isOurName(host, port, mx, ourselves) : isOurAddress(address, port, ourselves);
    if (!isOurs) continue;
    const why = 'where this Postfix itself listens: mail would go round in a circle';
    const path = ['organizations', organization.name, 'routes', name, 'host'];
    issues.error(path, `is ${host} port ${port}, ${why}; name the other server`);
  }
}
