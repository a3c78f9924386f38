/**
 * What in a live main.cf keeps messages from Postern, or breaks its signatures afterwards, each with the line to type.
 * Source: MILTER_README, postconf(5) milter_default_action, smtpd_milter_maps, disable_mime_output_conversion, smtp_line_length_limit.
 */
import type { Advice } from './postfix-advice.ts';
import { hasMilterMap, milterLines, milterMapLine, splitMilters, type MainLine } from './postfix-lines.ts';
import { isMilterAt } from './postfix-plan/list-edit.ts';
import type { DoorEndpoints } from './postfix-plan/plan.ts';
import { expand, hasNoMilters, type PostfixView } from './postfix-plan/view.ts';

/** What each default action does while a milter cannot be asked. Source: postconf(5) milter_default_action. */
const WHILE_DOWN: ReadonlyMap<string, string> = new Map([
  ['accept', 'while Postern is down, mail goes out unsigned and forged marks come in'],
  ['reject', 'while Postern is down, all mail is refused for good'],
  ['quarantine', 'while Postern is down, all mail is held until somebody releases it'],
  ['shutdown', 'while Postern is down, clients are hung up on'],
]);

const typed = ({ name, value }: MainLine): string => `postconf -e '${name} = ${value}'`;

/** Looks at the milters. `main` holds what main.cf sets now (postconf -n). */
export function adviseOnMilters(main: ReadonlyMap<string, string>, milter: string | null): Advice[] {
  if (milter === null) return [];
  const [smtpd, local, classes] = milterLines(main, milter) as [MainLine, MainLine, MainLine];
  const milters = splitMilters(main.get('smtpd_milters') ?? '');
  const at = milters.findIndex((entry) => isMilterAt(entry, milter));
  const ours = milters[at];
  const advice: Advice[] = [];
  const warn = (text: string, line: string | null): void => void advice.push({ severity: 'warning', text, line });
  if (ours === undefined) {
    const text = `smtpd_milters does not ask ${milter}: mail of SMTP clients is neither marked nor signed`;
    advice.push({ severity: 'error', text, line: typed(smtpd) });
  }
  if (at > 0) {
    const risk = 'a stranger can tell it by a forged X-Postern-Spam-Filter field not to filter';
    warn(`${milters.slice(0, at).join(', ')} before Postern in smtpd_milters: ${risk}`, typed(smtpd));
  }
  if (!lists(main, 'non_smtpd_milters', milter))
    warn(`non_smtpd_milters does not ask ${milter}: mail of sendmail(1) is not signed`, typed(local));
  const action = (
    /default_action\s*=\s*([a-z]+)/.exec(ours ?? '')?.[1] ??
    main.get('milter_default_action') ??
    'tempfail'
  ).trim();
  const effect = WHILE_DOWN.get(action);
  if (ours !== undefined && effect !== undefined) {
    warn(`the default action of ${milter} is ${action}: ${effect}; tempfail lets it wait`, typed(smtpd));
  }
  if (!/\bbounce\b/.test(main.get('internal_mail_filter_classes') ?? '')) {
    warn('internal_mail_filter_classes lacks bounce: bounces that Postfix makes are not signed', typed(classes));
  }
  return [...advice, ...adviseOnBrokenSignatures(main)];
}

function lists(main: ReadonlyMap<string, string>, name: string, milter: string): boolean {
  const value = main.get(name) ?? '';
  if (splitMilters(value).some((entry) => isMilterAt(entry, milter))) return true;
  return /\$\{?smtpd_milters\}?/.test(value) && lists(main, 'smtpd_milters', milter);
}

/** Looks at our table in smtpd_milter_maps. `view` is the configuration as it is now. */
export function adviseOnMilterMap(view: PostfixView, { milter, socketmap }: DoorEndpoints): Advice[] {
  const tables = splitMilters(expand(view.main.get('smtpd_milter_maps') ?? '', view));
  if (milter === null || socketmap === null || !hasMilterMap(tables.join(', '), socketmap)) return [];
  const before = tables.slice(
    0,
    tables.findIndex((table) => hasMilterMap(table, socketmap)),
  );
  const order: Advice = {
    severity: 'warning',
    text:
      `${before.join(', ')} before Postern's table in smtpd_milter_maps: the first table that knows a client answers, ` +
      'so clients named there are asked about as it says, though allowed, and past Postern where it does not name its milter',
    line: typed(milterMapLine(view.main, socketmap)),
  };
  return [...(before.length === 0 ? [] : [order]), ...adviseOnServiceMilters(view, milter)];
}

/** The answer of a table replaces the milters that a service names for itself, too. Source: Postfix smtpd.c. */
const adviseOnServiceMilters = (view: PostfixView, milter: string): Advice[] =>
  view.services.flatMap((service): Advice[] => {
    const { id, command, options } = service;
    const own = options.get('smtpd_milters');
    if (own === undefined || command !== 'smtpd' || hasNoMilters(service) || options.has('smtpd_milter_maps'))
      return [];
    const milters = splitMilters(expand(own, view));
    const others = milters.filter((entry) => !isMilterAt(entry, milter));
    const effects = [
      ...(others.length > 0 ? [`${others.join(', ')} ${others.length === 1 ? 'is' : 'are'} not asked`] : []),
      ...(others.length === milters.length ? ['Postern is asked although the list does not name it'] : []),
    ];
    if (effects.length === 0) return [];
    const text = `smtpd_milter_maps replaces the -o smtpd_milters of ${id} as well: for allowed clients ${effects.join(', and ')}`;
    return [{ severity: 'warning', text, line: `postconf -P '${id}/smtpd_milter_maps='` }];
  });

/** What smtp(8) changes after signing. */
function adviseOnBrokenSignatures(main: ReadonlyMap<string, string>): Advice[] {
  const advice: Advice[] = [];
  if (main.get('disable_mime_output_conversion') !== 'yes') {
    advice.push({
      severity: 'warning',
      text:
        'disable_mime_output_conversion is not yes: 8-bit mail to a server without 8BITMIME is converted after signing, ' +
        'and the signature breaks; set it, or let clients send 7-bit mail only (smtpd_discard_ehlo_keywords = 8bitmime)',
      line: "postconf -e 'disable_mime_output_conversion = yes'",
    });
  }
  if (main.get('smtp_line_length_limit') !== '0') {
    advice.push({
      severity: 'warning',
      text: 'smtp_line_length_limit is not 0: lines over 998 octets are broken after signing, and the signature breaks',
      line: "postconf -e 'smtp_line_length_limit = 0'",
    });
  }
  return advice;
}
