/**
 * Puts changed texts of main.cf and master.cf in place, has Postfix check and re-read them, and sees that smtpd still
 * answers. What does not hold is put back. What to change is decided elsewhere.
 * Source: postfix(1) check and reload, master(8) -t.
 */
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import type { ConfigurationTexts } from '../../answers/index.ts';
import { PosternError } from '../../services/index.ts';
import type { SmtpdListener } from '../../snapshot/index.ts';
import { writeConfiguration } from './configuration-files.ts';
import { greetingAmong, placeOf } from './greeting.ts';
import type { PostfixFacts } from './read-postfix.ts';
import { rehearse, rehearseSmtpd } from './rehearsal.ts';
import { runPostfixCommand } from './run-command.ts';

/** How long smtpd may take: after a change of main.cf Postfix's programs wait a few seconds for it to settle. */
const GREETING_WITHIN_MS = 20_000;
/** What does not answer in this time before a change is not asked after it. */
const GREETING_BEFORE_MS = 5_000;

/** What came of it. `isRunning` is whether Postfix ran, `answered` the listeners that greeted afterwards. */
export type ChangeOutcome =
  | { readonly kind: 'changed'; readonly isRunning: boolean; readonly answered: readonly string[] }
  | { readonly kind: 'put-back'; readonly reason: string };

/** The texts before and after. */
export type TextChange = { readonly before: ConfigurationTexts; readonly after: ConfigurationTexts };

/**
 * Makes a change. Errors: PosternError where Postfix would not read the changed texts, where the configuration is
 * broken already, or where a file cannot be written; the files are then as before.
 */
export async function changePostfix(postfix: PostfixFacts, { before, after }: TextChange): Promise<ChangeOutcome> {
  const { configDirectory } = postfix;
  refuseIf(await rehearse(after), 'Postfix would not read the changed configuration');
  const isRunning = await isPostfixRunning(postfix);
  refuseIf(await check(configDirectory), `the Postfix configuration in ${configDirectory} is broken`);
  const stuck = isRunning ? await rehearseSmtpd(before, after) : [];
  refuseIf(
    stuck.length === 0 ? null : `${stuck.join(', ')}; the mail log says why`,
    'smtpd would end at its start in the changed configuration',
  );
  const greeting = isRunning ? await greetingAmong(postfix.greetingListeners, GREETING_BEFORE_MS) : [];
  await writeConfiguration(configDirectory, before, after);
  const reason = (await check(configDirectory)) ?? (isRunning ? await reloadAndAsk(configDirectory, greeting) : null);
  if (reason === null) return { kind: 'changed', isRunning, answered: greeting.map(nameOf) };
  await writeConfiguration(configDirectory, after, before);
  const stays = isRunning ? await reloadAndAsk(configDirectory, greeting) : null;
  const now = stays === null ? '' : `; and with the former files: ${stays}`;
  return { kind: 'put-back', reason: `${reason}${now}` };
}

function refuseIf(reason: string | null, fault: string): void {
  if (reason === null) return;
  throw new PosternError('POSTERN_POSTFIX_UNREADABLE', `${fault}, so nothing was changed: ${reason}`);
}

const isRoot = (): boolean => process.getuid?.() === 0;

/** What `postfix check` has against the live files; it is root's command. */
async function check(configDirectory: string): Promise<string | null> {
  if (!isRoot()) return null;
  const { code, stderr } = await runPostfixCommand('postfix', ['-c', configDirectory, 'check']);
  return code === 0 ? null : stderr.trim();
}

/** Why Postfix does not run as it should after a reload; null where it does. */
async function reloadAndAsk(configDirectory: string, listeners: readonly SmtpdListener[]): Promise<string | null> {
  const { code, stderr } = await runPostfixCommand('postfix', ['-c', configDirectory, 'reload']);
  if (code !== 0) return `postfix reload failed: ${stderr.trim()}`;
  const answering = await greetingAmong(listeners, GREETING_WITHIN_MS);
  const silent = listeners.filter((listener) => !answering.includes(listener)).map(nameOf);
  return silent.length === 0 ? null : `smtpd does not answer at ${silent.join(', ')}; the mail log says why`;
}

function nameOf(listener: SmtpdListener): string {
  const { host, port } = placeOf(listener);
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/**
 * Whether the master daemon of this configuration runs. Not asked by `postfix status`, which speaks for all instances
 * where there are several. Errors: PosternError where it may run and this user cannot reload it.
 */
async function isPostfixRunning({ configDirectory, queueDirectory }: PostfixFacts): Promise<boolean> {
  const pidFile = join(queueDirectory, 'pid', 'master.pid');
  // master -t also says "it runs" where there is no queue directory.
  if (!(await isThere(pidFile))) return false;
  const asked = await runPostfixCommand('postconf', ['-c', configDirectory, '-xh', 'daemon_directory']);
  const master = join(asked.stdout.trim(), 'master');
  const { code } = await runPostfixCommand(master, ['-t'], { environment: { MAIL_CONFIG: configDirectory } });
  if (code === 0) return false;
  if (isRoot()) return true;
  const message = `Postfix has run (${pidFile}), and only root may see whether it does, and reload it; nothing was changed`;
  throw new PosternError('POSTERN_POSTFIX_UNREADABLE', message);
}

/** A file in a directory that may not be entered counts as there. */
const isThere = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    (error: unknown) => (error as NodeJS.ErrnoException).code !== 'ENOENT',
  );
