/** Routes in every class that a domain of Postfix can have, where Postfix itself knows who exists; and apply too early. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PosternProcess } from '../support/postern-process.ts';
import { RoutedGround } from '../support/routed-ground.ts';

const client = '192.0.2.1';
/** For each class a domain with a conditional rule, one with an unconditional rule, one without. */
const classes = ['relay', 'local', 'virtual'] as const;
const domainsOf = (name: string): string[] => ['cond', 'plain', 'none'].map((kind) => `${kind}.${name}.example`);
const list = (keys: readonly string[]): string => `inline:{ ${keys.map((key) => `{ ${key} = x }`).join(', ')} }`;
const listed = (name: string): string => list(domainsOf(name).map((domain) => `listed@${domain}`));

let routed: RoutedGround;

beforeAll(async () => {
  routed = await RoutedGround.start({
    routes: ['archive'],
    ownDomains: domainsOf('relay'),
    settings: ({ archive }) => `version: 1
organizations:
  acme:
    primaryDomain: cond.relay.example
    routes: { archive: ${archive} }
    domains:
${classes
  .map(
    (name) => `      cond.${name}.example: { inboundRouting: [{ mail: [external], route: archive }] }
      plain.${name}.example: { inboundRouting: [{ mail: [external, internal], route: archive }] }
      none.${name}.example: {}
`,
  )
  .join('')}`,
    lab: () => ({
      settings: {
        relay_recipient_maps: listed('relay'),
        mydestination: domainsOf('local').join(', '),
        local_recipient_maps: list(['listed']),
        local_transport: 'smtp:$relayhost',
        virtual_mailbox_domains: domainsOf('virtual').join(', '),
        virtual_mailbox_maps: listed('virtual'),
        virtual_transport: 'smtp:$relayhost',
      },
    }),
  });
});

afterAll(async () => {
  await routed.destroy();
});

describe.each(classes)('a domain of the class %s', (name) => {
  it.each(['listed', 'missing'])('%s recipients of routed domains arrive at the route', async (mailbox) => {
    const recipients = [`${mailbox}@cond.${name}.example`, `${mailbox}@plain.${name}.example`];
    const id = await routed.hand({ client, recipients });
    expect(await routed.arrivals(id)).toEqual(recipients.map((recipient) => `archive: ${recipient}`));
  });

  it('without a rule a listed recipient has its mail here, and a missing one is refused by Postfix', async () => {
    const recipients = [`listed@none.${name}.example`, `missing@none.${name}.example`];
    const { id, replies } = await routed.post({ client, recipients });
    expect(replies.map((reply) => reply.slice(0, 9))).toEqual(['250 2.1.5', '550 5.1.1', '250 2.0.0']);
    expect(await routed.arrivals(id)).toEqual([`here: listed@none.${name}.example`]);
  });

  it('internal mail stays here where the rule is for external mail only', async () => {
    for (const [kind, place] of [
      ['cond', 'here'],
      ['plain', 'archive'],
    ] as const) {
      const recipients = `listed@${kind}.${name}.example`;
      const id = await routed.hand({ sender: `someone@${kind}.${name}.example`, recipients });
      expect(await routed.arrivals(id)).toEqual([`${place}: ${recipients}`]);
    }
  });
});

it('who may not relay may not do so by a route', async () => {
  for (const recipients of ['bob@else.example', 'bob@sub.cond.relay.example', 'bob@sub.plain.local.example']) {
    const { replies } = await routed.post({ client, recipients });
    expect(replies).toEqual([expect.stringMatching(/^55[04] 5\.[17]\.1 /)]);
  }
});

it('apply before any serve is refused, with the way out, and changes nothing', async () => {
  const { configDirectory } = routed.ground.lab;
  const files = (): Promise<string[]> =>
    Promise.all(['main.cf', 'master.cf'].map((name) => readFile(join(configDirectory, name), 'utf8')));
  const before = await files();
  const early = await PosternProcess.prepare({
    listen: { policy: '127.0.0.1:1', milter: '127.0.0.1:2', socketmap: '127.0.0.1:3' },
    settings: await readFile(routed.ground.postern.settingsFile, 'utf8'),
    operator: { postfix: { configDirectory } },
  });
  try {
    const { code, stdout, stderr } = await early.run('postfix', 'apply');
    expect(code).toBe(1);
    expect(stdout + stderr).toMatch(/acme\/archive has none yet; start it, and try again when it is ready/);
    expect(stdout + stderr).toContain('postern serve');
    expect(stdout + stderr).toContain('nothing was changed');
    expect(await files()).toEqual(before);
  } finally {
    await early.destroy();
  }
});
