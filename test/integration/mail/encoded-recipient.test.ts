/** The lines that decode recipients, read by Postfix's own regexp table. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { decodeRecipient, decodeRules, decodeSamples, encodeRecipient } from '../../../src/mail/index.ts';
import { encodeRegexpTable } from '../../../src/wire/postfix-map/index.ts';
import { ask, lookUpAll, workshop, type Workshop } from '../map-writer/workshop.ts';

const INTERNAL = 'route.postern.internal';
const SEVEN = 'r7-0a1b2c3d';
const EIGHT = 'r8-ffffffff';

const MAILBOXES: readonly (readonly [localPart: string, domain: string, decoded?: string])[] = [
  ['u=x=y', 'example.test'],
  ['u+tag', 'example.test'],
  ["o'brien", 'example.test'],
  ['a!b', 'example.test'],
  ['a%b', 'example.test'],
  ['"a b"', 'example.test'],
  [String.raw`"a\"b"`, 'example.test'],
  ['"a@b"', 'example.test'],
  ['"a=b@c"', 'example.test'],
  ['U.Ser', 'Example.TEST'],
  ['jürgen', 'example.test'],
  ['u', 'bücher.test'],
  ['u'.repeat(64), 'example.test'],
  ['u'.repeat(400), 'example.test'],
  ['u', '[127.0.0.9]', '"u"@[127.0.0.9]'],
];

async function table(): Promise<{ at: Workshop; name: string }> {
  const at = await workshop('smtputf8_enable = yes\n');
  const path = join(at.configDirectory, 'decode');
  const rules = [SEVEN, EIGHT].flatMap((label) => decodeRules(label, INTERNAL));
  await writeFile(path, encodeRegexpTable(rules));
  return { at, name: `regexp:${path}` };
}

it('every recipient decodes as it was, by any label of the table', async () => {
  const { at, name } = await table();
  for (const label of [SEVEN, EIGHT]) {
    const keys = MAILBOXES.map(([localPart, domain]) => encodeRecipient({ localPart, domain }, label, INTERNAL));
    const { code, stdout, stderr } = await lookUpAll(at, keys, name);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout.trimEnd().split('\n')).toEqual(
      MAILBOXES.map(
        ([localPart, domain, decoded], index) => `${keys[index] ?? ''}\t${decoded ?? `${localPart}@${domain}`}`,
      ),
    );
    expect(stdout.trimEnd().split('\n')).toEqual(
      keys.map((key) => `${key}\t${decodeRecipient(key, INTERNAL)?.address ?? ''}`),
    );
  }
});

it('letters of any case are found, and the samples give their answers', async () => {
  const { at, name } = await table();
  expect((await ask(at, 'U=Dom@R7-0A1B2C3D.Route.postern.INTERNAL', name)).stdout).toBe('U@Dom\n');
  const samples = [SEVEN, EIGHT].flatMap((label) => decodeSamples(label, INTERNAL));
  const keys = samples.map(({ key }) => key);
  expect((await lookUpAll(at, keys, name)).stdout).toBe(samples.map(({ key, value }) => `${key}\t${value}\n`).join(''));
});

it.each([
  'u=dom@r9-0a1b2c3d.route.postern.internal',
  'u=dom@r7-0a1b2c3d.route.postern.internal.example.com',
  'u=dom@xr7-0a1b2c3d.route.postern.internal',
  'u=dom@r7-0a1b2c3dxroute.postern.internal',
  'u@r7-0a1b2c3d.route.postern.internal',
  '=dom@r7-0a1b2c3d.route.postern.internal',
  '"=dom"@r7-0a1b2c3d.route.postern.internal',
  'u@example.test',
])('the table says nothing of %s', async (key) => {
  const { at, name } = await table();
  expect(await ask(at, key, name)).toMatchObject({ code: 1, stdout: '', stderr: '' });
});
