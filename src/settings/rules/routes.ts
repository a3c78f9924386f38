/** Routes: what an IP address cannot be, because only names have MX records, certificates and TLSA records. */
import { parseIpAddress } from '../../mail/index.ts';
import type { Draft } from '../draft.ts';
import type { Issues } from '../issue.ts';

/** Checks each route by itself. */
export function checkRoutes(draft: Draft, issues: Issues): void {
  for (const { path, routes } of draft.organizations) {
    for (const [name, route] of routes) {
      if (route?.host === undefined || parseIpAddress(route.host) === null) continue;
      const at = [...path, 'routes', name];
      if (route.mx === true) {
        issues.error(
          [...at, 'mx'],
          `looks up MX records, and ${route.host} is an address; set mx: false or give a name`,
        );
      }
      if ((route.tls === 'verify' || route.tls === 'secure') && route.certificateName === undefined) {
        const wayOut = 'add certificateName: <name in its certificate>';
        issues.error([...at, 'tls'], `is ${route.tls} for an IP address, which no certificate names; ${wayOut}`);
      }
      if (route.tls === 'dane') {
        const wayOut = 'give a name, or set tls: verify with a certificateName';
        issues.error([...at, 'tls'], `is dane, which needs TLSA records, and an IP address has none; ${wayOut}`);
      }
    }
  }
}
