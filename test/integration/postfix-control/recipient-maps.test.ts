/** Recipients looked up in maps of every type by the real postmap(1), which is counted here. */
import { execFile } from 'node:child_process';
import { chmod, mkdtemp, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { RecipientMaps } from '../../../src/services/index.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const run = promisify(execFile);
const POSTMAP = '/usr/sbin/postmap';
const NAMES = ['bob@example.com', 'bob', '@example.com'];

let configDirectory: string;
let calls: string;
let createRecipientMaps: (configDirectory: string) => RecipientMaps;

beforeAll(async () => {
  configDirectory = await mkdtemp(join(tmpdir(), 'postern-maps-'));
  await writeFile(join(configDirectory, 'main.cf'), 'compatibility_level = 3.6\nmyhostname = mail.example.com\n');
  await utimes(join(configDirectory, 'main.cf'), 0, 0);
  // Each process leaves a line; where commands are looked for is read once, when the module is loaded.
  calls = join(configDirectory, 'calls');
  await writeFile(calls, '');
  await writeFile(join(configDirectory, 'postmap'), `#!/bin/sh\necho x >> ${calls}\nexec ${POSTMAP} "$@"\n`);
  await chmod(join(configDirectory, 'postmap'), 0o755);
  process.env['PATH'] = [configDirectory, process.env['PATH'] ?? ''].join(delimiter);
  ({ createRecipientMaps } = await import('../../../src/adapters/postfix-control/index.ts'));
});

afterAll(async () => {
  await rm(configDirectory, { recursive: true });
});

const find = async (map: string, ...names: string[]): Promise<unknown> =>
  createRecipientMaps(configDirectory).find(map, names);
const countCalls = async (): Promise<number> => (await readFile(calls, 'utf8')).split('\n').length - 1;

async function tableOf(type: string, text: string): Promise<string> {
  const directory = await temporaryDirectory({ table: text });
  const map = `${type}:${join(directory, 'table')}`;
  if (type === 'hash' || type === 'lmdb' || type === 'btree') await run(POSTMAP, ['-c', configDirectory, map]);
  return map;
}

describe('maps of every type', () => {
  it.each(['hash', 'btree', 'lmdb', 'texthash'])('%s: one of the names is enough, and none is none', async (type) => {
    const map = await tableOf(type, '# ours\nBob@Example.com bob\n@all.example x\nalias bob\n');
    expect(await find(map, ...NAMES)).toBe('found');
    expect(await find(map, 'carol@all.example', 'carol', '@all.example')).toBe('found');
    expect(await find(map, 'alias@example.com', 'alias', '@example.com')).toBe('found');
    expect(await find(map, 'ghost@example.com', 'ghost', '@example.com')).toBe('absent');
    expect(await find(map, 'bob@example.co', 'bo', '@example.co')).toBe('absent');
  });

  it('regexp and pcre', async () => {
    for (const type of ['regexp', 'pcre']) {
      const map = await tableOf(type, '/^(bob|anna)@example\\.com$/ ok\n');
      expect(await find(map, ...NAMES)).toBe('found');
      expect(await find(map, 'bobby@example.com', 'bobby', '@example.com')).toBe('absent');
    }
  });

  it('inline, static, and several in one', async () => {
    const inline = 'inline:{ { bob@example.com = x } }';
    expect(await find(inline, ...NAMES)).toBe('found');
    expect(await find(inline, 'ghost@example.com')).toBe('absent');
    expect(await find('static:all', 'anybody@example.com')).toBe('found');
    expect(await find(`unionmap:{${inline}, inline:{ { anna@example.com = y } }}`, 'anna@example.com')).toBe('found');
  });

  it('an empty table', async () => {
    expect(await find(await tableOf('lmdb', ''), ...NAMES)).toBe('absent');
    expect(await find(await tableOf('texthash', '# nobody\n'), ...NAMES)).toBe('absent');
  });

  it('a table that changes is seen by the next question', async () => {
    const map = await tableOf('texthash', 'bob@example.com x\n');
    expect(await find(map, 'anna@example.com')).toBe('absent');
    await writeFile(map.slice('texthash:'.length), 'anna@example.com x\n');
    expect(await find(map, 'anna@example.com')).toBe('found');
  });
});

describe('what cannot be asked', () => {
  it.each([
    ['a table that is not there', 'hash:/nonexistent/table', /^open database \/nonexistent\/table\.db: No such file/],
    ['a file that is not there', 'texthash:/nonexistent/table', /nonexistent\/table.*No such file/],
    ['a type that this Postfix has not', 'mongodb:/etc/x', /^unsupported dictionary type: mongodb/],
    ['no type', '/etc/postfix/virtual', /./],
    ['a table that only fails', 'fail:always', /./],
    ['a server that is not there', 'socketmap:unix:/nonexistent/socket:recipients', /./],
    ['a broken table', 'inline:{ no equals sign }', /./],
  ])('%s: why, and never absent', async (_, map, reason) => {
    expect(await find(map, ...NAMES)).toEqual({ unreadable: expect.stringMatching(reason) as unknown });
  });

  it('a configuration that is not there', async () => {
    expect(await createRecipientMaps('/nonexistent').find('inline:{ { a = b } }', ['a'])).toEqual({
      unreadable: expect.stringMatching(/main\.cf|nonexistent/) as unknown,
    });
  });

  it('what is wrong with one question is not remembered for the next', async () => {
    const directory = await temporaryDirectory();
    const map = `texthash:${join(directory, 'table')}`;
    const maps = createRecipientMaps(configDirectory);
    expect(await maps.find(map, NAMES)).toHaveProperty('unreadable');
    await writeFile(join(directory, 'table'), 'bob@example.com x\n');
    expect(await maps.find(map, NAMES)).toBe('found');
  });
});

describe('many questions', () => {
  it('at once are few processes, and each has its own answer', async () => {
    const people = Array.from({ length: 1000 }, (_, n) => `u${n}@example.com`);
    const map = await tableOf(
      'lmdb',
      people
        .filter((_, n) => n % 2 === 0)
        .map((name) => `${name} x\n`)
        .join(''),
    );
    const maps = createRecipientMaps(configDirectory);
    const before = await countCalls();
    const answers = await Promise.all(people.map((name, n) => maps.find(map, [name, `u${n}`, '@example.com'])));
    expect(answers).toEqual(people.map((_, n) => (n % 2 === 0 ? 'found' : 'absent')));
    // The first goes alone, the others by two hundred.
    expect((await countCalls()) - before).toBe(6);
  });

  it('of two maps do not wait for each other', async () => {
    const { map, release } = await hangingMap();
    const maps = createRecipientMaps(configDirectory);
    const waiting = maps.find(map, NAMES);
    expect(await maps.find('inline:{ { bob = x } }', NAMES)).toBe('found');
    release('OK bob');
    expect(await waiting).toBe('found');
  });
});

describe('a server that says', () => {
  it.each([
    ['that it is busy', 'TEMP busy', { unreadable: expect.stringMatching(/query error/) as unknown }],
    ['that the question is wrong', 'PERM no such map', { unreadable: expect.stringMatching(/query error/) as unknown }],
    ['that it knows nobody', 'NOTFOUND ', 'absent'],
    ['that it knows', 'OK bob', 'found'],
  ])('%s', async (_, reply, answer) => {
    const { map, release } = await hangingMap();
    release(reply);
    expect(await find(map, ...NAMES)).toEqual(answer);
  });
});

describe('a server that hangs', () => {
  it('is not waited for longer than five seconds, by those who asked meanwhile neither', async () => {
    const { map } = await hangingMap();
    const maps = createRecipientMaps(configDirectory);
    const startedAt = performance.now();
    const first = maps.find(map, NAMES);
    const others = Array.from({ length: 50 }, (_, n) => maps.find(map, [`u${n}@example.com`]));
    expect(await first).toEqual({ unreadable: expect.stringMatching(/^postmap did not come to an end/) as unknown });
    expect(performance.now() - startedAt).toBeGreaterThan(4900);
    const answers = await Promise.all(others);
    for (const answer of answers) expect(answer).toHaveProperty('unreadable');
    expect(performance.now() - startedAt).toBeLessThan(20_000);
  }, 40_000);
});

describe('names with odd octets', () => {
  it.each([
    'a b@example.com',
    '"a b"@example.com',
    'a"b@example.com',
    "a'b@example.com",
    '$(id)@example.com',
    '-q@example.com',
    '#x@example.com',
    'jürgen@example.com',
    '東@example.com',
    ' x@example.com',
  ])('%s is asked for as it is', async (name) => {
    // A line of a table cannot hold each of them.
    expect(await find('static:all', name)).toBe('found');
    expect(await find('inline:{ { bob = x } }', name)).toBe('absent');
  });

  it('a name with a line break or another control character is in no map, and no other name is asked by it', async () => {
    for (const name of ['a\nbob@example.com', 'a\r', 'a\tb', '\0', 'a\x7f', '']) {
      expect(await find('inline:{ { bob@example.com = x } }', name), JSON.stringify(name)).toBe('absent');
      expect(await find('static:all', name), JSON.stringify(name)).toBe('absent');
    }
    expect(await find('inline:{ { bob@example.com = x } }', 'a\nb', 'bob@example.com')).toBe('found');
  });

  it('one odd name beside others leaves them their answers', async () => {
    const maps = createRecipientMaps(configDirectory);
    const names = [
      '\ud800@example.com',
      'ÿ@example.com',
      '\ufffd',
      'x'.repeat(5000),
      'bob@example.com',
      '%s%n@example.com',
    ];
    const answers = await Promise.all(names.map((name) => maps.find('inline:{ { bob@example.com = x } }', [name])));
    expect(answers).toEqual(names.map((name) => (name === 'bob@example.com' ? 'found' : 'absent')));
  });

  it('nothing but names that no map can have is not asked at all', async () => {
    const before = await countCalls();
    expect(await find('hash:/nonexistent/table', 'a\nb', '')).toBe('absent');
    expect(await countCalls()).toBe(before);
  });
});

const servers: Server[] = [];
const sockets = new Set<Socket>();
afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  for (const server of servers.splice(0)) await new Promise((resolve) => server.close(resolve));
});

/** A socketmap that answers nothing until it is told to, and then each question with the same. */
async function hangingMap(): Promise<{ map: string; release: (reply: string) => void }> {
  const directory = await temporaryDirectory();
  const path = join(directory, 'socket');
  let answer: string | null = null;
  const waiting: Socket[] = [];
  const say = (socket: Socket, reply: string): boolean => socket.write(`${reply.length}:${reply},`);
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
    socket.on('data', () => {
      if (answer === null) waiting.push(socket);
      else say(socket, answer);
    });
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(path, resolve));
  const release = (reply: string): void => {
    answer = reply;
    for (const socket of waiting.splice(0)) say(socket, reply);
  };
  return { map: `socketmap:unix:${path}:recipients`, release };
}
