/** A configuration directory of Postfix for one test; no Postfix runs on it. */
import { utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const MASTER = 'smtp inet n - y - - smtpd\npickup unix n - y 60 1 pickup\n';

/** Writes main.cf and master.cf, dated back: postconf waits for files that were changed just now to settle. */
export async function postfixConfiguration(main: string, master: string | null = MASTER): Promise<string> {
  const files = { 'main.cf': `compatibility_level = 3.6\n${main}\n`, ...(master !== null && { 'master.cf': master }) };
  const directory = await temporaryDirectory(files);
  for (const file of Object.keys(files)) await utimes(join(directory, file), 0, 0);
  return directory;
}
