/**
 * Addresses of mail servers, mail exchangers, and TXT look-ups with their outcomes kept apart: no such name, no such record, trouble at the server, no answer.
 * Source: RFC 2308 §2 (NXDOMAIN and NODATA), RFC 1035 §4.1.1.
 */
import { Resolver } from 'node:dns/promises';
import { parseIpAddress, type IpAddress } from '../../mail/index.ts';
import type { AddressResolver, MailHostResolver, MailHosts, TxtAnswer, TxtResolver } from '../../services/index.ts';
import { findMailHosts, isAbsent } from './mail-hosts.ts';

const TRY_TIMEOUT_MS = 2000;
const TRIES = 2;
/** For all servers and tries together: with three dead servers the tries alone would take 18 s. */
const DEADLINE_MS = 8000;

/** Asks the given servers (`host:port`), or the system's where there are none. */
export function createResolver(
  servers: readonly string[] | undefined,
): TxtResolver & AddressResolver & MailHostResolver {
  return {
    mailHosts: (domain, timeoutMs, end) => {
      const limits = { deadlineMs: Math.min(timeoutMs, DEADLINE_MS), end };
      const question = (resolver: Resolver): Promise<MailHosts> => findMailHosts(resolver, domain);
      return ask(servers, question, limits).catch((error: unknown) => ({ kind: 'unknown', code: reasonOf(error) }));
    },
    addresses: (name, mx) => ask(servers, (resolver) => addressesOf(resolver, name, mx)).catch(() => null),
    txt: (name) =>
      ask(servers, async (resolver): Promise<TxtAnswer> => ({
        kind: 'records',
        records: await resolver.resolveTxt(name),
      })).catch(answerOf),
  };
}

type Limits = { readonly deadlineMs: number; readonly end: AbortSignal | undefined };

/** Asks within the deadline. */
async function ask<T>(
  servers: readonly string[] | undefined,
  question: (resolver: Resolver) => Promise<T>,
  { deadlineMs, end }: Limits = { deadlineMs: DEADLINE_MS, end: undefined },
): Promise<T> {
  // One for each question: cancelling ends all questions of a resolver.
  const resolver = new Resolver({ timeout: TRY_TIMEOUT_MS, tries: TRIES });
  if (servers !== undefined) resolver.setServers(servers);
  const cancel = (): void => {
    resolver.cancel();
  };
  const timer = setTimeout(cancel, deadlineMs);
  end?.addEventListener('abort', cancel);
  try {
    return await question(resolver);
  } finally {
    clearTimeout(timer);
    end?.removeEventListener('abort', cancel);
  }
}

/** IPv4 and IPv6 of a host, or of all mail exchangers. A host without one of the two kinds is no failure. */
async function addressesOf(resolver: Resolver, name: string, mx: boolean): Promise<readonly IpAddress[]> {
  const hosts = mx ? (await resolver.resolveMx(name)).map(({ exchange }) => exchange) : [name];
  const kinds = hosts.flatMap((host) => [resolver.resolve4(host), resolver.resolve6(host)]);
  const answers = await Promise.allSettled(kinds);
  const texts = answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []));
  const failed = answers.some((answer) => answer.status === 'rejected' && !isAbsent(answer.reason));
  if (texts.length === 0 || failed) throw new Error(`no address of ${name}`);
  return texts.map((text) => parseIpAddress(text)).filter((address) => address !== null);
}

/** For the reader, a look-up that our deadline ended is one that timed out. */
const reasonOf = (error: unknown): string => codeOf(error).replace('ECANCELLED', 'ETIMEOUT');

const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? String(error);

function answerOf(error: unknown): TxtAnswer {
  switch ((error as NodeJS.ErrnoException).code) {
    case 'ENOTFOUND':
      return { kind: 'no-such-name' };
    case 'ENODATA':
      return { kind: 'no-such-record' };
    case 'ETIMEOUT':
    case 'ECANCELLED':
    case 'ECONNREFUSED':
      return { kind: 'no-answer' };
    default:
      return { kind: 'server-failure', code: codeOf(error) };
  }
}
