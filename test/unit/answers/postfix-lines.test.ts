import { describe, expect, it } from 'vitest';
import { adviseOnRestrictions, policyRestriction } from '../../../src/answers/index.ts';
import { milterLines, restrictionsLine } from '../../../src/answers/postfix-lines.ts';

const ENDPOINTS = { policy: 'inet:127.0.0.1:9998', milter: null, socketmap: 'inet:127.0.0.1:10042' };
const OURS =
  'check_policy_service { inet:127.0.0.1:9998, timeout=10s, { default_action = 451 4.3.5 policy service unavailable } }';

const main = (restrictions: string, more: Record<string, string> = {}) =>
  new Map(Object.entries({ smtpd_recipient_restrictions: restrictions, ...more }));
const restrictionsOf = (value: string): string => restrictionsLine(main(value), ENDPOINTS.policy).value;
const texts = (value: string, more: Record<string, string> = {}): string[] =>
  adviseOnRestrictions(main(value, more), ENDPOINTS).map(({ text }) => text);

/** The same list, and what it becomes. */
const LISTS: [string, string][] = [
  ['', OURS],
  ['permit_mynetworks, reject_unauth_destination', `${OURS}, permit_mynetworks, reject_unauth_destination`],
  ['permit_mynetworks reject_unauth_destination', `${OURS}, permit_mynetworks reject_unauth_destination`],
  ['permit_mynetworks,\n    reject_unauth_destination', `${OURS}, permit_mynetworks,\n    reject_unauth_destination`],
  ['permit_mynetworks, check_policy_service inet:127.0.0.1:9998', `${OURS}, permit_mynetworks`],
  [OURS, OURS],
  [
    // The operator's choice for the time while Postern is down stays.
    'check_policy_service {inet:127.0.0.1:9998, default_action=DUNNO}, reject',
    'check_policy_service {inet:127.0.0.1:9998, default_action=DUNNO}, reject',
  ],
  ['permit CHECK_POLICY_SERVICE inet:127.0.0.1:9998', `${OURS}, permit`],
  ['permit, check_policy_service inet:127.0.0.1:9998 reject', `${OURS}, permit, reject`],
  ['check_policy_service inet:127.0.0.1:9998, a, check_policy_service inet:127.0.0.1:9998', `${OURS}, a`],
  ['check_policy_service inet:127.0.0.1:99980', `${OURS}, check_policy_service inet:127.0.0.1:99980`],
  ['check_policy_service inet:127.0.0.1:10023, reject', `${OURS}, check_policy_service inet:127.0.0.1:10023, reject`],
  [
    'check_policy_service { inet:127.0.0.1:10023, { default_action = DUNNO } }',
    `${OURS}, check_policy_service { inet:127.0.0.1:10023, { default_action = DUNNO } }`,
  ],
  [
    'check_client_access hash:/etc/postfix/x, reject_rbl_client zen.example=127.0.0.2, reject_rhsbl_sender dbl.example, permit_dnswl_client list.example, sleep 1',
    `${OURS}, check_client_access hash:/etc/postfix/x, reject_rbl_client zen.example=127.0.0.2, reject_rhsbl_sender dbl.example, permit_dnswl_client list.example, sleep 1`,
  ],
  [
    'warn_if_reject check_policy_service inet:127.0.0.1:9998, reject_unauth_destination',
    `${OURS}, reject_unauth_destination`,
  ],
  [
    'warn_if_reject reject_rbl_client zen.example, permit',
    `${OURS}, warn_if_reject reject_rbl_client zen.example, permit`,
  ],
  [
    'check_client_access inline:{ 192.0.2.1=reject }, permit',
    `${OURS}, check_client_access inline:{ 192.0.2.1=reject }, permit`,
  ],
  ['check_policy_service', `${OURS}, check_policy_service`],
  ['reject }, permit', `${OURS}, reject }, permit`],
];

