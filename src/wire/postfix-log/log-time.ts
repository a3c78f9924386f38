/**
 * When a log line was written. Knows no clock: the time that it is now comes in.
 * Source: RFC 3164 §4.1.2, RFC 3339 (rsyslog's file format), Postfix msg_logger.c (as RFC 3164).
 */

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const TRADITIONAL = /^([A-Z][a-z]{2}) ([ \d]\d) (\d\d):(\d\d):(\d\d)/;
const DAY_MS = 86_400_000;

/**
 * Milliseconds since 1970; null where the text is no time. The traditional form has neither a year nor a zone: it is of
 * the zone of this process, and of the last year in which it is not later than a day after `now`.
 */
export function parseLogTime(text: string, now: number): number | null {
  const traditional = TRADITIONAL.exec(text);
  if (traditional === null) {
    const at = /^\d{4}-/.test(text) ? Date.parse(text.replace(',', '.')) : NaN;
    return Number.isNaN(at) ? null : at;
  }
  const month = MONTHS.indexOf(traditional[1] ?? '');
  if (month < 0) return null;
  const [day, hour, minute, second] = traditional.slice(2).map(Number) as [number, number, number, number];
  const inYear = (year: number): number => new Date(year, month, day, hour, minute, second).getTime();
  const year = new Date(now).getFullYear();
  const at = inYear(year);
  return at > now + DAY_MS ? inYear(year - 1) : at;
}
