import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  adviseOnReinjection,
  NO_NEEDS,
  planPostfix,
  settlePlan,
  viewOf,
  type ConfigurationTexts,
  type DoorEndpoints,
  type PostfixNeeds,
  type PostfixPlan,
} from '../../../src/answers/index.ts';

const MILTER =
  '{ unix:postern/milter.sock, default_action=tempfail, connect_timeout=10s, command_timeout=30s, content_timeout=60s }';
const POLICY =
  'check_policy_service { unix:postern/policy.sock, timeout=10s, { default_action = 451 4.3.5 policy service unavailable } }';
const DOORS: DoorEndpoints = {
  policy: 'unix:postern/policy.sock',
  milter: 'unix:postern/milter.sock',
  socketmap: 'unix:postern/socketmap.sock',
};
const SMTP = 'smtp inet n - y - - smtpd\n';
const DEFAULTS = new Map([
  ['local_recipient_maps', 'proxy:unix:passwd.byname $alias_maps'],
  ['virtual_transport', 'virtual'],
]);

type Given = {
  readonly main?: string;
  readonly master?: string;
  readonly doors?: Partial<DoorEndpoints>;
  readonly services?: readonly string[];
  readonly reinjectionServices?: readonly string[];
  readonly needs?: Partial<PostfixNeeds>;
};

function planned({ main = '', master = SMTP, doors, services = [], reinjectionServices = [], needs }: Given): {
  plan: PostfixPlan;
  lines: Record<string, string>;
  texts: ConfigurationTexts;
} {
  const texts = { main, master };
  const plan = planPostfix(
    viewOf(texts, DEFAULTS),
    { ...DOORS, ...doors },
    { services, reinjectionServices },
    { ...NO_NEEDS, ...needs },
  );
  const settled = settlePlan(texts, plan, null, '/etc/postfix');
  const lines = settled.lines.map(({ service, name, value }) => [
    [service, name].filter((part) => part !== null).join('/'),
    value,
  ]);
  return { plan, lines: Object.fromEntries(lines) as Record<string, string>, texts: settled.texts };
}

const fixture = (name: string): Required<Pick<Given, 'main' | 'master'>> => {
  const directory = join(import.meta.dirname, '../../fixtures/postfix', name);
  return {
    main: readFileSync(join(directory, 'main.cf'), 'latin1'),
    master: readFileSync(join(directory, 'master.cf'), 'latin1'),
  };
};

