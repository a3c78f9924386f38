/** A running Postern shows how its inbound gateways do: their last mail, and whether the MX points to them. */
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { DnsServer } from '../../support/dns-server.ts';
import { MilterClient } from '../../support/milter-client.ts';
import { PosternProcess } from '../../support/postern-process.ts';
import { freePorts, waitFor } from '../../support/waiting.ts';

const settings = (own: object): object => ({
  version: 1,
  organizations: { acme: { primaryDomain: 'example.com', domains: { 'example.com': {}, ...own } } },
});
const gateway = (...ips: string[]): object => ({ inboundGateway: { enabled: true, ips } });

let dns: DnsServer;
let postern: PosternProcess | undefined;
let milter: number;

beforeAll(async () => {
  dns = await DnsServer.start();
  await dns.setRecords('mx1.example.net', 'A 192.0.2.1');
  for (const name of ['a.example', 'b.example']) await dns.setRecords(name, 'MX 10 mx1.example.net.');
});
afterEach(async () => {
  dns.resume();
  await postern?.destroy();
});
afterAll(() => dns.stop());

async function serve(own: object): Promise<PosternProcess> {
  const ports = await freePorts('milter', 'metrics');
  milter = ports.milter;
  postern = await PosternProcess.start({
    listen: { milter: `127.0.0.1:${ports.milter}`, metrics: `127.0.0.1:${ports.metrics}` },
    settings: settings(own),
    operator: { dns: { servers: [dns.address] } },
  });
  return postern;
}

/** The samples of gateways on the metrics page. */
async function shown(running: PosternProcess): Promise<Record<string, number>> {
  const page = await (await fetch(`${running.metricsUrl}/metrics`)).text();
  const lines = page.split('\n').filter((line) => line.startsWith('postern_gateway_'));
  return Object.fromEntries(
    lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.split(' ').at(-1))]),
  );
}
const points = (domain: string): string => `postern_gateway_mx_points{domain="${domain}"}`;
const lastMail = 'postern_gateway_last_mail_timestamp_seconds{domain="a.example"}';

it('whether the MX points to it is asked at the start and after a change of settings', async () => {
  const running = await serve({ 'a.example': gateway('192.0.2.1'), 'b.example': gateway('198.51.100.1') });
  const atFirst = await waitFor('both look-ups', async () => {
    const all = await shown(running);
    return points('a.example') in all && points('b.example') in all ? all : undefined;
  });
  expect([atFirst[points('a.example')], atFirst[points('b.example')]]).toEqual([1, 0]);
  await running.changeSettings(settings({ 'b.example': gateway('192.0.2.1') }));
  await waitFor('the new settings in the metrics', async () => {
    const all = await shown(running);
    return all[points('b.example')] === 1 && !(points('a.example') in all) ? true : undefined;
  });
});

it('when mail last came through the gateway, and no value before the first', async () => {
  const running = await serve({ 'a.example': gateway('192.0.2.1') });
  expect(await shown(running)).not.toHaveProperty(lastMail);
  const send = async (address: string): Promise<void> => {
    const client = await MilterClient.open({ kind: 'tcp', host: '127.0.0.1', port: milter }, { address });
    const fields = [
      'Received: from x (x [203.0.113.66]) by gw.example.net (Postfix) with ESMTP id 1',
      'From: x@c.example',
    ];
    await client.message({ sender: '<x@c.example>', recipients: ['<u@a.example>'], fields });
    client.quit();
  };
  await send('198.51.100.7');
  expect(await shown(running)).not.toHaveProperty(lastMail);
  const before = Date.now() / 1000;
  await send('192.0.2.1');
  const after = await waitFor('the message in the metrics', async () => (await shown(running))[lastMail]);
  expect(after).toBeGreaterThanOrEqual(Math.floor(before));
  expect(after).toBeLessThanOrEqual(Date.now() / 1000);
});

it('a DNS server that hangs holds up neither the start nor the end', async () => {
  dns.pause();
  const own = Array.from({ length: 50 }, (_, n) => [`d${n}.example`, gateway('192.0.2.1')] as const);
  const running = await serve(Object.fromEntries(own));
  expect(Object.keys(await shown(running)).filter((name) => name.includes('mx_points'))).toEqual([]);
  const startedAt = performance.now();
  expect(await running.stop()).toBe(0);
  expect(performance.now() - startedAt).toBeLessThan(3000);
});
