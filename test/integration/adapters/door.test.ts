/** Doors as such: places to listen, unix sockets, limits, drain. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  CannotListenError,
  openDoor,
  type Conversation,
  type DoorOptions,
  type OpenDoor,
} from '../../../src/adapters/socket/index.ts';
import type { Listener } from '../../../src/operator/index.ts';
import { freePorts, waitFor } from '../../support/waiting.ts';
import { anyPort, inDirectory, KeptLog, metersForTest, ownGroup, RawClient, samplesOf } from './peers.ts';

const closers: (() => void | Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

/** What the line "hold" waits for. */
let held = Promise.withResolvers<undefined>();
beforeEach(() => {
  held = Promise.withResolvers<undefined>();
});

/** A conversation in lines: an answer for each, after the delay that the line asks for in milliseconds, or when "hold" is let go. */
function answerLines(socket: Socket): Conversation {
  let partial = '';
  let inHand = 0;
  socket.on('data', (chunk: Buffer) => {
    const lines = (partial + chunk.toString()).split('\n');
    partial = lines.pop() ?? '';
    for (const line of lines) {
      inHand += 1;
      void (line === 'hold' ? held.promise : sleep(Number(line))).then(() => {
        inHand -= 1;
        if (!socket.destroyed) socket.write(`answer ${line}\n`);
      });
    }
  });
  return { isIdle: () => partial === '' && inHand === 0 && socket.writableLength === 0 };
}

async function open(listener: Listener, extra: Partial<DoorOptions> = {}) {
  const log = new KeptLog();
  const meters = metersForTest();
  const door = await openDoor({
    door: 'policy',
    listener,
    unix: ownGroup,
    onConnection: answerLines,
    log,
    meters,
    ...extra,
  });
  closers.push(() => door.close(0));
  return { door, log, meters };
}

async function connectTo(door: OpenDoor): Promise<RawClient> {
  const client = await RawClient.open(door.listener);
  closers.push(() => {
    client.close();
  });
  return client;
}

const answersAt = async (door: OpenDoor): Promise<void> => {
  const client = await connectTo(door);
  client.send('0\n');
  await client.receive('answer 0\n'.length);
};

async function refusalOf(opening: Promise<unknown>): Promise<CannotListenError> {
  const error: unknown = await opening.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(CannotListenError);
  return error as CannotListenError;
}

describe('places to listen', () => {
  it('POL-06 (a) a port in use is one clear line with door, place and way out', async () => {
    const { door } = await open(anyPort);
    const error = await refusalOf(open(door.listener));
    const port = door.listener.kind === 'tcp' ? door.listener.port : 0;
    expect(error.message).toBe(
      `the policy door cannot listen on 127.0.0.1:${port}: another program listens there already; ` +
        'end it, or name another place under "listen" in postern.yaml',
    );
    expect(error.code).toBe('POSTERN_CANNOT_LISTEN');
    await answersAt(door);
  });

  it('an address that this host does not have is one clear line', async () => {
    const { somewhere } = await freePorts('somewhere');
    const error = await refusalOf(open({ kind: 'tcp', host: '192.0.2.1', port: somewhere }));
    expect(error.message).toMatch(
      /^the policy door cannot listen on 192\.0\.2\.1:\d+: this host has no such address; [^\n]+$/,
    );
  });

  it('listens on IPv6', async () => {
    const { door } = await open({ kind: 'tcp', host: '::1', port: 0 });
    await answersAt(door);
  });
});