describe('the plan for main.cf', () => {
  it("Debian's default: each list is ours alone, in the order policy, milters, bounces", () => {
    expect(Object.entries(planned(fixture('debian-default')).lines)).toEqual([
      ['smtpd_recipient_restrictions', POLICY],
      ['smtpd_milters', MILTER],
      ['non_smtpd_milters', MILTER],
      ['internal_mail_filter_classes', 'bounce'],
    ]);
  });

  it('a shut door is not asked', () => {
    expect(planned({ doors: { policy: null } }).lines).not.toHaveProperty('smtpd_recipient_restrictions');
    expect(Object.keys(planned({ doors: { milter: null } }).lines)).toEqual(['smtpd_recipient_restrictions']);
    expect(planned({ doors: { policy: null, milter: null }, needs: { tlsPolicies: true } }).lines).toEqual({
      smtp_tls_policy_maps: 'socketmap:unix:postern/socketmap.sock:tls_policy',
    });
    expect(
      planned({ doors: { policy: null, milter: null, socketmap: null }, needs: { tlsPolicies: true } }).lines,
    ).toEqual({});
  });

  it('a virtual-mailbox host: first among the restrictions, the milters by reference only once', () => {
    const { lines } = planned(fixture('virtual-mailbox'));
    expect(lines).toEqual({
      smtpd_recipient_restrictions: `${POLICY}, permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination, warn_if_reject reject_rbl_client zen.example, check_policy_service unix:private/policyd-spf`,
      smtpd_milters: `${MILTER}, unix:opendkim/opendkim.sock inet:127.0.0.1:11332`,
      internal_mail_filter_classes: 'bounce',
    });
  });

  it('milters that come by the name of a parameter of the administrator are not doubled either', () => {
    const main = 'my_milters = inet:127.0.0.1:1\nsmtpd_milters = $my_milters\nnon_smtpd_milters = ${smtpd_milters}\n';
    expect(planned({ main }).lines).toMatchObject({ smtpd_milters: `${MILTER}, $my_milters` });
    expect(planned({ main }).lines).not.toHaveProperty('non_smtpd_milters');
    const ours = `my_milters = inet:127.0.0.1:1, ${MILTER}\nsmtpd_milters = $(my_milters)\n`;
    expect(planned({ main: ours }).lines).not.toHaveProperty('smtpd_milters');
  });

  it('what the administrator put there by hand is left, with the default action of his choice', () => {
    const main =
      'smtpd_recipient_restrictions = check_policy_service { unix:postern/policy.sock, default_action=DUNNO }, permit\n' +
      'non_smtpd_milters = unix:postern/milter.sock, inet:127.0.0.1:1\nsmtpd_milters = unix:postern/milter.sock\n' +
      'internal_mail_filter_classes = bounce, notify\n';
    expect(planned({ main }).texts.main).toBe(main);
  });

  it.each(['permit_mynetworks, $OURS', 'warn_if_reject $OURS, permit_mynetworks', '$OURS, permit_mynetworks, $OURS'])(
    'POL-08 it stands first, once, and without warn_if_reject: %s',
    (list) => {
      const main = `smtpd_recipient_restrictions = ${list.replaceAll('$OURS', 'check_policy_service unix:postern/policy.sock')}\n`;
      expect(planned({ main }).lines['smtpd_recipient_restrictions']).toBe(`${POLICY}, permit_mynetworks`);
    },
  );

  it.each([
    ['', 'socketmap:unix:postern/socketmap.sock:tls_policy'],
    ['hash:/etc/postfix/tls', 'socketmap:unix:postern/socketmap.sock:tls_policy, hash:/etc/postfix/tls'],
    [
      'hash:/etc/postfix/tls socketmap:unix:postern/socketmap.sock:tls_policy',
      'hash:/etc/postfix/tls socketmap:unix:postern/socketmap.sock:tls_policy',
    ],
    [
      'inline:{ { a.example = encrypt }, b.example=none }',
      'socketmap:unix:postern/socketmap.sock:tls_policy, inline:{ { a.example = encrypt }, b.example=none }',
    ],
  ])('smtp_tls_policy_maps = %j becomes %j', (value, expected) => {
    const { lines } = planned({ main: `smtp_tls_policy_maps = ${value}\n`, needs: { tlsPolicies: true } });
    expect(lines['smtp_tls_policy_maps']).toBe(expected);
  });

  it('TLS-11 smtp_tls_policy_maps is not touched without a policy to answer', () => {
    expect(planned({}).lines).not.toHaveProperty('smtp_tls_policy_maps');
  });
});

describe('MAP-10 only our own maps', () => {
  const needs = { transportMaps: ['hash:/var/lib/postern/maps/transport'] };
  const mapsOf = (value: string): string | undefined =>
    planned({ main: `transport_maps = ${value}\n`, needs }).lines['transport_maps'];

  it('MAP-10 a map made by hand stays where the administrator put it, first or last', () => {
    const [hand, ours] = ['lmdb:/etc/postfix/transport', 'hash:/var/lib/postern/maps/transport'];
    expect(mapsOf(hand)).toBe(`${ours}, ${hand}`);
    expect(mapsOf(`${hand}, ${ours}`)).toBe(`${hand}, ${ours}`);
    expect(mapsOf(`${ours} ${hand}`)).toBe(`${ours} ${hand}`);
    expect(mapsOf('')).toBe(ours);
  });

  it('routed recipients go to lists that name recipients, never to an empty one, never to virtual(8)', () => {
    const recipientMap = 'socketmap:unix:postern/socketmap.sock:recipients';
    const linesFor = (main: string): Record<string, string> =>
      planned({ main, doors: { policy: null, milter: null }, needs: { recipientMap } }).lines;
    expect(linesFor('')).toEqual({
      local_recipient_maps: `proxy:unix:passwd.byname $alias_maps, ${recipientMap}`,
    });
    expect(
      linesFor('local_recipient_maps =\nrelay_recipient_maps = hash:/r\nvirtual_mailbox_maps = hash:/v\n'),
    ).toEqual({
      relay_recipient_maps: `hash:/r, ${recipientMap}`,
    });
    const lmtp =
      'local_recipient_maps =\nvirtual_transport = lmtp:unix:x\nvirtual_mailbox_maps = $base\nbase = hash:/v\n';
    expect(linesFor(lmtp)).toEqual({ virtual_mailbox_maps: `$base, ${recipientMap}` });
    expect(linesFor('local_recipient_maps = $nothing\n')).toEqual({});
  });

  it('a service of ours takes over the fields and lines of smtp, and keeps a list beside its own', () => {
    const needed = {
      name: 'postern',
      like: 'smtp',
      options: [
        { name: 'smtp_generic_maps', value: 'regexp:/var/lib/postern/maps/decode', keepsOthers: true },
        { name: 'syslog_name', value: 'postfix/postern' },
      ],
      comment: 'routes',
    };
    const master = `${SMTP}smtp unix - - y - 20 smtp -o smtp_helo_timeout=5 -o syslog_name=x\n`;
    const { texts, plan } = planned({ main: 'smtp_generic_maps = hash:/g\n', master, needs: { services: [needed] } });
    expect(texts.master.slice(master.length)).toBe(
      'postern unix - - y - 20 smtp\n  -o { smtp_helo_timeout = 5 }\n  -o { syslog_name = postfix/postern }\n' +
        '  -o { smtp_generic_maps = regexp:/var/lib/postern/maps/decode, hash:/g }\n',
    );
    expect(plan.taken).toEqual([]);
    expect(planned({ needs: { services: [needed] } }).texts.master).toContain('\npostern unix - - n - - smtp\n');
    const taken = planned({ master: `${master}postern unix - - n - - smtp\n`, needs: { services: [needed] } });
    expect(taken.plan.taken).toEqual(['postern/unix']);
  });
});

