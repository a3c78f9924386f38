/**
 * In which of Postfix's classes domains are: the four lists expanded by postconf(1), their tables asked by postmap(1).
 * Changes nothing. Source: postconf(5) mydestination, relay_domains, parent_domain_matches_subdomains; postmap(1) -q.
 */
import { readFile } from 'node:fs/promises';
import {
  CLASS_PARAMETERS,
  keysOf,
  matchesDomain,
  parseDomainPattern,
  splitList,
  type ClassParameter,
  type DomainClasses,
} from '../../answers/index.ts';
import { PosternError } from '../../services/index.ts';
import { reasonOf } from '../files/index.ts';
import { runPostfixCommand } from './run-command.ts';

const PARENT_STYLE = 'parent_domain_matches_subdomains';
/** Postfix itself follows files that name files; one that names itself must end. */
const DEEPEST_FILE = 10;

/** Finds the classes of domains, which are A-labels in lower case. Errors: PosternError where postconf says nothing. */
export async function classesOf(configDirectory: string, domains: readonly string[]): Promise<DomainClasses[]> {
  const values = await readValues(configDirectory);
  const isParentStyle = splitList(values.get(PARENT_STYLE) ?? '', 'words').includes('relay_domains');
  const found = await Promise.all(
    CLASS_PARAMETERS.map((parameter) =>
      findInList({ configDirectory, domains, parameter, isParentStyle }, values.get(parameter) ?? ''),
    ),
  );
  return domains.map((domain) => ({
    domain,
    classes: CLASS_PARAMETERS.filter((_, index) => found[index]?.members.has(domain)),
    unreadable: found.flatMap(({ unreadable }) => unreadable),
  }));
}

async function readValues(configDirectory: string): Promise<Map<string, string>> {
  const args = ['-c', configDirectory, '-x', ...CLASS_PARAMETERS, PARENT_STYLE];
  const { code, stdout, stderr } = await runPostfixCommand('postconf', args);
  if (code !== 0) {
    const message = `the Postfix configuration in ${configDirectory} cannot be read: ${stderr.trim()}`;
    throw new PosternError('POSTERN_POSTFIX_UNREADABLE', message);
  }
  const lines = stdout.split('\n').map((line) => /^(\w+) =(?: (.*))?$/.exec(line));
  return new Map(lines.flatMap((match) => (match?.[1] === undefined ? [] : [[match[1], match[2] ?? '']])));
}

type Search = {
  readonly configDirectory: string;
  readonly domains: readonly string[];
  readonly parameter: ClassParameter;
  readonly isParentStyle: boolean;
};

type Found = { readonly members: ReadonlySet<string>; readonly unreadable: readonly string[] };

/** Patterns act in their order; the first that means a domain decides, and one with `!` says no. */
async function findInList(search: Search, list: string): Promise<Found> {
  const decided = new Map<string, boolean>();
  const unreadable: string[] = [];
  const { patterns, faults } = await readPatterns(list, search.parameter, 0);
  for (const pattern of patterns) {
    const { text, isExcluding } = parseDomainPattern(pattern);
    const open = search.domains.filter((domain) => !decided.has(domain));
    const asked = await matching(search, text, open);
    if (typeof asked === 'string') unreadable.push(`${search.parameter} has ${text}: ${asked}`);
    else for (const domain of asked) decided.set(domain, !isExcluding);
  }
  const members = new Set(search.domains.filter((domain) => decided.get(domain) === true));
  return { members, unreadable: [...faults, ...unreadable] };
}

/** The patterns of a list, those of a file in its place. */
async function readPatterns(
  list: string,
  parameter: string,
  depth: number,
): Promise<{ patterns: string[]; faults: string[] }> {
  const patterns: string[] = [];
  const faults: string[] = [];
  for (const word of splitList(list, 'words')) {
    if (!/^!*\//.test(word)) {
      patterns.push(word);
      continue;
    }
    const path = word.replace(/^!+/, '');
    try {
      if (depth >= DEEPEST_FILE) throw new Error('too many files name each other');
      const inner = await readPatterns(withoutComments(await readFile(path, 'utf8')), parameter, depth + 1);
      const marks = word.slice(0, word.length - path.length);
      patterns.push(...inner.patterns.map((pattern) => `${marks}${pattern}`));
      faults.push(...inner.faults);
    } catch (error) {
      faults.push(`${parameter} has ${path}: ${reasonOf(error)}`);
    }
  }
  return { patterns, faults };
}

const withoutComments = (text: string): string => text.replace(/^\s*#.*$/gm, '');

/** Those of the domains that a pattern means, or why its table cannot be asked. */
async function matching(
  search: Search,
  pattern: string,
  domains: readonly string[],
): Promise<readonly string[] | string> {
  // Of the four lists only relay_domains is one of domains, with parents and sub-domains.
  const isDomainList = search.parameter === 'relay_domains';
  const { isParentStyle } = search;
  if (!/^[a-z0-9_-]+:/i.test(pattern)) {
    return domains.filter((domain) => matchesDomain(domain, pattern, isDomainList, isParentStyle));
  }
  const keys = new Set(domains.flatMap((domain) => keysOf(domain, isDomainList, isParentStyle)));
  const known = await askTable(search.configDirectory, pattern, [...keys]);
  if (typeof known === 'string') return known;
  return domains.filter((domain) => keysOf(domain, isDomainList, isParentStyle).some((key) => known.has(key)));
}

/** Asked without proxymap(8), which answers only while Postfix runs. */
async function askTable(
  configDirectory: string,
  table: string,
  keys: readonly string[],
): Promise<ReadonlySet<string> | string> {
  if (keys.length === 0) return new Set();
  const args = ['-c', configDirectory, '-q', '-', table.replace(/^(?:proxy:)+/, '')];
  const { code, stdout, stderr } = await runPostfixCommand('postmap', args, { stdin: `${keys.join('\n')}\n` });
  if (code !== 0 && stderr.trim() !== '') return stderr.trim();
  return new Set(stdout.split('\n').map((line) => line.split('\t')[0] ?? ''));
}
