import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { runCli } from '../../support/run-cli.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { postfixConfiguration } from '../postfix-control/configuration.ts';
import { cliWorkspace } from './workspace.ts';

describe('help, version and wrong usage', () => {
  it('-V is the version of the package', async () => {
    const { version } = JSON.parse(await readFile(join(import.meta.dirname, '../../../package.json'), 'utf8')) as {
      version: string;
    };
    const { spawn: run } = await cliWorkspace();
    expect(await run(['-V'])).toEqual({ code: 0, stdout: `${version}\n`, stderr: '' });
    expect(await run(['--version'])).toEqual({ code: 0, stdout: `${version}\n`, stderr: '' });
  });

  it('--help names every command and the exit codes', async () => {
    const { spawn: run } = await cliWorkspace();
    const { code, stdout } = await run(['--help']);
    expect(code).toBe(0);
    for (const command of ['init', 'serve', 'check', 'explain', 'postfix', 'ip'])
      expect(stdout).toMatch(new RegExp(`^ {2}${command} `, 'm'));
    expect(stdout).toContain('Exit codes: 0 good, 1 refused or found wrong, 2 wrong usage.');
  });

  it.each([
    [
      ['init', '--help'],
      ['[dir]', '--postfix <dir>'],
    ],
    [
      ['serve', '--help'],
      ['--log-level <level>', '"debug", "info", "warn", "error"', 'SIGHUP'],
    ],
    [
      ['check', '--help'],
      ['--json', '--effective', '--schema'],
    ],
    [
      ['explain', '--help'],
      ['--client <ip>', '--sender <address>', '--recipient <address>', '--user <name>', '--tls', '--helo <name>'],
    ],
    [
      ['postfix', '--help'],
      ['print', 'doctor'],
    ],
    [
      ['ip', 'add', '--help'],
      ['<allow|block>', '<domain>', '[entry...]', '--note <text>', '--expires <date>'],
    ],
    [['ip', 'remove', '--help'], ['[entry...]']],
  ])('%j', async (args, expected) => {
    const { spawn: run } = await cliWorkspace();
    const { code, stdout } = await run(args);
    expect(code).toBe(0);
    expect(stdout).toContain('-c, --config <file>');
    for (const part of expected) expect(stdout).toContain(part);
  });

  it.each([
    [[], 'Usage: postern'],
    [['chekc'], "unknown command 'chekc'"],
    [['ip'], 'Usage: postern ip'],
    [['ip', 'delete'], "unknown command 'delete'"],
    [['check', '--jsn'], "unknown option '--jsn'"],
    [['check', 'more'], 'too many arguments'],
    [['check', '-c'], "option '-c, --config <file>' argument missing"],
    [['serve', '--log-level', 'loud'], 'Allowed choices are debug, info, warn, error'],
  ])('%j is wrong usage: exit code 2', async (args, message) => {
    const { spawn: run } = await cliWorkspace();
    const { code, stdout, stderr } = await run(args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain(message);
  });
});

describe('a process of its own', () => {
  const explain = ['explain', '--client', '192.0.2.66', '--sender', 'a@remote.example', '--recipient', 'x@example.com'];
  it.each([
    [['check'], ''],
    [['check', '--effective'], ''],
    [['check', '--jsn'], ''],
    [[...explain, '--json'], ''],
    [['explain', '--client', 'nowhere', '--sender', '<>', '--recipient', 'x@example.com'], ''],
    [['ip', 'list', 'block', 'example.com'], ''],
    [['ip', 'add', 'block', 'example.com'], '192.0.2.1, 192.0.2.300\n'],
    [['ip', 'add', 'block', 'example.com', '--json'], '192.0.2.1\n'],
    [['dkim', 'list', '--json'], ''],
    [['dkim', 'show', 'example.com'], ''],
    [['postfix', 'print'], ''],
    [['postfix', 'doctor'], ''],
    [['postfix', 'undo'], ''],
  ])('%j ends, and says what the tests of the commands see inside their own', async (args, stdin) => {
    const [outside, inside] = [await cliWorkspace(), await cliWorkspace()];
    const spawned = await outside.spawn(args, stdin);
    const ran = await inside.run(args, stdin);
    const here = (text: string): string => text.replaceAll(inside.directory, outside.directory);
    expect(spawned).toEqual({ code: ran.code, stdout: here(ran.stdout), stderr: here(ran.stderr) });
    expect(spawned.stdout + spawned.stderr).not.toBe('');
    expect(await outside.settings()).toBe(await inside.settings());
  });
});

describe('init', () => {
  const mode = async (path: string): Promise<number> => (await stat(path)).mode & 0o777;

  it('without a Postfix: doors on loopback; what it writes passes check', async () => {
    const cwd = await temporaryDirectory();
    const { code, stdout } = await runCli(['init', 'conf', '--postfix', join(cwd, 'none')], { cwd });
    expect(code).toBe(0);
    expect(stdout).toContain('no Postfix was found: the doors listen on 127.0.0.1');
    expect(await readFile(join(cwd, 'conf/postern.yaml'), 'utf8')).toContain('  policy: 127.0.0.1:10040\n');
    expect(await mode(join(cwd, 'conf/postern.yaml'))).toBe(0o640);
    expect(await mode(join(cwd, 'conf/settings.yaml'))).toBe(0o640);
    const check = await runCli(['check', '-c', 'conf/postern.yaml'], { cwd });
    expect(check).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('good: conf/postern.yaml and conf/settings.yaml') as string,
    });
  });

  it('with a Postfix: sockets in its queue directory; what it writes passes check', async () => {
    const configDirectory = await postfixConfiguration('queue_directory = /var/spool/elsewhere');
    const cwd = await temporaryDirectory();
    const { code, stdout } = await runCli(['init', '--postfix', configDirectory], { cwd });
    expect(code).toBe(0);
    expect(stdout).toContain('Postfix found: the doors are sockets under /var/spool/elsewhere/postern');
    const check = await runCli(['check', '--effective'], { cwd });
    expect(check.code).toBe(0);
    expect(JSON.parse(check.stdout)).toMatchObject({
      listen: {
        policy: ['unix:/var/spool/elsewhere/postern/policy.sock'],
        milter: ['unix:/var/spool/elsewhere/postern/milter.sock'],
        admin: [],
      },
      socket: { group: 'postfix', mode: '0660' },
      postfix: { configDirectory, found: true },
    });
    const print = await runCli(['postfix', 'print'], { cwd });
    expect(print.stdout).toContain('unix:postern/policy.sock');
  });

  it('the settings that it writes can be edited by ip add, comments kept', async () => {
    const cwd = await temporaryDirectory();
    await runCli(['init', '--postfix', join(cwd, 'none')], { cwd });
    const before = await readFile(join(cwd, 'settings.yaml'), 'utf8');
    expect((await runCli(['ip', 'add', 'block', 'example.com', '192.0.2.1'], { cwd })).code).toBe(0);
    const after = await readFile(join(cwd, 'settings.yaml'), 'utf8');
    expect(after).toBe(before.replace('blockedIps: []', 'blockedIps:\n          - 192.0.2.1'));
  });

  it.each(['postern.yaml', 'settings.yaml'])('never writes over %s', async (file) => {
    const cwd = await temporaryDirectory();
    await writeFile(join(cwd, file), 'mine\n');
    const { code, stderr } = await runCli(['init'], { cwd });
    expect(code).toBe(1);
    expect(stderr).toContain(`${file} is there already; nothing was written (POSTERN_WOULD_OVERWRITE)`);
    expect(await readFile(join(cwd, file), 'utf8')).toBe('mine\n');
    const other = file === 'postern.yaml' ? 'settings.yaml' : 'postern.yaml';
    await expect(stat(join(cwd, other))).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('where it cannot write: the reason, no stack trace', async () => {
    const cwd = await temporaryDirectory({ file: '' });
    const { code, stderr } = await runCli(['init', 'file/conf', '--postfix', join(cwd, 'none')], { cwd });
    expect(code).toBe(1);
    expect(stderr).toMatch(/^postern: .*file\/conf: a part of its path is no directory\n$/);
  });
});
