/** `postern postfix apply`: services, dry runs, refusals. No Postfix runs. */
import { chmod, lstat, readFile, rename, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { fixture } from '../postfix-control/fixture.ts';
import { beside, SETTINGS } from './postfix-workspace.ts';
import { cliWorkspace } from './workspace.ts';

const POLICY =
  'check_policy_service { unix:postern/policy.sock, timeout=10s, { default_action = 451 4.3.5 policy service unavailable } }';
const MILTER =
  '{ unix:postern/milter.sock, default_action=tempfail, connect_timeout=10s, command_timeout=30s, content_timeout=60s }';
describe('services whose -o lines override main.cf', () => {
  it('are listed, and changed only when named; what was named stays so', async () => {
    const configuration = await fixture('submission');
    const { run } = await beside(configuration);
    const before = await configuration.read();
    const { stdout } = await run(['postfix', 'apply']);
    expect(stdout).toContain('-o smtpd_recipient_restrictions=permit_sasl_authenticated,reject');
    expect(stdout).toContain('postern postfix apply --service submission\n');
    expect(stdout).toContain('postern postfix apply --service smtps\n');
    expect((await configuration.read()).master).toBe(before.master);

    const named = JSON.parse((await run(['postfix', 'apply', '--service', 'submission', '--json'])).stdout) as {
      differences: { service: string; name: string }[];
    };
    expect(named.differences.map(({ service, name }) => `${service}/${name}`)).toEqual([
      'submission/inet/smtpd_recipient_restrictions',
      'submission/inet/smtpd_milters',
    ]);
    const lines = await configuration.postconf('-P');
    expect(lines.get('submission/inet/smtpd_milters')).toBe(`inet:127.0.0.1:11332, ${MILTER}`);
    expect(lines.get('smtps/inet/smtpd_milters')).toBe('');
    expect((await run(['postfix', 'apply'])).stdout).toMatch(/^nothing to change\n/);
    expect((await run(['postfix', 'doctor'])).stdout).toContain('smtps/inet has lines of its own');
    await run(['postfix', 'undo']);
    expect(await configuration.read()).toEqual(before);
  });

  it('that do not exist are refused, and nothing is changed', async () => {
    const configuration = await fixture('submission');
    const { run } = await beside(configuration);
    const before = await configuration.read();
    for (const command of ['apply', 'print']) {
      const { code, stderr } = await run(['postfix', command, '--service', 'submision']);
      expect(code).toBe(1);
      expect(stderr).toMatch(/submision: no such smtpd service in .*etc\/master\.cf; nothing was changed/);
    }
    expect(await configuration.read()).toEqual(before);
  });
});

describe('apply', () => {
  it('--dry-run shows the difference, and neither writes nor needs a state directory', async () => {
    const configuration = await fixture('virtual-mailbox');
    const { run, directory } = await beside(configuration);
    const before = await configuration.read();
    const { code, stdout } = await run(['postfix', 'apply', '--dry-run']);
    expect(code).toBe(0);
    expect(stdout).toContain('@@ main.cf: smtpd_milters @@\n-smtpd_milters = unix:opendkim/opendkim.sock\n');
    expect(stdout).toContain(`+smtpd_milters = ${MILTER}, unix:opendkim/opendkim.sock\n`);
    expect(stdout).toContain(`-    permit_mynetworks,\n`);
    expect(stdout).toContain(`+    ${POLICY}, permit_mynetworks,\n`);
    expect(await configuration.read()).toEqual(before);
    await expect(stat(join(directory, 'state'))).rejects.toThrow('ENOENT');
    await run(['postfix', 'apply']);
    const applied = await configuration.read();
    const back = await run(['postfix', 'undo', '--dry-run', '--json']);
    expect(JSON.parse(back.stdout)).toMatchObject({
      changed: false,
      differences: [
        { file: 'main.cf' },
        { name: 'smtpd_milters' },
        { name: 'internal_mail_filter_classes', after: null },
      ],
    });
    expect(await configuration.read()).toEqual(applied);
  });

  it('keeps owner, mode and a symbolic link of the files', async () => {
    const configuration = await fixture('debian-default');
    const { run } = await beside(configuration);
    const main = join(configuration.configDirectory, 'main.cf');
    await rename(main, `${main}.shared`);
    await symlink('main.cf.shared', main);
    await chmod(main, 0o640);
    const { uid, gid } = await stat(main);
    expect(await run(['postfix', 'apply'])).toMatchObject({ code: 0 });
    expect(await stat(main)).toMatchObject({ uid, gid, mode: 0o100640 });
    expect((await lstat(main)).isSymbolicLink()).toBe(true);
    expect(await readFile(`${main}.shared`, 'utf8')).toContain('check_policy_service');
  });

  it('warns while nobody answers at the doors', async () => {
    const { run } = await beside(await fixture('debian-default'), { listen: 'policy: 127.0.0.1:1' });
    const { stdout } = await run(['postfix', 'apply']);
    expect(stdout).toContain('warning: nobody answers at the policy door 127.0.0.1:1: mail waits until it does');
  });

  it('with doors elsewhere takes the former lines out, and undo still gives the first bytes', async () => {
    const configuration = await fixture('virtual-mailbox');
    const { run, directory } = await beside(configuration);
    const before = await configuration.read();
    await run(['postfix', 'apply']);
    const operator = `settings: settings.yaml\npostfix: { configDirectory: ${configuration.configDirectory} }\nlisten: { policy: 127.0.0.1:9998 }\n`;
    await writeFile(join(directory, 'postern.yaml'), operator);
    expect(await run(['postfix', 'apply'])).toMatchObject({ code: 0 });
    const { main } = await configuration.read();
    expect(main).not.toContain('unix:postern/');
    expect(main).toContain('check_policy_service { inet:127.0.0.1:9998,');
    await run(['postfix', 'undo']);
    expect(await configuration.read()).toEqual(before);
  });
});

describe('refusals leave everything as it is', () => {
  it.each(['apply', 'undo'])('%s without a Postfix', async (command) => {
    const { run } = await cliWorkspace();
    const { code, stderr } = await run(['postfix', command]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/there is no Postfix under .*no-postfix.* \(POSTERN_NO_POSTFIX\)/);
  });

  it('an own domain in no class of Postfix, with the line to type; doctor says the same', async () => {
    const configuration = await fixture('debian-default');
    const settings = SETTINGS.replace('{ example.com: {} }', '{ example.com: {}, example.net: {} }');
    const { run, record } = await beside(configuration, { settings });
    const before = await configuration.read();
    const { code, stdout, stderr } = await run(['postfix', 'apply']);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toContain('error: example.net is in none of mydestination, virtual_mailbox_domains,');
    const line =
      "postconf -e 'mydestination = $myhostname, example.com, localhost.example.com, , localhost, example.net'";
    expect(stderr).toContain(`  ${line}\n`);
    expect(stderr).not.toContain('example.com is in none');
    expect(JSON.parse((await run(['postfix', 'apply', '--json'])).stdout)).toMatchObject({
      ok: false,
      refusals: [{ line }],
    });
    expect(await configuration.read()).toEqual(before);
    await expect(stat(record)).rejects.toThrow('ENOENT');
    const doctor = await run(['postfix', 'doctor']);
    expect(doctor.code).toBe(1);
    expect(doctor.stdout).toContain(`  ${line}\n`);
  });

  it('a broken main.cf or master.cf, in words of Postfix', async () => {
    const configuration = await fixture('debian-default');
    const { run } = await beside(configuration);
    const before = await configuration.read();
    await configuration.write('main', `${before.main}garbage here\n`);
    const main = await run(['postfix', 'apply']);
    expect(main.code).toBe(1);
    expect(main.stderr).toContain('missing \'=\' after attribute name: "garbage here"');
    await configuration.write('main', before.main);
    await configuration.write('master', `${before.master}broken unix\n`);
    const master = await run(['postfix', 'apply']);
    expect(master.code).toBe(1);
    expect(master.stderr).toMatch(/master\.cf.*bad transport type|master\.cf/);
    expect((await configuration.read()).main).toBe(before.main);
  });

  it('a dollar sign that would stop all SMTP is found before anything is written', async () => {
    const configuration = await fixture('debian-default');
    const { run, record } = await beside(configuration);
    const before = await configuration.read();
    const main = `${before.main}smtpd_recipient_restrictions = check_client_access inline:{ a$=b }\n`;
    await configuration.write('main', main);
    const { code, stderr } = await run(['postfix', 'apply']);
    expect(code).toBe(1);
    expect(stderr).toContain('macro');
    expect(await configuration.read()).toEqual({ main, master: before.master });
    await expect(stat(record)).rejects.toThrow('ENOENT');
  });

  it('a record that cannot be used, and one of another Postfix', async () => {
    const configuration = await fixture('debian-default');
    const { run, record, directory } = await beside(configuration);
    await run(['postfix', 'apply']);
    const applied = await configuration.read();
    const text = await readFile(record, 'utf8');
    for (const [content, words] of [
      [text.replace('"format": 1', '"format": 2'), 'its format 2 is of a later Postern'],
      ['{', 'it is not JSON'],
    ] as const) {
      await writeFile(record, content);
      for (const command of ['apply', 'undo', 'print']) {
        const { code, stderr } = await run(['postfix', command]);
        expect(code).toBe(1);
        expect(stderr).toContain(words);
      }
    }
    await writeFile(record, text);
    const other = await fixture('debian-default');
    await writeFile(
      join(directory, 'postern.yaml'),
      `settings: settings.yaml\npostfix: { configDirectory: ${other.configDirectory} }\n`,
    );
    const { code, stderr } = await run(['postfix', 'apply']);
    expect(code).toBe(1);
    expect(stderr).toContain(`apply changed ${configuration.configDirectory}, not ${other.configDirectory}`);
    expect(await configuration.read()).toEqual(applied);
  });

  it('broken settings: which lines are needed is not known', async () => {
    const configuration = await fixture('debian-default');
    const { run } = await beside(configuration, { settings: `${SETTINGS}foo: 1\n` });
    const before = await configuration.read();
    const { code, stderr } = await run(['postfix', 'apply']);
    expect(code).toBe(1);
    expect(stderr).toContain('settings.yaml:6:1: foo is an unknown key');
    expect(await configuration.read()).toEqual(before);
  });
});
