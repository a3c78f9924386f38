/**
 * Whether Postfix takes mail for an own domain at all: in which of its classes the domain is. Changes nothing, and
 * never makes a domain one of Postfix's. Source: ADDRESS_CLASS_README.
 */
import type { Advice } from '../postfix-advice.ts';

/** The parameters that make a domain one of Postfix's. */
export const CLASS_PARAMETERS = [
  'mydestination',
  'virtual_mailbox_domains',
  'virtual_alias_domains',
  'relay_domains',
] as const;

/** One of them. */
export type ClassParameter = (typeof CLASS_PARAMETERS)[number];

/** In which classes a domain is, and which tables could not be asked, each with the reason. */
export type DomainClasses = {
  readonly domain: string;
  readonly classes: readonly ClassParameter[];
  readonly unreadable: readonly string[];
};

const LOCAL = 'mailboxes of system users: mydestination';
const VIRTUAL = 'mailboxes of others: virtual_mailbox_domains';
const RELAY = 'mail that is passed on: relay_domains';

/** So many are named; the line to type has them all. */
const NAMED_AT_MOST = 10;

/** What to say of own domains in no class, or of which it is not known. `main` holds what main.cf sets. */
export function adviseOnDomainClasses(main: ReadonlyMap<string, string>, domains: readonly DomainClasses[]): Advice[] {
  const outside = domains.filter(({ classes }) => classes.length === 0);
  const missing = outside.filter(({ unreadable }) => unreadable.length === 0).map(({ domain }) => domain);
  const unknown = outside.filter(({ unreadable }) => unreadable.length > 0);
  const advice: Advice[] = [];
  if (unknown.length > 0) {
    const reasons = [...new Set(unknown.flatMap(({ unreadable }) => unreadable))].join('; ');
    const text = `whether Postfix takes mail for ${namesOf(unknown.map(({ domain }) => domain))} is not known: ${reasons}`;
    advice.push({ severity: 'error', text, line: null });
  }
  if (missing.length > 0) {
    const fault = `${namesOf(missing)} ${missing.length === 1 ? 'is' : 'are'} in none of ${CLASS_PARAMETERS.join(', ')}`;
    const text = `${fault}, so Postfix refuses that mail; choose one (${LOCAL}; ${VIRTUAL}; ${RELAY}), such as`;
    advice.push({ severity: 'error', text, line: lineFor(main, missing) });
  }
  return advice;
}

function namesOf(domains: readonly string[]): string {
  const named = domains.slice(0, NAMED_AT_MOST).join(', ');
  return domains.length <= NAMED_AT_MOST ? named : `${named} and ${domains.length - NAMED_AT_MOST} more`;
}

/** In the class that this Postfix uses already. mydestination has a default that must not be lost. */
function lineFor(main: ReadonlyMap<string, string>, domains: readonly string[]): string {
  const isSet = (name: string): boolean => (main.get(name) ?? '') !== '';
  const name =
    (['virtual_mailbox_domains', 'relay_domains'] as const).find(isSet) ??
    (main.get('mydestination') === '' ? 'relay_domains' : 'mydestination');
  const now = main.get(name) ?? (name === 'mydestination' ? '$myhostname, localhost.$mydomain, localhost' : '');
  return `postconf -e '${name} = ${[...(now === '' ? [] : [now]), ...domains].join(', ')}'`;
}

/** One pattern of a list of domains. */
type DomainPattern = { readonly text: string; readonly isExcluding: boolean };

/** The patterns of a list, `!` taken off. Source: postconf(5), mydestination; "match list". */
export const parseDomainPattern = (word: string): DomainPattern => {
  const text = word.replace(/^!+/, '');
  return { text, isExcluding: (word.length - text.length) % 2 === 1 };
};

/** The keys by which a table is asked for a domain. With `isParentStyle` a parent stands for its sub-domains. */
export function keysOf(domain: string, isDomainList: boolean, isParentStyle: boolean): string[] {
  const parents = isDomainList ? parentsOf(domain) : [];
  return [domain, ...parents.map((parent) => (isParentStyle ? parent : `.${parent}`))];
}

/** Whether a plain pattern means a domain; of a domain list also by its parents. */
export function matchesDomain(domain: string, pattern: string, isDomainList: boolean, isParentStyle: boolean): boolean {
  const wanted = pattern.toLowerCase();
  return keysOf(domain, isDomainList, isParentStyle).includes(wanted);
}

function parentsOf(domain: string): string[] {
  const labels = domain.split('.');
  return labels.slice(1).map((_, index) => labels.slice(index + 1).join('.'));
}
