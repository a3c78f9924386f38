/**
 * Where mail for a domain goes: its mail exchangers with their addresses, or the domain itself where it has none.
 * Never follows more than twenty mail exchangers.
 * Source: RFC 5321 §5.1 (look-up of the target, implicit MX), RFC 7505 §3 (null MX), RFC 2308 §2.
 */
import type { Resolver } from 'node:dns/promises';
import { parseIpAddress } from '../../mail/index.ts';
import type { MailHost, MailHosts } from '../../services/index.ts';

/** How many mail exchangers are looked up, the preferred ones: two questions each. */
const MAX_HOSTS = 20;

/** Asks. Errors: those of node:dns for the MX records themselves; absent records are no error. */
export async function findMailHosts(resolver: Resolver, domain: string): Promise<MailHosts> {
  const records = await resolver.resolveMx(domain).catch((error: unknown) => {
    if (isAbsent(error)) return [];
    throw error;
  });
  if (records.length === 0) {
    const host = await findHost(resolver, domain);
    if (host.addresses.length > 0) return { kind: 'implicit', hosts: [host] };
    return host.isComplete ? { kind: 'none' } : { kind: 'unknown', code: 'ENOADDRESS' };
  }
  const [first] = records;
  // The root as the only exchanger, which node:dns gives as the empty name.
  if (records.length === 1 && first !== undefined && nameOf(first.exchange) === '') return { kind: 'null-mx' };
  const names = new Set(records.toSorted((a, b) => a.priority - b.priority).map(({ exchange }) => nameOf(exchange)));
  const all = [...names];
  const hosts = await Promise.all(all.slice(0, MAX_HOSTS).map((name) => findHost(resolver, name)));
  const rest = all.slice(MAX_HOSTS).map((name): MailHost => ({ name, addresses: [], isComplete: false }));
  return { kind: 'mx', hosts: [...hosts, ...rest] };
}

/** Both kinds of addresses of a host; node:dns follows a CNAME. */
async function findHost(resolver: Resolver, name: string): Promise<MailHost> {
  if (name === '') return { name: '.', addresses: [], isComplete: true };
  const answers = await Promise.allSettled([resolver.resolve4(name), resolver.resolve6(name)]);
  const texts = answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []));
  return {
    name,
    addresses: texts.map((text) => parseIpAddress(text)).filter((address) => address !== null),
    isComplete: answers.every((answer) => answer.status === 'fulfilled' || isAbsent(answer.reason)),
  };
}

const nameOf = (exchange: string): string => exchange.replace(/\.$/, '').toLowerCase();

/** True for an answer that says that there is no such name or no such record. Source: RFC 2308 §2.1, §2.2. */
export const isAbsent = (error: unknown): boolean =>
  ['ENOTFOUND', 'ENODATA'].includes((error as NodeJS.ErrnoException).code ?? '');
