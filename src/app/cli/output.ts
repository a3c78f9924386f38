/** How commands speak: answers on stdout, complaints on stderr, exit codes 0 (ok), 1 (refused or found wrong), 2 (usage). */
import { formatIssue, type LocatedIssue } from '../../services/index.ts';

/** The exit codes of every command. */
export const EXIT = { ok: 0, refused: 1, usage: 2 } as const;

/** A mistake in the command line: exit code 2. */
export class UsageError extends Error {}

/** Answers. */
export const say = (text: string): void => void process.stdout.write(`${text}\n`);

/** Complains. */
export const complain = (text: string): void => void process.stderr.write(`${text}\n`);

/** Answers in JSON, one document. */
export const sayJson = (value: unknown): void => {
  say(JSON.stringify(value, null, 2));
};

/** Issues one a line, errors before warnings. */
export function complainAbout(issues: readonly LocatedIssue[]): void {
  const rank = (issue: LocatedIssue): number => (issue.severity === 'error' ? 0 : 1);
  for (const issue of [...issues].sort((a, b) => rank(a) - rank(b))) complain(formatIssue(issue));
}

/** Text from a file on one line, with nothing in it that a terminal would obey. */
export const printable = (text: string): string => text.replace(/\p{Cc}+/gu, ' ');

/** Rows as aligned columns. */
export function table(rows: readonly (readonly string[])[]): string {
  const cells = rows.map((row) => row.map(printable));
  const widths = (cells[0] ?? []).map((_, column) =>
    cells.reduce((width, row) => Math.max(width, (row[column] ?? '').length), 0),
  );
  return cells
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
