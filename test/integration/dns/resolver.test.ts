/** TXT look-ups against a small real DNS server on loopback. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createResolver } from '../../../src/adapters/dns/index.ts';
import { UdpDns, type DnsAnswer } from '../../support/udp-dns.ts';

const NAME = 's1._domainkey.example.com';
let dns: UdpDns;
beforeAll(async () => {
  dns = await UdpDns.start();
});
afterEach(() => {
  dns.set(NAME, 'no-such-name');
});
afterAll(() => dns.stop());

describe('createResolver', () => {
  it('DNS-01 a record in several strings comes with its strings apart', async () => {
    const strings = ['v=DKIM1; k=rsa; p=MI', 'x'.repeat(255), 'y'.repeat(100)];
    dns.set(NAME, { records: [strings] });
    expect(await createResolver([dns.address]).txt(NAME)).toEqual({ kind: 'records', records: [strings] });
  });

  it('DNS-03 two records come as two', async () => {
    dns.set(NAME, { records: ['one', ['two', 'three']] });
    const answer = await createResolver([dns.address]).txt(NAME);
    expect(answer).toEqual({
      kind: 'records',
      records: expect.arrayContaining([['one'], ['two', 'three']]) as unknown,
    });
  });

  it.each<[string, DnsAnswer, object]>([
    ['DNS-10 NXDOMAIN', 'no-such-name', { kind: 'no-such-name' }],
    ['DNS-10 NODATA', 'no-such-record', { kind: 'no-such-record' }],
    ['DNS-10 SERVFAIL', 'server-failure', { kind: 'server-failure', code: 'ESERVFAIL' }],
    ['REFUSED', 'refused', { kind: 'server-failure', code: 'EREFUSED' }],
  ])('%s is told apart', async (_, answer, expected) => {
    dns.set(NAME, answer);
    expect(await createResolver([dns.address]).txt(NAME)).toEqual(expected);
  });

  it.each<[DnsAnswer, object]>([
    ['silence', { kind: 'no-answer' }],
    ['nonsense', { kind: 'server-failure', code: 'EBADRESP' }],
  ])(
    'DNS-10 three servers that give %s are given up after 10 s at most',
    async (answer, expected) => {
      const others = await Promise.all([UdpDns.start(), UdpDns.start()]);
      for (const server of [dns, ...others]) server.set(NAME, answer);
      const startedAt = performance.now();
      expect(await createResolver([dns, ...others].map(({ address }) => address)).txt(NAME)).toEqual(expected);
      expect(performance.now() - startedAt).toBeLessThan(10_000);
      await Promise.all(others.map((server) => server.stop()));
    },
    20_000,
  );

  it('DNS-10 a server that is not there is no answer', async () => {
    const gone = await UdpDns.start();
    await gone.stop();
    expect(await createResolver([gone.address]).txt(NAME)).toEqual({ kind: 'no-answer' });
  });

  it('asks afresh each time, whatever the time to live', async () => {
    const resolver = createResolver([dns.address]);
    dns.set(NAME, { records: ['old'] });
    expect(await resolver.txt(NAME)).toEqual({ kind: 'records', records: [['old']] });
    dns.set(NAME, { records: ['new'] });
    expect(await resolver.txt(NAME)).toEqual({ kind: 'records', records: [['new']] });
  });

  it('one question in trouble does not end another', async () => {
    const resolver = createResolver([dns.address]);
    dns.set(NAME, { records: ['here'] });
    dns.set('silent.example', 'silence');
    const silent = resolver.txt('silent.example');
    expect(await resolver.txt(NAME)).toEqual({ kind: 'records', records: [['here']] });
    expect(await silent).toEqual({ kind: 'no-answer' });
  }, 20_000);

  it('never throws for a name that cannot be asked', async () => {
    for (const name of ['', `${'x'.repeat(64)}.example`, 'a..b']) {
      expect((await createResolver([dns.address]).txt(name)).kind).not.toBe('records');
    }
  });
});
