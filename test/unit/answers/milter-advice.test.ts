import { describe, expect, it } from 'vitest';
import { adviseOnMilters } from '../../../src/answers/index.ts';
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
