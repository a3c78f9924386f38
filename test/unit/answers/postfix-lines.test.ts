import { describe, expect, it } from 'vitest';
import { adviseOnRestrictions, mainLines, policyRestriction } from '../../../src/answers/index.ts';

const ENDPOINTS = { policy: 'inet:127.0.0.1:9998', milter: null, socketmap: 'inet:127.0.0.1:10042' };
const OURS =
  'check_policy_service { inet:127.0.0.1:9998, timeout=10s, { default_action = 451 4.3.5 policy service unavailable } }';
const MAP = 'socketmap:inet:127.0.0.1:10042:tls_policy';

const main = (restrictions: string, more: Record<string, string> = {}) =>
  new Map(Object.entries({ smtpd_recipient_restrictions: restrictions, ...more }));
const restrictionsOf = (value: string): string => mainLines(main(value), ENDPOINTS, false)[0]!.value;
const texts = (value: string, more: Record<string, string> = {}): string[] =>
  adviseOnRestrictions(main(value, more), ENDPOINTS).map(({ text }) => text);

/** The same list, and what it becomes. */
const LISTS: [string, string][] = [
  ['', OURS],
  ['permit_mynetworks, reject_unauth_destination', `${OURS}, permit_mynetworks, reject_unauth_destination`],
  ['permit_mynetworks reject_unauth_destination', `${OURS}, permit_mynetworks, reject_unauth_destination`],
  ['permit_mynetworks,\n    reject_unauth_destination', `${OURS}, permit_mynetworks, reject_unauth_destination`],
  ['permit_mynetworks, check_policy_service inet:127.0.0.1:9998', `${OURS}, permit_mynetworks`],
  [OURS, OURS],
  ['check_policy_service {inet:127.0.0.1:9998, default_action=DUNNO}, reject', `${OURS}, reject`],
  ['CHECK_POLICY_SERVICE inet:127.0.0.1:9998 permit', `${OURS}, permit`],
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
  ['reject }, permit', `${OURS}, reject, }, permit`],
];

describe('smtpd_recipient_restrictions', () => {
  it.each(LISTS)('"%s" becomes "%s"', (value, expected) => {
    expect(restrictionsOf(value)).toBe(expected);
  });

  it.each(LISTS)('print of what was printed is the same: "%s"', (value) => {
    expect(restrictionsOf(restrictionsOf(value))).toBe(restrictionsOf(value));
    expect(adviseOnRestrictions(main(restrictionsOf(value)), ENDPOINTS)).toEqual([]);
  });

  it('is not touched by a shut door', () => {
    expect(mainLines(main('permit'), { policy: null, milter: null, socketmap: null }, true)).toEqual([]);
    expect(mainLines(new Map(), ENDPOINTS, false).map(({ value }) => value)).toEqual([OURS]);
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

describe('smtp_tls_policy_maps', () => {
  const mapsOf = (value: string | undefined): string | undefined =>
    mainLines(new Map(value === undefined ? [] : [['smtp_tls_policy_maps', value]]), ENDPOINTS, true)[1]?.value;

  it.each([
    [undefined, MAP],
    ['', MAP],
    ['hash:/etc/postfix/tls', `${MAP}, hash:/etc/postfix/tls`],
    [`hash:/etc/postfix/tls ${MAP}`, `${MAP}, hash:/etc/postfix/tls`],
    [MAP, MAP],
    [
      'inline:{ { a.example = encrypt }, b.example=none }',
      `${MAP}, inline:{ { a.example = encrypt }, b.example=none }`,
    ],
  ])('%j becomes "%s", and stays', (value, expected) => {
    expect(mapsOf(value)).toBe(expected);
    expect(mapsOf(expected)).toBe(expected);
  });

  it('TLS-11 is not set without a policy to answer', () => {
    expect(mainLines(new Map(), ENDPOINTS, false).map(({ name }) => name)).toEqual(['smtpd_recipient_restrictions']);
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
