/**
 * A map writer that writes one version after the other until it is killed:
 * node endless-writer.ts DIRECTORY TYPE CONFIG_DIRECTORY QUEUE_DIRECTORY FIRST_VERSION KEYS.
 * Prints "ready" when the first write begins, then each version that is in place.
 */
import { createMapWriter, readMapTypes, type MapTypeSetting } from '../../../src/adapters/map-writer/index.ts';
import { FakeLog } from '../../support/fake-log.ts';

const [directory = '', type = '', configDirectory = '', queueDirectory = '', first = '', keys = ''] =
  process.argv.slice(2);
const writer = await createMapWriter({
  directory,
  type: type as MapTypeSetting,
  postfix: {
    configDirectory,
    queueDirectory,
    defaultDatabaseType: 'hash',
    mapTypes: await readMapTypes(configDirectory),
  },
  log: new FakeLog(),
  clock: { now: () => Date.now() },
  timing: { gatherMs: 0, retryMs: 50 },
});
process.stdout.write('ready\n');
for (let version = Number(first); ; version += 1) {
  const entries = Array.from({ length: Number(keys) }, (_, key) => ({
    key: `key${key}.example`,
    value: `error:5.1.1 version-${version}`,
  }));
  const { maps } = await writer.publish([{ name: 'transport', kind: 'indexed', entries }]);
  process.stdout.write(maps[0]?.status === 'failed' ? `failed ${maps[0].reason ?? ''}\n` : `${version}\n`);
}
