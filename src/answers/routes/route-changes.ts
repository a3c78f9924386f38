/**
 * Where a message's recipients go, as changes of its envelope: a recipient for a route is taken out and put in again
 * under an encoded address, which the transport table leads to the route's own service; that service decodes it.
 * Source: RFC 3461 §4 (NOTIFY, ORCPT); Postfix cleanup_milter.c.
 */
import type { Mailbox, MessageRecipient, RouteDelivery, Routing } from '../../decide/index.ts';
import { encodeRecipient, xtext } from '../../mail/index.ts';
import type { KnownRoute, Snapshot } from '../../snapshot/index.ts';
import type { Modification } from '../../wire/milter/index.ts';
import { nexthopOf } from './nexthop.ts';

/** A recipient as the milter door has it: `exact` are the octets of RCPT as latin1, `parameters` its ESMTP parameters. */
export type EnvelopeRecipient = MessageRecipient & { readonly exact: string; readonly parameters: readonly string[] };

/** The changes, additions first. `recipients` are those that the routing is about, in the same order. */
export function renderRouteChanges(
  snapshot: Snapshot,
  routing: Routing,
  recipients: readonly EnvelopeRecipient[],
): Modification[] {
  const added = new Map<string, Modification>();
  const removed = new Map<string, Modification>();
  const add = (delivery: RouteDelivery, args: readonly string[]): void => {
    const { localPart, domain } = delivery.mailbox;
    // The case of a domain makes no other mailbox; that of a local-part may.
    const key = JSON.stringify([delivery.route, localPart, domain.toLowerCase()]);
    if (!added.has(key)) added.set(key, { kind: 'addRecipient', recipient: encodedFor(snapshot, delivery), args });
  };
  recipients.forEach((recipient, index) => {
    const routed = routing.recipients[index];
    if (routed === undefined) throw new Error('a recipient without a decision');
    const toEncode = routed.routes.filter((delivery) => !isDoneByLine(snapshot, delivery, recipient));
    for (const delivery of toEncode) add(delivery, parametersOf(recipient, delivery, routed.here));
    const isKept = routed.here || toEncode.length < routed.routes.length;
    for (const exact of isKept ? [] : spellingsOf(snapshot, recipient)) {
      removed.set(exact, { kind: 'deleteRecipient', recipient: exact });
    }
  });
  for (const copy of routing.copies) add(copy, ['NOTIFY=NEVER', originalOf(copy.mailbox)]);
  return [...added.values(), ...removed.values()];
}

/**
 * How Postfix may keep a recipient: of mail that no smtpd has taken (sendmail(1), its own notices) it shows an address
 * without domain with that of `myorigin`, and keeps it without. To delete what is not there does nothing.
 * Seen with Postfix 3.7.
 */
function spellingsOf({ host }: Snapshot, { exact, resolved, address }: EnvelopeRecipient): string[] {
  if (resolved !== null || address.domain === null || address.domain !== host.originDomain) return [exact];
  return [exact, exact.replace(/^<?(.*)@[^@]*$/s, '$1')];
}

/**
 * Whether Postfix takes this recipient to the route by itself. It may go on with a table that was replaced for some
 * seconds, and smtpd with an answer that it remembers, so both must be as they should.
 */
function isDoneByLine(snapshot: Snapshot, { route, hasLine }: RouteDelivery, { resolved }: MessageRecipient): boolean {
  const { installation, routes } = snapshot;
  const wanted = routes.get(route);
  if (!hasLine || !installation.isLive || wanted === undefined) return false;
  if (resolved === null) return true;
  return resolved.mailer === knownRoute(snapshot, route).service && resolved.host === nexthopOf(wanted);
}

const encodedFor = (snapshot: Snapshot, { route, mailbox }: RouteDelivery): string =>
  octets(encodeRecipient(mailbox, knownRoute(snapshot, route).label, snapshot.host.internalDomain));

function knownRoute({ installation }: Snapshot, route: RouteDelivery['route']): KnownRoute {
  const known = installation.routes.get(route);
  if (known === undefined) throw new Error(`${route} has no number, and a message was let through to it`);
  return known;
}

/** What the client asked for goes along; a copy beside the delivery here says nothing of success. */
function parametersOf({ parameters }: EnvelopeRecipient, delivery: RouteDelivery, isBesideHere: boolean): string[] {
  const asked = valueOf(parameters, 'NOTIFY');
  const original = valueOf(parameters, 'ORCPT');
  const notify = !delivery.bounces ? 'NEVER' : isBesideHere ? failureAtMost(asked) : asked;
  return [
    ...(notify === null ? [] : [`NOTIFY=${notify}`]),
    original === null ? originalOf(delivery.mailbox) : `ORCPT=${original}`,
  ];
}

const failureAtMost = (asked: string | null): string =>
  asked === null || asked.toUpperCase().split(',').includes('FAILURE') ? 'FAILURE' : 'NEVER';

const originalOf = ({ localPart, domain }: Mailbox): string => `ORCPT=rfc822;${xtext(`${localPart}@${domain}`)}`;

function valueOf(parameters: readonly string[], name: string): string | null {
  const prefix = `${name}=`;
  const found = parameters.find((each) => each.slice(0, prefix.length).toUpperCase() === prefix);
  return found === undefined ? null : found.slice(prefix.length);
}

/** UTF-8 octets as latin1, which is how the milter codec takes text. */
const octets = (text: string): string => String.fromCharCode(...new TextEncoder().encode(text));