describe('unix sockets', () => {
  const at = (directory: string, ...rest: string[]): Listener & { kind: 'unix' } => ({
    kind: 'unix',
    path: join(directory, ...rest),
  });

  it('makes the directory, sets the mode whatever the umask, and removes the socket at the end', async () => {
    await inDirectory(async (directory) => {
      const listener = at(directory, 'new', 'deeper', 'policy.sock');
      for (const mode of [0o600, 0o660, 0o666]) {
        const { door } = await open(listener, { unix: { mode, group: null } });
        expect((await stat(listener.path)).mode & 0o777).toBe(mode);
        expect((await stat(join(directory, 'new', 'deeper'))).mode & 0o005).toBe(0o005);
        await answersAt(door);
        await door.close(0);
        await expect(stat(listener.path)).rejects.toMatchObject({ code: 'ENOENT' });
      }
    });
  });

  it('leaves the mode of a directory that was there', async () => {
    await inDirectory(async (directory) => {
      const { door } = await open(at(directory, 'policy.sock'));
      expect((await stat(directory)).mode & 0o777).toBe(0o700);
      await door.close(0);
    });
  });

  it('sets the group by its name', async () => {
    const groups = (await readFile('/etc/group', 'utf8'))
      .trim()
      .split('\n')
      .map((line) => line.split(':'));
    // Root may give a file to any group, everybody else to their own ones.
    const own = process.getgroups?.() ?? [];
    const group = groups.filter(([, , gid]) => process.geteuid?.() === 0 || own.includes(Number(gid))).at(-1)!;
    await inDirectory(async (directory) => {
      const listener = at(directory, 'policy.sock');
      await open(listener, { unix: { mode: 0o660, group: group[0]! } });
      expect((await stat(listener.path)).gid).toBe(Number(group[2]));
      expect((await stat(listener.path)).mode & 0o777).toBe(0o660);
    });
  });

  it('an unknown group is one clear line, and nothing is left behind', async () => {
    await inDirectory(async (directory) => {
      const listener = at(directory, 'policy.sock');
      const error = await refusalOf(open(listener, { unix: { mode: 0o660, group: 'nosuchgroup' } }));
      expect(error.message).toBe(
        `the policy door cannot listen on unix:${listener.path}: /etc/group has no group "nosuchgroup"; ` +
          'create it, or name another under "socket" in postern.yaml',
      );
      await expect(stat(listener.path)).rejects.toMatchObject({ code: 'ENOENT' });
    });
  });

  it('a group that this user may not give is one clear line, and nothing is left behind', async () => {
    await inDirectory(async (directory) => {
      // A user without rights opens it, in a process of its own. Root becomes that user only after the program is
      // loaded: the checkout may lie where nobody else may look.
      await chmod(directory, 0o777);
      const listener = at(directory, 'policy.sock');
      const face = join(import.meta.dirname, '../../../src/adapters/socket/index.ts');
      const script = `
        const { openDoor } = await import(${JSON.stringify(face)});
        const nothing = new Proxy({}, { get: () => () => undefined });
        if (process.geteuid() === 0) {
          process.setgroups([]);
          process.setgid(65534);
          process.setuid(65534);
        }
        await openDoor({ door: 'policy', listener: ${JSON.stringify(listener)}, unix: { mode: 0o660, group: 'root' },
          onConnection: () => ({ isIdle: () => true }), log: nothing, meters: nothing })
          .then(() => console.log('open'), (error) => console.log(error.message));
        process.exit();`;
      const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      let output = '';
      child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
      await once(child, 'close');
      expect(output).toMatch(
        /^the policy door cannot listen on unix:\S+: this user may not give its socket to group "root"; [^\n]+\n$/,
      );
      await expect(stat(listener.path)).rejects.toMatchObject({ code: 'ENOENT' });
    });
  });

  it('POL-06 a stale socket is replaced', async () => {
    await inDirectory(async (directory) => {
      const listener = at(directory, 'policy.sock');
      const program = `require('node:net').createServer().listen(${JSON.stringify(listener.path)}, () => console.log('up'))`;
      const child = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
      await once(child.stdout, 'data');
      child.kill('SIGKILL');
      await once(child, 'close');
      expect((await stat(listener.path)).isSocket()).toBe(true);
      const { door } = await open(listener);
      await answersAt(door);
    });
  });

  it('POL-06 a socket that somebody answers on is left alone', async () => {
    await inDirectory(async (directory) => {
      const listener = at(directory, 'policy.sock');
      const { door } = await open(listener);
      const error = await refusalOf(open(listener));
      expect(error.message).toContain('another program listens there already');
      await answersAt(door);
    });
  });

  it('what is not a socket is never removed', async () => {
    await inDirectory(async (directory) => {
      const file = at(directory, 'file');
      await writeFile(file.path, 'precious');
      expect((await refusalOf(open(file))).message).toContain('there is something that is not a socket');
      expect(await readFile(file.path, 'utf8')).toBe('precious');
      const folder = at(directory, 'folder');
      await mkdir(folder.path);
      await refusalOf(open(folder));
      const link = at(directory, 'link');
      await symlink(file.path, link.path);
      await refusalOf(open(link));
      expect(await readFile(link.path, 'utf8')).toBe('precious');
    });
  });

  it('a directory that cannot be made is one clear line', async () => {
    await inDirectory(async (directory) => {
      await writeFile(join(directory, 'file'), '');
      const error = await refusalOf(open(at(directory, 'file', 'below', 'policy.sock')));
      expect(error.message).toMatch(/^the policy door cannot listen on unix:[^\n]+$/);
    });
  });
});