describe('smtpd_recipient_restrictions', () => {
  it.each(LISTS)('"%s" becomes "%s"', (value, expected) => {
    expect(restrictionsOf(value)).toBe(expected);
  });

  it.each(LISTS)('print of what was printed is the same: "%s"', (value) => {
    expect(restrictionsOf(restrictionsOf(value))).toBe(restrictionsOf(value));
    const advice = adviseOnRestrictions(main(restrictionsOf(value)), ENDPOINTS);
    expect(advice.filter(({ severity }) => severity === 'error')).toEqual([]);
  });

  it('is our restriction alone where nothing is set', () => {
    expect(restrictionsLine(new Map(), ENDPOINTS.policy).value).toBe(OURS);
    expect(adviseOnRestrictions(new Map(), ENDPOINTS)).toHaveLength(1);
  });

  it('while Postern is down the client tries again, unless the operator says otherwise', () => {
    expect(policyRestriction('unix:postern/policy.sock')).toContain(
      '{ default_action = 451 4.3.5 policy service unavailable }',
    );
    expect(policyRestriction('unix:postern/policy.sock', 'DUNNO')).toBe(
      'check_policy_service { unix:postern/policy.sock, timeout=10s, { default_action = DUNNO } }',
    );
  });
});

describe('milters', () => {
  const MILTER = 'unix:postern/milter.sock';
  const ENTRY = `{ ${MILTER}, default_action=tempfail, connect_timeout=10s, command_timeout=30s, content_timeout=60s }`;
  const valuesOf = (set: Record<string, string>): string[] =>
    milterLines(new Map(Object.entries(set)), MILTER).map(({ value }) => value);

  it('are ours first for SMTP clients, last for local mail; bounces are added', () => {
    expect(valuesOf({})).toEqual([ENTRY, ENTRY, 'bounce']);
    expect(
      valuesOf({
        smtpd_milters: '{ inet:127.0.0.1:11332, connect_timeout=5s } inet:127.0.0.1:8891',
        non_smtpd_milters: 'inet:127.0.0.1:8891',
        internal_mail_filter_classes: 'notify',
      }),
    ).toEqual([
      `${ENTRY}, { inet:127.0.0.1:11332, connect_timeout=5s } inet:127.0.0.1:8891`,
      `inet:127.0.0.1:8891, ${ENTRY}`,
      'notify, bounce',
    ]);
  });

  it('a list that names smtpd_milters gets ours from there, not twice', () => {
    expect(valuesOf({ non_smtpd_milters: '${smtpd_milters}' })[1]).toBe('${smtpd_milters}');
  });
});

