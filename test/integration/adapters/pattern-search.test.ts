/** The search for patterns in its threads: what it finds, and that nothing waits for it, whatever it meets. */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { createPatternSearch, SEARCH_LIMITS, type SearchLimits } from '../../../src/adapters/pattern-search/index.ts';
import { createSpamPatterns, type PatternSearch } from '../../../src/services/index.ts';
import { aSnapshot, withDomain } from '../../support/builders.ts';
import { FakeLog } from '../../support/fake-log.ts';
import { aMessage } from '../../support/messages.ts';
import { waitFor } from '../../support/waiting.ts';

const running: PatternSearch[] = [];

/** A search that ends with the test. Its threads run `program`, or else the real one. */
function aSearch(limits: Partial<SearchLimits> = {}, program?: URL) {
  const log = new FakeLog();
  const search = createPatternSearch(log, { ...SEARCH_LIMITS, ...limits }, program);
  running.push(search);
  return { search, log };
}

afterEach(async () => {
  await Promise.all(running.splice(0).map((search) => search.stop()));
});

/** The answers to these searches in the order in which they came, as `pattern answer`. */
async function inOrder(search: PatternSearch, ...patterns: string[]): Promise<string[]> {
  const answers: string[] = [];
  await Promise.all(
    patterns.map(async (pattern) => {
      const answer = await search.search(pattern, ['line']);
      answers.push(`${pattern} ${answer}`);
    }),
  );
  return answers;
}

const aProgram = (code: string): URL => new URL(`data:text/javascript,${encodeURIComponent(code)}`);

/** A thread that does what the pattern says. */
const OBEDIENT = aProgram(`
  import { parentPort } from 'node:worker_threads';
  let count = 0;
  parentPort.on('message', ({ pattern }) => {
    count += 1;
    if (pattern === 'hang') for (;;);
    if (pattern === 'exit') process.exit(3);
    if (pattern === 'throw') throw new Error('a fault of the thread');
    if (pattern === 'count') parentPort.postMessage({ kind: 'found', line: count, cpuMs: 0 });
    else parentPort.postMessage({ kind: 'found', line: 0, cpuMs: pattern === 'slow' ? 1000 : 0 });
  });
  parentPort.postMessage({ kind: 'ready' });
`);

const lane = (limits: Partial<SearchLimits['quick']>): SearchLimits['quick'] => ({ ...SEARCH_LIMITS.quick, ...limits });

/** Takes most of a second over {@link A_AND_B}; settings may not hold it, as it is larger than patterns may be. */
const SLOW = '[ab]{1,1000}[ab]{1,1000}[ab]{1,500}!x$';
const A_AND_B = 'abbabaabbaababba'.repeat(700);

describe('what is found', () => {
  it('the first line that matches, without case; null where none does', async () => {
    const { search, log } = aSearch();
    const lines = ['Subject: 한글', 'x-gw-SCORE: 10', 'X-Gw-Score: 9', 'X-K: \u212a'];
    const answers = await Promise.all(
      ['^X-Gw-Score: (9|10)', '한글$', ': k$', '^score', 'nothing'].map((pattern) => search.search(pattern, lines)),
    );
    expect(answers).toEqual([1, 0, 3, null, null]);
    expect(log.entries).toEqual([]);
  });

  it('a pattern that is none is given up, and told; the thread goes on', async () => {
    const { search, log } = aSearch();
    expect(await inOrder(search, '(', 'line')).toEqual(['( gave-up', 'line 0']);
    expect(log.entries).toMatchObject([
      { level: 'warn', fields: { pattern: '(', reason: expect.stringContaining('missing closing )') as string } },
    ]);
  });
});

