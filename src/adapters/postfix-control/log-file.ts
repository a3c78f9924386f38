/** Where Postfix writes its log by itself. Source: MAILLOG_README, postconf(5) maillog_file. */
import { PosternError } from '../../services/index.ts';
import { runPostfixCommand } from './run-command.ts';

/**
 * The `maillog_file` of a Postfix; empty where it hands its log to syslog, or is older than 3.4.
 * Errors: PosternError with what postconf says where the configuration is broken.
 */
export async function readMaillogFile(configDirectory: string): Promise<string> {
  const args = ['-c', configDirectory, '-x', '-h', 'maillog_file'];
  const { code, stdout, stderr } = await runPostfixCommand('postconf', args);
  if (code === 0) return stdout.trim();
  if (code === null) return '';
  const message = `the Postfix configuration in ${configDirectory} cannot be read: ${stderr.trim()}`;
  throw new PosternError('POSTERN_POSTFIX_UNREADABLE', message);
}
