/**
 * Recipients in Postfix's queue, as postqueue(1) lists them. Changes nothing. Source: postqueue(1) -j.
 */
import { PosternError } from '../../services/index.ts';
import { runPostfixCommand } from './run-command.ts';

/** Queue ids of messages with a recipient in a domain or under it. Errors: PosternError where the queue cannot be listed. */
export async function queuedFor(configDirectory: string, domain: string): Promise<string[]> {
  const { code, stdout, stderr } = await runPostfixCommand('postqueue', ['-c', configDirectory, '-j']);
  if (code !== 0) {
    const message = `the queue of Postfix cannot be listed: ${stderr.trim()}`;
    throw new PosternError('POSTERN_POSTFIX_UNREADABLE', message);
  }
  const isUnder = (address: string): boolean => {
    const host = address.slice(address.lastIndexOf('@') + 1).toLowerCase();
    return host === domain || host.endsWith(`.${domain}`);
  };
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as { queue_id: string; recipients: readonly { address: string }[] })
    .filter(({ recipients }) => recipients.some(({ address }) => isUnder(address)))
    .map((message) => message.queue_id);
}
