/**
 * Routes and routing rules compiled for decisions, and how routes are known to Postfix. The latter changes without the
 * settings (numbers are given, tables are written), so it is put over a compiled snapshot.
 */
import type { Organization, OwnDomain } from '../settings/index.ts';
import type { InboundRule, MailKind, OutboundRule, Route, RouteId, RouteInstallation, Snapshot } from './snapshot.ts';

/** Nothing is known to Postfix. */
export const NO_INSTALLATION: RouteInstallation = { routes: new Map(), isAsked: false, isLive: false };

/** The id of a route. */
export const routeId = (organization: string, name: string): RouteId => `${organization}/${name}` as RouteId;

/** The routes of an organization. */
export function compileRoutes({ name: organization, routes }: Organization): Route[] {
  return [...routes].map(([name, { host, port, mx, tls, certificateName }]) => ({
    id: routeId(organization, name),
    name,
    host,
    port,
    mx,
    tls,
    certificateName: certificateName ?? null,
    pointer: `/organizations/${organization}/routes/${name}`,
  }));
}

/**
 * The inbound rules that act, in their order. Who exists is not known yet, so where the settings say it, rules act up
 * to the first that tells existing recipients from missing ones.
 */
export function compileInbound(own: OwnDomain, organization: string): InboundRule[] {
  const isUnclear = own.inboundRouting.findIndex((rule) => dependsOnWhoExists(own, rule));
  const acting = isUnclear < 0 ? own.inboundRouting : own.inboundRouting.slice(0, isUnclear);
  return acting.map(({ route, mail, alsoSave, suppressBounces }, index) => ({
    route: routeId(organization, route),
    mail,
    alsoSave,
    suppressBounces,
    pointer: `${own.pointer}/inboundRouting/${index}`,
  }));
}

/** Whether a rule, of a domain that says who exists, is not for all recipients. */
export const dependsOnWhoExists = (own: OwnDomain, rule: OwnDomain['inboundRouting'][number]): boolean =>
  own.recipients !== undefined && (rule.recipients.length < 2 || rule.alsoSave);

/** The outbound rules. */
export const compileOutbound = (own: OwnDomain, organization: string): OutboundRule[] =>
  own.outboundRouting.map(({ route, mail, action }, index) => ({
    route: routeId(organization, route),
    mail,
    action,
    pointer: `${own.pointer}/outboundRouting/${index}`,
  }));

/** The snapshot with what Postfix knows of its routes now. */
export const withInstallation = (snapshot: Snapshot, installation: RouteInstallation): Snapshot => ({
  ...snapshot,
  installation,
});

/**
 * The inbound rule that takes all mail of a domain whatever its sender, if there is one: a line of the transport table
 * does it, and goes on doing it while Postern is down.
 */
export function plainRule(rules: readonly InboundRule[], enforcement: 'enforce' | 'observe'): InboundRule | null {
  if (enforcement === 'observe') return null;
  const first = (kind: MailKind): InboundRule | undefined => rules.find(({ mail }) => mail.includes(kind));
  const internal = first('internal');
  const external = first('external');
  if (internal === undefined || external === undefined || internal.route !== external.route) return null;
  const isPlain = [internal, external].every(({ alsoSave, suppressBounces }) => !alsoSave && !suppressBounces);
  return isPlain ? external : null;
}
