/** What every TxtResolver keeps to. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createResolver } from '../../src/adapters/dns/index.ts';
import type { TxtAnswer, TxtResolver } from '../../src/services/index.ts';
import { UdpDns, type DnsAnswer } from '../support/udp-dns.ts';
import { FakeResolver } from './memory-vault.ts';

let dns: UdpDns;
beforeAll(async () => {
  dns = await UdpDns.start();
});
afterAll(() => dns.stop());

const NAME = 's1._domainkey.example.com';
const outcomes: readonly [TxtAnswer, DnsAnswer][] = [
  [{ kind: 'records', records: [['v=DKIM1; p=', 'x']] }, { records: [['v=DKIM1; p=', 'x']] }],
  [{ kind: 'no-such-name' }, 'no-such-name'],
  [{ kind: 'no-such-record' }, 'no-such-record'],
  [{ kind: 'server-failure', code: 'ESERVFAIL' }, 'server-failure'],
];
const resolvers: Readonly<Record<string, (answer: TxtAnswer, served: DnsAnswer) => TxtResolver>> = {
  'DNS server': (_, served) => {
    dns.set(NAME, served);
    return createResolver([dns.address]);
  },
  fake: (answer) => {
    const resolver = new FakeResolver();
    resolver.answers.set(NAME, answer);
    return resolver;
  },
};

describe.each(Object.entries(resolvers))('a TXT resolver: %s', (_, open) => {
  it.each(outcomes)('DNS-10 gives %o as a value', async (answer, served) => {
    expect(await open(answer, served).txt(NAME)).toEqual(answer);
  });

  it('a name that nobody knows does not exist', async () => {
    expect(await open(...outcomes[0]!).txt('s2._domainkey.example.com')).toEqual({ kind: 'no-such-name' });
  });
});
