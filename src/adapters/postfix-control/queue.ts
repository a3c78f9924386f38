/**
 * Recipients in Postfix's queue, as postqueue(1) lists them. Changes nothing. Source: postqueue(1) -j.
 */
import { PosternError, type PostfixQueue, type QueuedMessage } from '../../services/index.ts';
import { runPostfixCommand, streamPostfixCommand } from './run-command.ts';

/** How long a listing of the whole queue may take. */
const LIST_MS = 30_000;
/** The longest line, which is one message with all its recipients: some 50,000. A longer one is an error. */
const MOST_LINE_OCTETS = 8 * 1024 * 1024;
const NEWLINE = 0x0a;

/** Queue ids of messages with a recipient in a domain or under it. Errors: PosternError where the queue cannot be listed. */
export async function queuedFor(configDirectory: string, domain: string): Promise<string[]> {
  const { code, stdout, stderr } = await runPostfixCommand('postqueue', ['-c', configDirectory, '-j']);
  if (code !== 0) throw cannotBeListed(stderr);
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

/**
 * The queue of a Postfix, listed without keeping it: one line, and what is on its way through a pipe. A listing that takes
 * more than `listMs` milliseconds is ended.
 */
export const openQueue = (configDirectory: string, listMs = LIST_MS): PostfixQueue => ({
  async each(onMessage, mayConcern, end) {
    const lines = new Lines((line) => {
      if (mayConcern(line)) onMessage(messageOf(line));
    });
    const { code, stderr } = await streamPostfixCommand('postqueue', ['-c', configDirectory, '-j'], {
      onOutput: (chunk) => {
        lines.take(chunk);
      },
      timeoutMs: listMs,
      end,
    });
    if (code !== 0) throw cannotBeListed(code === null ? 'there is no postqueue command' : stderr);
  },
});

const cannotBeListed = (why: string): PosternError =>
  new PosternError('POSTERN_POSTFIX_UNREADABLE', `the queue of Postfix cannot be listed: ${why.trim()}`);

/** Output in pieces, as lines. */
class Lines {
  readonly #onLine: (line: string) => void;
  #parts: Buffer[] = [];
  #octets = 0;

  constructor(onLine: (line: string) => void) {
    this.#onLine = onLine;
  }

  take(chunk: Buffer): void {
    let at = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, at)) {
      this.#hold(chunk.subarray(at, end));
      const line = Buffer.concat(this.#parts).toString('utf8');
      this.#parts = [];
      this.#octets = 0;
      at = end + 1;
      if (line !== '') this.#onLine(line);
    }
    if (at < chunk.length) this.#hold(chunk.subarray(at));
  }

  #hold(part: Buffer): void {
    this.#octets += part.length;
    if (this.#octets > MOST_LINE_OCTETS) throw cannotBeListed('a message has too many recipients');
    this.#parts.push(part);
  }
}

function messageOf(line: string): QueuedMessage {
  const { queue_name, arrival_time, recipients } = JSON.parse(line) as {
    readonly queue_name: string;
    readonly arrival_time: number;
    readonly recipients: readonly { readonly address: string }[];
  };
  return {
    queueName: queue_name,
    arrivedAt: arrival_time * 1000,
    recipients: recipients.map(({ address }) => address),
  };
}
