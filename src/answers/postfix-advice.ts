/**
 * What in a live main.cf keeps Postern's answers from acting, each with the line to type. Changes nothing.
 * Source: SMTPD_ACCESS_README ("Getting selective with SMTP access restriction lists"), SMTPD_POLICY_README,
 * MAILLOG_README.
 */
import type { Snapshot } from '../snapshot/index.ts';
import { restrictionsLine, splitRestrictions } from './postfix-lines.ts';
import { asksService } from './postfix-plan/list-edit.ts';
import type { DoorEndpoints } from './postfix-plan/plan.ts';

/** One finding. `line` is what to type; null where there is nothing to type. */
export type Advice = { readonly severity: 'error' | 'warning'; readonly text: string; readonly line: string | null };

/** Looks at the restriction lists. `main` holds what main.cf sets now (postconf -n). */
export function adviseOnRestrictions(main: ReadonlyMap<string, string>, { policy }: DoorEndpoints): Advice[] {
  if (policy === null) return [];
  const restrictions = splitRestrictions(main.get('smtpd_recipient_restrictions') ?? '');
  const right = restrictionsLine(main, policy);
  const line = `postconf -e '${right.name} = ${right.value}'`;
  const at = restrictions.findIndex((restriction) => asksService(restriction, policy));
  const ours = restrictions[at];
  const texts =
    ours === undefined
      ? [`${right.name} does not ask ${policy}, so block lists, gateway rules and TLS rules do not act`]
      : adviseOnPlace(restrictions.slice(0, at), ours, policy);
  return [
    ...texts.map((text): Advice => ({ severity: 'error', text, line })),
    ...(ours === undefined ? [] : adviseOnDefaultAction(main, ours, policy)),
    ...adviseOnRelaying(main, restrictions),
  ];
}

const WHOM: ReadonlyMap<string, string> = new Map([
  ['permit_mynetworks', 'mynetworks clients'],
  ['permit_sasl_authenticated', 'authenticated clients'],
]);

function adviseOnPlace(before: readonly string[], ours: string, policy: string): string[] {
  const texts = before
    .filter((restriction) => /^permit/i.test(restriction))
    .map((permit) => {
      const whom = WHOM.get(permit.toLowerCase()) ?? `clients that ${permit} lets through`;
      const effect = `gateway-only and block list are skipped for ${whom}`;
      return `${permit} stands before Postern in smtpd_recipient_restrictions: ${effect}`;
    });
  if (/^warn_if_reject /i.test(ours)) {
    texts.push(`warn_if_reject stands before ${policy}: what Postern refuses is only logged, and taken`);
  }
  return texts;
}

/** The action while Postern is down: the restriction's own, else the one for all policy services. */
function adviseOnDefaultAction(main: ReadonlyMap<string, string>, ours: string, policy: string): Advice[] {
  const own = /default_action\s*=\s*([^,}]*)/i.exec(ours)?.[1];
  const action = (own ?? main.get('smtpd_policy_service_default_action') ?? '').trim();
  if (!/^(?:DUNNO|OK|PERMIT)/i.test(action)) return [];
  const source = own === undefined ? 'smtpd_policy_service_default_action' : 'default_action';
  const effect = 'while Postern is down, mail is taken past block lists, gateway rules and TLS rules';
  return [{ severity: 'warning', text: `${source}=${action} for ${policy}: ${effect}`, line: null }];
}

function adviseOnRelaying(main: ReadonlyMap<string, string>, restrictions: readonly string[]): Advice[] {
  const relay = main.get('smtpd_relay_restrictions');
  if (relay === undefined || relay.trim() !== '') return [];
  const guards = restrictions.some((restriction) => /^(?:reject|defer)_unauth_destination$/.test(restriction));
  const line =
    "postconf -e 'smtpd_relay_restrictions = permit_mynetworks, permit_sasl_authenticated, defer_unauth_destination'";
  const risk = guards
    ? 'only one list stands between a stranger and relaying'
    : 'nothing stands between a stranger and relaying';
  return [{ severity: guards ? 'warning' : 'error', text: `smtpd_relay_restrictions is empty: ${risk}`, line }];
}

/** How the log of Postfix is found. `reason` says why it cannot be read; null where it can. */
export type LogFacts = { readonly path: string | null; readonly reason: string | null; readonly hasPostlog: boolean };

/** A file that Postfix may write by itself wherever it is not told otherwise. Source: postconf(5) maillog_file_prefixes. */
const OWN_LOG_FILE = '/var/log/postfix.log';

/**
 * Looks whether failures at routes can be seen: of a copy without bounces only the log of Postfix tells. Nothing is
 * asked for where every failure is told to its sender. Source: MAILLOG_README.
 */
export function adviseOnLog({ domains }: Pick<Snapshot, 'domains'>, { path, reason, hasPostlog }: LogFacts): Advice[] {
  const isSilent = [...domains.values()].some(
    ({ enforcement, inboundRoutes, outboundRoutes }) =>
      enforcement === 'enforce' &&
      (inboundRoutes.some(({ suppressBounces }) => suppressBounces) ||
        outboundRoutes.some(({ action }) => action === 'additionally')),
  );
  if (!isSilent || reason === null) return [];
  const effect = 'so failures of copies that go without bounces are seen by nobody';
  if (path !== null) {
    const text = `the log of Postfix, ${path}, cannot be read: ${reason}; ${effect}`;
    return [{ severity: 'warning', text, line: null }];
  }
  const postlog = "postconf -M 'postlog/unix-dgram=postlog unix-dgram n - n - 1 postlogd'";
  const lines = [...(hasPostlog ? [] : [postlog]), `postconf -e 'maillog_file = ${OWN_LOG_FILE}'`, 'postfix reload'];
  const way = 'name it as postfix: { logFile: … }, or let Postfix write one';
  const text = `the log of Postfix is not found (${reason}), ${effect}; ${way}`;
  return [{ severity: 'warning', text, line: lines.join(' && ') }];
}
