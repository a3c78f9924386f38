/** `postern check --dns`: whether the MX of own domains points to their gateways, asked of a real DNS server. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DnsServer } from '../../support/dns-server.ts';
import { UdpDns } from '../../support/udp-dns.ts';
import { cliWorkspace, OPERATOR } from './workspace.ts';

const SETTINGS = `version: 1
organizations:
  acme:
    primaryDomain: example.com
    domains:
      example.com: { inboundGateway: { enabled: true, ips: [192.0.2.0/28] } }
      second.example: { inboundGateway: { enabled: true, ips: [192.0.2.0/28] } }
      off.example: { inboundGateway: { ips: [192.0.2.0/28] } }
      plain.example: {}
`;
const dnsAt = (address: string): string => `${OPERATOR}dns: { servers: ['${address}'] }\n`;

let dns: DnsServer;
beforeAll(async () => {
  dns = await DnsServer.start();
  await dns.setRecords('example.com', 'MX 10 mx1.example.net.');
  await dns.setRecords('mx1.example.net', 'A 192.0.2.1');
  await dns.setRecords('second.example', 'MX 10 other.example.net.');
  await dns.setRecords('other.example.net', 'A 198.51.100.1');
});
afterAll(() => dns.stop());

describe('check --dns', () => {
  it('says one line for each own domain whose gateway is on; an MX elsewhere is no fault', async () => {
    const { run } = await cliWorkspace(SETTINGS, dnsAt(dns.address));
    const { code, stdout } = await run(['check', '--dns']);
    expect(code).toBe(0);
    expect(stdout.split('\n')).toEqual([
      'example.com: its MX points to the gateway: mx1.example.net (192.0.2.1)',
      expect.stringMatching(
        /^second\.example: its MX names no address of the gateway: other\.example\.net \(198\.51\.100\.1\); nothing is wrong where /,
      ),
      expect.stringMatching(/^good: /),
      '',
    ]);
  });

  it('--json has them under "gateways"', async () => {
    const { run } = await cliWorkspace(SETTINGS, dnsAt(dns.address));
    const { code, stdout } = await run(['check', '--dns', '--json']);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      ok: true,
      gateways: [
        {
          domain: 'example.com',
          verdict: 'points',
          hosts: [{ name: 'mx1.example.net', addresses: ['192.0.2.1'], isGateway: true }],
        },
        { domain: 'second.example', verdict: 'elsewhere', hosts: [{ isGateway: false }] },
      ],
    });
  });

  it('beside --effective the lines are remarks: the answer stays JSON', async () => {
    const { run } = await cliWorkspace(SETTINGS, dnsAt(dns.address));
    const { stdout, stderr } = await run(['check', '--dns', '--effective']);
    expect(JSON.parse(stdout)).toHaveProperty('listen');
    expect(stderr).toMatch(/^example\.com: its MX points/m);
  });

  it('without the flag no DNS server is asked', async () => {
    const server = await UdpDns.start();
    const { run } = await cliWorkspace(SETTINGS, dnsAt(server.address));
    const { code, stdout } = await run(['check']);
    expect([code, server.asked]).toEqual([0, []]);
    expect(stdout).toMatch(/^good: /);
    const json = await run(['check', '--json']);
    expect(JSON.parse(json.stdout)).not.toHaveProperty('gateways');
    expect(server.asked).toEqual([]);
    await server.stop();
  });

  it('settings that are not good are said, and DNS is not asked about them', async () => {
    const server = await UdpDns.start();
    const { run } = await cliWorkspace(`${SETTINGS}x: 1\n`, dnsAt(server.address));
    const { code, stdout } = await run(['check', '--dns']);
    expect([code, stdout, server.asked]).toEqual([1, '', []]);
    await server.stop();
  });

  it('a dead DNS takes ten seconds at most for any number of own domains, and then the process ends', async () => {
    const server = await UdpDns.start();
    const names = Array.from({ length: 60 }, (_, n) => `d${n}.example`);
    for (const name of names) server.set(name, 'silence');
    const own = names.map((name) => `      ${name}: { inboundGateway: { enabled: true, ips: [192.0.2.1] } }\n`);
    const { spawn } = await cliWorkspace(SETTINGS + own.join(''), dnsAt(server.address));
    const startedAt = performance.now();
    const { code, stdout } = await spawn(['check', '--dns']);
    // Two seconds for the process to start and to read its files on a busy machine.
    expect(performance.now() - startedAt).toBeLessThan(12_000);
    expect(code).toBe(0);
    expect(stdout.split('\n').filter((line) => /^d\d+\.example: .*DNS did not tell/.test(line))).toHaveLength(60);
    await server.stop();
  }, 30_000);
});
