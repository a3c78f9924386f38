#!/usr/bin/env node
/** The entry of the `postern` command. */
import { readFileSync } from 'node:fs';
import { runCommandLine } from './app/cli/program.ts';

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
  version: string;
};
await runCommandLine(process.argv.slice(2), version);
