import { describe, expect, it } from 'vitest';
import { adviseOnMilterMap, adviseOnMilters, optionalLines, viewOf } from '../../../src/answers/index.ts';
import { milterLines } from '../../../src/answers/postfix-lines.ts';

const MILTER = 'unix:postern/milter.sock';
const RIGHT = {
  smtpd_milters: `{ ${MILTER}, default_action=tempfail }`,
  non_smtpd_milters: '$smtpd_milters',
  internal_mail_filter_classes: 'bounce',
  disable_mime_output_conversion: 'yes',
  smtp_line_length_limit: '0',
};

const textsFor = (change: Record<string, string | undefined>): string[] => {
  const all: Record<string, string | undefined> = { ...RIGHT, ...change };
  const settings = Object.entries(all).filter((entry): entry is [string, string] => entry[1] !== undefined);
  return adviseOnMilters(new Map(settings), MILTER).map(({ text }) => text);
};

describe('advice on milters', () => {
  it('is quiet on a right configuration, and where the door is shut', () => {
    expect(textsFor({})).toEqual([]);
    expect(textsFor({ non_smtpd_milters: `inet:127.0.0.1:8891, ${MILTER}` })).toEqual([]);
    expect(adviseOnMilters(new Map(), null)).toEqual([]);
  });

  it.each([
    ['accept', 'mail goes out unsigned'],
    ['reject', 'all mail is refused for good'],
    ['quarantine', 'all mail is held'],
    ['shutdown', 'clients are hung up on'],
  ])('MIL-12 default action %s: one line says what it does', (action, effect) => {
    const own = textsFor({ smtpd_milters: `{ ${MILTER}, default_action=${action} }` });
    expect(own).toEqual([expect.stringContaining(effect)]);
    const general = textsFor({ smtpd_milters: MILTER, milter_default_action: action });
    expect(general).toEqual(own);
    expect(textsFor({ milter_default_action: action })).toEqual([]);
  });

  it('MIL-12 tempfail, said or by default, is as it should be', () => {
    expect(textsFor({ smtpd_milters: MILTER })).toEqual([]);
    expect(textsFor({ smtpd_milters: MILTER, milter_default_action: 'tempfail' })).toEqual([]);
  });

  it('SIG-05 8-bit conversion: the risk and both remedies', () => {
    const texts = textsFor({ disable_mime_output_conversion: undefined });
    expect(texts).toEqual([expect.stringContaining('converted after signing, and the signature breaks')]);
    expect(texts[0]).toContain('let clients send 7-bit mail only');
    const [advice] = adviseOnMilters(
      new Map(Object.entries({ ...RIGHT, disable_mime_output_conversion: 'no' })),
      MILTER,
    );
    expect(advice?.line).toBe("postconf -e 'disable_mime_output_conversion = yes'");
  });

  it('SIG-04 line length: lines that smtp(8) would break', () => {
    expect(textsFor({ smtp_line_length_limit: '998' })).toEqual([expect.stringContaining('lines over 998 octets')]);
  });

  it('SIG-08 bounces and local mail that Postern is not shown', () => {
    expect(textsFor({ internal_mail_filter_classes: undefined })).toEqual([expect.stringContaining('lacks bounce')]);
    expect(textsFor({ non_smtpd_milters: 'inet:127.0.0.1:8891' })).toEqual([expect.stringContaining('sendmail(1)')]);
  });

  it('a filter before Postern sees what strangers forge: the order to type', () => {
    const filter = 'inet:127.0.0.1:11332';
    const texts = textsFor({ smtpd_milters: `${filter}, ${RIGHT.smtpd_milters}`, non_smtpd_milters: MILTER });
    expect(texts).toEqual([
      expect.stringMatching(/^inet:127\.0\.0\.1:11332 before Postern in smtpd_milters: .*forged/),
    ]);
    const [advice] = adviseOnMilters(new Map([['smtpd_milters', `${filter}, ${MILTER}`]]), MILTER);
    expect(advice).toMatchObject({ severity: 'warning' });
    expect(advice?.line).toMatch(/^postconf -e 'smtpd_milters = \{ unix:postern.*\}, inet:127\.0\.0\.1:11332'$/);
    expect(textsFor({ smtpd_milters: `${RIGHT.smtpd_milters}, ${filter}` })).toEqual([]);
  });

  it('a list without Postern is an error, with the line to type', () => {
    const [advice] = adviseOnMilters(
      new Map(Object.entries({ ...RIGHT, smtpd_milters: 'inet:127.0.0.1:8891' })),
      MILTER,
    );
    expect(advice).toMatchObject({ severity: 'error' });
    expect(advice?.line).toContain(`{ ${MILTER}, default_action=tempfail`);
    expect(advice?.line).toContain('}, inet:127.0.0.1:8891');
  });
});