describe('GW-09 a pattern that explodes elsewhere', () => {
  const SUBJECT = `${'a'.repeat(10_000)}!`;

  it.each(['(a+)+$', '(.*)*x', '^(([a-z])+.)+[A-Z]([a-z])+$'])('GW-09 %s is decided', async (spamPattern) => {
    const { search, log } = aSearch({ quick: lane({ runMs: 10_000 }) });
    const policy = { inboundGateway: { enabled: true, ips: ['198.51.100.7'], spamPattern } };
    const [snapshot, message] = [aSnapshot(withDomain(policy)), aMessage({ client: '198.51.100.7' })];
    const t = { ...message, headers: [{ name: 'Subject', value: ` ${SUBJECT}` }] };
    const look = async () => [...((await createSpamPatterns(search).look(snapshot, t, message.at)) ?? [])];
    const delay = monitorEventLoopDelay({ resolution: 1 });
    delay.enable();
    const began = performance.now();
    const first = await look();
    const started = performance.now();
    const second = await look();
    const ended = performance.now();
    delay.disable();
    expect(first).toEqual([['example.com', { kind: 'none', isCut: false }]]);
    expect(second).toEqual(first);
    expect(log.entries).toEqual([]);
    const [withThread, alone, worst] = [started - began, ended - started, delay.max / 1e6].map((ms) => ms.toFixed(1));
    console.log(`${spamPattern}: ${alone} ms, ${withThread} ms with the start; loop held up for ${worst} ms at most`);
  });

  it('GW-09 while the slowest of patterns is looked for, the event loop goes round, and other patterns are found', async () => {
    const { search, log } = aSearch({ slow: lane({ runMs: 30_000 }) });
    const order: string[] = [];
    const slow = search.search(SLOW, [A_AND_B]).then((line) => order.push(`slow ${line}`));
    let turns = 0;
    const timer = setInterval(() => (turns += 1), 5);
    for (let n = 0; n < 3; n += 1) order.push(`quick ${await search.search('b', ['a', 'b'])}`);
    const turnsBefore = turns;
    await slow;
    clearInterval(timer);
    expect(order).toEqual(['quick 1', 'quick 1', 'quick 1', 'slow null']);
    expect(turnsBefore).toBeGreaterThan(5);
    expect(turns).toBeGreaterThan(turnsBefore + 5);
    expect(log.messages('warn')).toEqual(['a spam pattern is slow, and is looked for apart from the others']);

    // It is known by now, and others wait for it no more.
    order.length = 0;
    const again = search.search(SLOW, [A_AND_B]).then((line) => order.push(`slow ${line}`));
    order.push(`quick ${await search.search('b', ['a', 'b'])}`);
    await again;
    expect(order).toEqual(['quick 1', 'slow null']);
  });
});

describe('a search that takes too long', () => {
  const quick = lane({ runMs: 300 });
  const slow = lane({ runMs: 300 });

  it('GW-09 is given up and told; what waits behind it is found in a new thread', async () => {
    const { search, log } = aSearch({ quick, slow }, OBEDIENT);
    expect(await inOrder(search, 'hang', 'a', 'b')).toEqual(['a 0', 'b 0', 'hang gave-up']);
    expect(log.entries.map(({ level, fields }) => [level, fields['pattern'], fields['reason'] ?? null])).toEqual([
      ['warn', 'hang', null],
      ['warn', 'hang', 'it takes too long; write a simpler pattern, with smaller counts'],
    ]);
  });

  it('others of the same pattern follow it out of the way, where patterns take turns too', async () => {
    const { search } = aSearch({ quick, slow, slowMs: 500 }, OBEDIENT);
    expect(await inOrder(search, 'slow', 'hang', 'hang', 'a')).toEqual([
      ...['slow 0', 'a 0', 'hang gave-up', 'hang gave-up'],
    ]);
    expect(await inOrder(search, 'hang', 'hang', 'slow')).toEqual(['hang gave-up', 'slow 0', 'hang gave-up']);
  });

  it('a pattern is slow for a while only', async () => {
    const { search, log } = aSearch({ slowForMs: 50 }, OBEDIENT);
    await inOrder(search, 'slow', 'slow');
    expect(log.messages('warn')).toHaveLength(1);
    await sleep(60);
    await inOrder(search, 'slow');
    expect(log.messages('warn')).toHaveLength(2);
  });
});

