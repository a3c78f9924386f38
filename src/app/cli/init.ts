/** `postern init`: a first operator's file and a first settings file. Never writes over a file. */
import { mkdir, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { readPostfix } from '../../adapters/postfix-control/index.ts';
import { writeFileAtomically } from '../../adapters/files/index.ts';
import { PosternError } from '../../services/index.ts';
import { say } from './output.ts';

const DEFAULT_CONFIG_DIRECTORY = '/etc/postfix';

/** Adds the command. */
export function addInit(program: Command): void {
  program
    .command('init')
    .summary('write a first postern.yaml and settings.yaml')
    .description(
      'Writes postern.yaml and settings.yaml. With a Postfix at hand, the doors are unix sockets in its queue directory.',
    )
    .argument('[dir]', 'where to write them', '.')
    .option('--postfix <dir>', 'the configuration directory of Postfix', DEFAULT_CONFIG_DIRECTORY)
    .action((directory: string, options: { postfix: string }) => init(directory, resolve(options.postfix)));
}

async function init(directory: string, configDirectory: string): Promise<void> {
  const files = [join(directory, 'postern.yaml'), join(directory, 'settings.yaml')];
  for (const file of files) {
    if (
      await stat(file).then(
        () => true,
        () => false,
      )
    ) {
      throw new PosternError('POSTERN_WOULD_OVERWRITE', `${file} is there already; nothing was written`);
    }
  }
  const postfix = await readPostfix(configDirectory);
  await mkdir(directory, { recursive: true });
  const operator = operatorText(configDirectory, postfix?.queueDirectory ?? null);
  await writeFileAtomically(join(directory, 'postern.yaml'), operator, 0o640);
  await writeFileAtomically(join(directory, 'settings.yaml'), SETTINGS_TEXT, 0o640);
  say(`wrote ${files.join(' and ')}`);
  say(
    postfix === null
      ? 'no Postfix was found: the doors listen on 127.0.0.1'
      : `Postfix found: the doors are sockets under ${postfix.queueDirectory}/postern`,
  );
  say(
    `next: put your domains into ${files[1] ?? ''}, then "postern check -c ${files[0] ?? ''}" and "postern serve -c ${files[0] ?? ''}"`,
  );
}

function operatorText(configDirectory: string, queueDirectory: string | null): string {
  const doors =
    queueDirectory === null
      ? ['  policy: 127.0.0.1:10040', '  milter: 127.0.0.1:10041', '  socketmap: 127.0.0.1:10042']
      : [
          '  # inside the queue directory of Postfix, where chrooted daemons reach them too',
          `  policy: unix:${queueDirectory}/postern/policy.sock`,
          `  milter: unix:${queueDirectory}/postern/milter.sock`,
          `  socketmap: unix:${queueDirectory}/postern/socketmap.sock`,
        ];
  const isUsual = configDirectory === DEFAULT_CONFIG_DIRECTORY;
  return `${[
    "# The operator's file: where Postern listens, what it keeps, what it may trust.",
    '# Relative paths are relative to this file. "postern check --effective" prints every value that holds.',
    'listen:',
    ...doors,
    '  metrics: 127.0.0.1:10043',
    '',
    'settings: settings.yaml',
    'state: ./state # DKIM keys (back them up), last good settings',
    ...(isUsual ? [] : [`postfix: { configDirectory: ${JSON.stringify(configDirectory)} }`]),
    ...(queueDirectory === null ? [] : ['socket: { group: postfix, mode: "0660" }']),
    '',
    "# trustedNetworks: [127.0.0.0/8, '::1'] # absent: mynetworks of Postfix",
  ].join('\n')}\n`;
}

const SETTINGS_TEXT = `# What Postern does for each domain. Checked and taken over within a second of being saved.
# "postern check --schema" prints what may stand here.
version: 1
organizations:
  example: # a name of your choice
    primaryDomain: example.com # put your own domain here and below
    domains:
      example.com:
        # observe: decide, log and count, but refuse nothing. Take it out when the log says what you expect.
        enforcement: observe
        allowedIps: []
        blockedIps: []
`;