describe('milter lines', () => {
  it('keep other milters and classes, and printed again are the same', () => {
    const now = new Map([
      ['smtpd_milters', '{ inet:127.0.0.1:11332, connect_timeout=5s } inet:127.0.0.1:8891'],
      ['non_smtpd_milters', '$smtpd_milters'],
      ['internal_mail_filter_classes', 'notify'],
    ]);
    const lines = milterLines(now, MILTER);
    const ours = `{ ${MILTER}, default_action=tempfail, connect_timeout=10s, command_timeout=30s, content_timeout=60s }`;
    const others = '{ inet:127.0.0.1:11332, connect_timeout=5s } inet:127.0.0.1:8891';
    expect(lines.map(({ name, value }) => [name, value])).toEqual([
      ['smtpd_milters', `${ours}, ${others}`],
      ['non_smtpd_milters', '$smtpd_milters'],
      ['internal_mail_filter_classes', 'notify, bounce'],
    ]);
    const printed = new Map(lines.map(({ name, value }) => [name, value]));
    expect(milterLines(printed, MILTER)).toEqual(lines);
    const advice = adviseOnMilters(
      new Map([...printed, ['disable_mime_output_conversion', 'yes'], ['smtp_line_length_limit', '0']]),
      MILTER,
    );
    expect(advice).toEqual([]);
  });

  it('a socket whose path begins alike is another milter', () => {
    expect(textsFor({ smtpd_milters: `${MILTER}.old` })[0]).toContain('smtpd_milters does not ask');
  });
});

describe('the table of milters for a client', () => {
  const SOCKETMAP = 'unix:postern/socketmap.sock';
  const OURS = `socketmap:${SOCKETMAP}:milters`;
  const DOORS = { policy: null, milter: MILTER, socketmap: SOCKETMAP };
  const adviceOn = (tables: string, master = '', doors: Partial<typeof DOORS> | Record<string, null> = {}) =>
    adviseOnMilterMap(
      viewOf(
        { main: `smtpd_milter_maps = ${tables}\nsmtpd_milters = { ${MILTER}, default_action=tempfail }\n`, master },
        new Map(),
      ),
      { ...DOORS, ...doors },
    );

  it('is quiet where it is not used, stands alone or first, or a door is shut', () => {
    for (const tables of ['', 'cidr:/etc/postfix/milters', OURS, `${OURS}, cidr:/etc/postfix/milters`, `${OURS}2`]) {
      expect(adviceOn(tables)).toEqual([]);
    }
    expect(adviceOn(`cidr:/etc/postfix/milters, ${OURS}`, '', { milter: null })).toEqual([]);
    expect(adviceOn(`cidr:/etc/postfix/milters, ${OURS}`, '', { socketmap: null })).toEqual([]);
    expect(adviseOnMilterMap(viewOf({ main: '', master: '' }, new Map()), DOORS)).toEqual([]);
  });

  it('another table before it: what that does, and the order to type', () => {
    const [advice, ...more] = adviceOn(`cidr:/etc/postfix/milters, ${OURS}`);
    expect(more).toEqual([]);
    expect(advice).toMatchObject({
      severity: 'warning',
      line: `postconf -e 'smtpd_milter_maps = ${OURS}, cidr:/etc/postfix/milters'`,
    });
    expect(advice?.text).toMatch(/^cidr:\/etc\/postfix\/milters before Postern's table.*past Postern/);
  });

  const smtpd = (options: string, command = 'smtpd'): string => `submission inet n - y - - ${command}\n${options}`;

  it.each([
    ['  -o smtpd_milters=inet:127.0.0.1:8891\n', /inet:127.0.0.1:8891 is not asked, and Postern is asked although/],
    [
      '  -o { smtpd_milters = inet:127.0.0.1:1, inet:127.0.0.1:2, $smtpd_milters }\n',
      /:1, inet:127.0.0.1:2 are not asked$/,
    ],
    ['  -o smtpd_milters=\n', /clients Postern is asked although the list does not name it$/],
  ])('a service with milters of its own: %j', (options, text) => {
    const [advice, ...more] = adviceOn(OURS, smtpd(options));
    expect(more).toEqual([]);
    expect(advice?.text).toMatch(text);
    expect(advice).toMatchObject({
      severity: 'warning',
      line: "postconf -P 'submission/inet/smtpd_milter_maps='",
    });
  });

  it.each([
    smtpd(''),
    smtpd(`  -o { smtpd_milters = { ${MILTER}, default_action=tempfail } }\n`),
    smtpd('  -o smtpd_milters=$smtpd_milters\n'),
    smtpd('  -o smtpd_milters=inet:127.0.0.1:8891\n  -o smtpd_milter_maps=\n'),
    smtpd('  -o smtpd_milters=\n  -o receive_override_options=no_milters\n'),
    smtpd('  -o smtpd_milters=\n', 'postscreen'),
  ])('nothing is said of %j', (master) => {
    expect(adviceOn(OURS, master)).toEqual([]);
  });

  it('is an optional line, before other tables, where it is not there and both doors are open', () => {
    const value = (tables: string, doors: object = {}): (string | undefined)[] =>
      optionalLines(new Map([['smtpd_milter_maps', tables]]), { ...DOORS, ...doors }).map((line) => line.value);
    expect(optionalLines(new Map(), DOORS)).toMatchObject([{ name: 'smtpd_milter_maps', value: OURS }]);
    expect(value('cidr:/etc/postfix/milters')).toEqual([`${OURS}, cidr:/etc/postfix/milters`]);
    expect(value(`cidr:/etc/postfix/milters ${OURS}`)).toEqual([]);
    expect([...value('', { milter: null }), ...value('', { socketmap: null })]).toEqual([]);
  });
});