describe('limits', () => {
  it('connections above the limit are closed at once, counted, and warned about once a minute', async () => {
    const { door, log, meters } = await open(anyPort, { maxConnections: 2 });
    await answersAt(door);
    await answersAt(door);
    for (let n = 0; n < 3; n += 1) await (await connectTo(door)).ended();
    expect(door.connections).toBe(2);
    const samples = await samplesOf(meters);
    expect(samples.get('postern_connections_refused_total{door="policy"}')).toBe(3);
    expect(samples.get('postern_connections{door="policy"}')).toBe(2);
    expect(log.at('warn')).toHaveLength(1);
    expect(log.at('warn')[0]?.fields).toEqual({ door: 'policy', limit: 2, closed: 1 });
  });

  it('a connection that ends makes room for another', async () => {
    const { door } = await open(anyPort, { maxConnections: 1 });
    const first = await connectTo(door);
    first.send('0\n');
    await first.receive('answer 0\n'.length);
    first.close();
    await waitFor('the door to notice', () => (door.connections === 0 ? true : undefined));
    await answersAt(door);
  });

  it('a connection that cannot be taken is closed and logged; the door goes on', async () => {
    let isFirst = true;
    const { door, log } = await open(anyPort, {
      onConnection: (socket) => {
        if (!isFirst) return answerLines(socket);
        isFirst = false;
        throw new Error('no room');
      },
    });
    await (await connectTo(door)).ended();
    expect(log.at('error')[0]?.fields.err).toHaveProperty('message', 'no room');
    await answersAt(door);
  });

  it('a peer that resets its connection costs nothing but itself', async () => {
    const { door, log } = await open(anyPort);
    const client = await connectTo(door);
    client.send('50\n');
    await sleep(10);
    client.socket.resetAndDestroy();
    await waitFor('the door to notice', () => (door.connections === 0 ? true : undefined));
    await answersAt(door);
    expect(log.at('warn').concat(log.at('error'))).toEqual([]);
  });
});

describe('drain', () => {
  it('idle connections end at once, a request in hand is answered first', async () => {
    const { door, log } = await open(anyPort);
    const idle = await connectTo(door);
    const busy = await connectTo(door);
    busy.send('hold\n');
    await answersAt(door);
    // Longer than a test may take: what waits for the end of the grace period does not pass.
    const closed = door.close(600_000);
    await idle.ended();
    expect(busy.isEnded).toBe(false);
    expect(busy.text).toBe('');
    held.resolve(undefined);
    await closed;
    await busy.ended();
    expect(busy.text).toBe('answer hold\n');
    expect(door.connections).toBe(0);
    expect(log.at('warn')).toEqual([]);
  });

  it('a request partly sent may be finished', async () => {
    const { door } = await open(anyPort);
    const client = await connectTo(door);
    client.send('0\n0');
    await client.receive('answer 0\n'.length);
    const closed = door.close(10_000);
    await sleep(100);
    expect(client.isEnded).toBe(false);
    client.send('0\n');
    await closed;
    await client.ended();
    expect(client.text).toBe('answer 00\n');
  });

  it('a request that had arrived when the door closes is answered', async () => {
    for (let n = 0; n < 20; n += 1) {
      const { door } = await open(anyPort);
      const client = await connectTo(door);
      await waitFor('the connection', () => (door.connections === 1 ? true : undefined), 15_000, 1);
      client.send('0\n');
      // The octets are on their way by now: written to a loopback socket in this same process.
      const closed = door.close(10_000);
      await closed;
      await client.ended();
      expect(client.text).toBe('answer 0\n');
    }
  });

  it('what is not done within the grace period is cut, and said', async () => {
    const { door, log } = await open(anyPort);
    const busy = await connectTo(door);
    busy.send('hold\n');
    await answersAt(door);
    const startedAt = performance.now();
    await door.close(200);
    expect(performance.now() - startedAt).toBeGreaterThan(190);
    expect(busy.text).toBe('');
    expect(log.at('warn')[0]?.fields).toEqual({ door: 'policy', cut: 1, grace_ms: 200 });
  });

  it('nobody gets in any more, the place is free at once, and closing twice is closing once', async () => {
    const { door } = await open(anyPort);
    const busy = await connectTo(door);
    busy.send('300\n');
    await answersAt(door);
    const closed = door.close(10_000);
    const successor = createServer();
    successor.listen(door.listener.kind === 'tcp' ? { host: '127.0.0.1', port: door.listener.port } : {});
    await once(successor, 'listening');
    successor.close();
    await Promise.all([closed, door.close(10_000)]);
    expect(busy.text).toBe('answer 300\n');
  });
});
