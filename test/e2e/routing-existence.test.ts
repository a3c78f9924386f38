/** Who exists, by files and by Postfix's own maps, and what rules do with those who do not: on a Postfix that has lists itself. */
import { appendFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { typesHere } from '../integration/map-writer/workshop.ts';
import { RoutedGround, type Posted } from '../support/routed-ground.ts';
import { waitFor } from '../support/waiting.ts';

const client = '192.0.2.1';
/** By XCLIENT: the server of the first route. */
const archiveServer = '127.0.0.2';
const classes = ['relay', 'local', 'virtual'] as const;
const mapTypes = typesHere.filter((type) => type !== 'texthash');

const inline = (keys: readonly string[], value: (key: string) => string = () => 'x'): string =>
  `inline:{ ${keys.map((key) => `{ ${key} = ${value(key)} }`).join(', ')} }`;
const others = ['missing-only', 'existing-only', 'external-only', 'no-rule', 'broken', 'other', ...mapTypes].map(
  (name) => `${name}.example`,
);
/** Of these Postfix takes every recipient: what is refused there, Postern refuses. */
const open = ['no-rule.example', 'external-only.example', 'broken.example', 'other.example'];

let routed: RoutedGround;
let lists: string;

const listOf = (domain: string): string => join(lists, `${domain}.txt`);
const mapOf = (type: string): string => join(lists, `recipients-${type}`);

const rule = (more: string): string => `[{ mail: [external], ${more}, route: archive }]`;
const saveAll = rule('recipients: [existing, missing], alsoSave: true');

function settings(archive: string, gateway: string): string {
  const from = (domain: string): string => `recipients: [${listOf(domain)}]`;
  const lines = [
    ...classes.map((name) => `all.${name}.example: { ${from('all')}, inboundRouting: ${saveAll} }`),
    `missing-only.example: { ${from('missing-only')}, inboundRouting: ${rule('recipients: [missing]')} }`,
    `existing-only.example: { ${from('existing-only')}, inboundRouting: ${rule('recipients: [existing]')} }`,
    `external-only.example: { ${from('external-only')}, inboundRouting: ${rule('recipients: [existing, missing]')} }`,
    `no-rule.example: { ${from('no-rule')} }`,
    `broken.example: { recipients: [{ map: "${typesHere[0]}:${join(lists, 'nowhere')}" }], inboundRouting: ${saveAll} }`,
    'other.example: { outboundRouting: [{ mail: [external], action: change, route: gw }] }',
    ...mapTypes.map(
      (type) => `${type}.example: { recipients: [{ map: "${type}:${mapOf(type)}" }], inboundRouting: ${saveAll} }`,
    ),
  ];
  return `version: 1
organizations:
  acme:
    primaryDomain: all.relay.example
    routes: { archive: ${archive}, gw: ${gateway} }
    domains:
${lines.map((line) => `      ${line}\n`).join('')}`;
}

beforeAll(async () => {
  lists = await mkdtemp(join(tmpdir(), 'postern-lists-'));
  const all = classes.map((name) => `bob@all.${name}.example\nAlias@all.${name}.example\n`);
  await writeFile(listOf('all'), all.join(''));
  for (const name of ['missing-only', 'existing-only', 'external-only', 'no-rule']) {
    await writeFile(listOf(name), `bob@${name}.example\n`);
  }
  for (const type of mapTypes) await writeFile(mapOf(type), `bob@${type}.example anything\n`);
  const known = (name: string): string => inline([`bob@all.${name}.example`]);
  const relayed = ['all.relay.example', 'missing-only.example', 'existing-only.example'];
  routed = await RoutedGround.start({
    routes: ['archive', 'gw'],
    ownDomains: ['all.relay.example', ...others],
    settings: ({ archive = '', gw = '' }) => settings(archive, gw),
    lab: () => ({
      settings: {
        recipient_delimiter: '+',
        relay_recipient_maps: inline([
          ...relayed.map((domain) => `bob@${domain}`),
          ...open.map((domain) => `@${domain}`),
          ...mapTypes.map((type) => `bob@${type}.example`),
        ]),
        mydestination: 'all.local.example',
        local_recipient_maps: inline(['bob']),
        local_transport: 'smtp:$relayhost',
        virtual_mailbox_domains: 'all.virtual.example',
        virtual_mailbox_maps: known('virtual'),
        virtual_transport: 'smtp:$relayhost',
        virtual_alias_maps: inline(
          classes.map((name) => `alias@all.${name}.example`),
          (alias) => alias.replace('alias', 'bob'),
        ),
      },
    }),
  });
});

afterAll(async () => {
  await routed.destroy();
  await rm(lists, { recursive: true });
});

const codes = ({ replies }: Posted): string[] => replies.map((reply) => reply.slice(0, 9));
const unknown = '550 5.1.1';
const taken = '250 2.1.5';
const queued = '250 2.0.0';

describe.each(classes)('a domain of the class %s, whose recipients Postfix has a list of too', (name) => {
  const at = (local: string): string => `${local}@all.${name}.example`;

  it('RT-11 bob is saved and routed, ghost is routed only, and no recipient is said to be unknown', async () => {
    const posted = await routed.post({ client, recipients: [at('bob'), at('ghost')] });
    expect(codes(posted)).toEqual([taken, taken, queued]);
    expect(await routed.arrivals(posted.id)).toEqual([
      `archive: ${at('bob')}`,
      `archive: ${at('ghost')}`,
      `here: ${at('bob')}`,
    ]);
  });

  it('RT-11 extensions, case and aliases: who exists is saved, and the route has the address as it was written', async () => {
    const recipients = ['bob+x', 'Bob', 'ALIAS', 'ghost+x'].map(at);
    const id = await routed.hand({ client, recipients });
    expect(await routed.arrivals(id)).toEqual(
      [
        ...recipients.map((recipient) => `archive: ${recipient}`),
        `here: ${at('bob+x')}`,
        `here: ${at('Bob')}`,
        `here: ${at('bob')}`,
      ].sort(),
    );
  });

  it('RT-11 internal mail has no rule: bob has it here, and ghost is refused', async () => {
    const posted = await routed.post({ sender: at('bob'), recipients: [at('bob'), at('ghost')] });
    expect(codes(posted)).toEqual([taken, unknown, queued]);
    expect(await routed.arrivals(posted.id)).toEqual([`here: ${at('bob')}`]);
  });

  it("RT-02 mail for ghost from the route's own server is refused at RCPT, and not sent back", async () => {
    const before = routed.server('archive').messages.length;
    const posted = await routed.post({ client: archiveServer, recipients: at('ghost') });
    expect(codes(posted)).toEqual([unknown]);
    expect(await routed.arrivals(posted.id)).toEqual([]);
    expect(routed.server('archive').messages).toHaveLength(before);
  });
});

describe('a longer ring', () => {
  const ghost = 'ghost@all.relay.example';
  const bob = 'bob@all.relay.example';

  async function markOf(recipients: string): Promise<string> {
    const id = await routed.hand({ client, recipients });
    const { content } = await routed.arrival(id, 'archive');
    const [mark] = /^X-Postern-Route: \S+\r\n/m.exec(content.toString('latin1')) ?? [];
    if (mark === undefined) throw new Error('no mark');
    return mark;
  }

  it('RT-02 a message that carries the mark of the route is refused: 5.1.1 for who does not exist, else 5.4.6', async () => {
    const headers = await markOf(ghost);
    const before = routed.server('archive').messages.length;
    for (const from of [client, '203.0.113.9']) {
      const missing = await routed.post({ client: from, headers, recipients: ghost });
      expect(codes(missing).at(-1)).toBe(unknown);
      const existing = await routed.post({ client: from, headers, recipients: bob });
      expect(codes(existing)).toEqual([taken, '550 5.4.6']);
      expect([...(await routed.arrivals(missing.id)), ...(await routed.arrivals(existing.id))]).toEqual([]);
    }
    expect(routed.server('archive').messages).toHaveLength(before);
  });

  it("RT-02 so it is when it comes from the route's own server", async () => {
    const headers = await markOf(bob);
    const existing = await routed.post({ client: archiveServer, headers, recipients: bob });
    expect(codes(existing)).toEqual([taken, '550 5.4.6']);
    const missing = await routed.post({ client: archiveServer, headers, recipients: ghost });
    expect(codes(missing)).toEqual([unknown]);
    expect([...(await routed.arrivals(missing.id)), ...(await routed.arrivals(existing.id))]).toEqual([]);
  });
});

describe('rules for some recipients', () => {
  it('a rule for missing ones: bob has his mail here, ghost has it at the route', async () => {
    const id = await routed.hand({ client, recipients: ['bob@missing-only.example', 'ghost+x@missing-only.example'] });
    expect(await routed.arrivals(id)).toEqual([
      'archive: ghost+x@missing-only.example',
      'here: bob@missing-only.example',
    ]);
  });

  it('a rule for existing ones: bob has his mail at the route, ghost is refused', async () => {
    const posted = await routed.post({
      client,
      recipients: ['bob@existing-only.example', 'ghost@existing-only.example'],
    });
    expect(codes(posted)).toEqual([taken, unknown, queued]);
    expect(await routed.arrivals(posted.id)).toEqual(['archive: bob@existing-only.example']);
  });

  it.each([
    'postmaster',
    'Postmaster',
    'SRS0=HHH=TT=remote.example=user',
    'srs0+HHH=TT=remote.example=user',
    'SRS1=HHH=first.example==HHH=TT=remote.example=user',
    'prvs=1234abcdef=bob',
    'prvs=1234abcdef=ghost',
    'btv1==1234abcdef==bob',
  ])('%s is never missing', async (local) => {
    const recipients = `${local}@existing-only.example`;
    const id = await routed.hand({ client, recipients });
    expect(await routed.arrivals(id)).toEqual([`archive: ${recipients}`]);
    const elsewhere = await routed.post({ client, recipients: `${local}@no-rule.example` });
    expect(codes(elsewhere)).toEqual([taken, queued]);
  });

  it('the missing of a domain without a rule are refused, whoever writes', async () => {
    const recipients = [
      'bob@no-rule.example',
      'BOB+x@no-rule.example',
      'ghost@no-rule.example',
      'bob.x@no-rule.example',
    ];
    for (const how of [{ client }, { client: archiveServer }, {}, { sender: 'bob@no-rule.example' }]) {
      const posted = await routed.post({ ...how, recipients });
      expect(codes(posted)).toEqual([taken, taken, unknown, unknown, queued]);
      expect(await routed.arrivals(posted.id)).toEqual(['here: BOB+x@no-rule.example', 'here: bob@no-rule.example']);
    }
  });

  it('an outbound rule of the sender takes missing ones too, unless Postfix itself has a list of who exists', async () => {
    const recipients = ['bob@no-rule.example', 'ghost@no-rule.example', 'ghost@existing-only.example'];
    const posted = await routed.post({ sender: 'alice@other.example', recipients });
    expect(codes(posted)).toEqual([taken, taken, unknown, queued]);
    expect(await routed.arrivals(posted.id)).toEqual(['gw: bob@no-rule.example', 'gw: ghost@no-rule.example']);
  });

  it('a rule for external mail does not take a missing recipient of internal mail', async () => {
    const internal = await routed.post({
      sender: 'bob@external-only.example',
      recipients: 'ghost@external-only.example',
    });
    expect(codes(internal)).toEqual([unknown]);
    const id = await routed.hand({ client, recipients: 'ghost@external-only.example' });
    expect(await routed.arrivals(id)).toEqual(['archive: ghost@external-only.example']);
  });

  it('a line that is added to a list makes a recipient exist, and one that is taken out makes it missing', async () => {
    const recipients = 'late@no-rule.example';
    const last = async (): Promise<string> => codes(await routed.post({ client, recipients })).at(-1) ?? '';
    expect(await last()).toBe(unknown);
    await appendFile(listOf('no-rule'), `# since today\n${recipients}\n`);
    await waitFor('the new recipient', async () => ((await last()) === queued ? true : undefined));
    await writeFile(listOf('no-rule'), 'bob@no-rule.example\n');
    await waitFor('its end', async () => ((await last()) === unknown ? true : undefined));
  });
});

describe('recipients in a Postfix map', () => {
  it('a map that cannot be read defers, and every other domain is as it was', async () => {
    for (const local of ['bob', 'ghost']) {
      const posted = await routed.post({ client, recipients: `${local}@broken.example` });
      expect(posted.replies).toEqual([expect.stringMatching(/^451 4\.3\.\d /)]);
    }
    const mixed = await routed.post({ client, recipients: ['bob@broken.example', 'bob@all.relay.example'] });
    expect(codes(mixed).map((code) => code.slice(0, 3))).toEqual(['451', '250', '250']);
    expect(await routed.arrivals(mixed.id)).toEqual(['archive: bob@all.relay.example', 'here: bob@all.relay.example']);
  });

  it.each(mapTypes)('RT-11 %s, made by postmap while Postern runs', async (type) => {
    const recipients = [`bob@${type}.example`, `BOB+x@${type}.example`, `ghost@${type}.example`];
    const before = await routed.post({ client, recipients });
    expect(before.replies).toEqual(recipients.map(() => expect.stringMatching(/^451 4\.3\.\d /) as string));
    await routed.ground.lab.command('postmap', `${type}:${mapOf(type)}`);
    const isThere = async (): Promise<true | undefined> =>
      codes(await routed.post({ client, recipients })).every((code) => code.startsWith('250')) ? true : undefined;
    await waitFor('the map', isThere, 70_000, 500);
    const id = await routed.hand({ client, recipients });
    expect(await routed.arrivals(id)).toEqual(
      [
        ...recipients.map((recipient) => `archive: ${recipient}`),
        ...recipients.slice(0, 2).map((recipient) => `here: ${recipient}`),
      ].sort(),
    );
  });
});

describe('the socketmap "recipients"', () => {
  async function answer(address: string): Promise<string> {
    const maps = await routed.ground.lab.parameter('relay_recipient_maps');
    const map = /socketmap:\S+:recipients/.exec(maps)?.[0];
    if (map === undefined) throw new Error(`no socketmap in ${maps}`);
    // postmap ends with 1 where a table has no answer.
    return routed.ground.lab.command('postmap', '-q', address, map).catch(() => 'not found');
  }

  it.each(['ghost@all.relay.example', 'ghost+x@missing-only.example', 'Bob@existing-only.example'])(
    'says OK for %s, which a rule routes',
    async (address) => {
      expect(await answer(address)).toBe('routed\n');
    },
  );

  it.each(['ghost@existing-only.example', 'ghost@no-rule.example', 'ghost@else.example', 'ghost', 'all.relay.example'])(
    'has nothing to say about %s',
    async (address) => {
      expect(await answer(address)).toBe('not found');
    },
  );
});
