/**
 * The main.cf lines that make Postfix ask Postern, worked out from what main.cf says now. Changes nothing.
 * Source: postconf(5) smtpd_recipient_restrictions, SMTPD_POLICY_README, socketmap_table(5).
 */

/** A parameter with the value it should have, and why. */
export type MainLine = { readonly name: string; readonly value: string; readonly comment: string };

/** Where Postfix reaches the doors: `inet:127.0.0.1:10040` or `unix:postern/policy.sock`; null for a shut door. */
export type DoorEndpoints = {
  readonly policy: string | null;
  readonly milter: string | null;
  readonly socketmap: string | null;
};

/** What Postfix answers while the policy door cannot be asked: the client tries again, no rule is passed by. */
const WHILE_DOWN = '451 4.3.5 policy service unavailable';

/** The policy service as a restriction. Source: postconf(5), "check_policy_service", inner braces for blanks. */
export const policyRestriction = (endpoint: string, whileDown: string = WHILE_DOWN): string =>
  `check_policy_service { ${endpoint}, timeout=10s, { default_action = ${whileDown} } }`;

/** Splits a list at its commas and blanks, keeping `{ … }` together. Source: postconf(5), "{ }" in lists. */
function splitWords(value: string): string[] {
  const words: string[] = [];
  let word = '';
  let depth = 0;
  for (const character of value) {
    if (depth === 0 && /[\s,]/.test(character)) {
      if (word !== '') words.push(word);
      word = '';
      continue;
    }
    if (character === '{') depth++;
    if (character === '}' && depth > 0) depth--;
    word += character;
  }
  if (word !== '') words.push(word);
  return words;
}

const TAKES_ARGUMENT =
  /^(?:check_.*_access|check_policy_service|reject_r(?:bl|hsbl)_.*|permit_(?:dnswl|rhswl)_client|sleep|warn_if_reject)$/i;

/**
 * Splits a restriction list, keeping what a restriction takes together. `warn_if_reject` takes the restriction after
 * it: apart, it would fall upon another one when ours is moved.
 */
export function splitRestrictions(value: string): string[] {
  const restrictions: string[] = [];
  let isOpen = false;
  for (const word of splitWords(value)) {
    restrictions.push(isOpen ? `${restrictions.pop() as string} ${word}` : word);
    isOpen = TAKES_ARGUMENT.test(word);
  }
  return restrictions;
}

/** Whether a restriction asks the service at `endpoint`. */
export const asksService = (restriction: string, endpoint: string): boolean =>
  new RegExp(`^(?:warn_if_reject )*check_policy_service [{\\s]*${escapeRegExp(endpoint)}(?=[\\s,}]|$)`, 'i').test(
    restriction,
  );

const escapeRegExp = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

/** `smtpd_recipient_restrictions` with Postern first and every other restriction in its order. */
export function restrictionsLine(main: ReadonlyMap<string, string>, policy: string): MainLine {
  const now = splitRestrictions(main.get('smtpd_recipient_restrictions') ?? '');
  const others = now.filter((restriction) => !asksService(restriction, policy));
  return {
    name: 'smtpd_recipient_restrictions',
    value: [policyRestriction(policy), ...others].join(', '),
    comment: 'Postern first: a permit before it would pass by its block lists and gateway rules. It never answers OK.',
  };
}

/** Postern as a milter. While it is down mail waits; timeouts far above what an answer takes. Source: MILTER_README. */
const milterEntry = (endpoint: string): string =>
  `{ ${endpoint}, default_action=tempfail, connect_timeout=10s, command_timeout=30s, content_timeout=60s }`;

/** The milters of a list. Source: postconf(5) smtpd_milters. */
export const splitMilters = (value: string): string[] => splitWords(value);

/** Whether an entry of a milter list is the milter at `endpoint`. */
export const isMilterAt = (entry: string, endpoint: string): boolean =>
  new RegExp(`^[{\\s]*${escapeRegExp(endpoint)}(?=[\\s,}]|$)`).test(entry);

/** The lines that show messages to Postern: those of SMTP clients, of sendmail(1), and Postfix's own bounces. */
export function milterLines(main: ReadonlyMap<string, string>, milter: string): MainLine[] {
  const others = splitMilters(main.get('smtpd_milters') ?? '').filter((entry) => !isMilterAt(entry, milter));
  const local = splitMilters(
    (main.get('non_smtpd_milters') ?? '').replace(/\$\{?smtpd_milters\}?/g, main.get('smtpd_milters') ?? ''),
  );
  const otherLocal = local.filter((entry) => !isMilterAt(entry, milter));
  const classes = splitWords(main.get('internal_mail_filter_classes') ?? '').filter((name) => name !== 'bounce');
  return [
    {
      name: 'smtpd_milters',
      value: [milterEntry(milter), ...others].join(', '),
      comment:
        'Postern first: it takes out forged marks before other filters see them. On submission services put it last.',
    },
    {
      name: 'non_smtpd_milters',
      value: [milterEntry(milter), ...otherLocal].join(', '),
      comment: 'Mail of sendmail(1) is signed too.',
    },
    {
      name: 'internal_mail_filter_classes',
      value: [...classes, 'bounce'].join(', '),
      comment: 'Bounces that Postfix makes are signed too.',
    },
  ];
}

/** The lines to set. `main` holds what main.cf sets now (postconf -n). */
export function mainLines(
  main: ReadonlyMap<string, string>,
  { policy, milter, socketmap }: DoorEndpoints,
  hasTlsPolicies: boolean,
): MainLine[] {
  const lines = policy === null ? [] : [restrictionsLine(main, policy)];
  if (milter !== null) lines.push(...milterLines(main, milter));
  if (socketmap !== null && hasTlsPolicies) {
    const ours = `socketmap:${socketmap}:tls_policy`;
    const others = splitWords(main.get('smtp_tls_policy_maps') ?? '').filter((map) => map !== ours);
    lines.push({
      name: 'smtp_tls_policy_maps',
      value: [ours, ...others].join(', '),
      comment: 'Outgoing TLS policies on which all own domains agree; the first map that knows a destination answers.',
    });
  }
  return lines;
}
