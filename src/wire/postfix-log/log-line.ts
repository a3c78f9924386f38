/**
 * What a line of Postfix's log says of a message: that it is at work, what became of a recipient, that it was given up,
 * that it is gone. Every other line says nothing here.
 * Never throws, and takes time in proportion to the line. Trusts no text behind `status=`: a remote server wrote it.
 * Source: Postfix log_adhoc.c, qmgr_active.c, qmgr_message.c; the head of a line: syslog(3), msg_logger.c; seen with
 * Postfix 3.7.
 */

/** The head of every event. `time` is the text of the line, for {@link parseLogTime}. */
type Head = {
  readonly time: string;
  /** Who wrote it, such as `postfix/postern-r7/smtp`: the syslog_name of the service, and its program. */
  readonly program: string;
  readonly queueId: string;
};

/** What a line says. Addresses are as logged: without angle brackets, empty for the null sender. */
export type PostfixLogEvent = Head &
  (
    | { readonly kind: 'active' | 'expired'; readonly sender: string }
    | { readonly kind: 'removed' }
    | {
        readonly kind: 'delivery';
        readonly recipient: string;
        /** The enhanced status code, such as `5.1.1`. Source: RFC 3463. */
        readonly dsn: string;
        /** In small letters: `sent`, `deferred`, `bounced`, `softbounce`, and some that Postfix alone knows. */
        readonly status: string;
        /** What stands in brackets behind the status; cut where the log was. */
        readonly text: string;
      }
  );

/** Time, host, program and process, queue id; some syslog daemons put a number in brackets before the text. */
const HEAD =
  /^([A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d(?:\.\d{1,9})?|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?) \S+ ([^\s[\]:]+)\[\d+\]: (?:\[[^\]]{0,40}\] )?([0-9A-Za-z]{5,32}): /;
const RESULT = /^, dsn=(\d\.\d{1,3}\.\d{1,3}), status=([A-Za-z-]{1,20})(?: \()?/;
const EXPIRED = /^, status=(?:force-)?expired\b/;

/** What a line says; null for a line that says none of it. */
export function parseLogLine(line: string): PostfixLogEvent | null {
  const match = HEAD.exec(line);
  if (match === null) return null;
  const [whole, time = '', program = '', queueId = ''] = match;
  const head = { time, program, queueId };
  const rest = line.slice(whole.length);
  if (rest === 'removed') return { ...head, kind: 'removed' };
  if (rest.startsWith('from=<')) return ofSender(head, rest);
  return rest.startsWith('to=<') ? ofRecipient(head, rest) : null;
}

function ofSender(head: Head, rest: string): PostfixLogEvent | null {
  const end = endOfAddress(rest, 'from=<'.length);
  if (end === null) return null;
  const sender = rest.slice('from=<'.length, end);
  const after = rest.slice(end + 1);
  if (EXPIRED.test(after)) return { ...head, kind: 'expired', sender };
  return after.startsWith(', size=') ? { ...head, kind: 'active', sender } : null;
}

function ofRecipient(head: Head, rest: string): PostfixLogEvent | null {
  const end = endOfAddress(rest, 'to=<'.length);
  if (end === null) return null;
  const recipient = rest.slice('to=<'.length, end);
  let after = end + 1;
  if (rest.startsWith(', orig_to=<', after)) {
    const endOfOriginal = endOfAddress(rest, after + ', orig_to=<'.length);
    if (endOfOriginal === null) return null;
    after = endOfOriginal + 1;
  }
  const at = rest.indexOf(', dsn=', after);
  const result = at < 0 ? null : RESULT.exec(rest.slice(at));
  if (result === null) return null;
  const [whole, dsn = '', status = ''] = result;
  const text = rest.slice(at + whole.length).replace(/\)$/, '');
  return { ...head, kind: 'delivery', recipient, dsn, status: status.toLowerCase(), text };
}

/** Where the angle bracket is that ends an address; one in quotes ends none. Null where there is none. */
function endOfAddress(text: string, from: number): number | null {
  let isQuoted = false;
  for (let at = from; at < text.length; at += 1) {
    const character = text[at];
    if (character === '\\') at += 1;
    else if (character === '"') isQuoted = !isQuoted;
    else if (character === '>' && !isQuoted) return at;
  }
  return null;
}
