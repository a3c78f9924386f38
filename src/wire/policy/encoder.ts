/**
 * How an action is sent to Postfix.
 * Never sends an action that permits: after one, the later restrictions no longer protect against relaying.
 * Source: Postfix SMTPD_POLICY_README, access(5).
 */
import { Buffer } from 'node:buffer';
import { LocalProtocolError } from '../protocol-error.ts';

/** The longest action in octets, so that Postfix's reply line keeps room for the address it adds. Source: RFC 5321 §4.5.3.1.5. */
export const maxActionOctets = 400;

// Postfix runs any other word as a restriction or a list of them ("permit_mynetworks", "x, permit"),
// so the words that may go out are listed, not those that may not. OK, RELAY, PERMIT and numbers are not among them.
const WORDS: ReadonlySet<string> = new Set([
  ...['DUNNO', 'REJECT', 'DEFER', 'DEFER_IF_REJECT', 'DEFER_IF_PERMIT', 'HOLD', 'DISCARD', 'WARN', 'INFO'],
  ...['PREPEND', 'FILTER', 'REDIRECT', 'BCC'],
]);

/**
 * The answer `action=…` with its empty line. `action` is one of the words of access(5) that does not permit (in upper
 * or lower case, with its text), or a reply code 4NN or 5NN followed by a space and text; printable ASCII, 1 to 400 octets.
 * Errors: LocalProtocolError `action-empty`, `action-too-long`, `action-not-printable`, `action-permits` (OK, RELAY,
 * PERMIT…, only digits) and `action-unknown`.
 * Source: Postfix SMTPD_POLICY_README, access(5).
 */
export function encodeAction(action: string): Buffer {
  if (action === '') throw refusal('action-empty', 'an empty action', 0);
  if (action.length > maxActionOctets) {
    throw refusal('action-too-long', `an action of more than ${maxActionOctets} octets`, maxActionOctets);
  }
  const odd = action.search(/[^ -~]/);
  if (odd !== -1) throw refusal('action-not-printable', 'an action with anything but printable ASCII', odd);
  if (!/^[45]\d\d +[^ ]/.test(action)) checkWord(action);
  return Buffer.from(`action=${action}\n\n`, 'latin1');
}

function checkWord(action: string): void {
  const space = action.indexOf(' ');
  const word = (space === -1 ? action : action.slice(0, space)).toUpperCase();
  if (WORDS.has(word)) return;
  if (/^(?:\d+$|OK$|RELAY$|PERMIT)/.test(word)) {
    throw refusal('action-permits', `the action "${word}", which permits or may permit`, 0);
  }
  throw refusal('action-unknown', `the action "${word}", which access(5) does not have`, 0);
}

function refusal(code: string, what: string, offset: number): LocalProtocolError {
  return new LocalProtocolError(`refused to send ${what}`, { code, protocol: 'Postfix SMTPD_POLICY_README', offset });
}
