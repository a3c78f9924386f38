/**
 * Names looked up in Postfix's maps, of any type that the Postfix at hand reads: one postmap(1) process asks all names
 * that wait for a map, so that a burst of mail costs few processes. Never writes.
 * Source: postmap(1) -q -.
 */
import { PosternError, type RecipientMaps } from '../../services/index.ts';
import { runPostfixCommand } from './run-command.ts';

/** A server behind a map that hangs must not hold mail up for long: smtpd would rather hear of it. */
const TIMEOUT_MS = 5000;
/** Questions asked by one process. */
const MOST_AT_ONCE = 200;

type Answer = Awaited<ReturnType<RecipientMaps['find']>>;
type Waiting = { readonly names: readonly string[]; readonly answer: (answer: Answer) => void };

/** Maps of the Postfix whose configuration lies in `configDirectory`. */
export function createRecipientMaps(configDirectory: string): RecipientMaps {
  const waiting = new Map<string, Waiting[]>();
  const work = async (map: string, queue: Waiting[]): Promise<void> => {
    while (queue.length > 0) {
      const batch = queue.splice(0, MOST_AT_ONCE);
      const found = await ask(
        configDirectory,
        map,
        batch.flatMap(({ names }) => names),
      );
      for (const { names, answer } of batch) {
        if ('unreadable' in found) answer(found);
        else answer(names.some((name) => found.names.has(name)) ? 'found' : 'absent');
      }
    }
    waiting.delete(map);
  };
  return {
    find: (map, names) =>
      new Promise((answer) => {
        const queue = waiting.get(map);
        if (queue !== undefined) {
          queue.push({ names, answer });
          return;
        }
        const first = [{ names, answer }];
        waiting.set(map, first);
        void work(map, first);
      }),
  };
}

type Found = { readonly names: ReadonlySet<string> } | { readonly unreadable: string };

async function ask(configDirectory: string, map: string, names: readonly string[]): Promise<Found> {
  // A name is a line: no map has one with a line break.
  // eslint-disable-next-line no-control-regex -- control characters are what is looked for
  const lines = names.filter((name) => !/^$|[\x00-\x1f\x7f]/.test(name));
  if (lines.length === 0) return { names: new Set() };
  try {
    const stdin = `${[...new Set(lines)].join('\n')}\n`;
    const { code, stdout, stderr } = await runPostfixCommand('postmap', ['-c', configDirectory, '-q', '-', map], {
      stdin,
      timeoutMs: TIMEOUT_MS,
    });
    if (code === null) return { unreadable: 'there is no postmap command' };
    // 1 is also said where nothing was found.
    const fault = /^postmap: (?:fatal|panic|error): (.*)$/m.exec(stderr)?.[1];
    if (fault !== undefined || code > 1) return { unreadable: fault ?? `postmap ended with ${code}` };
    return { names: new Set(stdout.split('\n').map((line) => line.slice(0, Math.max(line.indexOf('\t'), 0)))) };
  } catch (error) {
    if (!(error instanceof PosternError)) throw error;
    return { unreadable: error.message };
  }
}
