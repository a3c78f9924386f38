/** `postern postfix apply` and `undo` on configurations made from Debian's own, with no Postfix running on them. */
import { stat } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { fixture, FIXTURES } from '../postfix-control/fixture.ts';
import { beside } from './postfix-workspace.ts';

const SERVICES = { submission: ['--service', 'submission', 'smtps'] } as Partial<Record<string, string[]>>;

type Printed = {
  readonly main: readonly { readonly name: string; readonly value: string }[];
  readonly master: readonly { readonly service: string; readonly name: string; readonly value: string }[];
};

describe.each(FIXTURES)('on the fixture %s', (name) => {
  const services = SERVICES[name] ?? [];

  it('apply sets what print prints and nothing else, a second time nothing; undo gives back every byte', async () => {
    const configuration = await fixture(name);
    const { run, record } = await beside(configuration);
    const before = await configuration.read();
    const [mainBefore, masterBefore] = [await configuration.postconf('-n'), await configuration.postconf('-P')];
    const printed = JSON.parse((await run(['postfix', 'print', '--json', ...services])).stdout) as Printed;
    expect(printed.main.length).toBeGreaterThan(1);
    expect(await configuration.read()).toEqual(before);

    const applied = await run(['postfix', 'apply', ...services]);
    expect(applied).toMatchObject({ code: 0, stderr: '' });
    expect(applied.stdout).toContain('Postfix does not run; it reads this when it starts');
    const expectedMain = new Map([
      ...mainBefore,
      ...printed.main.map(({ name: each, value }) => [each, value] as const),
    ]);
    const expectedMaster = new Map([
      ...masterBefore,
      ...printed.master.map(({ service, name: each, value }) => [`${service}/${each}`, value] as const),
    ]);
    expect([...(await configuration.postconf('-n'))].sort()).toEqual([...expectedMain].sort());
    expect([...(await configuration.postconf('-P'))].sort()).toEqual([...expectedMaster].sort());
    expect((await stat(record)).mode & 0o777).toBe(0o600);

    const texts = await configuration.read();
    const again = await run(['postfix', 'apply', '--json']);
    expect(JSON.parse(again.stdout)).toMatchObject({ ok: true, changed: false, reloaded: false, differences: [] });
    expect(await configuration.read()).toEqual(texts);
    expect(JSON.parse((await run(['postfix', 'print', '--json'])).stdout)).toEqual(printed);

    const undone = await run(['postfix', 'undo', '--json']);
    expect(JSON.parse(undone.stdout)).toMatchObject({ ok: true, changed: true, reloaded: false });
    expect(await configuration.read()).toEqual(before);
    await expect(stat(record)).rejects.toThrow('ENOENT');
    expect(await run(['postfix', 'undo'])).toMatchObject({ code: 0, stdout: 'nothing to change\n' });
  });

  it('what the administrator changes in between stays', async () => {
    const configuration = await fixture(name);
    const { run } = await beside(configuration);
    const before = await configuration.read();
    await run(['postfix', 'apply', ...services]);
    const applied = await configuration.read();
    const lastLine = applied.main.endsWith('\n') ? '' : '\n';
    await configuration.write(
      'main',
      `${applied.main}${lastLine}# of the administrator\nmessage_size_limit = 1000000\n`,
    );
    await configuration.write(
      'master',
      applied.master.replace(
        'qmgr      unix  n       -       n       300',
        'qmgr      unix  n       -       n       200',
      ),
    );
    expect(await run(['postfix', 'undo'])).toMatchObject({ code: 0 });
    const after = await configuration.read();
    expect(after.main.replace('\n# of the administrator\nmessage_size_limit = 1000000\n', '').trimEnd()).toBe(
      before.main.trimEnd(),
    );
    expect(after.master).toBe(before.master.replace('n       300', 'n       200'));
  });
});
