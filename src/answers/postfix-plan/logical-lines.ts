/**
 * The logical lines of main.cf and master.cf with their places in the text, so that one of them can be changed and
 * every other byte stays. Reads only; texts are bytes as Latin-1, so that any encoding survives.
 * Source: postconf(5) and master(5), "logical line".
 */

/** What Postfix takes for white space; a byte of a UTF-8 character never is. Source: isspace(3), C locale. */
export const BLANK = ' \\t\\r\\n\\v\\f';
const STARTS_BLANK = new RegExp(`^[${BLANK}]`);
const BLANKS = new RegExp(`[${BLANK}]+`, 'g');
const COMMENT = new RegExp(`^[${BLANK}]*#`);
const NOTHING = new RegExp(`^[${BLANK}]*(?:#|$)`);

/** A logical line: from its first character up to and with the end of its last physical line. */
export type LogicalLine = { readonly start: number; readonly end: number };

/** The logical lines of a text. Comments and empty lines between a line and its continuation belong to it. */
export function logicalLines(text: string): LogicalLine[] {
  const lines: { start: number; end: number }[] = [];
  for (let start = 0; start < text.length;) {
    const newline = text.indexOf('\n', start);
    const end = newline === -1 ? text.length : newline + 1;
    const physical = text.slice(start, end);
    const last = lines.at(-1);
    if (!NOTHING.test(physical)) {
      if (STARTS_BLANK.test(physical) && last !== undefined) last.end = end;
      else lines.push({ start, end });
    }
    start = end;
  }
  return lines;
}

/** The same text, as long, with blanks in place of the comments between continuation lines. */
export const blankComments = (raw: string): string =>
  raw
    .split('\n')
    .map((line, index) => (index > 0 && COMMENT.test(line) ? ' '.repeat(line.length) : line))
    .join('\n');

/** A value on one line, as postconf(1) prints it. */
export const onOneLine = (raw: string): string => trimBlanks(blankComments(raw).replace(BLANKS, ' '));

/** Without blanks at both ends. `String.trim` would take more: a no-break space can be half a UTF-8 character here. */
export const trimBlanks = (text: string): string =>
  text.replace(new RegExp(`^[${BLANK}]+`), '').replace(new RegExp(`[${BLANK}]+$`), '');