describe('many searches', () => {
  it('patterns take turns, however many searches of one wait', async () => {
    const { search } = aSearch({}, OBEDIENT);
    expect(await inOrder(search, 'a', 'a', 'a', 'b', 'b', 'c')).toEqual(['a 0', 'b 0', 'c 0', 'a 0', 'b 0', 'a 0']);
  });

  it('one that waits too long is given up', async () => {
    const { search, log } = aSearch(
      { quick: lane({ runMs: 1_500, waitMs: 1_000 }), slow: lane({ runMs: 1 }) },
      OBEDIENT,
    );
    await search.search('a', []);
    expect(await inOrder(search, 'hang', 'a')).toEqual(['a gave-up', 'hang gave-up']);
    expect(log.entries[0]).toMatchObject({ fields: { pattern: 'a', reason: 'too many searches were before it' } });
  });

  it('more than may wait are given up at once; the log has one line for all of them', async () => {
    const { search, log } = aSearch({ quick: lane({ most: 3, mostOfOne: 2 }) }, OBEDIENT);
    const answers = await inOrder(search, 'a', 'a', 'a', 'b', 'c', 'd');
    expect(answers.slice(0, 3)).toEqual(['a gave-up', 'c gave-up', 'd gave-up']);
    expect(answers.slice(3)).toEqual(['a 0', 'b 0', 'a 0']);
    expect(log.entries).toEqual([
      {
        level: 'warn',
        message: 'a spam pattern was not looked for, and the mail goes unmarked',
        fields: { pattern: 'a', reason: 'too many searches wait', searches: 1 },
      },
    ]);
  });
});

describe('a thread that fails', () => {
  it.each([
    ['exit', 'it ended with code 3'],
    ['throw', 'a fault of the thread'],
  ])('by %s costs the one search; the others are found in a new one', async (pattern, reason) => {
    const { search, log } = aSearch({}, OBEDIENT);
    expect(await inOrder(search, 'count', pattern, 'count', 'a')).toEqual([
      ...['count 1', `${pattern} gave-up`, 'a 0', 'count 2'],
    ]);
    expect(log.entries).toMatchObject([
      { level: 'error', fields: { reason } },
      { level: 'warn', fields: { pattern, reason } },
    ]);
  });

  it('with nothing to do is followed by another', async () => {
    const dying = aProgram(`
      import { parentPort } from 'node:worker_threads';
      parentPort.on('message', () => {
        parentPort.postMessage({ kind: 'found', line: 0, cpuMs: 0 });
        parentPort.close();
      });
      parentPort.postMessage({ kind: 'ready' });
    `);
    const { search, log } = aSearch({}, dying);
    for (const times of [1, 2]) {
      expect(await inOrder(search, 'a')).toEqual(['a 0']);
      await waitFor('the end of the thread', () => (log.messages('error').length === times ? true : undefined));
    }
  });

  it.each([
    ['is not there', new URL('file:///nowhere/worker.js')],
    ['is no file', new URL('https://127.0.0.1/worker.js')],
    ['throws', aProgram('throw new Error("no");')],
    ['ends', aProgram('process.exit(0);')],
  ])(
    'at its start, as its program %s: all that wait are given up, and the next search tries again',
    async (_, program) => {
      const { search, log } = aSearch({}, program);
      expect(await inOrder(search, 'a', 'b')).toEqual(['a gave-up', 'b gave-up']);
      expect(await inOrder(search, 'c')).toEqual(['c gave-up']);
      expect(log.messages('error').length).toBeGreaterThan(1);
    },
  );

  it('to say that it is ready holds up nothing', async () => {
    const { search } = aSearch({ quick: lane({ waitMs: 50 }) }, aProgram('setInterval(() => {}, 1000);'));
    expect(await inOrder(search, 'a', 'b')).toEqual(['a gave-up', 'b gave-up']);
  });
});

describe('the end', () => {
  it('gives up what runs and what waits, and what comes after it', async () => {
    const { search } = aSearch({ quick: lane({ runMs: 60_000 }) }, OBEDIENT);
    await search.search('a', []);
    const answers = inOrder(search, 'hang', 'b', 'b', 'c');
    await sleep(20);
    await search.stop();
    expect(await answers).toEqual(['hang gave-up', 'b gave-up', 'b gave-up', 'c gave-up']);
    expect(await inOrder(search, 'd')).toEqual(['d gave-up']);
    await search.stop();
  });

  it('comes before a thread was needed', async () => {
    const { search, log } = aSearch();
    await search.stop();
    expect(await search.search('a', [])).toBe('gave-up');
    expect(log.messages('error')).toEqual([]);
  });
});
