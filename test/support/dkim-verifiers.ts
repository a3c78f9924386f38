/**
 * Two DKIM verifiers that are not ours, run on messages as they arrived: dkimpy, which asks the DNS server of the test,
 * and opendkim's test mode, which is given the records that this server shows.
 */
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { DnsServer } from './dns-server.ts';

const run = promisify(execFile);
/** The system's own Python: another one in PATH does not see Debian's packages. */
const python = '/usr/bin/python3';
const opendkim = '/usr/sbin/opendkim';
const script = join(import.meta.dirname, 'verify_with_dkimpy.py');

/** What a verifier says of one signature. */
export interface SignatureResult {
  /** `d=`, `s=` and `a=` of the signature. */
  readonly domain: string;
  readonly selector: string;
  readonly algorithm: string;
  readonly passed: boolean;
}

/** What both say of one message, a result for each of its signatures. */
export interface Verdicts {
  readonly dkimpy: readonly SignatureResult[];
  readonly opendkim: readonly SignatureResult[];
}

/** Asks both about messages. Errors: a verifier that is missing or fails to run. */
export async function verifyDkim(messages: readonly Buffer[], dns: DnsServer): Promise<readonly Verdicts[]> {
  const byDkimpy = await askDkimpy(messages, dns);
  const verdicts: Verdicts[] = [];
  for (const [index, dkimpy] of byDkimpy.entries()) {
    verdicts.push({ dkimpy, opendkim: await askOpendkim(messages[index]!, dkimpy, dns) });
  }
  return verdicts;
}

/** The dkimpy half of verifyDkim, for many messages: one process verifies them all. */
export async function askDkimpy(
  messages: readonly Buffer[],
  dns: DnsServer,
): Promise<readonly (readonly SignatureResult[])[]> {
  const asked = run(python, [script], { maxBuffer: 1 << 26 });
  asked.child.stdin?.end(
    JSON.stringify({
      port: Number(dns.address.split(':')[1]),
      messages: messages.map((each) => each.toString('base64')),
    }),
  );
  return JSON.parse((await asked).stdout) as SignatureResult[][];
}

async function askOpendkim(
  message: Buffer,
  signatures: readonly Pick<SignatureResult, 'domain' | 'selector'>[],
  dns: DnsServer,
): Promise<readonly SignatureResult[]> {
  const directory = await mkdtemp(join(tmpdir(), 'postern-opendkim-'));
  try {
    const records = await Promise.all(
      signatures.map(async ({ domain, selector }) => {
        const name = `${selector}._domainkey.${domain}`;
        return `${name} ${(await dns.txt(name)).join('')}\n`;
      }),
    );
    await writeFile(join(directory, 'records'), records.join(''));
    await writeFile(join(directory, 'opendkim.conf'), `Mode v\nTestDNSData ${join(directory, 'records')}\nSyslog no\n`);
    await writeFile(join(directory, 'message'), message);
    const { stdout } = await run(opendkim, [
      '-vv',
      '-t',
      join(directory, 'message'),
      '-x',
      join(directory, 'opendkim.conf'),
    ]);
    return resultsOf(stdout);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** Reads the Authentication-Results field that opendkim says it would insert. Source: RFC 8601 §2.7.1. */
function resultsOf(said: string): SignatureResult[] {
  const field = /hname='Authentication-Results' hvalue='([^']*)'/.exec(said)?.[1] ?? '';
  return field.split(';').flatMap((result): SignatureResult[] => {
    const tag = (name: string): string => new RegExp(`header\\.${name}=(\\S+)`).exec(result)?.[1] ?? '';
    const verdict = /\bdkim=(\w+)/.exec(result)?.[1];
    if (verdict === undefined || tag('d') === '') return [];
    return [{ domain: tag('d'), selector: tag('s'), algorithm: tag('a'), passed: verdict === 'pass' }];
  });
}
