/**
 * Routes and routing rules compiled for decisions, and how routes are known to Postfix. The latter changes without the
 * settings (numbers are given, tables are written), so it is put over a compiled snapshot.
 */
import type { Organization, OwnDomain } from '../settings/index.ts';
import type {
  DomainPolicy,
  Existence,
  InboundRule,
  MailKind,
  OutboundRule,
  Route,
  RouteId,
  RouteInstallation,
  Snapshot,
} from './snapshot.ts';

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

/** The inbound rules, in their order. */
export const compileInbound = (own: OwnDomain, organization: string): InboundRule[] =>
  own.inboundRouting.map(({ route, mail, recipients, alsoSave, suppressBounces }, index) => ({
    route: routeId(organization, route),
    mail,
    // Where nobody says who exists, everybody does.
    recipients,
    alsoSave,
    suppressBounces,
    pointer: `${own.pointer}/inboundRouting/${index}`,
  }));

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

/** What of a domain's policy says where its recipients go. */
type InboundPolicy = Pick<DomainPolicy, 'inboundRoutes' | 'enforcement' | 'recipients'>;

/** The rule that a recipient meets. */
export const inboundRuleFor = (
  { inboundRoutes }: Pick<DomainPolicy, 'inboundRoutes'>,
  kind: MailKind,
  existence: Existence,
): InboundRule | undefined =>
  inboundRoutes.find(({ mail, recipients }) => mail.includes(kind) && recipients.includes(existence));

/**
 * The inbound rule that takes all mail of a domain whatever its sender and its recipient, if there is one: a line of
 * the transport table does it, and goes on doing it while Postern is down.
 */
export function plainRule(policy: InboundPolicy): InboundRule | null {
  if (policy.enforcement === 'observe') return null;
  const cases: readonly Existence[] = policy.recipients === null ? ['existing'] : ['existing', 'missing'];
  const met = cases.flatMap((existence) =>
    (['internal', 'external'] as const).map((kind) => inboundRuleFor(policy, kind, existence)),
  );
  const first = met[0];
  if (first === undefined) return null;
  const isPlain = met.every(
    (rule) => rule !== undefined && rule.route === first.route && !rule.alsoSave && !rule.suppressBounces,
  );
  return isPlain ? first : null;
}
