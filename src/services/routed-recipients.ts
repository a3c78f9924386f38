/**
 * Which route a recipient in Postfix's queue or log is on its way to, and what address its server sees: by the label of
 * an encoded recipient, or by the transport line of its domain. Decides nothing.
 */
import { decodeRecipient } from '../mail/index.ts';
import { plainRule, type RouteId, type Snapshot } from '../snapshot/index.ts';

/** A recipient on its way to a route. */
export type OnItsWay = {
  readonly route: RouteId;
  /** As the route's server sees it. */
  readonly recipient: string;
  /** Whether Postern encoded it; else a line of the transport table leads it there. */
  readonly isEncoded: boolean;
};

/** Looks recipients up in one snapshot. */
export type RoutedRecipients = {
  /** Null where it is on its way to no route that is known. */
  find(address: string): OnItsWay | null;
  /** The route of a program of Postfix by its name in the log, such as `postfix/postern-r7/smtp`; null for any other. */
  ofProgram(program: string): RouteId | null;
  /** Whether a text may hold a recipient that `find` knows; quickly. */
  mayName(text: string): boolean;
};

/** Makes look-ups for the snapshot that is current, the same ones for the same snapshot. */
export function createRoutedRecipients(current: () => Snapshot): () => RoutedRecipients {
  let made: { readonly from: Snapshot; readonly recipients: RoutedRecipients } | null = null;
  return () => {
    const from = current();
    if (made?.from !== from) made = { from, recipients: recipientsOf(from) };
    return made.recipients;
  };
}

/** The look-ups of one snapshot. */
function recipientsOf({ host, domains, installation }: Snapshot): RoutedRecipients {
  const { internalDomain } = host;
  const byLabel = new Map<string, RouteId>();
  const byService = new Map<string, RouteId>();
  for (const [route, { label, service }] of installation.routes) {
    byLabel.set(label, route);
    byService.set(service, route);
  }
  const byDomain = new Map<string, RouteId>();
  for (const policy of domains.values()) {
    const rule = plainRule(policy);
    if (rule !== null && installation.routes.has(rule.route)) byDomain.set(policy.domain, rule.route);
  }
  const end = `.${internalDomain}`;
  return {
    find(address) {
      const domain = address.slice(address.lastIndexOf('@') + 1).toLowerCase();
      if (!domain.endsWith(end)) {
        const route = byDomain.get(domain);
        return route === undefined ? null : { route, recipient: address, isEncoded: false };
      }
      const decoded = decodeRecipient(address, internalDomain);
      const route = decoded === null ? undefined : byLabel.get(decoded.label);
      return decoded === null || route === undefined ? null : { route, recipient: decoded.address, isEncoded: true };
    },
    ofProgram: (program) => byService.get(program.split('/').at(-2) ?? '') ?? null,
    mayName: (text) => byDomain.size > 0 || text.includes(end),
  };
}
