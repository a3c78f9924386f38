/** Whether Postfix would deliver at each level of TLS. The table is what a real Postfix 3.7 did with such servers. */
import { describe, expect, it } from 'vitest';
import type { Probe } from '../../../src/adapters/smtp-probe/index.ts';
import { judgeServer, type Sender } from '../../../src/app/cli/route-verdict.ts';

const certificate = (fault: string | null, ...names: string[]): NonNullable<Probe['certificate']> => ({
  ...{ subject: 'CN=x', issuer: 'CN=ca', validFrom: 0, validTo: 1, names, fault },
});
const CLEAR: Probe = {
  ...{ isConnected: true, greeting: '220 x', name: 'mx1.dest.test', offers: [], startTls: 'not-offered' },
  ...{ protocol: null, cipher: null, certificate: null, offersInTls: null, fault: null },
};
const inTls = (shown: Probe['certificate']): Probe => ({
  ...CLEAR,
  ...{ offers: ['STARTTLS'], startTls: 'done', protocol: 'TLSv1.3', cipher: 'x', certificate: shown, offersInTls: [] },
});
const failed = (stage: NonNullable<Probe['fault']>['stage'], startTls: Probe['startTls'] = null): Probe => ({
  ...CLEAR,
  ...{ startTls, fault: { stage, reason: 'fails here' } },
});
const SERVERS = {
  a: inTls(certificate('it is signed by itself', 'mx1.dest.test')),
  b: inTls(certificate(null, 'wrong.test')),
  c: inTls(certificate(null, 'mx1.dest.test')),
  d: CLEAR,
};
const SENDER: Sender = {
  ...{ ownLevel: 'may', hostname: 'mx.example.com', hasDnssec: false, matchesManyLabels: true, anchors: 'CAs' },
};
type Given = { host?: string; port?: number; tls?: string; certificateName?: string };
const route = (given: Given): Parameters<typeof judgeServer>[0] =>
  ({ host: 'dest.test', port: 2525, tls: 'may', ...given }) as unknown as Parameters<typeof judgeServer>[0];
const judge = (
  given: Given,
  probe: Probe,
  sender: Partial<Sender> = {},
  host: string | null = 'mx1.dest.test',
): ReturnType<typeof judgeServer> => judgeServer(route(given), { host, probe }, { ...SENDER, ...sender });

