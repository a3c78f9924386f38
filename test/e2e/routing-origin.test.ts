/** Recipients without a domain, which Postfix takes for those of `myorigin`, where that is a routed domain. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RoutedGround } from '../support/routed-ground.ts';

let routed: RoutedGround;

beforeAll(async () => {
  routed = await RoutedGround.start({
    routes: ['archive'],
    ownDomains: ['a.example', 'kept.example'],
    settings: ({ archive }) => `version: 1
organizations:
  acme:
    primaryDomain: a.example
    routes:
      archive: ${archive}
    domains:
      a.example:
        inboundRouting: [{ mail: [external], route: archive }]
      kept.example:
        inboundRouting: [{ mail: [external], route: archive, alsoSave: true }]
`,
    lab: () => ({ settings: { myorigin: 'a.example' } }),
  });
});

afterAll(async () => {
  await routed.destroy();
});

describe('a recipient without a domain goes to the route, and nowhere else', () => {
  it('by sendmail(1)', async () => {
    const id = await routed.sendmail('-f', 'someone@remote.example', 'bob');
    expect(await routed.arrivals(id)).toEqual(['archive: bob@a.example']);
  });

  it('by sendmail(1), beside whole addresses', async () => {
    const id = await routed.sendmail(
      '-f',
      'someone@remote.example',
      'bob',
      'Eve',
      'carl@a.example',
      'dora@kept.example',
    );
    expect(await routed.arrivals(id)).toEqual([
      ...['archive: Eve@a.example', 'archive: bob@a.example', 'archive: carl@a.example', 'archive: dora@kept.example'],
      'here: dora@kept.example',
    ]);
  });

  it('by SMTP, where only postmaster may have none', async () => {
    const id = await routed.hand({ client: '192.0.2.1', recipients: 'postmaster' });
    expect(await routed.arrivals(id)).toEqual(['archive: postmaster@a.example']);
  });
});
