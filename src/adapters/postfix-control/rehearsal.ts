/**
 * A changed configuration read by Postfix's own commands in a directory aside, before anything in the live one is
 * touched: an error in main.cf makes all SMTP stop, and a service whose smtpd ends at its start stands still for a
 * minute. Source: postconf(1); smtpd(8) as sendmail(1) -bs runs it.
 */
import { mkdtemp, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { viewOf, type ConfigurationTexts } from '../../answers/index.ts';
import { PosternError } from '../../services/index.ts';
import { FILES } from './configuration-files.ts';
import { runPostfixCommand } from './run-command.ts';

/** Older than any file: postconf waits for one that was changed just now to settle. */
const LONG_AGO = new Date(0);

/** How long a stand-alone smtpd may take to greet. */
const GREETING_WITHIN_MS = 10_000;

/** What postconf has against a configuration; null where it reads it whole, every parameter that is named expanded. */
export const rehearse = (texts: ConfigurationTexts): Promise<string | null> =>
  inDirectoryAside(texts, async (directory) => {
    const results = await Promise.all(
      [['-nx'], ['-M'], ['-Px']].map((args) => runPostfixCommand('postconf', ['-c', directory, ...args])),
    );
    const failed = results.find(({ code }) => code !== 0);
    return failed === undefined ? null : failed.stderr.replaceAll(`${directory}/`, '').trim();
  });

/**
 * The smtpd services that would start before a change and not after it. Each smtpd runs alone, as root, beside a
 * Postfix that runs: it reads its settings and its `-o` lines, greets, and ends.
 */
export async function rehearseSmtpd(before: ConfigurationTexts, after: ConfigurationTexts): Promise<string[]> {
  const [could, can] = await Promise.all([startingServices(before), startingServices(after)]);
  return [...can].flatMap(([service, starts]) => (!starts && could.get(service) === true ? [service] : []));
}

/** The smtpd services by id, and whether each starts. */
const startingServices = (texts: ConfigurationTexts): Promise<ReadonlyMap<string, boolean>> =>
  inDirectoryAside(texts, async (directory) => {
    const asked = await runPostfixCommand('postconf', ['-c', directory, '-xh', 'daemon_directory']);
    const smtpd = join(asked.stdout.trim(), 'smtpd');
    const services = viewOf(texts, new Map()).services.filter(({ command }) => command === 'smtpd');
    const starts = await Promise.all(services.map(({ options }) => greetsAlone(smtpd, directory, options)));
    return new Map(services.map(({ id }, index) => [id, starts[index] === true]));
  });

async function greetsAlone(smtpd: string, directory: string, options: ReadonlyMap<string, string>): Promise<boolean> {
  // Here a client speaks first in neither way.
  const plain = new Map([...options, ['smtpd_tls_wrappermode', 'no'], ['smtpd_upstream_proxy_protocol', '']]);
  const args = [...plain].flatMap(([name, value]) => ['-o', `${name}=${value}`]);
  const environment = { MAIL_CONFIG: directory };
  try {
    const input = { environment, stdin: 'QUIT\r\n', timeoutMs: GREETING_WITHIN_MS };
    const { code, stdout } = await runPostfixCommand(smtpd, ['-S', ...args], input);
    return code === 0 && /^\d{3}[ -]/.test(stdout);
  } catch (error) {
    // Too slow to tell; what does not greet before a change is not asked after it.
    if (error instanceof PosternError) return false;
    throw error;
  }
}

async function inDirectoryAside<T>(texts: ConfigurationTexts, work: (directory: string) => Promise<T>): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), 'postern-rehearsal-'));
  try {
    for (const file of ['main', 'master'] as const) {
      const path = join(directory, FILES[file]);
      await writeFile(path, texts[file], 'latin1');
      await utimes(path, LONG_AGO, LONG_AGO);
    }
    return await work(directory);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** The built-in values of parameters, as postconf prints them. */
export async function readDefaults(parameters: readonly string[]): Promise<Map<string, string>> {
  const { stdout } = await runPostfixCommand('postconf', ['-d', ...parameters]);
  const lines = stdout.split('\n').map((line) => /^(\w+) =(?: (.*))?$/.exec(line));
  return new Map(lines.flatMap((match) => (match?.[1] === undefined ? [] : [[match[1], match[2] ?? '']])));
}
