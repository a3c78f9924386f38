/**
 * The running snapshot with the addresses that the names of route servers have now. A look-up that fails keeps what was
 * known: trust does not come and go with DNS.
 */
import type { IpAddress } from '../mail/index.ts';
import {
  namedRouteHosts,
  routeHostKey,
  withRouteServers,
  type RouteAddresses,
  type Snapshot,
} from '../snapshot/index.ts';
import type { AddressResolver, Log } from './ports.ts';

/** Puts known addresses into what `base` gives. */
export type RouteServers = {
  current(): Snapshot;
  /** Looks all names up again. Never throws. */
  refresh(): Promise<void>;
};

/** Makes the holder of route servers' addresses. */
export function createRouteServers(base: () => Snapshot, resolver: AddressResolver, log: Log): RouteServers {
  let known: RouteAddresses = new Map();
  let made: { readonly from: Snapshot; readonly with: RouteAddresses; readonly snapshot: Snapshot } | null = null;
  return {
    current() {
      const from = base();
      if (made?.from !== from || made.with !== known)
        made = { from, with: known, snapshot: withRouteServers(from, known) };
      return made.snapshot;
    },
    async refresh() {
      const next = new Map<string, readonly IpAddress[]>();
      await Promise.all(
        namedRouteHosts(base()).map(async (host) => {
          const key = routeHostKey(host);
          const found = await resolver.addresses(host.host, host.mx);
          const addresses = found ?? known.get(key);
          if (found === null) {
            const effect =
              addresses === undefined
                ? 'a client there would be trusted if it is in trustedNetworks'
                : 'the known addresses stay';
            log.warn(`the server of a route cannot be looked up: ${host.host}; ${effect}`, { mx: host.mx });
          }
          if (addresses !== undefined) next.set(key, addresses);
        }),
      );
      known = next;
    },
  };
}
