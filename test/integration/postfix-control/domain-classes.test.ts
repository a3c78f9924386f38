import { join } from 'node:path';
import { expect, it } from 'vitest';
import { classesOf } from '../../../src/adapters/postfix-control/index.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { postfixConfiguration } from './configuration.ts';

async function classes(main: string, ...domains: string[]): Promise<Record<string, readonly string[]>> {
  const found = await classesOf(await postfixConfiguration(main), domains);
  for (const { unreadable } of found) expect(unreadable).toEqual([]);
  return Object.fromEntries(found.map(({ domain, classes: names }) => [domain, names]));
}

it('names in a list, in any letter case, and by $name', async () => {
  expect(
    await classes(
      'myhostname = mail.a.example\nmydestination = $myhostname, A.Example',
      'a.example',
      'mail.a.example',
      'b.example',
    ),
  ).toEqual({ 'a.example': ['mydestination'], 'mail.a.example': ['mydestination'], 'b.example': [] });
});

it('virtual classes by their default: what the maps hold', async () => {
  const main =
    'mydestination =\nvirtual_alias_maps = inline:{ { a.example = x } }\nvirtual_mailbox_maps = inline:{ { b.example = x } }';
  expect(await classes(main, 'a.example', 'b.example', 'c.example')).toEqual({
    'a.example': ['virtual_alias_domains'],
    'b.example': ['virtual_mailbox_domains'],
    'c.example': [],
  });
});

it('relay_domains holds sub-domains by their parent, the other lists do not', async () => {
  const main = 'mydestination = x.example\nrelay_domains = inline:{ { b.example = x } }, a.example';
  expect(await classes(main, 'a.example', 's.a.example', 's.b.example', 's.x.example', 'xa.example')).toEqual({
    'a.example': ['relay_domains'],
    's.a.example': ['relay_domains'],
    's.b.example': ['relay_domains'],
    's.x.example': [],
    'xa.example': [],
  });
  const style =
    'parent_domain_matches_subdomains =\nrelay_domains = a.example, .b.example, inline:{ { .c.example = x } }';
  expect(await classes(style, 's.a.example', 's.b.example', 's.c.example', 'c.example')).toEqual({
    's.a.example': [],
    's.b.example': ['relay_domains'],
    's.c.example': ['relay_domains'],
    'c.example': [],
  });
});

it('exclusions act in their order, and files stand for their lines', async () => {
  const directory = await temporaryDirectory({
    domains: '# ours\na.example\nb.example c.example\n',
    none: 'd.example\n',
  });
  const main = `mydestination =\nrelay_domains = !b.example, !${join(directory, 'none')}, ${join(directory, 'domains')}, d.example`;
  expect(await classes(main, 'a.example', 'b.example', 'c.example', 'd.example')).toEqual({
    'a.example': ['relay_domains'],
    'b.example': [],
    'c.example': ['relay_domains'],
    'd.example': [],
  });
});

it('a table behind proxymap(8) is asked although Postfix does not run', async () => {
  const main = 'mydestination =\nrelay_domains = proxy:inline:{ { a.example = x } }';
  expect(await classes(main, 'a.example')).toEqual({ 'a.example': ['relay_domains'] });
});

it('what cannot be asked is said with its reason, and other classes count all the same', async () => {
  const main =
    'mydestination = a.example\nrelay_domains = texthash:/nonexistent/relay\nvirtual_mailbox_domains = /nonexistent/list';
  const found = await classesOf(await postfixConfiguration(main), ['a.example', 'b.example']);
  expect(found.map(({ classes: names }) => names)).toEqual([['mydestination'], []]);
  expect(found[1]?.unreadable).toEqual([
    'virtual_mailbox_domains has /nonexistent/list: there is no such file',
    expect.stringMatching(/^relay_domains has texthash:\/nonexistent\/relay: .*No such file/),
  ]);
});