describe('levels', () => {
  it.each<[string, Given, string]>([
    ['may', {}, 'abcd'],
    ['none', { tls: 'none' }, 'abcd'],
    ['encrypt', { tls: 'encrypt' }, 'abc'],
    ['verify by the name of the mail exchanger', { tls: 'verify' }, 'c'],
    ['secure by the name of the route, and those under it', { tls: 'secure' }, 'c'],
    ['secure by a name of its own', { tls: 'secure', certificateName: 'mx1.dest.test' }, 'c'],
    ['verify of another name', { tls: 'verify', certificateName: 'wrong.test' }, 'b'],
    ['verify of an address', { tls: 'verify', host: '192.0.2.1' }, 'c'],
    ['dane without DNSSEC', { tls: 'dane' }, ''],
  ])('%s', (_, given, delivered) => {
    const taken = Object.entries(SERVERS).filter(([, probe]) => judge(given, probe).delivers);
    expect(taken.map(([name]) => name).join('')).toBe(delivered);
  });

  it.each([
    ['none', 'abcd'],
    ['encrypt', 'abc'],
    ['verify', 'c'],
    ['secure', 'c'],
    ['dane', 'abcd'],
    ['dane-only', ''],
    ['fingerprint', ''],
  ])('may is the own level of Postfix: %s', (ownLevel, delivered) => {
    const taken = Object.entries(SERVERS).filter(([, probe]) => judge({}, probe, { ownLevel }).delivers);
    expect(taken.map(([name]) => name).join('')).toBe(delivered);
    expect(judge({}, CLEAR, { ownLevel }).level).toBe(ownLevel);
  });

  it.each<[string, Probe, string, string]>([
    [
      'a handshake that fails',
      failed('handshake', 'failed'),
      'in clear, because the server fails here',
      'the server fails here',
    ],
    [
      'a refused STARTTLS',
      failed('starttls', 'refused'),
      'in clear, because the server fails here',
      'the server fails here',
    ],
    [
      'no STARTTLS',
      CLEAR,
      'in clear, because the server does not offer STARTTLS',
      'the server does not offer STARTTLS',
    ],
  ])('%s: may goes on in clear, encrypt does not', (_, probe, may, encrypt) => {
    expect(judge({}, probe)).toMatchObject({ delivers: true, reason: may });
    expect(judge({ tls: 'encrypt' }, probe)).toMatchObject({ delivers: false, reason: encrypt });
  });

  it.each(['connect', 'greeting', 'hello'] as const)('what fails at "%s" fails at every level', (stage) => {
    for (const tls of ['none', 'may', 'secure']) {
      expect(judge({ tls }, failed(stage))).toMatchObject({ delivers: false, reason: 'the server fails here' });
    }
  });

  it('a server that calls itself as we do: at port 25 that is a circle for Postfix, elsewhere it does not look', () => {
    const probe = { ...CLEAR, name: 'MX.example.com' };
    expect(judge({ port: 25 }, probe)).toMatchObject({
      delivers: false,
      reason: expect.stringMatching(/circle/) as unknown,
    });
    expect(judge({ port: 2525 }, probe).delivers).toBe(true);
    expect(judge({ port: 25 }, probe, { hostname: null }).delivers).toBe(true);
  });

  it('says what is wrong with the certificate', () => {
    const secure = { tls: 'secure' };
    expect(judge(secure, SERVERS.a).reason).toBe('the certificate does not verify: it is signed by itself');
    expect(judge(secure, SERVERS.b).reason).toBe('the certificate names wrong.test, and not dest.test or .dest.test');
    expect(judge(secure, SERVERS.c)).toMatchObject({
      reason: 'in TLS, to a server that proves to be mx1.dest.test',
      comparedWith: ['dest.test', '.dest.test'],
      matching: ['mx1.dest.test'],
    });
    expect(judge(secure, SERVERS.c, { anchors: '' }).reason).toMatch(/^Postfix trusts no CA; set smtp_tls_CAfile/);
    expect(judge(secure, inTls(null)).reason).toBe('the server shows no certificate');
    expect(judge(secure, inTls(certificate(null))).reason).toMatch(/names no name/);
  });

  it('dane with DNSSEC is not known here, and no is said rather than yes', () => {
    const verdict = judge({ tls: 'dane' }, SERVERS.c, { hasDnssec: true });
    expect(verdict).toMatchObject({
      delivers: false,
      level: 'dane-only',
      reason: expect.stringMatching(/posttls-finger/) as unknown,
    });
    expect(judge({ tls: 'dane' }, CLEAR, { hasDnssec: true }).reason).toBe('the server does not offer STARTTLS');
  });
});

describe('names', () => {
  const fits = (name: string, certificateName: string, matchesManyLabels = true): boolean =>
    judge({ tls: 'verify', certificateName: certificateName }, inTls(certificate(null, name)), {
      matchesManyLabels,
    }).delivers;

  it.each([
    ['mx.a.test', 'mx.a.test', true, true],
    ['MX.A.test', 'mx.a.test', true, true],
    ['*.a.test', 'mx.a.test', true, true],
    ['*.a.test', 'x.mx.a.test', true, false],
    ['*.a.test', 'a.test', false, false],
    ['*', 'mx.a.test', false, false],
    ['*.', 'mx.a.test', false, false],
    ['m*.a.test', 'mx.a.test', false, false],
    ['*.test', 'localhost', false, false],
    ['.a.test', 'mx.a.test', false, false],
  ])('%s for %s: %s, and %s where a wildcard is one label', (name, wanted, many, one) => {
    expect([fits(name, wanted), fits(name, wanted, false)]).toEqual([many, one]);
  });

  it('a name under that of the route fits, one that only ends like it does not', () => {
    const secure = (name: string): boolean => judge({ tls: 'secure' }, inTls(certificate(null, name))).delivers;
    expect(['dest.test', 'x.y.dest.test', 'xdest.test', '.dest.test', 'test'].filter(secure)).toEqual([
      'dest.test',
      'x.y.dest.test',
    ]);
  });
});
