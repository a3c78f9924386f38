/** `postern explain` of mail that came through an inbound gateway: the walk, the lists, the spam pattern and automatic blocks. */
import { join } from 'node:path';
import { writeFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { createShortTermBlockFile } from '../../../src/adapters/short-term-blocks/index.ts';
import type { Explanation } from '../../../src/services/index.ts';
import { aDomain, aRange } from '../../support/builders.ts';
import { cliWorkspace, type CliWorkspace } from './workspace.ts';

const SETTINGS = `version: 1
organizations:
  acme:
    primaryDomain: example.com
    domains:
      example.com:
        blockedIps: [203.0.113.50]
        autoBlock: { after: 20, within: 10m, for: 1h }
        inboundGateway: { enabled: true, ips: [198.51.100.7, 10.9.0.0/20], spamPattern: '^X-Gw-Score: (9|10)', blockedBehindGateway: quarantine }
`;
const letter = (client: string, ...fields: string[]): string =>
  [
    'Received: from gw3 (gw3 [10.9.1.2])',
    '\tby gw4.example (Postfix) with ESMTP id 1',
    `Received: from a.example (a.example [${client}]) by gw3.example (Postfix) with ESMTP id 2`,
    ...fields,
    'From: x@sender.example',
    '',
    'text',
    '',
  ].join('\n');

type Asked = { readonly json: Explanation; readonly text: string };

async function explained(message: string, prepare?: (cli: CliWorkspace) => Promise<void>): Promise<Asked> {
  const cli = await cliWorkspace(SETTINGS);
  await prepare?.(cli);
  const file = join(cli.directory, 'm.eml');
  await writeFile(file, message);
  const question = ['--client', '198.51.100.7', '--sender', 'x@sender.example', '--recipient', 'bob@example.com', file];
  const [json, text] = [await cli.run(['explain', '--json', ...question]), await cli.run(['explain', ...question])];
  expect([json.code, json.stderr, text.code, text.stderr]).toEqual([0, '', 0, '']);
  return { json: JSON.parse(json.stdout) as Explanation, text: text.stdout };
}

describe('explain of mail through a gateway', () => {
  it('shows the walk hop by hop with the line of each, and what the block list makes of it', async () => {
    const { json, text } = await explained(letter('203.0.113.50'));
    expect(json).toMatchObject({
      trueClient: '203.0.113.50',
      message: { verdict: 'quarantine', reply: null, spam: false },
    });
    expect(text).toContain('client   203.0.113.50, not trusted');
    expect(text).toMatch(
      /true-client +header field 1: 10\.9\.1\.2 is an address .* -- Received: from gw3 \(gw3 \[10\.9\.1\.2\]\) by gw4/,
    );
    expect(text).toMatch(/true-client +header field 2: 203\.0\.113\.50 is the first that is no gateway/);
    expect(text).toContain("message: held in Postfix's hold queue until somebody releases it");
  });

  it('GW-10 looks for the spam pattern', async () => {
    const { json, text } = await explained(letter('192.0.2.1', 'X-Gw-Score: 10'));
    expect(json.message).toMatchObject({ verdict: 'pass', spam: true });
    expect(json.message.added).toContain('X-Postern-Verdict: spam; rule=spam-pattern');
    expect(text).toContain('message: the field X-Gw-Score matches: marked as spam');
    expect((await explained(letter('192.0.2.1', 'X-Gw-Score: 8'))).json.message).toMatchObject({ spam: false });
  });

  it('knows the automatic blocks that a serving Postern has kept', async () => {
    const block = { since: Date.now() - 1000, until: Date.now() + 3_600_000, reason: '20 hits within 10m' };
    const { json } = await explained(letter('192.0.2.1'), ({ directory }) =>
      createShortTermBlockFile(join(directory, 'state')).save([
        { ...block, domain: aDomain('example.com'), range: aRange('192.0.2.1') },
      ]),
    );
    expect(json.message.verdict).toBe('quarantine');
    expect(json.reasons.find(({ rule }) => rule === 'short-term-block')?.text).toContain('192.0.2.1 is blocked until');
  });
});
