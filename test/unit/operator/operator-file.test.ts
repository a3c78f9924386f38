import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { formatListener, mapDoors, validateOperatorFile, type OperatorFile } from '../../../src/operator/index.ts';

const EVERYTHING = `
listen: { policy: 127.0.0.1:10040, milter: 127.0.0.1:10041, socketmap: 127.0.0.1:10042, admin: 127.0.0.1:10080, metrics: 127.0.0.1:10043 }
settings: settings.yaml
state: ./state
maps: { directory: ./maps, type: auto }
postfix: { configDirectory: /etc/postfix }
trustedNetworks: [127.0.0.0/8, '::1']
authservId: mx.example.com
dns: { servers: [127.0.0.1:53] }
internalDomain: route.postern.internal
reinjectionServices: []
socket: { group: postfix, mode: "0660" }
`;

function good(document: unknown): OperatorFile {
  const { file, issues } = validateOperatorFile(document);
  expect(issues).toEqual([]);
  return file!;
}

const doorsOf = (file: OperatorFile): Record<string, string[]> =>
  Object.fromEntries(Object.entries(file.listen).map(([door, listeners]) => [door, listeners.map(formatListener)]));

const faults = (document: unknown): [string, string][] => {
  const { file, issues } = validateOperatorFile(document);
  expect(file).toBeNull();
  return issues.map(({ pointer, message }) => [pointer, message]);
};

const DEFAULT_DOORS = {
  policy: ['127.0.0.1:10040'],
  milter: ['127.0.0.1:10041'],
  milterAfterFilter: [],
  socketmap: ['127.0.0.1:10042'],
  admin: ['127.0.0.1:10080'],
  metrics: ['127.0.0.1:10043'],
};

