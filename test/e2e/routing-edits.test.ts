/** Edits of routes and rules while mail flows: what happens to the very next message, and once the tables are live. */
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { RoutedGround, type RouteLines } from '../support/routed-ground.ts';
import { waitFor } from '../support/waiting.ts';

const client = '192.0.2.1';
/** Rules of domains, by domain, in YAML. */
type Rules = Readonly<Record<string, string>>;

const every = (route: string): string => `[{ mail: [external, internal], route: ${route} }]`;
const external = (route: string): string => `[{ mail: [external], route: ${route} }]`;
const domains = ['a.example', 'new.example', 'moved.example', 'back.example', 'gone.example'];

const settingsOf = (routes: RouteLines, rules: Rules): string => `version: 1
organizations:
  acme:
    primaryDomain: a.example
    routes:
${Object.entries(routes)
  .map(([name, line]) => `      ${name}: ${line}\n`)
  .join('')}    domains:
${domains.map((domain) => `      ${domain}: ${domain in rules ? `{ inboundRouting: ${rules[domain] ?? ''} }` : '{}'}\n`).join('')}`;

/** `third` is known to the settings in some tests only. */
const installed = ({ first = '', second = '' }: RouteLines): RouteLines => ({ first, second });

let routed: RoutedGround;

let last = '';
const edit = async (rules: Rules, routes = installed(routed.lines)): Promise<void> => {
  const text = settingsOf(routes, rules);
  if (text !== last) await routed.ground.postern.changeSettings(text);
  last = text;
};

const where = async (recipients: string, service = 'smtp'): Promise<string[]> =>
  routed.arrivals(await routed.hand({ client, recipients, service }));

const start = {
  'a.example': external('second'),
  'moved.example': every('first'),
  'back.example': every('first'),
  'gone.example': every('first'),
};

beforeAll(async () => {
  routed = await RoutedGround.start({
    routes: ['first', 'second', 'third'],
    ownDomains: domains,
    settings: (routes) => (last = settingsOf(installed(routes), start)),
    // Served by another process of smtpd(8), which remembers nothing of the first one's look-ups.
    lab: () => ({ services: { other: {} } }),
  });
});

beforeEach(async () => {
  await edit(start);
});

afterAll(async () => {
  await routed.destroy();
});

async function expectNotLive(): Promise<void> {
  const { mapsNotLive } = await routed.ground.readiness();
  expect(mapsNotLive.map(({ name }) => name)).toContain('transport');
}

it('the queue manager remembers where the last message went, and the next one is not led by that', async () => {
  expect(await where('same@back.example')).toEqual(['first: same@back.example']);
  await edit({ ...start, 'back.example': every('second') });
  await routed.ground.ready();
  expect(await where('same@back.example', 'other')).toEqual(['second: same@back.example']);
});

it('plain rules act on the next message, before the table is live, and by its own lines later', async () => {
  expect(await where('one@new.example')).toEqual(['here: one@new.example']);
  expect(await where('one@moved.example')).toEqual(['first: one@moved.example']);
  await edit({ ...start, 'new.example': every('second'), 'moved.example': every('second'), 'gone.example': '[]' });
  await expectNotLive();
  for (const recipient of ['two@new.example', 'two@moved.example', 'one@new.example', 'one@moved.example']) {
    expect(await where(recipient)).toEqual([`second: ${recipient}`]);
  }
  const { length } = routed.ground.lab.logLines();
  await routed.ground.ready();
  expect(await where('one@gone.example')).toEqual(['here: one@gone.example']);
  // In the end no message is touched for it any more.
  let count = 0;
  const byLine = async (): Promise<true | undefined> => {
    const recipient = `later${(count += 1)}@moved.example`;
    expect(await where(recipient)).toEqual([`second: ${recipient}`]);
    const log = routed.ground.lab.logLines().slice(length);
    return log.some((line) => line.includes(`to=<${recipient}>, relay=127.0.0.3`)) ? true : undefined;
  };
  await waitFor('a message that the table leads', byLine, 90_000, 2_000);
});

it('back and forth: the last edit counts', async () => {
  await edit({ ...start, 'moved.example': every('second') });
  expect(await where('three@moved.example')).toEqual(['second: three@moved.example']);
  await edit(start);
  expect(await where('four@moved.example')).toEqual(['first: four@moved.example']);
});

it('a conditional rule acts on the next message, and so does its end', async () => {
  expect(await where('bob@a.example')).toEqual(['second: bob@a.example']);
  await edit({ ...start, 'a.example': external('first') });
  expect(await where('bob@a.example')).toEqual(['first: bob@a.example']);
  await edit({ ...start, 'a.example': '[]' });
  expect(await where('bob@a.example')).toEqual(['here: bob@a.example']);
});

it('a route that Postfix does not know yet: its mail waits, all else flows, and apply is all it takes', async () => {
  await edit({ ...start, 'new.example': external('third'), 'moved.example': every('third') }, routed.lines);
  for (const recipients of ['bob@new.example', 'bob@moved.example']) {
    const { id, replies } = await routed.post({ client, recipients });
    expect(replies.at(-1)).toMatch(/^451 4\.3\.5 /);
    expect(await routed.arrivals(id)).toEqual([]);
  }
  expect(await where('bob@a.example')).toEqual(['second: bob@a.example']);
  const { status, problems } = await routed.ground.readiness();
  expect(status).toBe('degraded');
  expect(problems.map(({ code }) => code)).toEqual(['POSTERN_ROUTES_NOT_INSTALLED']);
  expect(problems[0]?.text).toContain('acme/third');
  // Its own tables are written within a second or two; before, apply would refuse.
  const isWritten = (line: object): boolean => /"table":"[^"]*\/mark-r3","entries"/.test(JSON.stringify(line));
  await routed.ground.postern.waitForLine('the tables of the route', isWritten, 0, 20_000);
  await routed.ground.apply();
  expect(await where('bob@new.example')).toEqual(['third: bob@new.example']);
  expect(await where('bob@moved.example')).toEqual(['third: bob@moved.example']);
});

it('a route whose server is another one: mail goes there once the table is live', async () => {
  const moved = { ...installed(routed.lines), first: routed.lines.third ?? '' };
  await edit({ ...start, 'a.example': external('first') }, moved);
  await expectNotLive();
  await routed.ground.ready();
  expect(await where('after@a.example')).toEqual(['third: after@a.example']);
  expect(await where('after@moved.example')).toEqual(['third: after@moved.example']);
});
