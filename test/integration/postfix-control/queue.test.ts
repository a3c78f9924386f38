/** A queue as postqueue(1) lists it: a command of the test takes its place. */
import { chmod } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import type { QueuedMessage } from '../../../src/services/index.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { waitFor } from '../../support/waiting.ts';

const LINE =
  '{"queue_name": "deferred", "queue_id": "4ZQ", "arrival_time": 1795606396, "message_size": 312, "forced_expire": false, ' +
  '"sender": "", "recipients": [{"address": "bob=a.example@r1-0a1b2c3d.route.postern.internal", "delay_reason": "x"}, {"address": "\\"a b\\"@c.example"}]}';

type Listing = { readonly messages: QueuedMessage[]; readonly asked: number };

/** Lists a queue that a shell script prints. */
async function list(script: string, mayConcern = true, end = new AbortController(), listMs?: number): Promise<Listing> {
  const directory = await temporaryDirectory({ postqueue: `#!/bin/sh\n${script}\n` });
  await chmod(join(directory, 'postqueue'), 0o755);
  vi.stubEnv('PATH', `${directory}:${process.env['PATH'] ?? ''}`);
  vi.resetModules();
  // Where commands are looked for is settled when the module is loaded.
  const { openQueue } = await import('../../../src/adapters/postfix-control/index.ts');
  vi.unstubAllEnvs();
  const messages: QueuedMessage[] = [];
  let asked = 0;
  await openQueue('/etc/none', listMs).each(
    (message) => void messages.push(message),
    () => {
      asked += 1;
      return mayConcern;
    },
    end.signal,
  );
  return { messages, asked };
}

describe('openQueue', () => {
  it('tells of each message, its recipients as Postfix has them', async () => {
    const { messages } = await list(`test "$*" = "-c /etc/none -j" && printf '%s\\n%s\\n' '${LINE}' '${LINE}'`);
    const message = {
      queueName: 'deferred',
      arrivedAt: 1_795_606_396_000,
      recipients: ['bob=a.example@r1-0a1b2c3d.route.postern.internal', '"a b"@c.example'],
    };
    expect(messages).toEqual([message, message]);
  });

  it('an empty queue is one', async () => {
    expect(await list('exit 0')).toEqual({ messages: [], asked: 0 });
  });

  it('what concerns nobody is not read closely', async () => {
    expect(await list(`echo 'no JSON at all'`, false)).toEqual({ messages: [], asked: 1 });
  });

  it('100,000 messages: none is kept, and others have their turn meanwhile', async () => {
    let longest = 0;
    let last = performance.now();
    const ticking = setInterval(() => {
      longest = Math.max(longest, performance.now() - last);
      last = performance.now();
    }, 5);
    const before = process.memoryUsage().rss;
    const { asked } = await list(`yes '${LINE}' | head -n 100000`, false);
    clearInterval(ticking);
    expect(asked).toBe(100_000);
    // The listing has 30 MB.
    expect(process.memoryUsage().rss - before).toBeLessThan(60 * 1024 * 1024);
    expect(longest).toBeLessThan(1_000);
  });

  it('a message with 20,000 recipients is read, one that is beyond measure is an error', async () => {
    const long = (count: number): string =>
      `printf '{"queue_name":"active","arrival_time":1,"recipients":['; yes '{"address":"bob=a.example@r1-0a1b2c3d.route.postern.internal"},' | head -n ${count} | tr -d '\\n'; printf '{"address":"z@z"}]}\\n'`;
    expect((await list(long(20_000))).messages[0]?.recipients).toHaveLength(20_001);
    await expect(list(long(200_000))).rejects.toThrow('a message has too many recipients');
  });

  it.each([
    [
      `echo 'postqueue: fatal: Queue report unavailable - mail system is down' >&2; exit 69`,
      /cannot be listed: .*mail system is down$/,
    ],
    ['kill -9 $$', /postqueue did not come to an end: it was ended by SIGKILL/],
    ['echo "{"', /JSON/],
  ])('%s: an error', async (script, expected) => {
    await expect(list(script)).rejects.toThrow(expected);
  });

  it('is ended when it takes too long', async () => {
    await expect(list('exec sleep 60', true, new AbortController(), 300)).rejects.toThrow('it took more than 0.3 s');
  });

  it('is ended when told so', async () => {
    const end = new AbortController();
    const listing = list('exec sleep 60', true, end);
    const failure = listing.catch((error: unknown) => String(error));
    setTimeout(() => {
      end.abort();
    }, 300);
    const text = await waitFor('the end', () => failure, 5_000);
    expect(text).toContain('postqueue did not come to an end');
  });
});
