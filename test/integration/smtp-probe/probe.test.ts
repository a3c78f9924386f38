/** What a probe finds of servers that do as they should, and of servers that do not. Real sockets on loopback. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { probeServer, type Probe } from '../../../src/adapters/smtp-probe/index.ts';
import { issuedBy, selfSigned, type Credentials } from '../../support/certificates.ts';
import { ScriptedSmtp, type Answer, type Script } from '../../support/scripted-smtp.ts';
import { freePorts } from '../../support/waiting.ts';

const LIMITS = { connectMs: 400, replyMs: 400, handshakeMs: 400 };
const CLOSE: Answer = (socket) => socket.end();
const RESET: Answer = (socket) => void setTimeout(() => socket.resetAndDestroy(), 30);

let authority: Credentials;
let server: Credentials;
beforeAll(async () => {
  authority = await selfSigned({ commonName: 'Test CA' });
  server = await issuedBy(authority, { commonName: 'mx', names: ['mx.example.net', '*.example.org'] });
});

async function scripted(script: Script = {}): Promise<ScriptedSmtp> {
  const smtp = await ScriptedSmtp.start(script);
  onTestFinished(() => smtp.stop());
  return smtp;
}

const ask = (port: number, limits = LIMITS, anchors: readonly string[] = [authority.certificate]): Promise<Probe> =>
  probeServer({ address: '127.0.0.1', port, heloName: 'client.test', anchors, limits });

async function probe(script: Script = {}): Promise<{ probe: Probe; commands: readonly string[]; tookMs: number }> {
  const smtp = await scripted(script);
  const startedAt = performance.now();
  const found = await ask(smtp.port);
  return { probe: found, commands: smtp.commands, tookMs: performance.now() - startedAt };
}

describe('a server as it should be', () => {
  it('in TLS: what it offers before and in it, protocol, cipher, certificate; no mail and no server name are sent', async () => {
    const smtp = await scripted({
      greeting: '220-welcome\r\n220 mx.example.net ESMTP\r\n',
      ehlo: '250-mx.example.net hello\r\n250-size 1000\r\n250 StartTLS\r\n',
      ehloInTls: '250-mx.example.net hello\r\n250-DSN\r\n250 SMTPUTF8\r\n',
      credentials: server,
    });
    const found = await ask(smtp.port);
    expect(found).toMatchObject({
      isConnected: true,
      greeting: '220 welcome mx.example.net ESMTP',
      name: 'mx.example.net',
      offers: ['SIZE 1000', 'STARTTLS'],
      startTls: 'done',
      protocol: 'TLSv1.3',
      cipher: expect.stringMatching(/^TLS_AES/) as unknown,
      offersInTls: ['DSN', 'SMTPUTF8'],
      fault: null,
      certificate: { subject: 'CN=mx', issuer: 'CN=Test CA', names: ['mx.example.net', '*.example.org'], fault: null },
    });
    const days = ((found.certificate?.validTo ?? 0) - Date.now()) / 86_400_000;
    expect(days).toBeGreaterThan(29);
    expect(days).toBeLessThanOrEqual(30);
    expect(smtp.commands).toEqual(['EHLO client.test', 'STARTTLS', 'TLS EHLO client.test', 'TLS QUIT']);
    expect(smtp.serverNames).toEqual([false]);
  });

  it('without STARTTLS', async () => {
    const { probe: found, commands } = await probe({ ehlo: '250-mx\r\n250-SIZE\r\n250 8BITMIME\r\n' });
    expect(found).toMatchObject({
      startTls: 'not-offered',
      offers: ['SIZE', '8BITMIME'],
      offersInTls: null,
      fault: null,
    });
    expect(commands).toEqual(['EHLO client.test', 'QUIT']);
  });

  it('that knows HELO only, and ends lines with LF alone', async () => {
    const { probe: found } = await probe({
      greeting: '220 old\n',
      ehlo: '500 what?\n',
      helo: '250 old.test at your service\n',
    });
    expect(found).toMatchObject({
      greeting: '220 old',
      name: 'old.test',
      offers: [],
      startTls: 'not-offered',
      fault: null,
    });
  });

  it('whose replies come octet by octet', async () => {
    const drip: Answer = (socket) => {
      void (async () => {
        for (const octet of '250-mx\r\n250 DSN\r\n') {
          socket.write(octet);
          await sleep(5);
        }
      })();
    };
    expect((await probe({ ehlo: drip })).probe).toMatchObject({ offers: ['DSN'], fault: null });
  });
});

describe('certificates', () => {
  const certificateOf = async (credentials: Credentials, anchors?: readonly string[]): Promise<Probe['certificate']> =>
    (await ask((await scripted({ credentials })).port, LIMITS, anchors)).certificate;

  it('one that signs itself, one of another CA, one that is over', async () => {
    const own = await selfSigned({ commonName: 'mx.example.net' });
    expect(await certificateOf(own)).toMatchObject({ fault: 'it is signed by itself', names: ['mx.example.net'] });
    expect(await certificateOf(own, [own.certificate])).toMatchObject({ fault: null });
    const other = await issuedBy(await selfSigned({ commonName: 'Other CA' }), { names: ['a.example'] });
    expect((await certificateOf(other))?.fault).toMatch(/its CA is none of them/);
    expect(await certificateOf(await issuedBy(authority, { days: -1 }))).toMatchObject({ fault: 'it has expired' });
  });

  it('where nobody is trusted, none is good', async () => {
    expect((await certificateOf(server, []))?.fault).toMatch(/its CA is none of them/);
  });
});

describe('a server that says no', () => {
  it.each<[string, Script, object, string[]]>([
    [
      'greets with 554',
      { greeting: '554 go away\r\n' },
      { stage: 'greeting', reason: 'greets with "554 go away"' },
      ['QUIT'],
    ],
    [
      'refuses EHLO and HELO',
      { ehlo: '550 no\r\n', helo: '550 no\r\n' },
      { stage: 'hello', reason: 'answers EHLO with "550 no"' },
      ['EHLO client.test', 'HELO client.test', 'QUIT'],
    ],
    [
      'refuses STARTTLS',
      { ehlo: '250-x\r\n250 STARTTLS\r\n', starttls: '454 4.7.0 not now\r\n' },
      { stage: 'starttls', reason: 'answers STARTTLS with "454 4.7.0 not now"' },
      ['EHLO client.test', 'STARTTLS', 'QUIT'],
    ],
  ])('%s', async (_, script, fault, said) => {
    const { probe: found, commands } = await probe(script);
    expect(found.fault).toEqual(fault);
    expect(found.startTls).toBe(script.starttls === undefined ? null : 'refused');
    expect(commands).toEqual(said);
  });
});

describe('a server that does not keep to SMTP', () => {
  const endless: Answer = (socket) => {
    const timer = setInterval(() => socket.write('250-x\r\n'.repeat(20)), 2);
    socket.on('close', () => {
      clearInterval(timer);
    });
  };
  const flood: Answer = (socket) => {
    // In the middle of a line of the greeting: more octets than a line may have.
    socket.write('2'.repeat(200_000));
  };
  it.each<[string, Script, string, RegExp]>([
    [
      'no digits',
      { greeting: 'SSH-2.0-OpenSSH_9.2\r\n' },
      'greeting',
      /says "SSH-2.0-OpenSSH_9.2", which is no reply of SMTP/,
    ],
    ['TLS from the start', { greeting: '\x15\x03\x01\0\x02\x02\n' }, 'greeting', /says "\?", which is no reply/],
    ['a terminal command', { greeting: '\x1b[2J\r\n' }, 'greeting', /says "\?\[2J"/],
    ['a code outside SMTP', { ehlo: '650 x\r\n' }, 'hello', /no reply of SMTP/],
    ['an empty line', { ehlo: '\r\n' }, 'hello', /says "", which is no reply/],
    ['a line without end', { greeting: flood }, 'greeting', /more than 2048 octets|without being asked/],
    ['a line that is too long', { ehlo: `250 ${'x'.repeat(2050)}\r\n` }, 'hello', /more than 2048 octets/],
    ['a reply without end', { ehlo: endless }, 'hello', /more than 128 lines/],
    [
      'much that nobody asked for',
      { starttls: `220 go\r\n${'250 x\r\n'.repeat(20_000)}`, ehlo: '250-x\r\n250 STARTTLS\r\n' },
      'handshake',
      /in clear behind its reply/,
    ],
    [
      'garbage in place of TLS',
      {
        starttls: (socket) => {
          socket.write('220 go\r\n');
          setTimeout(() => socket.write('no TLS at all'), 50);
        },
        ehlo: '250-x\r\n250 STARTTLS\r\n',
      },
      'handshake',
      /does not come to TLS: .*wrong version number/,
    ],
  ])('%s', async (_, script, stage, reason) => {
    const { probe: found } = await probe(script);
    expect(found.fault).toEqual({ stage, reason: expect.stringMatching(reason) as unknown });
  });

  it('data behind the reply to STARTTLS is refused: somebody may have put it in', async () => {
    const { probe: found, commands } = await probe({
      ehlo: '250-x\r\n250 STARTTLS\r\n',
      starttls: '220 go on\r\n250 injected\r\n',
    });
    expect(found).toMatchObject({ startTls: 'failed', protocol: null });
    expect(found.fault).toEqual({
      stage: 'handshake',
      reason: expect.stringMatching(/in clear behind its reply/) as unknown,
    });
    expect(commands).toEqual(['EHLO client.test', 'STARTTLS']);
  });

  it('a TLS alert is named', async () => {
    const { probe: found } = await probe({
      credentials: server,
      tls: { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' },
    });
    expect(found).toMatchObject({ startTls: 'failed', certificate: null });
    expect(found.fault?.stage).toBe('handshake');
    expect(found.fault?.reason).toMatch(/does not come to TLS: .*(?:alert )?.*protocol/i);
  });
});

describe('a server that is gone', () => {
  it('refuses the connection', async () => {
    const { closed } = await freePorts('closed');
    expect(await ask(closed)).toMatchObject({
      isConnected: false,
      greeting: null,
      startTls: null,
      fault: { stage: 'connect', reason: 'cannot be reached: the connection was refused' },
    });
  });

  it.each<[string, Script, string, RegExp]>([
    ['before the greeting', { greeting: CLOSE }, 'greeting', /^closes the connection$/],
    ['by a reset', { greeting: RESET }, 'greeting', /^breaks the connection \(the connection was closed\)$/],
    ['in a reply', { ehlo: (socket) => socket.end('250-mx\r\n250-DS') }, 'hello', /^closes the connection$/],
    ['at STARTTLS', { ehlo: '250-x\r\n250 STARTTLS\r\n', starttls: CLOSE }, 'starttls', /^closes the connection$/],
    [
      'in the handshake',
      { ehlo: '250-x\r\n250 STARTTLS\r\n', starttls: (socket) => socket.end('220 go\r\n') },
      'handshake',
      /^does not come to TLS: .*(?:closed|disconnected)/,
    ],
  ])('%s', async (_, script, stage, reason) => {
    const { probe: found, tookMs } = await probe(script);
    expect(found.fault).toEqual({ stage, reason: expect.stringMatching(reason) as unknown });
    expect(tookMs).toBeLessThan(LIMITS.replyMs);
  });

  it('in TLS', async () => {
    const { probe: found } = await probe({ credentials: server, ehloInTls: CLOSE });
    expect(found).toMatchObject({
      startTls: 'done',
      fault: { stage: 'hello-in-tls', reason: 'closes the connection' },
    });
    expect(found.certificate?.names).toContain('mx.example.net');
  });
});

describe('time limits', () => {
  const slowly: Answer = (socket) => {
    const timer = setInterval(() => socket.write('2'), 100);
    socket.on('close', () => {
      clearInterval(timer);
    });
  };
  it.each<[string, Script, string, string]>([
    ['no greeting', { greeting: null }, 'greeting', 'does not answer within 0.4 s'],
    ['no reply', { ehlo: null }, 'hello', 'does not answer within 0.4 s'],
    ['a reply that never gets whole', { ehlo: slowly }, 'hello', 'does not answer within 0.4 s'],
    [
      'no reply to STARTTLS',
      { ehlo: '250-x\r\n250 STARTTLS\r\n', starttls: null },
      'starttls',
      'does not answer within 0.4 s',
    ],
    [
      'no handshake',
      { ehlo: '250-x\r\n250 STARTTLS\r\n', starttls: '220 go\r\n' },
      'handshake',
      'does not come to TLS: no answer within 0.4 s',
    ],
  ])('%s', async (_, script, stage, reason) => {
    const { probe: found, tookMs } = await probe(script);
    expect(found.fault).toEqual({ stage, reason });
    expect(tookMs).toBeGreaterThan(390);
    expect(tookMs).toBeLessThan(2500);
  });

  it('no reply in TLS', async () => {
    const { probe: found } = await probe({ credentials: server, ehloInTls: null });
    expect(found.fault).toEqual({ stage: 'hello-in-tls', reason: 'does not answer within 0.4 s' });
  });

  it('no connection: a server whose queue of connections is full', async () => {
    const { port } = await freePorts('port');
    const blocked = `require('node:net').createServer().listen({ port: ${port}, host: '127.0.0.1', backlog: 1 }, () => {
      require('node:fs').writeSync(1, 'up'); Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20_000); });`;
    const child = spawn(process.execPath, ['-e', blocked], { stdio: ['ignore', 'pipe', 'inherit'] });
    const fillers: Socket[] = [];
    onTestFinished(() => {
      child.kill('SIGKILL');
      for (const filler of fillers) filler.destroy();
    });
    await once(child.stdout, 'data');
    for (let n = 0; n < 6; n++) fillers.push(connect({ port, host: '127.0.0.1' }).on('error', () => undefined));
    await sleep(200);
    const startedAt = performance.now();
    const found = await ask(port);
    expect(found.fault).toEqual({ stage: 'connect', reason: 'cannot be reached: no answer within 0.4 s' });
    expect(performance.now() - startedAt).toBeLessThan(2500);
  });

  it('a server that does not hang up after QUIT is left after two seconds', async () => {
    const smtp = await scripted({ greeting: '554 no\r\n' });
    const holding: Answer = (socket) => {
      socket.removeAllListeners('data');
      socket.write('554 no\r\n');
      socket.resume();
      socket.pause();
    };
    const stubborn = await scripted({ greeting: holding });
    expect((await ask(smtp.port)).fault?.stage).toBe('greeting');
    const startedAt = performance.now();
    expect((await ask(stubborn.port)).fault?.stage).toBe('greeting');
    expect(performance.now() - startedAt).toBeLessThan(3500);
  });
});
