/** Which file Postfix's log stands in. Reads nothing of it. Source: MAILLOG_README, postconf(5) maillog_file, syslog.conf(5). */
import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { reasonOf } from '../files/index.ts';

/** The file; null where there is none to read, and then why, as a sentence fragment. */
export type FoundLog =
  { readonly path: string; readonly reason: null } | { readonly path: null; readonly reason: string };

/** Where syslog daemons write mail by default: Debian's, then that of other systems. */
const USUAL_FILES = ['/var/log/mail.log', '/var/log/maillog'];

/**
 * The operator's word first, then Postfix's own log file, then where syslog usually writes. A file that was named is
 * given whether or not it is there.
 */
export async function findLog(
  { logFile, maillogFile }: { readonly logFile: string | undefined; readonly maillogFile: string },
  usual: readonly string[] = USUAL_FILES,
): Promise<FoundLog> {
  if (logFile !== undefined) return { path: logFile, reason: null };
  if (maillogFile.startsWith('/dev/')) {
    return { path: null, reason: `maillog_file is ${maillogFile}, which cannot be read` };
  }
  if (maillogFile !== '') return { path: maillogFile, reason: null };
  const reasons: string[] = [];
  for (const path of usual) {
    try {
      await access(path, constants.R_OK);
      return { path, reason: null };
    } catch (error) {
      reasons.push(`${path}: ${reasonOf(error)}`);
    }
  }
  return { path: null, reason: `maillog_file is not set, and ${reasons.join('; ')}` };
}
