/** The log as lines, and as the standard output of a process. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createLog } from '../../../src/adapters/log/index.ts';
import { systemClock } from '../../../src/adapters/clock/index.ts';

function kept(level = 'debug') {
  const lines: string[] = [];
  const log = createLog({ level, destination: { write: (line: string) => lines.push(line) } });
  const parsed = (): Record<string, unknown>[] => lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  return { log, lines, parsed };
}

describe('lines', () => {
  it('are JSON with the level as a word, the time in ISO form, the message and the fields, and nothing else', () => {
    const { log, lines, parsed } = kept();
    log.info('decision', { queue_id: '4Zx', sender: '<>' });
    expect(lines[0]).toMatch(/^\{[^\n]+\}\n$/);
    const [line] = parsed();
    expect(line).toEqual({ level: 'info', time: line?.time, msg: 'decision', queue_id: '4Zx', sender: '<>' });
    const time = String(line?.time);
    expect(new Date(time).toISOString()).toBe(time);
    expect(Math.abs(Date.parse(time) - systemClock.now())).toBeLessThan(5_000);
  });

  it('have the same form with and without an error', () => {
    const { log, lines } = kept();
    const fields = { a: 'ü"\n', n: 1.5, yes: true, none: null, absent: undefined, list: [1, { x: 'y' }] };
    log.warn('a "message"', fields);
    log.warn('a "message"', { ...fields, err: 'no error' });
    log.warn('bare');
    const [plain, withError, bare] = lines.map((line) => line.replace(/"time":"[^"]+"/, '"time":"T"'));
    expect(withError).toBe(plain?.replace(',"msg"', ',"err":"no error","msg"'));
    expect(bare).toBe('{"level":"warn","time":"T","msg":"bare"}\n');
  });

  it('below the level are not written', () => {
    const { log, parsed } = kept('warn');
    log.debug('a');
    log.info('b');
    log.warn('c');
    log.error('d');
    expect(parsed().map(({ level, msg }) => [level, msg])).toEqual([
      ['warn', 'c'],
      ['error', 'd'],
    ]);
  });

  it('an unknown level is refused with the known ones', () => {
    expect(() => createLog({ level: 'loud' })).toThrow('there is no log level "loud"; write debug, info, warn, error');
  });

  it('an error comes with its stack, its code and its cause', () => {
    const { log, parsed } = kept();
    const cause = new Error('the disk is full');
    log.error('cannot save', {
      err: Object.assign(new TypeError('no', { cause }), { code: 'POSTERN_STATE_UNWRITABLE' }),
    });
    expect(parsed()[0]?.err).toMatchObject({
      type: 'TypeError',
      message: 'no',
      code: 'POSTERN_STATE_UNWRITABLE',
      stack: expect.stringContaining('log.test.ts') as unknown,
      cause: { type: 'Error', message: 'the disk is full' },
    });
  });

  it('a line stays one line, whatever a client says', () => {
    const { log, lines, parsed } = kept();
    log.info('decision', { helo_name: 'a\nb\u2028"\\\u0000{}' });
    expect(lines[0]?.split('\n')).toHaveLength(2);
    expect(parsed()[0]?.helo_name).toBe('a\nb\u2028"\\\u0000{}');
  });

  it('never throws: circles, big integers, odd errors, getters that throw', () => {
    const { log, parsed } = kept();
    const circle: Record<string, unknown> = {};
    circle.self = circle;
    log.info('circle', { circle });
    log.info('big', { big: 2n ** 70n });
    log.error('frozen', { err: Object.freeze(new Error('cold')) });
    log.error('text', { err: 'only text' });
    const trap = {
      get value(): never {
        throw new Error('trap');
      },
    };
    log.warn('getter', trap);
    log.warn('inner getter', { trap });
    expect(parsed().map(({ msg }) => msg)).toEqual(['circle', 'big', 'frozen', 'text', 'getter', 'inner getter']);
    expect(parsed()[3]?.err).toBe('only text');
  });
});

describe('standard output', () => {
  it('every line comes out, in order, also when the process exits right after the last one', async () => {
    const face = join(import.meta.dirname, '../../../src/adapters/log/index.ts');
    const script = `
      const { createLog } = await import(${JSON.stringify(face)});
      const log = createLog({ level: 'info' });
      for (let n = 0; n < 5000; n += 1) log.info('line', { n });
      process.exit(3);`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
    const [code] = (await once(child, 'close')) as [number];
    expect(code).toBe(3);
    const numbers = output
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { n: number }).n);
    expect(numbers).toEqual(Array.from({ length: 5_000 }, (_, n) => n));
  });

  it('a reader that stands still does not hold up the process', async () => {
    const face = join(import.meta.dirname, '../../../src/adapters/log/index.ts');
    const script = `
      const { createLog } = await import(${JSON.stringify(face)});
      const log = createLog({ level: 'info' });
      const long = 'x'.repeat(1000);
      for (let n = 0; n < 20000; n += 1) log.info('line', { n, long });
      setTimeout(() => process.stderr.write('alive'), 50);
      setTimeout(() => undefined, 60000);`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'pipe'] });
    const [word] = (await once(child.stderr, 'data')) as [Buffer];
    expect(word.toString()).toBe('alive');
    // Now the reader comes back: what was kept arrives, and what was dropped is said.
    let output = '';
    for await (const chunk of child.stdout) {
      output += String(chunk);
      if (output.slice(-80_000).includes('log lines were dropped')) break;
    }
    child.kill('SIGKILL');
    await once(child, 'close');
    const whole = output
      .slice(0, output.lastIndexOf('\n'))
      .split('\n')
      .map((line) => JSON.parse(line) as { msg: string; dropped?: number });
    const dropped = whole.find(({ msg }) => msg === 'log lines were dropped')?.dropped ?? 0;
    expect(whole.filter(({ msg }) => msg === 'line').length + dropped).toBe(20_000);
  });

  it('a reader that has gone for good does not end the process', async () => {
    const face = join(import.meta.dirname, '../../../src/adapters/log/index.ts');
    const script = `
      const { createLog } = await import(${JSON.stringify(face)});
      const log = createLog({ level: 'info' });
      let n = 0;
      let left = Infinity;
      setInterval(() => {
        log.info('line', { n: n += 1 });
        left -= 1;
        if (left === 0) process.exit(4);
      }, 5);
      process.stdin.on('data', () => (left = 50));`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script]);
    await once(child.stdout, 'data');
    child.stdout.destroy();
    await once(child.stdout, 'close');
    // From now on it writes fifty lines that nobody reads.
    child.stdin.write('gone\n');
    let complaint = '';
    child.stderr.on('data', (chunk: Buffer) => (complaint += chunk.toString()));
    const [code] = (await once(child, 'close')) as [number];
    expect({ code, complaint }).toEqual({ code: 4, complaint: '' });
  });
});