describe('POL-08 wrong place in the restriction list', () => {
  it('POL-08 gateway-only and block list are skipped for mynetworks clients, and the right order is shown', () => {
    const wrong = 'permit_mynetworks, reject_unauth_destination, check_policy_service inet:127.0.0.1:9998';
    expect(adviseOnRestrictions(main(wrong), ENDPOINTS)).toEqual([
      {
        severity: 'error',
        text: 'permit_mynetworks stands before Postern in smtpd_recipient_restrictions: gateway-only and block list are skipped for mynetworks clients',
        line: `postconf -e 'smtpd_recipient_restrictions = ${OURS}, permit_mynetworks, reject_unauth_destination'`,
      },
    ]);
  });

  it.each([
    'check_policy_service inet:127.0.0.1:9998, permit_mynetworks, reject_unauth_destination',
    'reject_unauth_destination check_policy_service inet:127.0.0.1:9998 permit_sasl_authenticated',
    `reject_unauth_destination, ${OURS}, permit`,
    'check_policy_service {inet:127.0.0.1:9998,timeout=10s}, permit_mynetworks',
    'check_policy_service inet:127.0.0.1:10023, check_policy_service inet:127.0.0.1:9998',
  ])('POL-08 nothing is said of "%s"', (value) => {
    expect(texts(value)).toEqual([]);
  });

  it('POL-08 each permit before Postern is named, in any spelling, and none after it', () => {
    const value = `PERMIT_MYNETWORKS permit_sasl_authenticated, permit_dnswl_client list.example, ${OURS}, permit_auth_destination`;
    expect(texts(value)).toEqual([
      expect.stringContaining('skipped for mynetworks clients'),
      expect.stringContaining('skipped for authenticated clients'),
      expect.stringContaining('skipped for clients that permit_dnswl_client list.example lets through'),
    ]);
  });

  it.each([
    '',
    'permit_mynetworks, reject',
    'check_policy_service inet:127.0.0.1:10023',
    'check_policy_service inet:127.0.0.1:999',
  ])('POL-08 Postern is not asked: "%s"', (value) => {
    expect(texts(value)).toEqual([
      'smtpd_recipient_restrictions does not ask inet:127.0.0.1:9998, so block lists, gateway rules and TLS rules do not act',
    ]);
  });

  it('POL-08 warn_if_reject before Postern takes the teeth out of it', () => {
    expect(texts('warn_if_reject check_policy_service inet:127.0.0.1:9998')).toEqual([
      'warn_if_reject stands before inet:127.0.0.1:9998: what Postern refuses is only logged, and taken',
    ]);
  });

  it.each([
    ['its own', 'check_policy_service { inet:127.0.0.1:9998, default_action=DUNNO }', {}, 'default_action=DUNNO'],
    [
      'its own, in braces',
      'check_policy_service { inet:127.0.0.1:9998, { default_action = permit }, timeout=10s }',
      {},
      'default_action=permit',
    ],
    [
      'the one of all services',
      'check_policy_service inet:127.0.0.1:9998',
      { smtpd_policy_service_default_action: 'OK' },
      'smtpd_policy_service_default_action=OK',
    ],
  ])('POL-06 a default action that lets mail past the rules is warned of: %s', (_, value, more, named) => {
    expect(adviseOnRestrictions(main(value, more), ENDPOINTS)).toEqual([
      {
        severity: 'warning',
        text: `${named} for inet:127.0.0.1:9998: while Postern is down, mail is taken past block lists, gateway rules and TLS rules`,
        line: null,
      },
    ]);
  });

  it.each([
    [
      'check_policy_service { inet:127.0.0.1:9998, default_action=DEFER }',
      { smtpd_policy_service_default_action: 'DUNNO' },
    ],
    [
      'check_policy_service inet:127.0.0.1:9998',
      { smtpd_policy_service_default_action: '451 4.3.5 Server configuration problem' },
    ],
  ])('POL-06 "%s" defers while Postern is down', (value, more) => {
    expect(texts(value, more)).toEqual([]);
  });

  it.each([
    ['reject', 'error', 'nothing stands between a stranger and relaying'],
    ['reject_unauth_destination', 'warning', 'only one list stands between a stranger and relaying'],
    ['defer_unauth_destination', 'warning', 'only one list stands between a stranger and relaying'],
  ])('an empty smtpd_relay_restrictions is named (%s)', (restriction, severity, risk) => {
    const advice = adviseOnRestrictions(main(`${OURS}, ${restriction}`, { smtpd_relay_restrictions: ' ' }), ENDPOINTS);
    expect(advice).toEqual([
      {
        severity,
        text: `smtpd_relay_restrictions is empty: ${risk}`,
        line: expect.stringContaining('defer_unauth_destination') as unknown,
      },
    ]);
  });

  it('relay restrictions that are set, or left to their default, are fine', () => {
    expect(texts(OURS, { smtpd_relay_restrictions: 'permit_mynetworks, reject_unauth_destination' })).toEqual([]);
  });

  it('with the policy door shut there is nothing to advise', () => {
    expect(adviseOnRestrictions(main(''), { ...ENDPOINTS, policy: null })).toEqual([]);
  });
});
