/** `postern explain … message.eml`: what would be taken out, put in and signed, and why. */
import { describe, expect, it } from 'vitest';
import type { Explanation } from '../../../src/services/index.ts';
import type { CliResult } from '../../support/run-cli.ts';
import { cliWorkspace, OPERATOR } from './workspace.ts';

const SETTINGS = `version: 1
organizations:
  acme:
    primaryDomain: example.com
    domains:
      example.com: { allowedIps: [198.51.100.7], blockedIps: [192.0.2.66] }
`;
const key = (selector: string, state: string): object => ({
  ...{ domain: 'example.com', selector, algorithm: 'rsa-sha256', bits: 2048, publicKey: 'AAAA', state },
  history: [{ state, at: 1, by: 'test' }],
});
const FILES = {
  'state/keys/index.json': JSON.stringify({
    version: 1,
    keys: [key('old', 'retiring'), key('s1', 'active'), key('new', 'verified')],
  }),
  'ours.eml': 'From: Alice <alice@example.com>\r\nSubject: x\r\n\r\nFrom: eve@evil.example\r\n',
  'marks.eml':
    'X-Spam-Flag: YES\nX-Postern-Verdict: ham;\n\tfolded \x1b[31m\nAuthentication-Results: mx.example.com; dkim=pass\nFrom: x@partner.example\n\nbody\n',
  'two@home.eml': 'From: a@example.com\nFrom: b@example.com\n\n',
};
const words = (client: string, ...more: string[]): string[] => [
  ...['explain', '--client', client, '--sender', 'alice@example.com', '--recipient', 'bob@example.com', ...more],
];

async function run(args: readonly string[]): Promise<CliResult> {
  return (await cliWorkspace(SETTINGS, `${OPERATOR}authservId: mx.example.com\n`, FILES)).run(args);
}
async function explained(...args: string[]): Promise<Explanation> {
  const { code, stdout, stderr } = await run([...args, '--json']);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return JSON.parse(stdout) as Explanation;
}

describe('explain --json with a message', () => {
  it('signs with the active key of its domain, and says so', async () => {
    const answer = await explained(...words('203.0.113.9', '--user', 'alice', 'ours.eml'));
    expect(answer.message).toEqual({
      ...{ verdict: 'pass', reply: null, spam: false, bypassSpamFilter: false },
      signatures: [{ domain: 'example.com', selector: 's1', algorithm: 'rsa-sha256' }],
      added: [],
      removed: [],
    });
    expect(answer.reasons.filter(({ recipient }) => recipient === null)).toEqual([
      {
        ...{ rule: 'marks', setting: null, considered: true, recipient: null },
        text: '0 fields taken out, 0 put in: a trusted client',
      },
      {
        ...{ rule: 'dkim-sign', setting: '/organizations/acme/domains/example.com', considered: true, recipient: null },
        text: 'signed by example.com (s1)',
      },
    ]);
  });

  it('a stranger: what is taken out and put in, each as Name: value on one line', async () => {
    const { message } = await explained(...words('198.51.100.7', 'marks.eml'));
    expect(message).toMatchObject({ bypassSpamFilter: true, signatures: [] });
    expect(message.removed).toEqual([
      'X-Spam-Flag: YES',
      'X-Postern-Verdict: ham; folded \x1b[31m',
      'Authentication-Results: mx.example.com; dkim=pass',
    ]);
    expect(message.added).toEqual([
      'Authentication-Results: mx.example.com; none',
      'X-Postern-Spam-Filter: bypass; rule=ip-allow',
    ]);
  });

  it('more recipients and the message in any order; a file whose name has an "@" is a file', async () => {
    const answer = await explained(...words('local', 'carol@elsewhere.example', 'two@home.eml', 'dora@example.com'));
    expect(answer.recipients.map(({ address }) => address)).toEqual([
      ...['bob@example.com', 'carol@elsewhere.example', 'dora@example.com'],
    ]);
    expect(answer.reasons.at(-1)).toMatchObject({ rule: 'dkim-sign', text: 'not signed: 2 From' });
  });

  it('a message whose every recipient is refused is not looked at: it would never be taken', async () => {
    const { message, reasons } = await explained(...words('192.0.2.66', 'marks.eml'));
    expect(message).toMatchObject({ signatures: [], added: [], removed: [] });
    expect(reasons.every(({ recipient }) => recipient !== null)).toBe(true);
  });

  it('without a message nothing is said of marks and signatures', async () => {
    const { message, reasons } = await explained(...words('local'));
    expect(message).toMatchObject({ signatures: [], added: [], removed: [] });
    expect(reasons.every(({ recipient }) => recipient !== null)).toBe(true);
  });
});

describe('explain for a person with a message', () => {
  it('says the signature and its reason', async () => {
    const { code, stdout } = await run(words('local', 'ours.eml'));
    expect(code).toBe(0);
    expect(stdout).toContain('message: signed by example.com (s1)\n  signed   d=example.com s=s1 a=rsa-sha256\n');
  });

  it('says what is removed and added, and obeys nothing in it', async () => {
    const { stdout } = await run(words('198.51.100.7', 'marks.eml'));
    expect(stdout).toContain('  removed  X-Postern-Verdict: ham; folded  [31m\n');
    expect(stdout).toContain('  added    Authentication-Results: mx.example.com; none\n');
    expect(stdout).not.toContain('\x1b');
  });
});

describe('what cannot be explained', () => {
  it('a message that is not there is said, exit code 1', async () => {
    const { code, stdout, stderr } = await run(words('local', 'none.eml'));
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toContain('the message file none.eml cannot be read: there is no such file');
  });

  it('two messages are wrong usage, exit code 2', async () => {
    const { code, stderr } = await run(words('local', 'ours.eml', 'marks.eml'));
    expect(code).toBe(2);
    expect(stderr).toContain('"ours.eml" and "marks.eml" are two message files; name one');
  });
});
