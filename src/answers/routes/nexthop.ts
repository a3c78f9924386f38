/**
 * The next hop of a route, in the one spelling that the transport table, the TLS table and comparisons share.
 * Source: transport(5), "RESULT FORMAT"; postconf(5) smtp_tls_policy_maps.
 */
import type { Route } from '../../snapshot/index.ts';
import { encodeTransport } from '../../wire/postfix-map/index.ts';

/** `[192.0.2.7]:25`, or `example.net:25` where MX records are followed. */
export function nexthopOf({ host, port, mx }: Route): string {
  const service = 'smtp';
  return encodeTransport({ service, host, port, mx }).slice(service.length + 1);
}
