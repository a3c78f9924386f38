/** What `explain` and `check` say of routes, without a Postfix at hand. */
import { describe, expect, it } from 'vitest';
import type { Explanation } from '../../../src/services/index.ts';
import { cliWorkspace, lines } from './workspace.ts';

const SETTINGS = `version: 1
organizations:
  acme:
    primaryDomain: example.com
    routes:
      archive: { host: archive.example.net }
      quiet: { host: 192.0.2.30, port: 2525 }
      dlp: { host: 2001:db8::30 }
    domains:
      example.com:
        inboundRouting:
          - { mail: [external], route: archive }
          - { mail: [external, internal], route: quiet }
        outboundRouting:
          - { mail: [external], action: change, route: dlp }
      b.example: {}
      saved.example:
        inboundRouting:
          - { mail: [external], route: quiet, alsoSave: true, suppressBounces: true }
        outboundRouting:
          - { mail: [external], action: additionally, route: archive }
          - { mail: [external, internal], action: additionally, route: archive }
      watched.example:
        enforcement: observe
        inboundRouting:
          - { mail: [external], route: archive }
`;
const STRANGER = ['--client', '192.0.2.1', '--sender', 's@remote.example'];
const own = (sender: string): string[] => ['--client', '127.0.0.1', '--sender', sender];

type Mail = readonly string[];

async function explain(mail: Mail, ...recipients: readonly string[]): Promise<Explanation> {
  const { run } = await cliWorkspace(SETTINGS);
  const { code, stdout, stderr } = await run(['explain', '--json', ...mail, '--recipient', ...recipients]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return JSON.parse(stdout) as Explanation;
}

/** The deliveries of each recipient, as "route: address", with "!" where a failure makes no bounce. */
async function deliveries(mail: Mail, ...recipients: readonly string[]): Promise<string[][]> {
  const answer = await explain(mail, ...recipients);
  return answer.recipients.map((each) =>
    each.deliveries.map(({ to, recipient, bounces }) => `${to}: ${recipient}${bounces ? '' : ' !'}`),
  );
}

describe('explain --json: inbound routing', () => {
  it('external mail goes to the route of the first rule for it, under the address as typed; reasons name the rule', async () => {
    const answer = await explain(STRANGER, 'Bob+x@Example.COM');
    expect(answer.recipients[0]?.deliveries).toEqual([
      { to: 'archive', recipient: 'Bob+x@Example.COM', bounces: true },
    ]);
    expect(answer.reasons).toContainEqual({
      rule: 'routing',
      setting: '/organizations/acme/domains/example.com/inboundRouting/0',
      text: 'goes to acme/archive',
      considered: true,
      recipient: 'Bob+x@Example.COM',
    });
    expect(answer.message).toMatchObject({ verdict: 'pass', reply: null });
  });

  it('internal mail goes by the first rule for internal mail', async () => {
    expect(await deliveries(own('alice@example.com'), 'bob@example.com')).toEqual([['quiet: bob@example.com']]);
  });

  it('RT-05 RT-09 with alsoSave and suppressBounces: here with bounces, and to the route without', async () => {
    expect(await deliveries(STRANGER, 'bob@saved.example', 'x@b.example')).toEqual([
      ['here: bob@saved.example', 'quiet: bob@saved.example !'],
      ['here: x@b.example'],
    ]);
  });

  it('a domain that is only observed keeps its mail here, and the reason says where it would go', async () => {
    const answer = await explain(STRANGER, 'bob@watched.example');
    expect(answer.recipients[0]?.deliveries).toEqual([{ to: 'here', recipient: 'bob@watched.example', bounces: true }]);
    expect(answer.reasons).toContainEqual(
      expect.objectContaining({ rule: 'routing', text: 'only observed: would go to acme/archive' }),
    );
  });
});

describe('explain --json: outbound routing', () => {
  it('RT-07 the same domain is internal, another own domain and the world are external', async () => {
    const recipients = ['bob@example.com', 'c@b.example', 'd@elsewhere.example'];
    expect(await deliveries(own('alice@example.com'), ...recipients)).toEqual([
      ['quiet: bob@example.com'],
      ['dlp: c@b.example'],
      ['dlp: d@elsewhere.example'],
    ]);
  });

  it('does not act for a stranger in our name, nor for the null sender', async () => {
    const forged = ['--client', '192.0.2.1', '--sender', 'alice@example.com'];
    expect(await deliveries(forged, 'd@elsewhere.example')).toEqual([['here: d@elsewhere.example']]);
    expect(await deliveries(own('<>'), 'd@elsewhere.example')).toEqual([['here: d@elsewhere.example']]);
  });

  it("RT-10 additionally: one copy under the sender's address, its tag kept, without bounces; two rules, one copy", async () => {
    const recipients = ['x@elsewhere.example', 'y@elsewhere.example'];
    expect(await deliveries(own('alice+tag@saved.example'), ...recipients)).toEqual([
      ['here: x@elsewhere.example', 'archive: alice+tag@saved.example !'],
      ['here: y@elsewhere.example'],
    ]);
  });

  it('RT-10 who writes to himself has it here, and the copy at the route', async () => {
    expect(await deliveries(own('alice@saved.example'), 'alice@saved.example')).toEqual([
      ['here: alice@saved.example', 'archive: alice@saved.example !'],
    ]);
  });
});

describe('explain for a person', () => {
  it('shows where each recipient goes where a route takes part, and only there', async () => {
    const { run } = await cliWorkspace(SETTINGS);
    const saved = await run(['explain', ...STRANGER, '--recipient', 'bob@saved.example', 'x@b.example']);
    expect(saved.stdout).toContain(
      'bob@saved.example: pass (external mail)\n' +
        '  -> here (bob@saved.example)\n' +
        '  -> quiet (bob@saved.example), a failure there makes no bounce\n',
    );
    expect(saved.stdout).toContain('x@b.example: pass (external mail)\n  - own-domain ');
    expect(saved.stdout).toMatch(
      / - routing {9}goes to acme\/quiet, without bounces, and is delivered here {2}\[\/org/,
    );
  });
});

describe('check', () => {
  it('who exists and the way through the gateway act: nothing is said of them', async () => {
    const { run } = await cliWorkspace(
      SETTINGS.replace(
        '      b.example: {}',
        `      b.example:
        recipients: [list]
        inboundGateway: { enabled: true, ips: [192.0.2.9], internalThroughGateway: dlp }
        inboundRouting:
          - { mail: [internal], recipients: [existing, missing], route: archive }
          - { mail: [external], recipients: [missing], route: archive }
          - { mail: [external, internal], recipients: [existing, missing], route: dlp }`,
      ),
      undefined,
      { list: 'bob@b.example\n' },
    );
    const { code, stdout, stderr } = await run(['check']);
    const said = lines(stdout + stderr);
    expect(code).toBe(0);
    expect(said.filter((line) => /does not act|warning/.test(line))).toEqual([]);
  });

  it('says nothing of rules that act', async () => {
    const { run } = await cliWorkspace(SETTINGS);
    const { code, stdout, stderr } = await run(['check']);
    expect(code).toBe(0);
    expect(lines(stdout + stderr)).toEqual([expect.stringMatching(/^good: .*\(4 own domains, revision /)]);
  });
});
