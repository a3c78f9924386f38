/** What every SettingsLoader keeps to. */
import { readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createLastGood, createSettingsFile, createSettingsThread } from '../../src/adapters/store-embedded/index.ts';
import { createSettingsLoader, type SettingsLoader } from '../../src/services/index.ts';
import type { Snapshot } from '../../src/snapshot/index.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { surroundings } from '../unit/services/surroundings.ts';

const loaders: Readonly<Record<string, (directory: string) => SettingsLoader>> = {
  'in place': (directory) =>
    createSettingsLoader(
      createSettingsFile(join(directory, 'settings.yaml')),
      createLastGood(join(directory, 'state'), Date.now),
    ),
  'in a thread': (directory) =>
    createSettingsThread({
      settings: join(directory, 'settings.yaml'),
      name: 'settings.yaml',
      state: join(directory, 'state'),
    }),
};

const settings = (own: string): string =>
  `version: 1\norganizations: { acme: { primaryDomain: example.com, domains: { example.com: ${own} } } }\n`;
const GOOD = settings('{ blockedIps: [192.0.2.1, { ip: 192.0.2.2, note: why }] }');
const WITH_LIST = settings('{ blockedIps: [{ file: drop.txt }] }');
const RICH = `version: 1
provider: { sharedDomains: [shared.example], signingDomain: mail.provider.example }
organizations:
  acme:
    primaryDomain: example.com
    routes:
      dlp: { host: 192.0.2.30, port: 2525, certificateName: dlp.example.net }
    domains:
      example.com:
        allowedIps: [{ ip: 198.51.100.7, note: drill, expires: 2027-01-31 }, 2001:db8::/32]
        blockedIps: [203.0.113.0/24, { file: drop.txt, note: public }]
        autoBlock: { after: 20, within: 10m, for: 1h }
        inboundGateway: { enabled: true, ips: [192.0.2.10], spamPattern: '^X-Gw-Score: (9|10)' }
        outboundRouting: [{ mail: [external], action: change, route: dlp }]
        tls: [{ title: Bank, applyTo: [incoming, outgoing], domains: [bank.example], trustedCa: true }]
      b.example: {}
  other: { primaryDomain: c.example, domains: { c.example: { enforcement: observe } } }
`;

const blockedBy = (snapshot: Snapshot | null): string[] =>
  [...(snapshot?.domains.values() ?? [])].flatMap(({ blocked }) => blocked.entries.map(({ text }) => text));

describe.each(Object.entries(loaders))('a loader %s', (_, make) => {
  it('gives what the settings say, keeps it, and gives it back', async () => {
    const directory = await temporaryDirectory({ 'settings.yaml': GOOD });
    const loader = make(directory);
    const before = Date.now();
    const { report, kept } = await loader.load(surroundings());
    expect(blockedBy(report.snapshot)).toEqual(['192.0.2.1', '192.0.2.2']);
    expect(report).toMatchObject({ listFiles: [], errors: { count: 0 }, warnings: { count: 0 }, remarks: [] });
    expect(await kept).toBeNull();
    await writeFile(join(directory, 'settings.yaml'), 'broken: [');
    const good = await make(directory).loadLastGood(surroundings());
    expect(good?.snapshot).toEqual(report.snapshot);
    expect(good?.savedAt).toBeGreaterThanOrEqual(before);
  });

  it('names the first faults, counts all, and leaves alone what was kept', async () => {
    const bad = Array.from({ length: 30 }, (__, n) => `x${n}: 1`).join(', ');
    const directory = await temporaryDirectory({ 'settings.yaml': settings(`{ ${bad}, allowedIps: [10.0.0.0/8] }`) });
    const { report, kept } = await make(directory).load(surroundings());
    expect(report).toMatchObject({ snapshot: null, listFiles: null, errors: { count: 30 }, warnings: { count: 1 } });
    expect(report.errors.named).toHaveLength(20);
    expect(report.errors.named[0]).toMatchObject({ file: 'settings.yaml', line: 2, severity: 'error' });
    expect(await kept).toBeNull();
    expect(await readdir(directory)).toEqual(['settings.yaml']);
    expect(await make(directory).loadLastGood(surroundings())).toBeNull();
  });

  it('settings that cannot be read are a refusal with its code', async () => {
    await expect(make(await temporaryDirectory()).load(surroundings())).rejects.toMatchObject({
      name: 'PosternError',
      code: 'POSTERN_SETTINGS_UNREADABLE',
      message: expect.stringMatching(/^settings\.yaml cannot be read: /) as string,
    });
  });

  it('the last good content stands in for a list file that broke', async () => {
    const directory = await temporaryDirectory({ 'settings.yaml': WITH_LIST, 'drop.txt': '192.0.2.7\n' });
    const loader = make(directory);
    const first = await loader.load(surroundings());
    await first.kept;
    await writeFile(join(directory, 'drop.txt'), '192.0.2.7\nnonsense\n');
    const { report, kept } = await loader.load(surroundings());
    expect(await kept).toBeNull();
    expect(report.errors).toMatchObject({ count: 1, named: [{ file: 'drop.txt', line: 2 }] });
    expect(report.listFiles).toEqual(['drop.txt']);
    expect(report.snapshot).toEqual(first.report.snapshot);
    await rm(join(directory, 'state'), { recursive: true });
    expect((await loader.load(surroundings())).report).toMatchObject({ snapshot: null, listFiles: ['drop.txt'] });
  });

  it('says why last good content is of no use', async () => {
    const directory = await temporaryDirectory({
      'settings.yaml': WITH_LIST,
      'state/last-good/last-good.json': 'nonsense',
    });
    const loader = make(directory);
    expect((await loader.load(surroundings())).report.remarks).toEqual([
      expect.stringMatching(/^there is no last good content of drop\.txt: .*last-good\.json is broken$/),
    ]);
    await expect(loader.loadLastGood(surroundings())).rejects.toMatchObject({ code: 'POSTERN_STATE_UNREADABLE' });
  });

  it('what cannot be kept is said, and acts all the same', async () => {
    const directory = await temporaryDirectory({ 'settings.yaml': GOOD, state: 'a file' });
    const { report, kept } = await make(directory).load(surroundings());
    expect(blockedBy(report.snapshot)).toHaveLength(2);
    expect(await kept).toMatch(/state/);
  });

  it('acts on what surrounds the settings', async () => {
    const loader = make(await temporaryDirectory({ 'settings.yaml': GOOD }));
    const { report } = await loader.load(surroundings({ trustedNetworks: ['10.0.0.0/8', '192.0.2.0/24'] }));
    expect(report.snapshot?.host.trustedNetworks.v4.first).toHaveLength(2);
  });
});

it('all loaders give the same snapshot of the same files', async () => {
  const files = { 'settings.yaml': RICH, 'drop.txt': '192.0.2.0/24 # a\n2001:db8:1::/48\n192.0.2.99\n' };
  const snapshots = await Promise.all(
    Object.values(loaders).map(async (make) => {
      const { report } = await make(await temporaryDirectory(files)).load(surroundings());
      return report.snapshot;
    }),
  );
  expect(snapshots[0]?.domains.size).toBe(3);
  for (const snapshot of snapshots.slice(1)) expect(snapshot).toStrictEqual(snapshots[0]);
});