describe('services', () => {
  const overriding = '  -o smtpd_recipient_restrictions=permit_sasl_authenticated,reject\n';
  const submission = `${SMTP}submission inet n - y - - smtpd\n`;

  it('with overriding -o lines are listed, and changed only when named', () => {
    const { plan, texts } = planned(fixture('submission'));
    expect(texts.master).toBe(fixture('submission').master);
    expect(plan.left).toEqual([
      {
        service: 'submission/inet',
        name: 'submission',
        overrides: [{ name: 'smtpd_recipient_restrictions', value: 'permit_sasl_authenticated,reject' }],
        canBeChanged: true,
      },
      {
        service: 'smtps/inet',
        name: 'smtps',
        overrides: [
          { name: 'smtpd_recipient_restrictions', value: 'permit_sasl_authenticated,reject' },
          { name: 'smtpd_milters', value: '' },
        ],
        canBeChanged: true,
      },
    ]);
    const named = planned({ ...fixture('submission'), services: ['submission/inet', 'smtps'] });
    expect(named.plan.left).toEqual([]);
    expect(named.plan.chosen).toEqual(['submission/inet', 'smtps/inet']);
    expect(named.lines).toMatchObject({
      'submission/inet/smtpd_recipient_restrictions': `${POLICY}, permit_sasl_authenticated,reject`,
      'submission/inet/smtpd_milters': `inet:127.0.0.1:11332, ${MILTER}`,
      'smtps/inet/smtpd_recipient_restrictions': `${POLICY}, permit_sasl_authenticated,reject`,
      'smtps/inet/smtpd_milters': MILTER,
    });
  });

  it.each([
    ['-o smtpd_milters=inet:127.0.0.1:1', `inet:127.0.0.1:1, ${MILTER}`],
    ['-osmtpd_milters=inet:127.0.0.1:1', `inet:127.0.0.1:1, ${MILTER}`],
    [
      '-o { smtpd_milters = inet:127.0.0.1:1,\n     # note\n     { inet:127.0.0.1:2, default_action=accept } }',
      `inet:127.0.0.1:1, { inet:127.0.0.1:2, default_action=accept }, ${MILTER}`,
    ],
    ['-o {smtpd_milters=}', MILTER],
    [`-o { smtpd_milters = ${MILTER}, inet:127.0.0.1:1 }`, `inet:127.0.0.1:1, ${MILTER}`],
  ])('of submission get Postern last, in every spelling of -o: %s', (option, expected) => {
    const { lines } = planned({ master: `${submission}  ${option}\n`, services: ['submission'] });
    expect(lines['submission/inet/smtpd_milters']).toBe(expected);
  });

  it('that take mail from outside get Postern first', () => {
    const master = `${SMTP}10.0.0.1:25 inet n - y - - smtpd -o smtpd_milters=inet:127.0.0.1:1\n`;
    const { lines } = planned({ master, services: ['10.0.0.1:25'] });
    expect(lines['10.0.0.1:25/inet/smtpd_milters']).toBe(`${MILTER}, inet:127.0.0.1:1`);
  });

  it.each(['587', '127.0.0.1:submission', 'smtps', '[::1]:465', 'submissions'])(
    'of submission without overriding lines get Postern last where there are other milters: %s',
    (name) => {
      const master = `${SMTP}${name} inet n - y - - smtpd -o syslog_name=x\n`;
      expect(planned({ master }).texts.master).toBe(master);
      const { lines } = planned({ master, main: 'smtpd_milters = inet:127.0.0.1:1\n' });
      expect(lines[`${name}/inet/smtpd_milters`]).toBe(`inet:127.0.0.1:1, ${MILTER}`);
    },
  );

  it.each(['-o milter_macro_daemon_name=ORIGINATING', '-o smtpd_tls_wrappermode=yes'])(
    'are for submission by their lines too: %s',
    (option) => {
      const { lines } = planned({
        master: `${SMTP}2525 inet n - y - - smtpd ${option}\n`,
        main: 'smtpd_milters = inet:127.0.0.1:1\n',
      });
      expect(lines['2525/inet/smtpd_milters']).toBe(`inet:127.0.0.1:1, ${MILTER}`);
    },
  );

  it('that name a parameter of main.cf get ours from there, or before it', () => {
    const main = 'mua_recipient_restrictions = permit_sasl_authenticated, reject\n';
    const master = `${submission}  -o smtpd_recipient_restrictions=$mua_recipient_restrictions\n`;
    const { plan, lines } = planned({ main, master, services: ['submission'] });
    expect(plan.left).toEqual([]);
    expect(lines['submission/inet/smtpd_recipient_restrictions']).toBe(`${POLICY}, $mua_recipient_restrictions`);
    const same = `${submission}  -o smtpd_recipient_restrictions=$smtpd_recipient_restrictions\n`;
    expect(planned({ main, master: same }).plan.left).toEqual([]);
    expect(planned({ main: `mua_recipient_restrictions = ${POLICY}, reject\n`, master }).plan.left).toEqual([]);
  });

  it.each([
    ['-o receive_override_options=no_address_mappings,no_milters', []],
    ['-o content_filter=', []],
    ['-o milter_macro_daemon_name=AFTER_FILTER', ['AFTER_FILTER']],
  ])('that take mail back from a content filter are never changed: %s', (option, reinjectionServices) => {
    const master = `${SMTP}127.0.0.1:10025 inet n - y - - smtpd ${option} -o smtpd_recipient_restrictions=permit_mynetworks,reject\n`;
    const { plan, texts } = planned({ master, services: ['127.0.0.1:10025'], reinjectionServices });
    expect(texts.master).toBe(master);
    expect(plan.left).toMatchObject([{ service: '127.0.0.1:10025/inet', canBeChanged: false }]);
  });

  it('that take mail back while our milter acts there are named with the line to type', () => {
    const adviceFor = (options: string): (string | null)[] => {
      const master = `127.0.0.1:10025 inet n - y - - smtpd -o content_filter= ${options}\n`;
      return adviseOnReinjection(viewOf({ main: '', master }, DEFAULTS), []).map(({ line }) => line);
    };
    expect(adviceFor('')).toEqual(["postconf -P '127.0.0.1:10025/inet/receive_override_options=no_milters'"]);
    expect(adviceFor('-o receive_override_options=no_address_mappings')).toEqual([
      "postconf -P '127.0.0.1:10025/inet/receive_override_options=no_address_mappings,no_milters'",
    ]);
    expect(adviceFor('-o receive_override_options=no_milters')).toEqual([]);
    expect(adviceFor('-o smtpd_milters=')).toEqual([]);
  });

  it('that are named and not there are said', () => {
    expect(planned({ services: ['smtp', 'submision', 'pickup'] }).plan.unknown).toEqual(['submision', 'pickup']);
    expect(planned({ services: ['smtp'] }).plan.left).toEqual([]);
  });

  it('are left where the door is shut that their lines are about', () => {
    const { plan } = planned({ master: `${submission}${overriding}`, doors: { policy: null } });
    expect(plan.left).toEqual([]);
  });
});