describe("the operator's file", () => {
  it('may hold every key', () => {
    const file = good(parse(EVERYTHING));
    expect(doorsOf(file)).toEqual(DEFAULT_DOORS);
    expect(file).toMatchObject({
      settings: 'settings.yaml',
      state: './state',
      maps: { directory: './maps', type: 'auto' },
      postfix: { configDirectory: '/etc/postfix' },
      trustedNetworks: [{ text: '127.0.0.0/8' }, { text: '::1' }],
      authservId: 'mx.example.com',
      dns: { servers: ['127.0.0.1:53'] },
      internalDomain: 'route.postern.internal',
      reinjectionServices: [],
      socket: { group: 'postfix', mode: '0660' },
    });
  });

  it('needs settings only, and has every default', () => {
    const file = good({ settings: 'settings.yaml' });
    expect(doorsOf(file)).toEqual(DEFAULT_DOORS);
    expect(file).toEqual({
      listen: file.listen,
      settings: 'settings.yaml',
      state: './state',
      maps: { directory: './maps', type: 'auto' },
      postfix: { configDirectory: '/etc/postfix' },
      internalDomain: 'route.postern.internal',
      reinjectionServices: [],
      socket: { mode: '0660' },
    });
  });

  it('fills a group that is given in part', () => {
    expect(good({ settings: 's', maps: { type: 'lmdb' }, socket: { group: 'mail' }, postfix: {} })).toMatchObject({
      maps: { directory: './maps', type: 'lmdb' },
      socket: { group: 'mail', mode: '0660' },
      postfix: { configDirectory: '/etc/postfix' },
    });
  });

  it('the log of Postfix may be named', () => {
    const { postfix } = good({ settings: 's', postfix: { logFile: 'log/mail.log' } });
    expect(postfix).toEqual({ configDirectory: '/etc/postfix', logFile: 'log/mail.log' });
  });

  it('with listen, a door that is not named is shut', () => {
    expect(doorsOf(good({ settings: 's', listen: { policy: 'unix:p.sock' } }))).toEqual({
      policy: ['unix:p.sock'],
      milter: [],
      milterAfterFilter: [],
      socketmap: [],
      admin: [],
      metrics: [],
    });
    expect(Object.values(doorsOf(good({ settings: 's', listen: {} }))).flat()).toEqual([]);
  });

  it('a door may have several listeners; there may be a second milter door behind a content filter', () => {
    const file = good({
      settings: 's',
      listen: { policy: ['127.0.0.1:1', '[::1]:1', 'unix:/p'], milterAfterFilter: '127.0.0.1:2' },
    });
    expect(file.listen.policy.map(formatListener)).toEqual(['127.0.0.1:1', '[::1]:1', 'unix:/p']);
    expect(file.listen.milterAfterFilter.map(formatListener)).toEqual(['127.0.0.1:2']);
  });

  it('the listeners of all doors can be changed in one go', () => {
    const { listen } = good({ settings: 's' });
    const doubled = mapDoors(listen, (listeners) => [...listeners, ...listeners]);
    expect(doubled.policy).toHaveLength(2);
    expect(Object.keys(doubled)).toEqual(Object.keys(DEFAULT_DOORS));
  });

  it.each(['auto', 'lmdb', 'cdb', 'hash', 'texthash'])('maps may be of type %s', (type) => {
    expect(good({ settings: 's', maps: { type } }).maps.type).toBe(type);
  });

  it.each(['0660', '660', '0777'])('a socket may have mode %s', (mode) => {
    expect(good({ settings: 's', socket: { mode } }).socket.mode).toBe(mode);
  });

  it.each([
    ['an empty file', null, '/settings', 'is missing; it must be the path of the settings file, such as settings.yaml'],
    ['a list', [], '', 'must be the settings of the operator, at least "settings: settings.yaml", not a list'],
    [
      'no settings file',
      { settings: '' },
      '/settings',
      'must be the path of the settings file, such as settings.yaml, not ""',
    ],
    [
      'PostgreSQL',
      { settings: 'postgres://db/postern' },
      '/settings',
      'names a PostgreSQL store, which this version does not have yet; name a settings file',
    ],
    [
      'PostgreSQL by its other name',
      { settings: 'PostgreSQL://db' },
      '/settings',
      'names a PostgreSQL store, which this version does not have yet; name a settings file',
    ],
    ['an unknown key', { settings: 's', setings: 's' }, '/setings', 'is an unknown key; did you mean "settings"?'],
    [
      'an unknown door',
      { settings: 's', listen: { polcy: '127.0.0.1:1' } },
      '/listen/polcy',
      'is an unknown key; did you mean "policy"?',
    ],
    [
      'doors as text',
      { settings: 's', listen: '127.0.0.1:1' },
      '/listen',
      'must be a group of doors, such as { policy: 127.0.0.1:10040 }, not "127.0.0.1:1"',
    ],
    [
      'a door without a place',
      { settings: 's', listen: { policy: [] } },
      '/listen/policy',
      'is empty; leave the door out to keep it shut',
    ],
    [
      'a door with a number',
      { settings: 's', listen: { policy: 10_040 } },
      '/listen/policy',
      'must be a place to listen, such as 127.0.0.1:10040, or a list of them, not the number 10040',
    ],
    [
      'a door with a bad place',
      { settings: 's', listen: { admin: 'unix:' } },
      '/listen/admin',
      'names no path; write unix:/var/spool/postfix/postern/policy.sock',
    ],
    [
      'a door with a bad place in a list',
      { settings: 's', listen: { admin: ['127.0.0.1:1', 'x'] } },
      '/listen/admin/1',
      '"x" is no place to listen; write 127.0.0.1:10040, [::1]:10040 or unix:/path',
    ],
    [
      'maps as text',
      { settings: 's', maps: './maps' },
      '/maps',
      'must be a group of keys, such as { directory: ./maps, type: auto }, not "./maps"',
    ],
    [
      'an unknown key of maps',
      { settings: 's', maps: { dir: 'x' } },
      '/maps/dir',
      'is an unknown key; known here: directory, type',
    ],
    [
      'a map type',
      { settings: 's', maps: { type: 'btree' } },
      '/maps/type',
      'must be auto, lmdb, cdb, hash or texthash, not "btree"',
    ],
    [
      'postfix as text',
      { settings: 's', postfix: '/etc' },
      '/postfix',
      'must be a group of keys, such as { configDirectory: /etc/postfix }, not "/etc"',
    ],
    [
      'a log without a name',
      { settings: 's', postfix: { logFile: '' } },
      '/postfix/logFile',
      'must be the path of the file that Postfix logs to, not ""',
    ],
    [
      'networks as text',
      { settings: 's', trustedNetworks: '10.0.0.0/8' },
      '/trustedNetworks',
      'must be a list of IP addresses and ranges, not "10.0.0.0/8"',
    ],
    [
      'a network with host bits',
      { settings: 's', trustedNetworks: ['::1', '10.0.0.1/8'] },
      '/trustedNetworks/1',
      '"10.0.0.1/8" has bits set beyond its prefix; write 10.0.0.0/8 for the whole network, or 10.0.0.1 for the one address.',
    ],
    ['an authservId', { settings: 's', authservId: 'a b' }, '/authservId', '"a b" has white space in it'],
    [
      'an internal domain',
      { settings: 's', internalDomain: '*' },
      '/internalDomain',
      '"*" has a wildcard; name each domain itself',
    ],
    [
      'an internal domain as a number',
      { settings: 's', internalDomain: 5 },
      '/internalDomain',
      'must be a domain name, not the number 5',
    ],
    [
      'dns as text',
      { settings: 's', dns: '127.0.0.1' },
      '/dns',
      'must be a group of keys, such as { servers: [127.0.0.1:53] }, not "127.0.0.1"',
    ],
    [
      'dns without servers',
      { settings: 's', dns: {} },
      '/dns/servers',
      'is missing; it must be a list of addresses, such as [127.0.0.1:53]',
    ],
    [
      'no dns server',
      { settings: 's', dns: { servers: [] } },
      '/dns/servers',
      "is empty; leave the key out for the system's servers",
    ],
    [
      'a dns server by name',
      { settings: 's', dns: { servers: ['ns'] } },
      '/dns/servers/0',
      '"ns" is no address of a DNS server; write an address such as 127.0.0.1, 127.0.0.1:53 or [::1]:53',
    ],
    [
      'a re-injection service as text',
      { settings: 's', reinjectionServices: 'x' },
      '/reinjectionServices',
      'must be a list of {daemon_name} values, not "x"',
    ],
    [
      'a re-injection service without a name',
      { settings: 's', reinjectionServices: [''] },
      '/reinjectionServices/0',
      'must be the {daemon_name} of a service, not ""',
    ],
    [
      'a socket as text',
      { settings: 's', socket: 'x' },
      '/socket',
      'must be a group of keys, such as { group: postfix, mode: "0660" }, not "x"',
    ],
    [
      'a mode without quotes',
      { settings: 's', socket: { mode: 660 } },
      '/socket/mode',
      'must be an octal mode in quotes, such as "0660", not the number 660',
    ],
    [
      'a mode that is none',
      { settings: 's', socket: { mode: '0999' } },
      '/socket/mode',
      'must be an octal mode in quotes, such as "0660", not "0999"',
    ],
    [
      'a group without a name',
      { settings: 's', socket: { group: '' } },
      '/socket/group',
      'must be the name of a group, not ""',
    ],
  ])('%s is refused', (_, document, pointer, message) => {
    expect(faults(document)).toEqual([[pointer, message]]);
  });

  it('names every fault in one answer', () => {
    const document = {
      settings: 'postgres:x',
      listen: { policy: 'x', admin: 5 },
      maps: { type: 'x' },
      socket: { mode: 5 },
      dns: { servers: ['x', 5] },
    };
    expect(faults(document).map(([pointer]) => pointer)).toEqual([
      '/listen/policy',
      '/listen/admin',
      '/maps/type',
      '/dns/servers/0',
      '/dns/servers/1',
      '/socket/mode',
      '/settings',
    ]);
  });
});
