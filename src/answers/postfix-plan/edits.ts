/**
 * The items that make Postfix ask Postern: the policy service, the milter, the socketmaps. What is put where, and why.
 * Source: SMTPD_POLICY_README, MILTER_README, socketmap_table(5), postconf(5).
 */
import type { ListEdit } from './list-edit.ts';

/** What Postfix answers while the policy door cannot be asked: the client tries again, no rule is passed by. */
const WHILE_DOWN = '451 4.3.5 policy service unavailable';

/** The policy service as a restriction. Source: postconf(5), "check_policy_service", inner braces for blanks. */
export const policyRestriction = (endpoint: string, whileDown: string = WHILE_DOWN): string =>
  `check_policy_service { ${endpoint}, timeout=10s, { default_action = ${whileDown} } }`;

/** Postern as a milter. While it is down mail waits; timeouts far above what an answer takes. Source: MILTER_README. */
export const milterEntry = (endpoint: string): string =>
  `{ ${endpoint}, default_action=tempfail, connect_timeout=10s, command_timeout=30s, content_timeout=60s }`;

const WORDS = { kind: 'words', isPlaceFixed: false, endpoint: null, valueIfUnset: '' } as const;

/** Postern first among the recipient restrictions. */
export const policyEdit = (endpoint: string): ListEdit => ({
  name: 'smtpd_recipient_restrictions',
  kind: 'restrictions',
  items: [policyRestriction(endpoint)],
  place: 'first',
  isPlaceFixed: true,
  endpoint,
  valueIfUnset: '',
  comment: 'Postern first: a permit before it would pass by its block lists and gateway rules. It never answers OK.',
});

/** Postern among the milters of SMTP clients. */
export const smtpdMilterEdit = (endpoint: string, place: 'first' | 'last'): ListEdit => ({
  ...WORDS,
  name: 'smtpd_milters',
  items: [milterEntry(endpoint)],
  place,
  isPlaceFixed: true,
  endpoint,
  comment:
    place === 'first'
      ? 'Postern first: it takes out forged marks before other filters see them. On submission services put it last.'
      : 'Postern last: nothing changes a message after it was signed.',
});

/** What shows messages to Postern: those of SMTP clients, of sendmail(1), and Postfix's own bounces. */
export const milterEdits = (endpoint: string): readonly ListEdit[] => [
  smtpdMilterEdit(endpoint, 'first'),
  {
    ...WORDS,
    name: 'non_smtpd_milters',
    items: [milterEntry(endpoint)],
    place: 'last',
    endpoint,
    comment: 'Mail of sendmail(1) is signed too.',
  },
  {
    ...WORDS,
    name: 'internal_mail_filter_classes',
    items: ['bounce'],
    place: 'last',
    comment: 'Bounces that Postfix makes are signed too.',
  },
];

/** The outgoing TLS policies. */
export const tlsPolicyEdit = (socketmap: string): ListEdit => ({
  ...WORDS,
  name: 'smtp_tls_policy_maps',
  items: [`socketmap:${socketmap}:tls_policy`],
  place: 'first',
  comment: 'Outgoing TLS policies on which all own domains agree; the first map that knows a destination answers.',
});

/** The milters of each client. `apply` does not set it: without another milter it does nothing. */
export const milterMapEdit = (socketmap: string): ListEdit => ({
  ...WORDS,
  name: 'smtpd_milter_maps',
  items: [`socketmap:${socketmap}:milters`],
  place: 'first',
  isPlaceFixed: true,
  comment:
    'Only where a spam filter stands beside Postern in smtpd_milters: for a client that every own domain allows, ' +
    'Postern is then the only milter that is asked. Whatever else stands there is not asked either, signing milters too.',
});

/** Routes: our maps first, unless the administrator has put them elsewhere. */
export const transportEdit = (maps: readonly string[]): ListEdit => ({
  ...WORDS,
  name: 'transport_maps',
  items: maps,
  place: 'first',
  comment: "Postern's routes. Maps of your own stay, before or behind them as you put them.",
});

/** Recipients that a rule routes, beside those that a list of Postfix names. */
export const recipientEdit = (name: string, map: string, valueIfUnset: string): ListEdit => ({
  ...WORDS,
  name,
  items: [map],
  place: 'last',
  valueIfUnset,
  comment: 'Recipients that a rule routes are taken although this list does not name them.',
});
